"""What every potential promises, checked for every member of the families."""

from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from families import BOX, CASES, MOLECULES, Case, molecule

from isthmus.chemistry.topology import Topology
from isthmus.errors import InputError
from isthmus.forcefield.file import load_force_field, save_force_field
from isthmus.forcefield.forcefield import ForceField
from isthmus.forcefield.potential import Potential

STEP = 1e-5  # of central differences [nm]


@pytest.fixture(params=CASES, ids=str)
def case(request) -> Case:
    return request.param


def energy(potential: Potential, positions: np.ndarray, box: np.ndarray | None = None) -> float:
    """Energy by the function that most tests compile anyway [kJ/mol]."""
    return float(potential.energy_and_forces(positions, box).energy)


def distorted(mol, seed: int = 0) -> np.ndarray:
    """Conformers away from any minimum [nm]."""
    return mol.conformers + np.random.default_rng(seed).normal(0, 0.004, mol.conformers.shape)


PRESETS = [case for case in CASES if case.name.startswith("preset")]
PLACES = [(case, "amide") for case in CASES]
PLACES += [(case, name) for case in PRESETS for name in MOLECULES if name != "amide"]


@pytest.mark.parametrize(("case", "name"), PLACES, ids=str)
def test_forces_are_minus_the_gradient(case: Case, name: str) -> None:
    potential, mol = case.bind(name, "float64")
    positions = distorted(mol)[0]
    found = potential.energy_and_forces(positions)
    assert found.forces.shape == positions.shape
    assert found.energy.shape == ()
    random = np.random.default_rng(1)
    for _ in range(3):
        direction = random.normal(size=positions.shape)
        direction /= np.linalg.norm(direction)
        ahead, behind = (energy(potential, positions + s * STEP * direction) for s in (1, -1))
        slope = (ahead - behind) / (2 * STEP)
        scale = max(1.0, np.abs(found.forces).max())
        assert abs(slope + np.sum(found.forces * direction)) < 1e-6 * scale


def test_precisions_agree(case: Case) -> None:
    double, mol = case.bind("amide", "float64")
    single, _ = case.bind("amide", "float32")
    positions = distorted(mol)[0]
    exact, rough = double.energy_and_forces(positions), single.energy_and_forces(positions)
    assert exact.forces.dtype == np.float64
    assert rough.forces.dtype == np.float32
    assert rough.energy.dtype == np.float32
    scale = max(1.0, np.abs(exact.forces).max())
    np.testing.assert_allclose(rough.forces, exact.forces, atol=1e-4 * scale, rtol=0)


def test_rotation_and_translation(case: Case) -> None:
    potential, mol = case.bind("amide", "float64")
    positions = distorted(mol)[0]
    before = potential.energy_and_forces(positions)
    scale = max(1.0, abs(before.energy))
    if case.moves:
        after = energy(potential, positions + np.array([0.3, -0.2, 0.5]))
        tolerance = case.method.tolerance if case.on_a_mesh else 1e-6
        assert abs(after - before.energy) < tolerance * scale
    if case.turns:
        rotation, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3)))
        rotation *= np.sign(np.linalg.det(rotation))
        after = potential.energy_and_forces(positions @ rotation)
        assert abs(after.energy - before.energy) < 1e-8 * scale
        atol = 1e-8 * max(1.0, np.abs(before.forces).max())
        np.testing.assert_allclose(after.forces, before.forces @ rotation, atol=atol, rtol=0)


def test_a_batch_is_the_sum_of_its_parts(case: Case) -> None:
    potential, mol = case.bind("amide", "float64")
    frames = distorted(mol)
    together = potential.energy_and_forces(frames)
    assert together.energy.shape == (len(frames),)
    for number, frame in enumerate(frames):
        alone = potential.energy_and_forces(frame)
        np.testing.assert_allclose(together.energy[number], alone.energy, rtol=1e-10, atol=1e-9)
        np.testing.assert_allclose(together.forces[number], alone.forces, rtol=1e-9, atol=1e-6)


def test_terms_add_up_and_inputs_stay(case: Case) -> None:
    potential, mol = case.bind("amide", "float64")
    positions = distorted(mol)[0]
    kept = positions.copy()
    terms = potential.term_energies(positions)
    assert tuple(terms) == potential.term_names
    np.testing.assert_allclose(sum(terms.values()), energy(potential, positions), rtol=1e-12)
    np.testing.assert_array_equal(positions, kept)


