"""Several parts over clusters of one kind merged into one formula with one table of numbers.

- Numbers that are the same for all clusters stand in the formula; a zero removes what it
  multiplies.
- Parameters that are equal wherever both exist become one column.
- A part that leaves out some clusters gets zero amplitudes there, or a factor `in_...` of 0 or 1
  if its formula is not linear in any parameters that could be set to zero.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import sympy
from jaxtyping import Bool, Float, Int

from isthmus.deploy.openmm.writer_parts import Geometry, Part
from isthmus.deploy.openmm.writer_text import Formula
from isthmus.terms.expression import FUNCTIONS, GEOMETRY_FUNCTIONS, NOT_DIFFERENTIABLE, symbol

__all__ = ["Merged", "exact_number", "free_name", "merge"]

_TAKEN = (
    set(FUNCTIONS)
    | set(GEOMETRY_FUNCTIONS)
    | set(NOT_DIFFERENTIABLE)
    | {"r", "theta", "periodicdistance", "pointdistance", "pointangle", "pointdihedral"}
)


@dataclass(frozen=True)
class Merged:
    """One formula over one list of clusters.

    Attributes:
        value: the energy; symbols in `geometry`, `definitions` and `columns`.
        definitions: derived coordinates.
        geometry: geometric symbols.
        atoms_idx: the clusters.
        columns: numbers by symbol, one a cluster; none is the same for all.
    """

    value: Formula
    definitions: Mapping[str, Formula]
    geometry: Geometry
    atoms_idx: Int[np.ndarray, "clusters size"]
    columns: Mapping[str, Float[np.ndarray, " clusters"]]


class _Columns:
    """The table that is being built; columns that agree are shared."""

    def __init__(self, n_rows: int):
        self.n_rows = n_rows
        self._values: dict[str, np.ndarray] = {}
        self._known: dict[str, np.ndarray] = {}

    def add(
        self, wish: str, values: Float[np.ndarray, " clusters"], rows: Int[np.ndarray, " clusters"]
    ) -> str:
        """Name of a column that has `values` at `rows`."""
        for name, column in self._values.items():
            known = self._known[name][rows]
            if known.any() and np.array_equal(column[rows][known], values[known]):
                column[rows] = values
                self._known[name][rows] = True
                return name
        name = free_name(wish, self._values)
        self._values[name] = np.full(self.n_rows, values[0])
        self._values[name][rows] = values
        self._known[name] = np.zeros(self.n_rows, dtype=bool)
        self._known[name][rows] = True
        return name

    def split(self) -> tuple[dict[str, np.ndarray], dict[str, float]]:
        """Columns that differ between clusters, and the numbers of those that do not.

        Where no part asks for a number, any will do: the column keeps that of another cluster,
        so that no formula meets a zero that it divides by.
        """
        constant = {n: float(v[0]) for n, v in self._values.items() if np.all(v == v[0])}
        return {n: v for n, v in self._values.items() if n not in constant}, constant


def merge(parts: Sequence[Part]) -> Merged:
    """Merge parts over one kind of cluster; their clusters may differ."""
    atoms_idx, rows_of_part = _union([part.atoms_idx for part in parts])
    table = _Columns(len(atoms_idx))
    total: Formula = sympy.Integer(0)
    definitions: dict[str, Formula] = {}
    geometry: dict[str, tuple[str, tuple[int, ...]]] = {}
    live = np.zeros(len(atoms_idx), dtype=bool)
    for part, rows in zip(parts, rows_of_part, strict=True):
        amplitudes = _amplitudes(part)
        live[rows] |= _is_live(part, amplitudes)
        images = _add_columns(part, rows, amplitudes, table)
        value = part.value
        if len(rows) < len(atoms_idx) and not amplitudes:
            flag = np.zeros(len(atoms_idx))
            flag[rows] = 1.0
            value = value * symbol(table.add(f"in_{part.name}", flag, np.arange(len(flag))))
        for name, definition in part.definitions.items():
            new = _definition_name(name, definition.xreplace(images), definitions)
            images[symbol(name)] = symbol(new)
        total = total + value.xreplace(images)
        geometry |= dict(part.geometry)
    columns, constants = table.split()
    numbers = {symbol(n): exact_number(v) for n, v in constants.items()}
    total = total.xreplace(numbers)
    definitions = {n: d.xreplace(numbers) for n, d in definitions.items()}
    used = {s.name for s in total.free_symbols}
    definitions = {n: d for n, d in definitions.items() if n in used}
    used |= {s.name for d in definitions.values() for s in d.free_symbols}
    return Merged(
        total,
        definitions,
        {n: g for n, g in geometry.items() if n in used},
        atoms_idx[live],
        {n: v[live] for n, v in columns.items() if n in used},
    )


def _union(
    tables: Sequence[Int[np.ndarray, "_ size"]],
) -> tuple[Int[np.ndarray, "clusters size"], list[Int[np.ndarray, " _"]]]:
    """All clusters once (or as often as one table repeats them), and where each table's are."""
    place: dict[tuple[int, ...], int] = {}
    found = []
    for table in tables:
        seen: dict[tuple[int, ...], int] = {}
        rows = []
        for atoms in table.tolist():
            key = tuple(atoms)
            seen[key] = seen.get(key, 0) + 1
            rows.append(place.setdefault((*key, seen[key]), len(place)))
        found.append(np.asarray(rows, dtype=np.int64))
    return np.asarray([key[:-1] for key in place], dtype=np.int64), found


