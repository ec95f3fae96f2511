"""Designs of class II+ far from their data: walls where atoms are pressed, no holes anywhere."""

import numpy as np
import pytest

from isthmus.chemistry.molecule import Molecule
from isthmus.chemistry.smiles import from_smiles
from isthmus.designs.schema import preset
from isthmus.forcefield.forcefield import ForceField
from isthmus.parameters.free import initial_values
from isthmus.parameters.source import FreeSource

PLUS = ("class2plus", "class2plus5")


def scanned_bond(molecule: Molecule, factors: np.ndarray) -> np.ndarray:
    """The C-O bond of ethanol from `factors` times its length; the rest as it is [nm]."""
    x, (one, two) = np.array(molecule.positions), (1, 2)
    bond = x[two] - x[one]
    moving = [two, 8]
    frames = np.repeat(x[None], len(factors), axis=0)
    frames[:, moving] += (factors[:, None, None] - 1) * bond
    return frames


@pytest.mark.parametrize("name", PLUS)
@pytest.mark.parametrize("cubic", [-10.0, 10.0])
def test_a_bond_is_a_wall_when_pressed_and_never_falls_when_stretched(
    name: str, cubic: float
) -> None:
    """Whatever the cubic correction: monotonic on both sides of the minimum, 5000 kJ/mol inside."""
    molecule = from_smiles("Cl", conformers=1, seed=1)
    design = preset(name)
    table = initial_values(design, molecule.topology)
    table["bond"]["c"][:] = cubic
    potential = ForceField(design, FreeSource(table, molecule.topology.digest)).bind(
        molecule.topology, precision="float64"
    )
    length = table["y"]["r0"][0]
    frames = np.zeros((200, 2, 3))
    frames[:, 1, 0] = length * np.linspace(0.3, 3, 200)
    energies = np.array([potential.energy(x) for x in frames])
    lowest = int(np.argmin(energies))
    assert abs(frames[lowest, 1, 0] / length - 1) < 0.02
    assert (np.diff(energies[: lowest + 1]) < 0).all()
    assert (np.diff(energies[lowest:]) > 0).all()
    assert energies[0] > energies[lowest] + 5000


@pytest.mark.parametrize("name", PLUS)
@pytest.mark.parametrize("seed", range(4))
def test_parameters_drawn_at_random_leave_no_hole_along_a_bond(name: str, seed: int) -> None:
    """From 0.4 to 3 times its length, no energy is far below that at rest."""
    molecule = from_smiles("CCO", conformers=1, seed=1)
    force_field = ForceField.free(preset(name), molecule.topology, random_seed=seed)
    potential = force_field.bind(molecule.topology, precision="float64")
    frames = scanned_bond(molecule, np.linspace(0.4, 3, 60))
    energies = np.array([potential.energy(x) for x in frames])
    rest = float(potential.energy(np.asarray(molecule.positions)))
    assert np.isfinite(energies).all()
    assert energies.min() > rest - 50
    assert energies[0] > rest + 2000