def test_the_virial_is_the_derivative_by_strain(case: Case) -> None:
    potential, mol = case.bind("amide", "float64")
    positions = distorted(mol)[0]
    virial = potential.virial(positions, BOX)
    for row, column in ((0, 0), (2, 0)):  # lower triangle: the strained box stays reduced
        strain = np.zeros((3, 3))
        strain[row, column] = 1e-6
        ahead, behind = (
            energy(potential, positions @ (np.eye(3) + s * strain), BOX @ (np.eye(3) + s * strain))
            for s in (1, -1)
        )
        scale = max(1.0, np.abs(virial).max())
        assert abs((ahead - behind) / 2e-6 - virial[row, column]) < 1e-5 * scale


def test_energies_can_be_compiled_and_are_traced_once(case: Case) -> None:
    potential, mol = case.bind("amide", "float32")
    frames = distorted(mol).astype(np.float32)
    lists = potential.neighbours(frames[0], BOX, skin=0.2) if potential.needs_neighbours else None
    traces = []

    @jax.jit
    def compiled(positions: jax.Array) -> jax.Array:
        traces.append(None)
        return jnp.asarray(potential.energy(positions, jnp.asarray(BOX, jnp.float32), lists))

    for frame in frames[:2]:
        wanted = energy(potential, frame, BOX)
        assert abs(float(compiled(frame)) - wanted) < 2e-5 * max(1.0, abs(wanted))
    assert len(traces) == 1


@pytest.mark.parametrize("case", PRESETS, ids=str)
def test_linear_geometries_are_finite(case: Case) -> None:
    """Exactly linear angles: value and gradient are finite, in both precisions."""
    for precision in ("float32", "float64"):
        potential, mol = case.bind("nitrile", precision)
        line = np.zeros((mol.topology.n_atoms, 3))
        heavy = np.flatnonzero(mol.topology.atomic_numbers > 1)
        order = chain(mol.topology, heavy)
        line[order, 2] = np.arange(len(order)) * 0.13
        hydrogens = np.setdiff1d(np.arange(mol.topology.n_atoms), heavy)
        for number, atom in enumerate(hydrogens):
            partner = mol.topology.neighbours.of(int(atom))[0]
            line[atom] = line[partner] + [0.1, 0.0, 0.02 * number - 0.03]
            if mol.topology.neighbours.degrees[partner] == 2:
                line[atom] = line[partner] + [0, 0, 0.1]
        found = potential.energy_and_forces(line)
        assert np.isfinite(found.energy)
        assert np.isfinite(found.forces).all()


def chain(topology: Topology, heavy: np.ndarray) -> list[int]:
    """Heavy atoms of an unbranched chain, from one end to the other."""
    inside = {int(a): [int(b) for b in topology.neighbours.of(int(a)) if b in heavy] for a in heavy}
    order = [min(a for a, near in inside.items() if len(near) == 1)]
    while len(order) < len(heavy):
        order += [b for b in inside[order[-1]] if b not in order]
    return order


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda x: x[:-1], r"positions have the shape .*wanted is \(22, 3\)"),
        (lambda x: np.where(np.arange(22)[:, None] == 4, np.nan, x), "atom 4 has the position"),
        (lambda x: np.where(np.arange(22)[:, None] == 4, x[5], x), "atoms 4 and 5 are at the same"),
    ],
)
def test_bad_positions_are_refused(case: Case, spoil, message: str) -> None:
    potential, mol = case.bind("amide", "float64")
    with pytest.raises(InputError, match=message):
        potential.energy_and_forces(spoil(mol.conformers[0]))


def test_atoms_may_be_renumbered() -> None:
    """The same molecule in another order of atoms has the same energy."""
    topology = molecule("ring").topology
    order = np.random.default_rng(4).permutation(topology.n_atoms)
    positions = distorted(molecule("ring"))[0]
    other = topology.subset(order)
    for name in ("class1", "class2", "class2plus"):
        before = ForceField.free(name, topology).bind(topology, precision="float64")
        after = ForceField.free(name, other).bind(other, precision="float64")
        np.testing.assert_allclose(
            energy(after, positions[order]), energy(before, positions), rtol=1e-10
        )


def test_save_and_restore(case: Case, tmp_path: Path) -> None:
    potential, mol = case.bind("amide", "float64")
    path = tmp_path / "saved.safetensors"
    save_force_field(case.make(mol), path)
    again = replace(case, make=lambda _: load_force_field(path)).bind_anew("amide", "float64")[0]
    positions = distorted(mol)[0]
    assert energy(again, positions) == energy(potential, positions)
