"""Equipartition of `isthmus check` on velocities that are drawn, and then made wrong in one way."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import isthmus
from isthmus.chemistry.molecule import Molecule
from isthmus.chemistry.topology import concatenate
from isthmus.evaluate.physics.check import Check
from isthmus.evaluate.physics.equipartition import check_equipartition, molecules_by_role
from isthmus.evaluate.physics.motion import Motion
from isthmus.parameters.parameterization import Constraints
from isthmus.simulate.mechanics import Mechanics

pytestmark = pytest.mark.physics

RECORDS, REPLICAS, TEMPERATURE = 10, 8, 300.0


def solution() -> Molecule:
    """Ethanol in 40 waters."""
    water, solute = (isthmus.from_smiles(s, conformers=1, seed=1) for s in ("O", "CCO"))
    rng = np.random.default_rng(0)
    shifts = rng.uniform(0, 2, (41, 1, 3))
    x = np.concatenate([solute.positions + shifts[0], *(water.positions + s for s in shifts[1:])])
    return Molecule.create(concatenate([solute.topology] + [water.topology] * 40), x)


def moving(molecule: Molecule, *, rigid: bool) -> Motion:
    """Velocities of the canonical distribution; with rigid water, and bonds to hydrogen fixed."""
    topology, x = molecule.topology, molecule.positions
    constraints = None
    if rigid:
        angles = topology.clusters.angles
        ends = angles[(topology.atomic_numbers[angles] == (1, 8, 1)).all(axis=1)][:, [0, 2]]
        hydrogen = (topology.atomic_numbers[topology.bonds] == 1).any(axis=1)
        pairs = np.concatenate([topology.bonds[hydrogen], ends]).astype(np.int32)
        constraints = Constraints(pairs, np.linalg.norm(x[pairs[:, 0]] - x[pairs[:, 1]], axis=1))
    mechanics = Mechanics.create(topology.masses, constraints=constraints)
    frames = np.broadcast_to(x, (RECORDS, REPLICAS, *x.shape)).astype(np.float32)
    drawn = mechanics.maxwell_velocities(jax.random.key(1), jnp.asarray(frames), TEMPERATURE)
    v = np.asarray(drawn, np.float64)
    zero = np.zeros((RECORDS, REPLICAS))
    times = np.arange(1.0, RECORDS + 1)
    return Motion(times, zero, zero, frames.astype(np.float64), v, mechanics, 0.001, None)


def checked(molecule: Molecule, motion: Motion) -> dict[str, Check]:
    bath = np.full(REPLICAS, TEMPERATURE)
    found = check_equipartition(molecule.topology, motion, bath)
    return {check.name.removeprefix("equipartition "): check for check in found}


@pytest.fixture(scope="module")
def molecule() -> Molecule:
    return solution()


@pytest.mark.parametrize("rigid", [False, True])
def test_drawn_velocities_pass(molecule: Molecule, rigid: bool) -> None:
    found = checked(molecule, moving(molecule, rigid=rigid))
    left_out = "not applicable" if rigid else "pass"
    assert {name: check.verdict for name, check in found.items()} == {
        "between elements": left_out,
        "between bonds": left_out,
        "of solute and solvent": "pass",
    }
    assert ("solute atoms" in found["of solute and solvent"].note) is not rigid
    if not rigid:
        assert {"C-H", "C-C", "O-C", "O-H"} == {
            said.split()[0] for said in found["between bonds"].note[8:].split(", ")
        }


@pytest.mark.parametrize("rigid", [False, True])
def test_a_cold_solute_in_a_hot_solvent_fails(molecule: Molecule, rigid: bool) -> None:
    """Whole waters 8 % too fast, ethanol as slow as to make up for it; shapes move as before."""
    motion = moving(molecule, rigid=rigid)
    masses, labels = molecule.topology.masses, molecule.topology.components
    v = motion.velocities
    for label in range(41):
        own = labels == label
        centre = np.average(v[:, :, own], axis=2, weights=masses[own], keepdims=True)
        v[:, :, own] += (0.3 if label == 0 else 1.08) * centre - centre
    found = checked(molecule, motion)["of solute and solvent"]
    assert found.verdict == "fail"
    assert "solute molecules 0.0" in found.note
    assert "solvent molecules 1.1" in found.note


def test_hot_bonds_fail_where_atoms_do_not_tell(molecule: Molecule) -> None:
    """Along bonds between heavy atoms half as fast again, momenta unchanged."""
    motion = moving(molecule, rigid=False)
    topology, masses = molecule.topology, molecule.topology.masses
    v = motion.velocities
    heavy = topology.bonds[(topology.atomic_numbers[topology.bonds] > 1).all(axis=1)]
    for i, j in heavy.tolist():
        apart = molecule.positions[j] - molecule.positions[i]
        along = apart / np.linalg.norm(apart)
        gain = 0.5 * ((v[:, :, j] - v[:, :, i]) @ along)[..., None] * along
        share = masses[j] / (masses[i] + masses[j])
        v[:, :, i] -= share * gain
        v[:, :, j] += (1 - share) * gain
    found = checked(molecule, motion)
    assert found["between bonds"].verdict == "fail"
    assert found["of solute and solvent"].verdict == "pass"


def test_solvent_is_what_there_is_most_of() -> None:
    water, salt, gas = (isthmus.from_smiles(s).topology for s in ("O", "[Na+]", "C"))
    roles = molecules_by_role(concatenate([salt, gas] + [water] * 12))
    assert roles["solute"].tolist() == [True, True] + [False] * 12
    assert roles["solvent"].tolist() == [False, False] + [True] * 12
    for only in ([water] * 12, [salt, gas] + [water] * 5):
        assert molecules_by_role(concatenate(only)) == {}


def test_bonds_across_the_edge_of_the_box_are_short() -> None:
    """A molecule cut in two by the box moves along its bonds as a whole one does."""
    whole = isthmus.from_smiles("CC", conformers=1, seed=1)
    motion: Any = moving(whole, rigid=False)
    notes = []
    for cut in (False, True):
        x = motion.positions.copy()
        x[:, :, 1:] += 2.0 * cut
        vars(motion).update(positions=x, box=2.0 * np.eye(3))
        notes.append(checked(whole, motion)["between bonds"].note)
    assert notes[0] == notes[1]