def _amplitudes(part: Part) -> frozenset[str]:
    """Fewest parameters in which the energy is linear and which, all being zero, make it zero."""
    names = {s.name for s in part.value.free_symbols} & set(part.values)
    chosen = {n for n in names if part.value.diff(symbol(n), 2) == 0}
    if not _vanishes(part.value, chosen):
        return frozenset()
    for name in sorted(chosen):
        if _vanishes(part.value, chosen - {name}):
            chosen.remove(name)
    return frozenset(chosen)


def _vanishes(value: Formula, names: set[str]) -> bool:
    return value.subs({symbol(n): sympy.Integer(0) for n in names}) == 0


def _is_live(part: Part, amplitudes: frozenset[str]) -> Bool[np.ndarray, " clusters"]:
    """Clusters where the part is not zero whatever the geometry."""
    if not amplitudes:
        return np.ones(len(part.atoms_idx), dtype=bool)
    return np.any([part.values[name] != 0 for name in amplitudes], axis=0)


def _add_columns(
    part: Part,
    rows: Int[np.ndarray, " clusters"],
    amplitudes: frozenset[str],
    table: _Columns,
) -> dict[sympy.Symbol, Formula]:
    """Put the numbers of a part into the table; its symbols -> those of the table."""
    used = {s.name for s in part.value.free_symbols}
    used |= {s.name for d in part.definitions.values() for s in d.free_symbols}
    images: dict[sympy.Symbol, Formula] = {}
    for name in sorted(used & set(part.values)):
        values, where = part.values[name], rows
        wish = name if "." in name else f"{part.name}_{name}"
        if name in amplitudes:
            full = np.zeros(table.n_rows)
            full[rows] = values
            values, where = full, np.arange(table.n_rows)
        images[symbol(name)] = symbol(table.add(wish, values, where))
    return images


def _definition_name(name: str, definition: Formula, definitions: dict[str, Formula]) -> str:
    """Name under which a definition is known, entered if it is new."""
    label = re.sub(r"(?<=[A-Za-z])(?=\d)", "_", name, count=1)
    new, number = label, 1
    while new in definitions and definitions[new] != definition:
        number += 1
        new = f"{label}_{number}"
    definitions[new] = definition
    return new


def free_name(wish: str, taken: Mapping[str, object]) -> str:
    """A name that OpenMM accepts, as close as possible to the one wished for."""
    label = re.sub(r"\W", "_", wish)
    if not re.match(r"[A-Za-z_]", label) or label in _TAKEN or re.fullmatch(r"[xyzp]\d*", label):
        label = f"p_{label}"
    new, number = label, 1
    while new in taken:
        number += 1
        new = f"{label}_{number}"
    return new


def exact_number(value: float) -> Formula:
    """A number as sympy keeps it: whole numbers exact, so that 0 and 1 vanish."""
    return sympy.Integer(int(value)) if value == int(value) else sympy.Float(value, 17)
