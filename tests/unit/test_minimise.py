"""Minimisers: closed forms, each other, OpenMM's, clashes, constraints."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from isthmus.chemistry.smiles import from_smiles
from isthmus.deploy.openmm.exporting import to_openmm
from isthmus.errors import InputError
from isthmus.forcefield.forcefield import ForceField
from isthmus.forcefield.potential import EnergyAndForces
from isthmus.parameters.parameterization import Constraints
from isthmus.simulate.minimise.minimise import METHODS, minimise
from isthmus.simulate.restraints import position_restraint, restraint_surface
from isthmus.terms.nonbonded_method import NonbondedMethod

BUTANOL = from_smiles("CCCO").with_conformers(1, seed=0, relax=False)


def butanol(precision: str):
    return ForceField.mmff().bind(BUTANOL.topology, precision=precision)


@pytest.mark.parametrize("method", METHODS)
def test_springs_come_to_rest_at_their_centres(method):
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(5, 3))
    springs = position_restraint(
        np.arange(5), centres, force_constant=np.array([10.0, 1e2, 1e3, 1e4, 1e5])
    )
    surface = restraint_surface([springs], n_atoms=5, precision="float64")
    start = centres + rng.normal(0, 0.05, (5, 3))
    found = minimise(surface, start, method=method, tolerance=1e-5)
    assert found.converged
    np.testing.assert_allclose(found.positions, centres, rtol=0, atol=1e-5 / 10)
    assert found.energy < 1e-10
    # Atoms that may not move stay exactly, whatever pulls
    movable = np.array([True, False, True, True, True])
    found = minimise(surface, start, method=method, tolerance=1e-5, movable=movable)
    assert found.converged
    np.testing.assert_array_equal(found.positions[1], start[1])


def test_both_methods_and_openmm_find_the_same_minimum():
    import openmm

    potential = butanol("float64")
    start = np.asarray(BUTANOL.positions)
    found = {m: minimise(potential, start, method=m, tolerance=1e-2) for m in METHODS}
    for result in found.values():
        assert result.converged
        assert result.max_force <= 1e-2
        # Converged says what it says: forces of the surface itself
        forces = potential.energy_and_forces(result.positions).forces
        assert np.linalg.norm(forces, axis=1).max() == pytest.approx(float(result.max_force))
    assert found["lbfgs"].energy == pytest.approx(float(found["fire"].energy), abs=1e-4)

    short = minimise(potential, start, tolerance=1e-2, max_steps=7)
    assert not short.converged
    assert short.n_steps == 7

    system = to_openmm(potential)
    platform = openmm.Platform.getPlatformByName("Reference")
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform)
    context.setPositions(start)
    openmm.LocalEnergyMinimizer.minimize(context, 1e-3)  # pyright: ignore[reportArgumentType]
    theirs = context.getState(energy=True).getPotentialEnergy()._value
    assert float(found["lbfgs"].energy) == pytest.approx(theirs, abs=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_clashes_in_float32_and_replicas(method):
    topology = BUTANOL.topology
    potential = ForceField.free("class1", topology).bind(topology, precision="float32")
    start = np.asarray(BUTANOL.positions)
    clash = start.copy()
    # A carbon 0.03 nm from a hydrogen; at 0.0002 nm forces overflow in float32
    clash[0] = clash[9] + 0.02
    assert np.abs(potential.energy_and_forces(clash).forces).max() > 1e13
    lost = start.copy()
    lost[0] = lost[9] + 0.0001
    assert not np.isfinite(potential.energy_and_forces(lost).forces).all()
    frames = np.stack([clash, start, lost])
    found = minimise(potential, frames, method=method, tolerance=5.0)
    assert found.converged.all()
    assert np.all(np.isfinite(found.energy))
    # Each frame ends by itself
    assert found.n_steps[0] != found.n_steps[1]
    forces = potential.energy_and_forces(found.positions).forces
    np.testing.assert_allclose(
        np.linalg.norm(forces, axis=-1).max(axis=-1), found.max_force, rtol=0.05
    )


@pytest.mark.parametrize("method", [pytest.param("fire", marks=pytest.mark.slow), "lbfgs"])
def test_constraints_are_kept(method):
    potential = butanol("float64")
    topology = BUTANOL.topology
    start = np.asarray(BUTANOL.positions)
    hydrogen = (topology.atomic_numbers[np.asarray(topology.bonds)] == 1).any(axis=1)
    pairs = np.asarray(topology.bonds)[hydrogen].astype(np.int32)
    constraints = Constraints(pairs, np.full(len(pairs), 0.105))
    found = minimise(potential, start, method=method, tolerance=0.05, constraints=constraints)
    assert found.converged
    lengths = np.linalg.norm(found.positions[pairs[:, 0]] - found.positions[pairs[:, 1]], axis=1)
    np.testing.assert_allclose(lengths, 0.105, rtol=1e-9)
    # What is left of the forces acts along the constraints alone
    forces = potential.energy_and_forces(found.positions).forces
    free = ~np.isin(np.arange(topology.n_atoms), pairs)
    assert np.linalg.norm(forces, axis=1).max() > 10
    assert not free.any() or np.linalg.norm(forces[free], axis=1).max() < 0.05


def test_lists_are_rebuilt_on_the_way():
    topology = from_smiles("C.C.C.C").topology
    box = 2.4 * np.eye(3)
    potential = ForceField.free("class1", topology).bind(
        topology, nonbonded=NonbondedMethod("cutoff", cutoff=0.9), box=box
    )
    rng = np.random.default_rng(1)
    shape = np.asarray(from_smiles("C").with_conformers(1, seed=0).positions)
    centres = np.array([[0, 0, 0], [0.65, 0, 0], [0, 0.7, 0], [0.6, 0.7, 0.1]])
    order = np.argsort(np.concatenate([np.flatnonzero(topology.components == k) for k in range(4)]))
    start = np.concatenate([shape + c for c in centres])[order] + rng.normal(0, 0.005, (20, 3))
    found = minimise(potential, start, box=box, tolerance=0.3)
    assert found.converged
    # With lists made for where it ended, forces are the same
    after = potential.energy_and_forces(found.positions, box)
    assert np.linalg.norm(after.forces, axis=1).max() < 0.4
    assert after.energy == pytest.approx(float(found.energy), abs=1e-3)
    assert np.linalg.norm(found.positions - start, axis=1).max() > 0.1


class Nowhere(eqx.Module):
    """A surface that is not a number."""

    n_atoms: int = eqx.field(static=True, default=2)
    precision: str = eqx.field(static=True, default="float32")
    needs_neighbours: bool = eqx.field(static=True, default=False)

    def energy_and_forces(self, positions, box=None, neighbours=None):
        del box, neighbours
        return EnergyAndForces(jnp.sum(positions), positions * jnp.nan)

    def neighbours(self, positions, box=None, *, skin=0.1):
        del positions, box, skin
        return ()

    def virial(self, positions, box=None, neighbours=None):
        del positions, box, neighbours
        return jnp.zeros((3, 3))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"method": "newton"}, "choose one of"),
        ({"tolerance": 0.0}, "tolerance above 0"),
        ({"positions": np.zeros((3, 3))}, r"\(2, 3\)"),
        ({}, "not a number at the start"),
    ],
)
def test_refuses(options, says):
    arguments = {"positions": np.zeros((2, 3))} | options
    with jax.enable_x64(False), pytest.raises(InputError, match=says):
        minimise(Nowhere(), **arguments)
