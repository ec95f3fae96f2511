"""Atom records of a PDB file as arrays, read by column without a loop over fields.

Format: wwPDB, "Protein Data Bank contents guide: atomic coordinate entry format", version 3.30.
Serial numbers are not read, so files of any size and numbering pass.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int, Shaped

from isthmus.errors import InputError
from isthmus.geometry.box import box_from_lengths_angles
from isthmus.units import ANGSTROM, DEGREE

__all__ = ["PdbRecords", "read_pdb_records"]

_WIDTH = 80


@dataclass(frozen=True, eq=False)
class PdbRecords:
    """What a PDB file says, before any chemistry.

    Attributes:
        atom_names: stripped.
        elements: as in columns 77 and 78; empty where they are.
        residue_idx: the residue of each atom, counted from 0.
        residue_names: stripped; four columns, as CHARMM uses.
        residue_ids: number and insertion code.
        chain_ids: or the segment where there is no chain.
        starts: first atom of each residue, and the number of atoms.
        conformers: coordinates of each model [nm].
        box: from CRYST1 [nm], or None.
    """

    atom_names: Shaped[np.ndarray, "atoms"]
    elements: Shaped[np.ndarray, "atoms"]
    residue_idx: Int[np.ndarray, "atoms"]
    residue_names: Shaped[np.ndarray, "residues"]
    residue_ids: Shaped[np.ndarray, "residues"]
    chain_ids: Shaped[np.ndarray, "residues"]
    starts: Int[np.ndarray, "residues_and_one"]
    conformers: Float[np.ndarray, "conformers atoms 3"]
    box: Float[np.ndarray, "3 3"] | None

    def describe_residue(self, residue: int) -> str:
        """A residue in words: name, number and chain."""
        chain = self.chain_ids[residue]
        where = f" in chain {chain}" if chain else ""
        return f"residue {self.residue_names[residue]} {self.residue_ids[residue]}{where}"

    def is_scattered(self, residue: int) -> bool:
        """Whether another stretch of atoms has the same residue name, number and chain."""
        labels = (self.residue_names, self.residue_ids, self.chain_ids)
        same = np.logical_and.reduce([label == label[residue] for label in labels])
        return int(same.sum()) > 1


def read_pdb_records(path: str | Path) -> PdbRecords:
    """Read atom records, models and the box.

    Of alternative locations the first of each residue is kept.

    Raises:
        InputError: no atoms, coordinates that are no numbers, models with different atoms.
    """
    path = Path(path)
    lines = path.read_bytes().splitlines()
    models, cryst1 = _models(lines)
    if not models:
        raise InputError(f"{path} has no ATOM or HETATM records; wanted a file in the PDB format")
    tables = [_Table(lines, model, path) for model in models]
    first = tables[0]
    for number, table in enumerate(tables[1:], start=2):
        if not np.array_equal(table.labels, first.labels):
            raise InputError(
                f"{path}: model {number} has other atoms than the first ({len(table.labels)} and "
                f"{len(first.labels)}); every model must list the same atoms in the same order"
            )
    names = first.text(12, 16)
    starts = _residue_starts(first.column(17, 27), first.column(72, 76), names)
    heads = starts[:-1]
    chains, segments = first.text(21, 22), first.text(72, 76)
    return PdbRecords(
        atom_names=names,
        elements=first.text(76, 78),
        residue_idx=np.repeat(np.arange(len(heads)), np.diff(starts)),
        residue_names=first.text(17, 21)[heads],
        residue_ids=np.char.add(first.text(22, 26), first.text(26, 27))[heads],
        chain_ids=np.where(chains != "", chains, segments)[heads],
        starts=starts,
        conformers=np.array([table.positions() for table in tables]),
        box=None if cryst1 is None else _box(cryst1, path),
    )


def _models(lines: list[bytes]) -> tuple[list[list[int]], bytes | None]:
    """Line numbers of the atoms of each model, and the first CRYST1 record."""
    models: list[list[int]] = [[]]
    cryst1 = None
    for index, line in enumerate(lines):
        if line.startswith((b"ATOM  ", b"HETATM")):
            models[-1].append(index)
        elif line.startswith(b"MODEL ") and models[-1]:
            models.append([])
        elif line.startswith(b"CRYST1") and cryst1 is None:
            cryst1 = line
    return [model for model in models if model], cryst1


class _Table:
    """The atom records of one model as a matrix of characters."""

    def __init__(self, lines: list[bytes], rows: list[int], path: Path) -> None:
        self._path = path
        padded = b"".join(lines[row][:_WIDTH].ljust(_WIDTH) for row in rows)
        self._characters = np.frombuffer(padded, dtype="S1").reshape(len(rows), _WIDTH)
        self._lines = np.array(rows)
        kept = self._kept()
        self._characters, self._lines = self._characters[kept], self._lines[kept]

    def column(self, start: int, end: int) -> np.ndarray:
        """Columns start (counted from 0) to end, as bytes."""
        part = np.ascontiguousarray(self._characters[:, start:end])
        return part.view(f"S{end - start}").ravel()

    def text(self, start: int, end: int) -> np.ndarray:
        """Columns as stripped text."""
        return np.char.strip(np.char.decode(self.column(start, end), "latin-1"))

    @property
    def labels(self) -> np.ndarray:
        """What identifies an atom: name, residue, chain, number."""
        return self.column(12, 27)

    def positions(self) -> Float[np.ndarray, "atoms 3"]:
        """Coordinates [nm]."""
        fields = np.stack([self.column(start, start + 8) for start in (30, 38, 46)], axis=1)
        try:
            return fields.astype(np.float64) * ANGSTROM
        except ValueError:
            row = next(i for i, row in enumerate(fields) if not _are_numbers(row))
            shown = b"".join(fields[row]).decode("latin-1")
            raise InputError(
                f"{self._path}, line {self._lines[row] + 1}: the coordinates '{shown}' (columns "
                "31 to 54) are no three numbers; correct the columns"
            ) from None

    def _kept(self) -> np.ndarray:
        """Drop all alternative locations but the first in each residue."""
        location = self.column(16, 17)
        kept = np.ones(len(location), dtype=bool)
        first: dict[bytes, bytes] = {}
        for row in np.flatnonzero(location != b"").tolist():
            if location[row] != b" ":
                residue = bytes(self._characters[row, 21:27])
                kept[row] = first.setdefault(residue, location[row]) == location[row]
        return kept


def _are_numbers(row: np.ndarray) -> bool:
    try:
        row.astype(np.float64)
    except ValueError:
        return False
    return True


def _residue_starts(
    residue: np.ndarray, segment: np.ndarray, names: np.ndarray
) -> Int[np.ndarray, "residues_and_one"]:
    """First atom of each residue: where name, chain, number or segment change.

    Also where the first atom's name comes again: waters beyond number 9999 may all be called the
    same.
    """
    new = np.ones(len(residue), dtype=bool)
    new[1:] = (residue[1:] != residue[:-1]) | (segment[1:] != segment[:-1])
    first_name = names[new][np.cumsum(new) - 1]
    new |= names == first_name
    return np.append(np.flatnonzero(new), len(residue))


def _box(line: bytes, path: Path) -> Float[np.ndarray, "3 3"] | None:
    """Reduced box [nm] of a CRYST1 record; None for the unit cell of 1 Å that NMR entries have."""
    try:
        lengths = np.array([float(line[start : start + 9]) for start in (6, 15, 24)])
        angles = np.array([float(line[start : start + 7]) for start in (33, 40, 47)])
    except ValueError as error:
        raise InputError(
            f"{path}: the CRYST1 record '{line.decode('latin-1').strip()}' does not hold three "
            "lengths and three angles; correct its columns or remove it"
        ) from error
    if (lengths <= 1.0).all():
        return None
    return box_from_lengths_angles(lengths * ANGSTROM, angles * DEGREE)
