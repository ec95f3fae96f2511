"""Terms taken apart for writing: one expression each, in primitive geometry and numbers.

A `Part` is a term, or what is left of it after its native share was written. Derived coordinates
of the design stay symbols, each with its definition, so that they are written once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import sympy
from jaxtyping import Bool, Float, Int

from isthmus.deploy.openmm.writer_text import Formula
from isthmus.terms.bound import BoundCoordinate, BoundTerm, find_rows
from isthmus.terms.expression import Expression, symbol
from isthmus.terms.formula_checks import CONSTANTS
from isthmus.terms.kinds import KINDS, ClusterKind

__all__ = ["Geometry", "Part", "evaluate", "numeric", "part_of", "without_constants"]

Geometry = Mapping[str, tuple[str, tuple[int, ...]]]
"""Geometric symbols: name -> (primitive, atoms of the cluster counted from 1)."""


@dataclass(frozen=True)
class Part:
    """An additive part of the energy over one list of clusters.

    Attributes:
        name: of the term.
        over: cluster kind.
        value: the energy; its symbols are in `geometry`, `definitions` or `values`.
        definitions: derived coordinates, in symbols of `geometry` and `values`.
        geometry: geometric symbols of `value` and `definitions`.
        atoms_idx: the clusters.
        values: numbers by symbol, one a cluster.
        periodic: whether displacements are taken to the nearest image.
    """

    name: str
    over: str
    value: Formula
    definitions: Mapping[str, Formula]
    geometry: Geometry
    atoms_idx: Int[np.ndarray, "clusters size"]
    values: Mapping[str, Float[np.ndarray, " clusters"]]
    periodic: bool

    @property
    def kind(self) -> ClusterKind:
        """The cluster kind."""
        return KINDS[self.over]

    @property
    def expanded(self) -> Formula:
        """The energy with derived coordinates put in."""
        return self.value.xreplace({symbol(n): d for n, d in self.definitions.items()})

    @property
    def variables(self) -> tuple[str, ...]:
        """Geometric symbols that the energy depends on."""
        return tuple(sorted({s.name for s in self.expanded.free_symbols} & set(self.geometry)))

    def selected(self, rows: Bool[np.ndarray, " clusters"]) -> "Part":
        """The same energy over some of the clusters."""
        values = {name: column[rows] for name, column in self.values.items()}
        return replace(self, atoms_idx=self.atoms_idx[rows], values=values)

    def placed(self, atoms: Int[np.ndarray, " atoms"]) -> "Part":
        """The same in a larger system, where atom a of this one is particle atoms[a]."""
        return replace(self, atoms_idx=atoms[self.atoms_idx])

    def numbers(self, value: Formula) -> Float[np.ndarray, " clusters"]:
        """An expression in parameters alone, for each cluster."""
        return evaluate(value, self.values, len(self.atoms_idx))


def part_of(term: BoundTerm, coordinates: Sequence[BoundCoordinate]) -> Part:
    """A term with everything that its energy needs."""
    declared, kind = term.term, term.term.kind
    value = without_constants(declared.expression)
    values = {name: numeric(v) for name, v in term.cluster_values().items()}
    geometry = _geometry(declared.expression, kind)
    definitions: dict[str, Formula] = {}
    tables = {c.coordinate.name: c for c in coordinates}
    used = {s.name for s in value.free_symbols}
    for name, (coordinate, local) in declared.coordinate_names.items():
        if name not in used:
            continue
        table = tables[coordinate.name]
        rows = find_rows(
            np.asarray(table.atoms_idx), np.asarray(term.atoms_idx)[:, [a - 1 for a in local]]
        )
        own = {p.name: f"{name}.{p.name}" for p in coordinate.parameters}
        images = {symbol(old): symbol(new) for old, new in own.items()}
        for old, (primitive, atoms) in _geometry(coordinate.expression, coordinate.kind).items():
            there = tuple(local[a - 1] for a in atoms)
            new = _name_of(primitive, there, geometry)
            geometry.setdefault(new, (primitive, there))
            images[symbol(old)] = symbol(new)
        definitions[name] = without_constants(coordinate.expression).xreplace(images)
        values |= {new: numeric(table.values[old])[rows] for old, new in own.items()}
    return Part(
        declared.name,
        declared.over,
        value,
        definitions,
        geometry,
        np.asarray(term.atoms_idx),
        values,
        term.periodic,
    )


def without_constants(expression: Expression) -> Formula:
    """The expression with named constants as numbers."""
    numbers = {symbol(n): sympy.Float(number, 17) for n, (number, _) in CONSTANTS.items()}
    return expression.value.xreplace(numbers)


def evaluate(
    value: Formula, values: Mapping[str, Float[np.ndarray, " n"]], n: int
) -> Float[np.ndarray, " n"]:
    """A sympy expression on arrays of numbers (n,); where it is undefined, NaN."""
    names = sorted(s.name for s in value.free_symbols)
    function = sympy.lambdify([symbol(name) for name in names], value, "numpy")
    with np.errstate(all="ignore"):
        result = function(*(values[name] for name in names))
    return np.broadcast_to(np.asarray(result, dtype=np.float64), (n,))


def numeric(value: object) -> Float[np.ndarray, "..."]:
    """Values as double-precision numbers of the host."""
    return np.asarray(value, dtype=np.float64)


def _geometry(expression: Expression, kind: ClusterKind) -> dict[str, tuple[str, tuple[int, ...]]]:
    known = {name: (v.primitive, v.atoms) for name, v in kind.variables.items()}
    return known | dict(expression.geometry)


def _name_of(primitive: str, atoms: tuple[int, ...], geometry: Geometry) -> str:
    """Name of a coordinate in the larger cluster, its own or a new one."""
    for name, (other, there) in geometry.items():
        if other == primitive and (there in (atoms, atoms[::-1])):
            return name
    return f"{primitive}_{'_'.join(map(str, atoms))}"
