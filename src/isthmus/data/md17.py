"""Datasets from npz files of MD17 and rMD17: one molecule, many frames.

S. Chmiela et al., Sci. Adv. 3, e1603015 (2017); A. S. Christensen, O. A. von Lilienfeld,
Mach. Learn.: Sci. Technol. 1, 045018 (2020). Units kcal/mol and Å, unless the file states others.
"""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np

from isthmus.chemistry.molecule import Molecule
from isthmus.data.dataset import Dataset
from isthmus.data.entry import Entry
from isthmus.data.perceive import perceived_topology
from isthmus.data.stated import Stated
from isthmus.errors import InputError
from isthmus.units import ENERGY_UNITS, LENGTH_UNITS

__all__ = ["read_md17"]

_ENERGY, _LENGTH = "kcal/mol", "angstrom"

NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "numbers": ("nuclear_charges", "z"),
    "positions": ("coords", "R"),
    "energies": ("energies", "E"),
    "forces": ("forces", "F"),
}
"""Names of the arrays: of rMD17, then of MD17"""

_UNIT_NAMES = {"Ang": "angstrom", "A": "angstrom", "Angstrom": "angstrom", "Hartree": "hartree"}


def read_md17(path: str | Path, *, stated: Stated | None = None) -> Dataset:
    """A dataset of one molecule from an npz file; the graph is that of the frame lowest in energy.

    The molecule is called by its SMILES, so that a file may be renamed without other data coming
    of it.

    Args:
        path: the file.
        stated: units, where the file does not state any itself; SMILES, charge and so on.

    Raises:
        InputError: no npz, an array that is missing or does not fit, a unit that contradicts the
            file, bonds that cannot be perceived.
    """
    path, stated = Path(path), stated or Stated()
    stated.refuse("energy_key", "forces_key", source=str(path))
    arrays, facts = _arrays(path)
    usual = (
        _unit(facts, "e_unit", stated.energy_unit, _ENERGY, ENERGY_UNITS, path),
        _unit(facts, "r_unit", stated.length_unit, _LENGTH, LENGTH_UNITS, path),
    )
    energy, length = stated.units(*usual)
    numbers = arrays["numbers"]
    if numbers.ndim != 1 or numbers.dtype.kind not in "iu":
        raise InputError(
            f"{path}: the atomic numbers have shape {numbers.shape} and type {numbers.dtype}; MD17 "
            "has one molecule a file, (atoms,) integers; write other data as extended XYZ first"
        )
    numbers = numbers.astype(np.int32)
    positions = arrays["positions"].astype(np.float64) * length
    energies = arrays["energies"].astype(np.float64).reshape(-1) * energy
    if positions.shape != (len(energies), len(numbers), 3):
        raise InputError(
            f"{path}: coordinates of shape {positions.shape} do not fit {len(energies)} energies "
            f"and {len(numbers)} atoms"
        )
    topology = perceived_topology(
        numbers,
        positions,
        energies=energies,
        smiles=stated.smiles,
        total_charge=stated.total_charge,
        where=str(path),
    )
    forces = arrays.get("forces")
    entry = Entry.create(
        Molecule.create(topology).smiles,
        topology,
        positions=positions,
        energies=energies,
        forces=None if forces is None else forces * (energy / length),
        temperatures=None
        if stated.temperature is None
        else np.full(len(energies), stated.temperature),
        level_of_theory=stated.level_of_theory or facts.get("theory", ""),
    )
    return Dataset.create([entry], source=path.name, provenance=stated.described(*usual))


def _arrays(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The arrays by what they mean, and the facts that newer files state as text."""
    if not path.is_file():
        raise InputError(f"there is no file '{path}'; check the path")
    try:
        with np.load(path) as file:
            content = {name: file[name] for name in file.files if name in _wanted()}
            present = ", ".join(file.files)
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, TypeError, AttributeError) as error:
        raise InputError(f"{path} is no npz file of numbers, or not whole: {error}") from error
    arrays = {
        meaning: content[name]
        for meaning, names in NAMES.items()
        for name in reversed(names)
        if name in content
    }
    for meaning in ("numbers", "positions", "energies"):
        if meaning not in arrays:
            raise InputError(
                f"{path}: {meaning}-missing: wanted one of {', '.join(NAMES[meaning])}; found are "
                f"{present or 'none'}"
            )
    facts = {
        name: _text(content[name]) for name in ("e_unit", "r_unit", "theory") if name in content
    }
    return arrays, facts


def _wanted() -> set[str]:
    return {name for names in NAMES.values() for name in names} | {"e_unit", "r_unit", "theory"}


def _text(array: np.ndarray) -> str:
    value = array.reshape(-1)[0] if array.size else ""
    return value.decode() if isinstance(value, bytes) else str(value)


def _unit(
    facts: Mapping[str, str],
    name: str,
    stated: str | None,
    usual: str,
    known: Mapping[str, float],
    path: Path,
) -> str:
    """The unit of the file, or of the format if the file says nothing."""
    if name not in facts:
        return usual
    unit = _UNIT_NAMES.get(facts[name], facts[name])
    if unit not in known:
        raise InputError(f"{path} states the unit '{facts[name]}', which is not known")
    if stated and known.get(stated) != known[unit]:
        raise InputError(f"{path} states the unit '{facts[name]}', but '{stated}' was given")
    return unit
