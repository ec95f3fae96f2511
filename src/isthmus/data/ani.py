"""Datasets from HDF5 files of ANI-1: energies only.

J. S. Smith, O. Isayev, A. E. Roitberg, Sci. Data 4, 170193 (2017). Units hartree and Å. The frames
of high energy that the files keep apart (`coordinatesHE`) are left out.
"""

from pathlib import Path
from typing import Any

import numpy as np

from isthmus.chemistry.elements import atomic_number
from isthmus.data.check import check_entry
from isthmus.data.dataset import Dataset
from isthmus.data.entry import Entry
from isthmus.data.finding import raise_errors
from isthmus.data.perceive import perceived_topology
from isthmus.data.spice import file_attributes, h5_groups
from isthmus.data.stated import Stated
from isthmus.errors import InputError

__all__ = ["is_ani", "open_ani"]

_ENERGY, _LENGTH = "hartree", "angstrom"
_WANTED = ("coordinates", "energies", "species")


def is_ani(group: Any) -> bool:
    """Whether a group is a molecule in the layout of ANI-1."""
    return all(name in group for name in _WANTED)


def open_ani(path: str | Path, *, stated: Stated | None = None, strict: bool = True) -> Dataset:
    """A dataset in the layout of ANI-1, from which molecules are read when they are asked for.

    The graph of a molecule is perceived in its frame of lowest energy, with the orders and
    charges of `smiles` if the file has it.

    Args:
        path: the file.
        stated: units, charge, level of theory and so on, where they differ.
        strict: whether a molecule with an error (see `check_entry`) is refused when it is read.

    Raises:
        InputError: no such file, no HDF5, another layout, a unit that is not known. Loading a
            molecule raises it for bonds that cannot be perceived.
    """
    path, stated = Path(path), stated or Stated()
    stated.refuse("energy_key", "forces_key", source=str(path))
    scales = stated.units(_ENERGY, _LENGTH)
    file_attributes(path)
    names = tuple(name for name, group in h5_groups(path) if is_ani(group))
    if not names:
        raise InputError(
            f"{path} has no molecule in the layout of ANI-1: wanted groups with "
            f"{', '.join(_WANTED)}"
        )

    def load(index: int) -> Entry:
        import h5py

        with h5py.File(path, "r") as file:
            entry = _entry(file[names[index]], names[index], stated, scales=scales, path=path)
        if strict:
            raise_errors(check_entry(entry), source=str(path))
        return entry

    return Dataset(
        names=names,
        level_of_theory=stated.level_of_theory or "",
        source=path.name,
        provenance=stated.described(_ENERGY, _LENGTH),
        findings=(),
        load=load,
    )


def _entry(
    group: Any, name: str, stated: Stated, *, scales: tuple[float, float], path: Path
) -> Entry:
    where = f"{path}, molecule '{name}'"
    energy, length = scales
    numbers = np.array([atomic_number(_text(s)) for s in group["species"][()]], dtype=np.int32)
    positions = np.asarray(group["coordinates"][()], dtype=np.float64) * length
    energies = np.asarray(group["energies"][()], dtype=np.float64).reshape(-1) * energy
    if positions.shape != (len(energies), len(numbers), 3):
        raise InputError(
            f"{where}: coordinates of shape {positions.shape} do not fit {len(energies)} energies "
            f"and {len(numbers)} atoms"
        )
    smiles = stated.smiles
    if smiles is None and "smiles" in group:
        # Some files keep the SMILES as an array of characters.
        smiles = "".join(_text(part) for part in np.asarray(group["smiles"][()]).reshape(-1))
    topology = perceived_topology(
        numbers,
        positions,
        energies=energies,
        smiles=smiles,
        total_charge=stated.total_charge,
        where=where,
    )
    return Entry.create(
        name,
        topology,
        positions=positions,
        energies=energies,
        temperatures=None
        if stated.temperature is None
        else np.full(len(energies), stated.temperature),
        level_of_theory=stated.level_of_theory or "",
    )


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
