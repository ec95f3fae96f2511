"""Datasets to extended XYZ, in eV and Å as ASE expects them."""

from pathlib import Path

import numpy as np

from isthmus.data.dataset import Dataset
from isthmus.data.entry import Entry
from isthmus.data.perceive import escaped
from isthmus.files import replacing
from isthmus.units import ANGSTROM, ELECTRONVOLT

__all__ = ["write_xyz"]


def write_xyz(dataset: Dataset, path: str | Path, *, overwrite: bool = False) -> None:
    """Write all frames one after the other, each with name, mapped SMILES and level of theory.

    Numbers have eight decimals, so reading gives nearly the same. What cannot be finished leaves
    no file.

    Args:
        dataset: read molecule by molecule.
        path: of the file.
        overwrite: whether to replace a file that exists.

    Raises:
        InputError: the file exists.
    """
    from ase.io import write

    with replacing(Path(path), overwrite=overwrite) as temporary, temporary.open("w") as file:
        for entry in dataset:
            write(file, [_frame(entry, k) for k in range(entry.n_frames)], format="extxyz")


def _frame(entry: Entry, frame: int):
    from ase import Atoms
    from ase.calculators.singlepoint import SinglePointCalculator

    info: dict[str, str | float] = {
        "name": escaped(entry.name),
        "smiles": escaped(entry.mapped_smiles),
    }
    if entry.level_of_theory:
        info["level_of_theory"] = escaped(entry.level_of_theory)
    if entry.temperatures is not None and np.isfinite(entry.temperatures[frame]):
        info["temperature"] = float(entry.temperatures[frame])
    atoms = Atoms(entry.topology.atomic_numbers, entry.positions[frame] / ANGSTROM, info=info)
    if entry.box is not None:
        atoms.set_cell(entry.box / ANGSTROM)
        atoms.pbc = True
    results: dict[str, float | np.ndarray] = {"energy": float(entry.energies[frame]) / ELECTRONVOLT}
    if entry.forces is not None:
        results["forces"] = entry.forces[frame] / (ELECTRONVOLT / ANGSTROM)
    if entry.charges is not None and np.isfinite(entry.charges[frame]).all():
        results["charges"] = entry.charges[frame]
    if entry.dipoles is not None and np.isfinite(entry.dipoles[frame]).all():
        results["dipole"] = entry.dipoles[frame] / ANGSTROM
    atoms.calc = SinglePointCalculator(atoms, **results)
    return atoms
