"""Fixed distances: held, without changing momentum, and where OpenMM puts them."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from isthmus.chemistry.smiles import from_smiles
from isthmus.chemistry.topology import Topology
from isthmus.deploy.openmm.importing import from_openmm
from isthmus.errors import InputError
from isthmus.forcefield.forcefield import ForceField
from isthmus.parameters.parameterization import Constraints
from isthmus.simulate.advance import advance, start
from isthmus.simulate.constraints import ConstraintSolver
from isthmus.simulate.hydrogen_constraints import hydrogen_constraints
from isthmus.simulate.hydrogen_mass import repartition_hydrogen_mass
from isthmus.simulate.integrators.verlet import VelocityVerlet
from isthmus.simulate.mechanics import mechanics_of

TETRAHEDRON = 0.109 / np.sqrt(3) * np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
WATER = np.array([[0, 0, 0], [0.09572, 0, 0], [-0.02400, 0.09266, 0]])


positions_of = eqx.filter_jit(ConstraintSolver.constrain_positions)
velocities_of = eqx.filter_jit(ConstraintSolver.constrain_velocities)


def mixture() -> tuple[Constraints, np.ndarray, np.ndarray]:
    """Rigid water, XH to XH4, a free atom and a ring of five: constraints, masses, positions."""
    rng = np.random.default_rng(1)
    turn = 2 * np.pi * np.arange(5) / 5
    ring = 0.12 * np.stack([np.cos(turn), np.sin(turn), 0 * turn], axis=1)
    kinds = [([16, 1, 1], WATER, [(1, 0), (0, 2), (1, 2)])]
    for n in range(1, 5):
        shape = np.concatenate([np.zeros((1, 3)), TETRAHEDRON[:n]])
        kinds.append(([12] + [1] * n, shape, [(0, k) for k in range(1, n + 1)]))
    kinds += [([40], np.zeros((1, 3)), []), ([12] * 5, ring, [(k, (k + 1) % 5) for k in range(5)])]
    masses, positions, pairs, distances = [], [], [], []
    for _ in range(3):
        for mass, shape, bonds in kinds:
            first = len(masses)
            masses += mass
            positions.extend(shape + rng.uniform(0, 2, 3))
            pairs += [(first + i, first + j) for i, j in bonds]
            distances += [np.linalg.norm(shape[i] - shape[j]) for i, j in bonds]
    order = rng.permutation(len(pairs))
    constraints = Constraints(np.array(pairs, dtype=np.int32)[order], np.array(distances)[order])
    return constraints, np.array(masses, dtype=float), np.array(positions)


def moved(positions: np.ndarray, masses: np.ndarray, seed: int = 2) -> np.ndarray:
    """As far as a step of 2 fs goes at 600 K."""
    rng = np.random.default_rng(seed)
    return positions + rng.normal(0, 0.0045, positions.shape) / np.sqrt(masses)[:, None]


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_distances_are_held_and_momentum_is_kept(precision, x64):
    constraints, masses, start = mixture()
    solver = ConstraintSolver.create(constraints, masses)
    dtype = np.dtype(precision)
    eps = float(np.finfo(dtype).eps)
    # Close to the origin, where float32 positions can hold the distances
    x = jnp.asarray(moved(start, masses), dtype)
    shift = eqx.filter_jit(solver.position_shift)(x, jnp.asarray(start, dtype))
    assert shift.dtype == dtype
    after = np.asarray(x, np.float64) + np.asarray(shift, np.float64)
    i, j = constraints.pairs.T
    lengths = np.linalg.norm(after[i] - after[j], axis=1)
    # 1e-10 in float64; in float32 the rounding of the positions that came, 2e-7 of 0.1 nm
    np.testing.assert_allclose(lengths, constraints.distances, rtol=20 * eps)
    weighted = masses[:, None] * np.asarray(shift, np.float64)
    middle = start.mean(axis=0)
    np.testing.assert_allclose(weighted.sum(0), 0, atol=len(masses) * eps)
    angular = np.cross(start - middle, weighted).sum(0)
    np.testing.assert_allclose(angular, 0, atol=len(masses) * eps)
    assert np.all(np.asarray(shift)[masses == 40] == 0)


def test_velocities_change_no_distance(x64):
    constraints, masses, start = mixture()
    solver = ConstraintSolver.create(constraints, masses)
    velocities = np.random.default_rng(4).normal(size=start.shape)
    after = np.asarray(velocities_of(solver, jnp.asarray(velocities), jnp.asarray(start)))
    i, j = constraints.pairs.T
    along = np.sum((start[i] - start[j]) * (after[i] - after[j]), axis=1)
    np.testing.assert_allclose(along, 0, atol=1e-14)
    # A projection in the metric of the masses: the rest is orthogonal, and twice is once
    rest = velocities - after
    assert abs(np.sum(masses[:, None] * rest * after)) < 1e-12
    again = velocities_of(solver, jnp.asarray(after), jnp.asarray(start))
    np.testing.assert_allclose(again, after, atol=1e-14)


def test_replicas_are_independent(x64):
    constraints, masses, start = mixture()
    solver = ConstraintSolver.create(constraints, masses)
    frames = jnp.stack([jnp.asarray(moved(start, masses, seed)) for seed in range(4)])
    reference = jnp.broadcast_to(jnp.asarray(start), frames.shape)
    together = positions_of(solver, frames, reference)
    alone = [positions_of(solver, frame, jnp.asarray(start)) for frame in frames]
    np.testing.assert_allclose(together, jnp.stack(alone), rtol=0, atol=1e-14)
    assert solver.violation(together).shape == (4,)
    assert solver.violation(together).max() < 1e-12
    speeds = velocities_of(solver, frames - reference, reference)
    one = velocities_of(solver, frames[2] - start, jnp.asarray(start))
    np.testing.assert_allclose(speeds[2], one, rtol=0, atol=1e-14)


def test_without_constraints_nothing_changes():
    solver = ConstraintSolver.create(None, np.ones(4))
    x = jnp.asarray(np.random.default_rng(0).normal(size=(2, 4, 3)), jnp.float32)
    assert solver.n_constraints == 0
    assert solver.constrain_positions(x, x) is x
    assert solver.constrain_velocities(x, x) is x
    assert not np.any(solver.position_shift(x, x))


def openmm_context(constraints: Constraints, masses: np.ndarray):
    import openmm

    system = openmm.System()
    for mass in masses:
        system.addParticle(float(mass))
    for (i, j), distance in zip(constraints.pairs.tolist(), constraints.distances, strict=True):
        system.addConstraint(i, j, float(distance))
    integrator = openmm.VerletIntegrator(0.001)
    integrator.setConstraintTolerance(1e-13)
    return openmm.Context(system, integrator, openmm.Platform.getPlatformByName("Reference"))


def test_agrees_with_openmm(x64):
    constraints, masses, start = mixture()
    solver = ConstraintSolver.create(constraints, masses)
    context = openmm_context(constraints, masses)
    context.setPositions(moved(start, masses))
    context.applyConstraints(1e-13)
    wanted = context.getState(positions=True).getPositions(asNumpy=True)._value
    x = jnp.asarray(moved(start, masses))
    # OpenMM takes the directions from the positions that it corrects
    np.testing.assert_allclose(positions_of(solver, x, x), wanted, rtol=0, atol=1e-11)

    context.setPositions(start)
    velocities = np.random.default_rng(3).normal(size=start.shape)
    context.setVelocities(velocities)
    context.applyVelocityConstraints(1e-13)
    # OpenMM's velocities stand at the beginning of the step here, for there is no force
    wanted = context.getState(velocities=True).getVelocities(asNumpy=True)._value
    found = velocities_of(solver, jnp.asarray(velocities), jnp.asarray(start))
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-10)

    # One step without forces: directions from before the move, velocities from the shift
    context.setVelocities(wanted)
    context.getIntegrator().step(1)
    state = context.getState(positions=True)
    free = jnp.asarray(start + 0.001 * wanted)
    found = positions_of(solver, free, jnp.asarray(start))
    after = state.getPositions(asNumpy=True)._value
    np.testing.assert_allclose(found, after, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("pairs", "masses", "says"),
    [
        ([(0, 1), (1, 0)], [1, 1, 1], "twice"),
        ([(0, 3)], [1, 1, 1], "3 atoms"),
        ([(0, 1)], [1, 0, 1], "no mass"),
        ([(k, k + 1) for k in range(99)], [1] * 100, "99 constraints"),
    ],
)
def test_refuses(pairs, masses, says):
    constraints = Constraints(np.array(pairs, dtype=np.int32), np.full(len(pairs), 0.1))
    with pytest.raises(InputError, match=says):
        ConstraintSolver.create(constraints, np.array(masses, dtype=float))


def test_a_constraint_between_fixed_atoms_is_left_out():
    constraints = Constraints(np.array([[0, 1], [2, 3]], dtype=np.int32), np.array([0.1, 0.2]))
    solver = ConstraintSolver.create(constraints, np.array([0.0, 0.0, 1.0, 1.0]))
    assert solver.n_constraints == 1


@pytest.mark.parametrize("name", ["class1", "class2", "class2plus"])
def test_bonds_to_hydrogen_rest_at_the_minimum_of_their_terms(name):
    molecule = from_smiles("CCO")
    field = ForceField.free(name, molecule.topology, random_seed=3)
    item = field.bind(molecule.topology, precision="float64").parameterization
    found = hydrogen_constraints(molecule.topology, item)
    assert len(found.pairs) == 6
    named = {c.coordinate.name: c for c in item.coordinates} | {t.term.name: t for t in item.terms}
    table = named.get("y", named["bond"])
    bonds = [tuple(pair) for pair in np.asarray(table.atoms_idx).tolist()]
    rows = [bonds.index(tuple(pair)) for pair in found.pairs.tolist()]
    lengths = np.asarray(table.values["r0"])[rows]
    if name == "class2":
        # The quartic may have its minimum beside r0: there the slope is nought
        k2, k3, k4 = (np.asarray(table.values[k])[rows] for k in ("k2", "k3", "k4"))
        d = found.distances - lengths
        np.testing.assert_allclose(2 * k2 * d + 3 * k3 * d**2 + 4 * k4 * d**3, 0, atol=1e-6)
    else:
        np.testing.assert_allclose(found.distances, lengths, rtol=0, atol=1e-12)


def test_a_bond_without_a_term_has_no_length():
    molecule = from_smiles("CO")
    item = ForceField.free("class1", molecule.topology).bind(molecule.topology).parameterization
    bare = type(item)(item.masses)
    with pytest.raises(InputError, match="no bond term"):
        hydrogen_constraints(molecule.topology, bare)


def test_constraints_of_the_force_field_are_kept():
    molecule = from_smiles("O")
    own = Constraints(np.array([[0, 1], [0, 2], [1, 2]], dtype=np.int32), np.full(3, 0.12))
    item = ForceField.free("class1", molecule.topology).bind(molecule.topology).parameterization
    found = hydrogen_constraints(molecule.topology, type(item)(item.masses, constraints=own))
    assert found.pairs.tolist() == own.pairs.tolist()
    assert found.distances.tolist() == [0.12] * 3


def test_repartitioning_keeps_the_mass_of_every_molecule():
    topology = from_smiles("CCO.O").topology
    before = np.asarray(topology.masses)
    after = repartition_hydrogen_mass(topology, before, hydrogen_mass=3.0)
    for label in range(topology.n_components):
        chosen = topology.components == label
        assert after[chosen].sum() == pytest.approx(before[chosen].sum(), abs=1e-12)
    ethanol = topology.components == topology.components[0]
    assert np.all(after[ethanol & (topology.atomic_numbers == 1)] == 3.0)
    np.testing.assert_array_equal(after[~ethanol], before[~ethanol])
    with pytest.raises(InputError, match="smaller hydrogen mass"):
        repartition_hydrogen_mass(topology, before, hydrogen_mass=5.0)


def test_a_hydrogen_between_two_heavy_atoms_takes_mass_once():
    topology = Topology.create([5, 1, 5], np.array([[0, 1], [1, 2]]))
    after = repartition_hydrogen_mass(topology, topology.masses)
    assert after.sum() == pytest.approx(topology.masses.sum(), abs=1e-12)
    assert after[1] == 3.0


def test_water_without_an_angle_term_cannot_be_made_rigid():
    molecule = from_smiles("O")
    item = ForceField.free("class1", molecule.topology).bind(molecule.topology).parameterization
    bonds = tuple(bound for bound in item.terms if bound.term.over == "bond")
    with pytest.raises(InputError, match="no angle term at atom 0, the oxygen of a water"):
        hydrogen_constraints(molecule.topology, type(item)(item.masses, bonds))


def rigid_dimer():
    """Two TIP3P waters: an OpenMM System with SETTLE's constraints."""
    import openmm

    system, force = openmm.System(), openmm.NonbondedForce()
    for first in (0, 3):
        for mass, charge, sigma, epsilon in (
            (15.99943, -0.834, 0.315075, 0.635968),
            (1.007947, 0.417, 1.0, 0.0),
            (1.007947, 0.417, 1.0, 0.0),
        ):
            system.addParticle(mass)
            force.addParticle(charge, sigma, epsilon)
        for i, j in ((0, 1), (0, 2), (1, 2)):
            length = float(np.linalg.norm(WATER[i] - WATER[j]))
            system.addConstraint(first + i, first + j, length)
            force.addException(first + i, first + j, 0.0, 1.0, 0.0)
    system.addForce(force)
    return system


