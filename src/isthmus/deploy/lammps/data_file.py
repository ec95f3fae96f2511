"""LAMMPS' data file: box, atoms, clusters and the coefficients of their class2 styles."""

from collections.abc import Mapping
from typing import Final

import numpy as np
from jaxtyping import Float, Int

from isthmus.chemistry.molecule import Molecule
from isthmus.deploy.lammps.styles import SECTIONS, Section, lammps_unit, rows_of_types, units_of
from isthmus.parameters.parameterization import Parameterization
from isthmus.terms.bound import BoundTerm
from isthmus.types import Box
from isthmus.units import ANGSTROM, KILOCALORIE

__all__ = ["data_file"]

_MARGIN: Final = 50.0
"""Around a system without a box [Å]; the box grows when atoms go further"""

_KINDS: Final = {
    "bond": ("Bonds", "bonds", "bond"),
    "angle": ("Angles", "angles", "angle"),
    "torsion": ("Dihedrals", "dihedrals", "dihedral"),
    "branch": ("Impropers", "impropers", "improper"),
}
"""Cluster kind -> section, its count, its types in LAMMPS' words"""

_ATOM_ORDER: Final = {"branch": [1, 0, 2, 3]}
"""LAMMPS wants the centre of an improper second"""


def data_file(
    item: Parameterization,
    names: Mapping[str, str],
    molecule: Molecule,
    box: Box,
    *,
    pair_style: str,
) -> str:
    """Text of a data file.

    Args:
        item: the numbers.
        names: which term of the preset `class2` is called how, from `recognised`.
        molecule: topology and positions.
        box: cell vectors [nm], or None.
        pair_style: for the heading of its coefficients.
    """
    bound = {t.term.name: t for t in item.terms}
    tables = {kind: _clusters(kind, names, bound) for kind in _KINDS}
    atom_types, which, charges = _atoms(item, names, molecule)
    lines = ["LAMMPS data file written by Isthmus (units real, atom_style full)", ""]
    lines += [f"{item.n_atoms} atoms", f"{len(atom_types)} atom types"]
    for kind, (_, count, singular) in _KINDS.items():
        atoms, types, _ = tables[kind]
        if len(atoms):
            lines += [f"{len(atoms)} {count}", f"{types.max() + 1} {singular} types"]
    lines += ["", *_box(molecule.positions, box), "", "Masses", ""]
    lines += [f"{n} {row[0]:.6f}" for n, row in enumerate(atom_types, 1)]
    lines += ["", f"Pair Coeffs # {pair_style}", ""]
    lines += [
        f"{n} {depth / KILOCALORIE!r} {sigma / ANGSTROM!r}"
        for n, (_, sigma, depth) in enumerate(atom_types.tolist(), 1)
    ]
    for kind in _KINDS:
        for header, rows in tables[kind][2]:
            lines += ["", header, ""]
            lines += [f"{n} {' '.join(map(repr, row))}" for n, row in enumerate(rows.tolist(), 1)]
    lines += ["", "Atoms # full", ""]
    places = (molecule.positions / ANGSTROM).tolist()
    components = (molecule.topology.components + 1).tolist()
    for n, (label, kind, charge, place) in enumerate(
        zip(components, which.tolist(), charges.tolist(), places, strict=True), 1
    ):
        lines.append(f"{n} {label} {kind + 1} {charge!r} {' '.join(map(repr, place))}")
    for kind, (title, _, _) in _KINDS.items():
        atoms, types, _ = tables[kind]
        if len(atoms):
            lines += ["", title, ""]
            lines += [
                f"{n} {t + 1} {' '.join(str(a + 1) for a in row)}"
                for n, (t, row) in enumerate(zip(types.tolist(), atoms.tolist(), strict=True), 1)
            ]
    return "\n".join(lines) + "\n"


def _clusters(
    kind: str, names: Mapping[str, str], bound: Mapping[str, BoundTerm]
) -> tuple[
    Int[np.ndarray, "clusters size"],
    Int[np.ndarray, " clusters"],
    list[tuple[str, Float[np.ndarray, "types columns"]]],
]:
    """Clusters of one kind in LAMMPS' order of atoms, the type of each, and blocks of numbers."""
    sections = [s for s in SECTIONS if s.over == kind]
    terms = [bound[names[s.term]] if s.term in names else None for s in sections]
    place: dict[tuple[int, ...], int] = {}
    for term in terms:
        for row in () if term is None else np.asarray(term.atoms_idx).tolist():
            place.setdefault(tuple(row), len(place))
    if not place:
        return np.zeros((0, 2), dtype=np.int64), np.zeros(0, dtype=np.int64), []
    blocks = [_numbers(s, t, place) for s, t in zip(sections, terms, strict=True)]
    types, which = rows_of_types(np.concatenate(blocks, axis=1))
    ends = np.cumsum([block.shape[1] for block in blocks])[:-1]
    split = np.split(types, ends, axis=1)
    atoms = np.array(list(place), dtype=np.int64)
    headed = [(s.header, rows) for s, rows in zip(sections, split, strict=True)]
    return atoms[:, _ATOM_ORDER.get(kind, slice(None))], which, headed


def _numbers(
    section: Section, term: BoundTerm | None, place: Mapping[tuple[int, ...], int]
) -> Float[np.ndarray, "clusters columns"]:
    """Coefficients in LAMMPS' units; 0 where the term does not act."""
    result = np.zeros((len(place), len(section.names)))
    if term is None:
        return result
    rows = [place[tuple(row)] for row in np.asarray(term.atoms_idx).tolist()]
    units = units_of(section.term)
    for column, name in enumerate(section.names):
        values = np.asarray(term.values[name], dtype=np.float64)
        result[rows, column] = values * lammps_unit(units[name])
    return result


def _atoms(
    item: Parameterization, names: Mapping[str, str], molecule: Molecule
) -> tuple[Float[np.ndarray, "types 3"], Int[np.ndarray, " atoms"], Float[np.ndarray, " atoms"]]:
    """Types of atoms as mass, sigma, epsilon; the type and the charge of each atom."""
    found = {t.term.name: t.values for group in item.pair_groups for t in group.terms}
    found |= {t.term.name: t.values for t in item.terms}
    none = np.zeros(item.n_atoms)
    pair = found[names["lennard-jones"]] if "lennard-jones" in names else {}
    charge = found[names["coulomb"]]["charge"] if "coulomb" in names else none
    columns = [
        np.asarray(item.masses, dtype=np.float64),
        np.asarray(pair.get("sigma", none + ANGSTROM), dtype=np.float64),
        np.asarray(pair.get("epsilon", none), dtype=np.float64),
    ]
    types, which = rows_of_types(np.stack(columns, axis=1))
    return types, which, np.asarray(charge, dtype=np.float64)


def _box(positions: Float[np.ndarray, "atoms 3"], box: Box) -> list[str]:
    if box is None:
        low = positions.min(axis=0) / ANGSTROM - _MARGIN
        high = positions.max(axis=0) / ANGSTROM + _MARGIN
        return [
            f"{a!r} {b!r} {axis}lo {axis}hi"
            for a, b, axis in zip(low.tolist(), high.tolist(), "xyz", strict=True)
        ]
    cell = (np.asarray(box) / ANGSTROM).tolist()
    lines = [f"0.0 {cell[n][n]!r} {axis}lo {axis}hi" for n, axis in enumerate("xyz")]
    tilts = (cell[1][0], cell[2][0], cell[2][1])
    return [*lines, " ".join(map(repr, tilts)) + " xy xz yz"] if any(tilts) else lines
