"""Molecules from SDF and MOL files (V2000 and V3000), one record after the other."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rdkit import Chem, rdBase

from isthmus.chemistry.elements import atomic_number
from isthmus.chemistry.molecule import Molecule, check_total_charge
from isthmus.errors import InputError
from isthmus.units import ANGSTROM

__all__ = ["read_sdf"]

_HEADER_LINES = 4
"""Name, program, comment, counts."""


@dataclass(frozen=True)
class _Record:
    """Lines of one record and the place it came from, for messages."""

    lines: list[str]
    number: int
    first_line: int
    path: Path

    def error(self, what: str, *, line: int | None = None) -> InputError:
        """An error that names the file, the record and the line (an index into `lines`)."""
        name = f" ('{self.lines[0].strip()}')" if self.lines and self.lines[0].strip() else ""
        where = "" if line is None else f", line {self.first_line + line}"
        return InputError(f"{self.path}, record {self.number}{name}{where}: {what}")


def read_sdf(path: str | Path, *, total_charge: int | None = None) -> list[Molecule]:
    """Molecules of an SDF or MOL file; data fields become `properties`.

    Coordinates marked as two-dimensional, or all zero, are left out, as are flat ones of an atom
    with four neighbours where nothing is marked.

    Args:
        path: the file.
        total_charge: that every record should have [e]; None takes what the record says.

    Raises:
        InputError: an empty file, a truncated record, counts that do not match, an unknown
            element, impossible valences, missing hydrogens, another total charge, coordinates
            marked as three-dimensional that are flat. The message names the record and the line.
    """
    path = Path(path)
    lines = path.read_text().splitlines()
    if not any(line.strip() for line in lines):
        raise InputError(f"{path} is empty; wanted records of an SDF or MOL file")
    molecules = []
    for record in _records(lines, path):
        molecule = _molecule(record)
        check_total_charge(
            molecule.topology, total_charge, source=f"{path}, record {record.number}"
        )
        molecules.append(molecule)
    return molecules


def _records(lines: list[str], path: Path) -> list[_Record]:
    """Split at the lines of four dollar signs; what follows the last may be empty."""
    records, start = [], 0
    for index, line in enumerate([*lines, "$$$$"]):
        if line.startswith("$$$$"):
            body = lines[start:index]
            if index < len(lines) or any(text.strip() for text in body):
                records.append(_Record(body, len(records) + 1, start + 1, path))
            start = index + 1
    return records


def _molecule(record: _Record) -> Molecule:
    end = _check_block(record)
    block = "\n".join(record.lines[: end + 1])
    with rdBase.BlockLogs():
        raw = Chem.MolFromMolBlock(block, sanitize=False, removeHs=False)
        if raw is None:
            raise record.error("RDKit cannot read it; check its columns against the CTfile format")
        problems = Chem.DetectChemistryProblems(raw)
        if problems:
            raise record.error(f"{problems[0].Message().strip()}; correct bonds or charges")
        mol = Chem.MolFromMolBlock(block, sanitize=True, removeHs=False)
    try:
        return Molecule.create(
            Molecule.from_rdkit(_without_conformers(mol)).topology,
            _positions(mol, record),
            name=record.lines[0].strip(),
            properties=_properties(record.lines[end + 1 :]),
        )
    except InputError as error:
        raise record.error(str(error)) from error


def _check_block(record: _Record) -> int:
    """Check the counts; return the index of the line `M  END`."""
    lines = record.lines
    if len(lines) < _HEADER_LINES:
        raise record.error(
            f"truncated: {len(lines)} lines, wanted at least the {_HEADER_LINES} of the header"
        )
    ends = [i for i, line in enumerate(lines) if line.split() == ["M", "END"]]
    if "V3000" not in lines[3]:
        _check_v2000(record, ends)
    if not ends:
        raise record.error(
            "truncated: there is no line 'M  END'; restore the rest of the record",
            line=len(lines) - 1,
        )
    return ends[0]


def _check_v2000(record: _Record, ends: list[int]) -> None:
    """Compare the counts line with the lines that follow."""
    try:
        n_atoms, n_bonds = int(record.lines[3][:3]), int(record.lines[3][3:6])
    except ValueError as error:
        raise record.error(
            f"the counts line '{record.lines[3]}' does not begin with two numbers of three columns",
            line=3,
        ) from error
    rows = record.lines[_HEADER_LINES : ends[0] if ends else len(record.lines)]
    for index in range(n_atoms + n_bonds):
        atom = index < n_atoms
        wanted = "an atom" if atom else "a bond"
        row = rows[index] if index < len(rows) else ""
        if _is_atom(row) if atom else _is_bond(row):
            continue
        announced = f"the counts line announces {n_atoms} atoms and {n_bonds} bonds"
        line = _HEADER_LINES + min(index, len(rows) - 1)
        if index >= len(rows):
            raise record.error(
                f"truncated: {announced}, but the record ends after {len(rows)} of these "
                f"{n_atoms + n_bonds} lines; restore the rest or correct the counts",
                line=line,
            )
        raise record.error(
            f"{announced}, but instead of {wanted} this line says '{row.strip()}'; correct it or "
            "the counts",
            line=line,
        )
    extra = rows[n_atoms + n_bonds :]
    if extra and (_is_atom(extra[0]) or _is_bond(extra[0])):
        raise record.error(
            f"the counts line announces {n_atoms} atoms and {n_bonds} bonds, but there are more "
            "lines; correct the counts",
            line=_HEADER_LINES + n_atoms + n_bonds,
        )
    for index, row in enumerate(rows[:n_atoms]):
        _check_element(row, record, _HEADER_LINES + index)


def _is_atom(row: str) -> bool:
    try:
        [float(row[start : start + 10]) for start in (0, 10, 20)]
    except ValueError:
        return False
    return bool(row[30:34].strip())


def _is_bond(row: str) -> bool:
    return len(row) >= 9 and all(row[start : start + 3].strip().isdigit() for start in (0, 3, 6))


def _check_element(row: str, record: _Record, line: int) -> None:
    try:
        symbol = row[31:34].strip()
        atomic_number("H" if symbol in ("D", "T") else symbol)
    except InputError as error:
        raise record.error(str(error), line=line) from error


def _without_conformers(mol: Chem.Mol) -> Chem.Mol:
    copy = Chem.Mol(mol)
    copy.RemoveAllConformers()
    return copy


def _positions(mol: Chem.Mol, record: _Record) -> np.ndarray | None:
    positions = mol.GetConformer().GetPositions()
    dimension = record.lines[1][20:22]
    if dimension == "2D" or (dimension != "3D" and not positions.any()):
        return None
    centre = next((a for a in mol.GetAtoms() if a.GetDegree() >= 4), None)
    if centre is not None and positions.any() and not positions[:, 2].any():
        if dimension != "3D":
            return None
        raise record.error(
            f"its coordinates are marked 3D but look flat: every z is 0, and atom "
            f"{centre.GetIdx()} ({centre.GetSymbol()}) has {centre.GetDegree()} neighbours; "
            "generate 3D coordinates, or mark the record 2D to use its bonds only"
        )
    return positions * ANGSTROM


def _properties(lines: list[str]) -> dict[str, str | float]:
    """Data fields `> <NAME>` and the lines up to the next blank one; numbers as numbers."""
    properties: dict[str, str | float] = {}
    name, values = None, []
    for line in [*lines, ""]:
        if name is None and line.startswith(">") and "<" in line:
            name, values = line[line.index("<") + 1 : line.rindex(">")], []
        elif name is not None and line.strip():
            values.append(line)
        elif name is not None:
            properties[name] = _number("\n".join(values))
            name = None
    return properties


def _number(text: str) -> str | float:
    try:
        return float(text)
    except ValueError:
        return text