@pytest.mark.physics
def test_rigid_water_keeps_energy_and_momentum():
    topology = from_smiles("O.O").topology
    # Atoms of the SMILES: both oxygens first
    order = np.argsort(topology.components, kind="stable")
    topology = topology.subset(order)
    potential = from_openmm(rigid_dimer()).bind(topology, precision="float64")
    mechanics = mechanics_of(potential, conserves_momentum=True)
    assert mechanics.degrees_of_freedom == 18 - 6 - 3
    positions = np.concatenate([WATER, WATER[:, [1, 2, 0]] + [0.29, 0.02, 0.01]])
    verlet = VelocityVerlet(potential, mechanics, timestep=0.001)
    with jax.enable_x64(True):
        speeds = mechanics.maxwell_velocities(jax.random.key(4), jnp.asarray(positions), 300.0)
        state = start(verlet, jax.random.key(0), positions, speeds)
        chunk = advance(verlet, jax.random.key(0), state, first_step=0, n_steps=2000, every=20)
        solver = mechanics.constraints
        assert solver is not None
        assert float(solver.violation(chunk.state.positions)) < 1e-10
        energy = np.asarray(chunk.infos.conserved)
        momentum = np.asarray(mechanics.masses) @ np.asarray(chunk.state.velocities)
    np.testing.assert_allclose(momentum, 0, atol=1e-10)
    # Fluctuation of second order in the time step, and no drift of its mean
    assert np.ptp(energy) < 0.3
    assert abs(energy[:50].mean() - energy[50:].mean()) < 0.03
