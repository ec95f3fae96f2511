"""Pair terms of any formula as one CustomNonbondedForce."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import sympy

from isthmus.deploy.openmm.writer_merge import exact_number, free_name
from isthmus.deploy.openmm.writer_method import set_method
from isthmus.deploy.openmm.writer_parts import numeric, without_constants
from isthmus.deploy.openmm.writer_text import Formula, formula_text
from isthmus.terms.expression import symbol
from isthmus.terms.nonbonded import PairGroup, PairTerm

if TYPE_CHECKING:
    import openmm

__all__ = ["custom_nonbonded_force"]


class _Builder:
    """Collects per-particle columns and tables while the energies are added up."""

    def __init__(self) -> None:
        self.columns: dict[str, np.ndarray] = {}
        self.tables: dict[str, np.ndarray] = {}
        self.calls: dict[str, str] = {}

    def column(self, wish: str, values: np.ndarray) -> str:
        """Name of the per-particle parameter that has these values."""
        for name, known in self.columns.items():
            if np.array_equal(known, values):
                return name
        name = free_name(wish, self.columns)
        self.columns[name] = values
        return name

    def energy(self, pair_term: PairTerm) -> Formula:
        """A term's energy in the names of this force."""
        term = pair_term.term
        images: dict[sympy.Symbol, Formula] = {}
        for parameter in term.parameters:
            values = numeric(pair_term.values[parameter.name])
            wish = f"{term.name}_{parameter.name}"
            if parameter.per == "type_pair":
                assert pair_term.types is not None
                types = self.column(f"{term.name}_type", numeric(pair_term.types))
                table = free_name(wish, self.tables)
                self.tables[table] = values
                self.calls[f"{table}_value"] = f"{table}({types}1, {types}2)"
                images[symbol(parameter.name)] = symbol(f"{table}_value")
                continue
            constant = exact_number(float(values[0])) if np.all(values == values[0]) else None
            name = "" if constant is not None else self.column(wish, values)
            for a in (1, 2):
                new = symbol(f"{name}{a}") if constant is None else constant
                images[symbol(f"{parameter.name}{a}")] = new
        return without_constants(term.expression).xreplace(images)


def custom_nonbonded_force(
    group: PairGroup, terms: Sequence[PairTerm], *, box: np.ndarray | None, correction: bool
) -> "openmm.CustomNonbondedForce":
    """One force for the given terms of a group, with its method and exclusions.

    Raises:
        UnsupportedForceError: OpenMM has no such cutoff method.
    """
    import openmm

    builder = _Builder()
    total = sum((builder.energy(term) for term in terms), sympy.Integer(0))
    calls = [f"{name}={call}" for name, call in builder.calls.items()]
    force = openmm.CustomNonbondedForce("; ".join([formula_text(total), *calls]))
    for name in builder.columns:
        force.addPerParticleParameter(name)
    for name, table in builder.tables.items():
        size = len(table)
        force.addTabulatedFunction(
            name, openmm.Discrete2DFunction(size, size, table.T.reshape(-1).tolist())
        )
    n_atoms = len(group.excluded_table)
    columns = list(builder.columns.values())
    rows = np.stack(columns, axis=1).tolist() if columns else [[] for _ in range(n_atoms)]
    for row in rows:
        force.addParticle(row)
    for i, j in group.exclusions.tolist():
        force.addExclusion(i, j)
    set_method(force, group, box)
    force.setUseLongRangeCorrection(correction)
    return force
