"""Read a dataset from a file of any known format."""

from pathlib import Path

from isthmus.data.ani import is_ani, open_ani
from isthmus.data.ase_frames import read_ase
from isthmus.data.check import check_dataset
from isthmus.data.dataset import Dataset
from isthmus.data.finding import raise_errors
from isthmus.data.md17 import read_md17
from isthmus.data.spice import file_attributes, h5_groups, is_spice, open_dataset
from isthmus.data.stated import Stated
from isthmus.errors import InputError

__all__ = ["FORMATS", "read_dataset"]

FORMATS = ("spice", "ani1", "md17", "ase")
"""Formats by name; `ase` stands for extended XYZ and all that ASE reads"""

_OF_SPICE = ("energy_unit", "length_unit", "energy_key", "forces_key", "smiles", "total_charge")


def read_dataset(
    path: str | Path,
    *,
    format: str | None = None,
    stated: Stated | None = None,
    strict: bool = True,
) -> Dataset:
    """A dataset from a file: HDF5 (SPICE, ANI-1), npz (MD17, rMD17), or frames through ASE.

    HDF5 is read molecule by molecule when these are asked for; other formats at once.

    Args:
        path: the file; its suffix and its content say the format.
        format: one of `FORMATS`, or `ase:NAME` for a format of ASE, whatever the suffix.
        stated: what the file does not say.
        strict: whether data in which the checks find an error are refused: at once where the
            whole file is read; else each molecule when it is loaded, by the checks of a molecule
            alone (`check_entry`). What only all molecules together show, such as a wrong sign of
            the forces, `check_dataset` finds.

    Raises:
        InputError: no such file, an unknown format, what the reader refuses, and with `strict`
            what `check_dataset` calls an error.
    """
    path, stated = Path(path), stated or Stated()
    if not path.is_file():
        raise InputError(f"there is no file '{path}'; check the path")
    name, _, ase_format = (format or _format(path)).partition(":")
    if name == "spice":
        stated.refuse(*_OF_SPICE, "temperature", source=str(path))
        return open_dataset(path, level_of_theory=stated.level_of_theory, strict=strict)
    if name == "ani1":
        return open_ani(path, stated=stated, strict=strict)
    if name == "md17":
        dataset = read_md17(path, stated=stated)
    elif name == "ase":
        dataset = read_ase(path, stated=stated, format=ase_format or None)
    else:
        raise InputError(
            f"unknown format '{name}': choose one of {', '.join(FORMATS)}, or ase:NAME"
        )
    if strict:
        raise_errors(check_dataset(dataset), source=str(path))
    return dataset


def _format(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix == ".npz":
        return "md17"
    if suffix not in (".h5", ".hdf5", ".hdf"):
        return "ase"
    file_attributes(path)
    for _, group in h5_groups(path):
        if is_spice(group):
            return "spice"
        if is_ani(group):
            return "ani1"
    raise InputError(
        f"{path} is neither in the layout of SPICE (atomic_numbers, conformations, "
        "dft_total_energy) nor of ANI-1 (species, coordinates, energies)"
    )
