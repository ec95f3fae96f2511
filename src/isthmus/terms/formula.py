"""Formula terms and derived coordinates: one line of text, checked and compiled."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import sympy

from isthmus.terms.compiled import CompiledFormula, compile_formula
from isthmus.terms.dimensions import ENERGY, parse_unit
from isthmus.terms.expression import Expression, parse_expression, symbol
from isthmus.terms.formula_checks import (
    CONSTANTS,
    check_long_range,
    check_names,
    check_symmetry,
    check_units,
)
from isthmus.terms.kinds import ClusterKind, kind_named
from isthmus.terms.parameter import Parameter

__all__ = ["Coordinate", "FormulaTerm", "coordinate_variables"]


@dataclass(frozen=True)
class Coordinate:
    """A coordinate of a small cluster with parameters of its own, shared by many terms.

    In a larger cluster it appears under its name followed by the atoms: a coordinate `y` over
    bonds is `y12`, `y23` in an angle; in its own kind it is plain `y`.
    """

    name: str
    over: str
    formula: str
    unit: str
    parameters: tuple[Parameter, ...]

    @cached_property
    def expression(self) -> Expression:
        """The parsed formula."""
        return parse_expression(self.formula, where=self.where)

    @cached_property
    def compiled(self) -> CompiledFormula:
        """The JAX function."""
        return _compile(self.expression, self.kind, {})

    @property
    def kind(self) -> ClusterKind:
        """The cluster kind."""
        return kind_named(self.over)

    @property
    def where(self) -> str:
        """How error messages call it."""
        return f"coordinate '{self.name}'"

    def check(self) -> None:
        """Check names, units and symmetry.

        Raises:
            FormulaError: something is wrong with the formula; says what and where.
        """
        units = {name: variable.unit for name, variable in self.kind.variables.items()}
        check_names(self.expression, self.parameters, units, self.kind, where=self.where)
        wanted = parse_unit(self.unit)
        check_units(
            self.expression, self.parameters, units, self.kind, where=self.where, wanted=wanted
        )
        check_symmetry(self.expression, self.parameters, self.kind, {}, where=self.where)


@dataclass(frozen=True)
class FormulaTerm:
    """An energy formula over one kind of cluster.

    Attributes:
        name: unique within a design.
        over: cluster kind.
        energy: the formula [kJ/mol], in OpenMM's expression syntax.
        parameters: declarations; per-atom ones appear as `name1`, `name2`.
        coordinates: derived coordinates that the formula may use.
        coordination: only clusters whose centre has this many neighbours (branches).
        long_range: "coulomb" if the term is the Coulomb energy, so that reaction field or
            Ewald summation may take its place under a cutoff; "dispersion" if it is a 12-6
            term, whose dispersion LJPME sums.
        imported: the clusters come as a list, each with an order of its atoms: the formula need
            not be symmetric (but over pairs). Its parameters and the numbers in it have units
            that only the other engine knows, so units are not checked.
    """

    name: str
    over: str
    energy: str
    parameters: tuple[Parameter, ...]
    coordinates: tuple[Coordinate, ...] = ()
    coordination: int | None = None
    long_range: str | None = None
    imported: bool = False

    @property
    def where(self) -> str:
        """How error messages call it."""
        return f"term '{self.name}'"

    @property
    def kind(self) -> ClusterKind:
        """The cluster kind."""
        return kind_named(self.over)

    @cached_property
    def expression(self) -> Expression:
        """The parsed formula."""
        return parse_expression(self.energy, where=self.where)

    @cached_property
    def coordinate_names(self) -> Mapping[str, tuple[Coordinate, tuple[int, ...]]]:
        """Derived coordinates by the name they have in this formula, with their local atoms."""
        return coordinate_variables(self.kind, self.coordinates)

    @cached_property
    def compiled(self) -> CompiledFormula:
        """The JAX function."""
        return _compile(self.expression, self.kind, self.coordinate_names)

    def check(self) -> None:
        """Check names, units, symmetry, and what is said of the long range.

        Raises:
            FormulaError: something is wrong with the formula; says what and where.
        """
        units = {name: variable.unit for name, variable in self.kind.variables.items()}
        units |= {name: found.unit for name, (found, _) in self.coordinate_names.items()}
        check_names(self.expression, self.parameters, units, self.kind, where=self.where)
        if not self.imported:
            check_units(
                self.expression, self.parameters, units, self.kind, where=self.where, wanted=ENERGY
            )
        if not self.imported or self.over == "pair":
            check_symmetry(
                self.expression, self.parameters, self.kind, self.coordinate_names, where=self.where
            )
        if self.long_range is not None:
            check_long_range(
                self.expression, self.parameters, self.kind, self.long_range, where=self.where
            )


def coordinate_variables(
    kind: ClusterKind, coordinates: tuple[Coordinate, ...]
) -> dict[str, tuple[Coordinate, tuple[int, ...]]]:
    """Names under which derived coordinates appear in a formula over `kind`."""
    return {
        coordinate.name + label: (coordinate, atoms)
        for (base, label), atoms in kind.subclusters.items()
        for coordinate in coordinates
        if coordinate.over == base
    }


def _compile(
    expression: Expression, kind: ClusterKind, coordinates: Mapping[str, object]
) -> CompiledFormula:
    value = expression.value.xreplace(
        {symbol(name): sympy.Float(number, 17) for name, (number, _) in CONSTANTS.items()}
    )
    primitives = {name: variable.primitive for name, variable in kind.variables.items()}
    primitives |= {name: function for name, (function, _) in expression.geometry.items()}
    return compile_formula(
        value,
        dihedrals=frozenset(n for n, p in primitives.items() if p == "dihedral"),
        angles=frozenset(n for n, p in primitives.items() if p == "angle"),
        others=frozenset(n for n, p in primitives.items() if p not in ("dihedral", "angle"))
        | frozenset(coordinates),
    )
