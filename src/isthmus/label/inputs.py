"""Molecules to be labelled: SMILES, and files of any kind that has molecules."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from isthmus.chemistry.molecule import Molecule
from isthmus.chemistry.read import FORMATS, read
from isthmus.chemistry.smiles import from_smiles
from isthmus.data.read import read_dataset
from isthmus.errors import InputError

__all__ = ["molecules_of"]

_DATASETS: Final = (".h5", ".hdf5", ".hdf")


def molecules_of(inputs: Sequence[str]) -> list[Molecule]:
    """The molecules that words on a command line mean: files, else SMILES.

    A dataset gives its molecules, with the frames as their conformers.

    Raises:
        InputError: a file that is not there or cannot be read, a SMILES that is none.
    """
    found: list[Molecule] = []
    for text in inputs:
        found += _of_one(text)
    return found


def _of_one(text: str) -> list[Molecule]:
    # Not Path: it raises for names as long as those of large molecules.
    if os.path.isdir(text):
        raise InputError(f"'{text}' is a folder; give files or SMILES")
    suffix = os.path.splitext(text)[1].lower()
    if os.path.isfile(text) or suffix in _DATASETS or suffix.lstrip(".") in FORMATS:
        if suffix in _DATASETS:
            return [entry.molecule for entry in read_dataset(text, strict=False)]
        return read(Path(text))
    try:
        return [from_smiles(text)]
    except InputError as error:
        first, *rest = str(error).splitlines()
        more = "\n".join(["", *rest]) if rest else ""
        raise InputError(f"'{text}' is no file, and no SMILES either: {first}{more}") from error
