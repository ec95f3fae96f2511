"""Formula terms and derived coordinates: one line of text, checked and compiled."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import sympy

from isthmus.errors import FormulaError
from isthmus.terms.compiled import CompiledFormula, compile_formula
from isthmus.terms.dimensions import ENERGY, Dimension, check_dimension, parse_unit
from isthmus.terms.expression import Expression, names_in, parse_expression, symbol
from isthmus.terms.kinds import ClusterKind, kind_named
from isthmus.terms.parameter import Parameter
from isthmus.units import COULOMB

__all__ = ["CONSTANTS", "Coordinate", "FormulaTerm", "coordinate_variables"]

CONSTANTS: Final[Mapping[str, tuple[float, str]]] = {
    "COULOMB": (COULOMB, "kJ/mol*nm/e^2"),
    "pi": (float(np.pi), "rad"),
}
"""Names that stand for a number in every formula: value and unit."""


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
        _check_names(self.expression, self.parameters, units, self.kind, where=self.where)
        wanted = parse_unit(self.unit)
        _check_units(
            self.expression, self.parameters, units, self.kind, where=self.where, wanted=wanted
        )
        _check_symmetry(self.expression, self.parameters, self.kind, {}, where=self.where)


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
            Ewald summation may take its place under a cutoff.
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
        """Check names, units and symmetry.

        Raises:
            FormulaError: something is wrong with the formula; says what and where.
        """
        units = {name: variable.unit for name, variable in self.kind.variables.items()}
        units |= {name: found.unit for name, (found, _) in self.coordinate_names.items()}
        _check_names(self.expression, self.parameters, units, self.kind, where=self.where)
        if not self.imported:
            _check_units(
                self.expression, self.parameters, units, self.kind, where=self.where, wanted=ENERGY
            )
        if not self.imported or self.over == "pair":
            _check_symmetry(
                self.expression, self.parameters, self.kind, self.coordinate_names, where=self.where
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


def _symbols(parameter: Parameter, kind: ClusterKind) -> tuple[str, ...]:
    """Names that a parameter has in the formula."""
    if parameter.per == "atom" and kind.n_atoms > 1:
        return tuple(f"{parameter.name}{a}" for a in range(1, kind.n_atoms + 1))
    return (parameter.name,)


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


def _check_names(
    expression: Expression,
    parameters: tuple[Parameter, ...],
    units: Mapping[str, str],
    kind: ClusterKind,
    *,
    where: str,
) -> None:
    declared: set[str] = set()
    for parameter in parameters:
        allowed = ("cluster", "atom", "type_pair") if kind.name == "pair" else ("cluster", "atom")
        if parameter.per not in allowed:
            raise FormulaError(
                f"{where}, parameter '{parameter.name}': per = '{parameter.per}' is not known for "
                f"{kind.name} terms; choose one of {', '.join(allowed)}"
            )
        names = set(_symbols(parameter, kind))
        if names & (set(units) | set(CONSTANTS)):
            raise FormulaError(
                f"{where}: parameter '{parameter.name}' has the name of a variable or constant; "
                "rename it"
            )
        declared |= names
    unknown = expression.names - declared - set(units) - set(CONSTANTS)
    if unknown:
        name = min(unknown)
        place = max(expression.text.find(name), 0)
        raise FormulaError(
            f"{where}: '{name}' is neither a variable nor a declared parameter\n"
            f"    {expression.text}\n    {' ' * place}^\n"
            f"    variables here: {', '.join(units)}; "
            f"parameters: {', '.join(sorted(p.name for p in parameters)) or 'none'}"
        )
    used = expression.names
    for parameter in parameters:
        if not used.intersection(_symbols(parameter, kind)):
            raise FormulaError(
                f"{where}: parameter '{parameter.name}' is not in the formula"
                f"\n    {expression.text}\n    remove it, or use it"
            )


def _check_units(
    expression: Expression,
    parameters: tuple[Parameter, ...],
    units: Mapping[str, str],
    kind: ClusterKind,
    *,
    where: str,
    wanted: Dimension,
) -> None:
    if any(parameter.unit is None for parameter in parameters):
        return
    known = dict(units) | {name: unit for name, (_, unit) in CONSTANTS.items()}
    for parameter in parameters:
        for name in _symbols(parameter, kind):
            known[name] = parameter.unit or "1"
    check_dimension(expression, known, where=where, wanted=wanted)


def _check_symmetry(
    expression: Expression,
    parameters: tuple[Parameter, ...],
    kind: ClusterKind,
    coordinates: Mapping[str, tuple[Coordinate, tuple[int, ...]]],
    *,
    where: str,
) -> None:
    """The energy must be the same for every way of writing the cluster down."""
    for symmetry, permutation in kind.symmetries.items():
        images = _images(expression, parameters, kind, coordinates, symmetry, permutation, where)
        mapped = expression.value.xreplace(images)
        names = sorted(names_in(expression.value) | names_in(mapped))
        function = sympy.lambdify([symbol(n) for n in names], [expression.value, mapped], "math")
        random = np.random.default_rng(0)
        for _ in range(3):
            point = random.uniform(0.2, 0.9, len(names))
            try:
                before, after = function(*point)
            except (ValueError, NameError, OverflowError, ZeroDivisionError):
                continue
            if abs(before - after) > 1e-9 * max(1.0, abs(before)):
                raise FormulaError(
                    f"{where}: the energy changes when the {kind.name} is written the other way "
                    f"round ({symmetry}: atoms {', '.join(map(str, permutation))})\n"
                    f"    {expression.text}\n"
                    f'    declare which parameters trade places, e.g. {symmetry} = "..."'
                )


def _images(
    expression: Expression,
    parameters: tuple[Parameter, ...],
    kind: ClusterKind,
    coordinates: Mapping[str, tuple[Coordinate, tuple[int, ...]]],
    symmetry: str,
    permutation: tuple[int, ...],
    where: str,
) -> dict[sympy.Symbol, sympy.Expr]:
    images: dict[sympy.Symbol, sympy.Expr] = {}
    for name in kind.variables:
        other, sign = kind.image(name, symmetry)
        images[symbol(name)] = sign * symbol(other)
    for name, (coordinate, atoms) in coordinates.items():
        moved = tuple(permutation[a - 1] for a in atoms)
        for other, (candidate, there) in coordinates.items():
            if candidate is coordinate and moved in (there, there[::-1]):
                images[symbol(name)] = symbol(other)
    for name, (function, particles) in expression.geometry.items():
        moved = tuple(permutation[p - 1] for p in particles)
        for spelling in (moved, moved[::-1]):
            label = f"{function}_{'_'.join(map(str, spelling))}"
            if label in expression.geometry:
                images[symbol(name)] = symbol(label)
    by_name = {parameter.name: parameter for parameter in parameters}
    for parameter in parameters:
        if parameter.per == "atom":
            for a, name in enumerate(_symbols(parameter, kind), start=1):
                if kind.n_atoms > 1:
                    images[symbol(name)] = symbol(f"{parameter.name}{permutation[a - 1]}")
            continue
        if parameter.reference is not None:
            images[symbol(parameter.name)] = symbol(
                _image_of_reference(parameter, parameters, permutation, where)
            )
            continue
        target = dict(parameter.images).get(symmetry, parameter.name)
        sign = -1 if target.startswith("-") else 1
        target = target.removeprefix("-")
        if target not in by_name:
            raise FormulaError(
                f"{where}, parameter '{parameter.name}': {symmetry} = '{target}' names no parameter"
            )
        images[symbol(parameter.name)] = sign * symbol(target)
    return images


def _image_of_reference(
    parameter: Parameter,
    parameters: tuple[Parameter, ...],
    permutation: tuple[int, ...],
    where: str,
) -> str:
    reference = parameter.reference
    assert reference is not None
    moved = tuple(permutation[a - 1] for a in reference.at)
    for other in parameters:
        there = other.reference
        if (
            there is not None
            and (there.owner, there.parameter) == (reference.owner, reference.parameter)
            and there.at in (moved, moved[::-1])
        ):
            return other.name
    raise FormulaError(
        f"{where}: '{parameter.name}' refers to {reference.owner}.{reference.parameter} of atoms "
        f"{reference.at}; the same of atoms {moved} must be declared too, because the "
        "cluster may be written the other way round"
    )
