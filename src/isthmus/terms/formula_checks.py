"""Checks of a formula against its declarations: names, units, symmetry, long range.

`CONSTANTS` stands here, because checks and compilation both need it.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeAlias

import numpy as np
import sympy

from isthmus.errors import FormulaError
from isthmus.terms.compiled import COS, SIN, STEP_AND_SELECT
from isthmus.terms.dimensions import Dimension, check_dimension
from isthmus.terms.expression import (
    FUNCTIONS,
    GEOMETRY_FUNCTIONS,
    NOT_DIFFERENTIABLE,
    Expression,
    names_in,
    parse_expression,
    symbol,
)
from isthmus.terms.kinds import ClusterKind
from isthmus.terms.parameter import Parameter
from isthmus.units import COULOMB

__all__ = ["CONSTANTS", "check_long_range", "check_names", "check_symmetry", "check_units"]

CONSTANTS: Final[Mapping[str, tuple[float, str]]] = {
    "COULOMB": (COULOMB, "kJ/mol*nm/e^2"),
    "pi": (float(np.pi), "rad"),
}
"""Names that stand for a number in every formula: value and unit."""

Derived: TypeAlias = Mapping[str, tuple[object, tuple[int, ...]]]
"""Derived coordinates by the name they have in a formula, with their local atoms"""

_FUNCTIONS: Final = {*FUNCTIONS, *GEOMETRY_FUNCTIONS, *NOT_DIFFERENTIABLE}
_TAKEN: Final = re.compile(rf"({COS}|{SIN}).*|({'|'.join(GEOMETRY_FUNCTIONS)})(_\d+)+")
"""Names that stand for geometry inside a compiled formula"""

_N_TRIALS: Final = 60
_N_POINTS: Final = 3


def _symbols(parameter: Parameter, kind: ClusterKind) -> tuple[str, ...]:
    """Names that a parameter has in the formula."""
    if parameter.per == "atom" and kind.n_atoms > 1:
        return tuple(f"{parameter.name}{a}" for a in range(1, kind.n_atoms + 1))
    return (parameter.name,)


def check_names(
    expression: Expression,
    parameters: tuple[Parameter, ...],
    units: Mapping[str, str],
    kind: ClusterKind,
    *,
    where: str,
) -> None:
    """Every name is a variable, a constant or a parameter; every parameter is used.

    Raises:
        FormulaError: an unknown name, an unused parameter, or one with a name that is taken.
    """
    declared: set[str] = set()
    for parameter in parameters:
        allowed = ("cluster", "atom", "type_pair") if kind.name == "pair" else ("cluster", "atom")
        if parameter.per not in allowed:
            raise FormulaError(
                f"{where}, parameter '{parameter.name}': per = '{parameter.per}' is not known for "
                f"{kind.name} terms; choose one of {', '.join(allowed)}"
            )
        if parameter.name in _FUNCTIONS:
            raise FormulaError(
                f"{where}: parameter '{parameter.name}' has the name of a function; rename it"
            )
        if _TAKEN.fullmatch(parameter.name):
            raise FormulaError(
                f"{where}: parameter '{parameter.name}' has a name that is taken inside compiled "
                "formulas; rename it"
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


def check_units(
    expression: Expression,
    parameters: tuple[Parameter, ...],
    units: Mapping[str, str],
    kind: ClusterKind,
    *,
    where: str,
    wanted: Dimension,
) -> None:
    """The formula has the wanted unit; nothing is checked where a parameter's is not known.

    Raises:
        FormulaError: as `check_dimension`.
    """
    if any(parameter.unit is None for parameter in parameters):
        return
    known = dict(units) | {name: unit for name, (_, unit) in CONSTANTS.items()}
    for parameter in parameters:
        for name in _symbols(parameter, kind):
            known[name] = parameter.unit or "1"
    check_dimension(expression, known, where=where, wanted=wanted)


def check_symmetry(
    expression: Expression,
    parameters: tuple[Parameter, ...],
    kind: ClusterKind,
    coordinates: Derived,
    *,
    where: str,
) -> None:
    """The energy must be the same for every way of writing the cluster down.

    Raises:
        FormulaError: it is not, or it has no value where that could be checked.
    """
    for symmetry, permutation in kind.symmetries.items():
        images = _images(expression, parameters, kind, coordinates, symmetry, permutation, where)
        mapped = expression.value.xreplace(images)
        names = sorted(names_in(expression.value) | names_in(mapped))
        modules = [{name: meaning for name, (meaning, _) in STEP_AND_SELECT.items()}, "math"]
        function = sympy.lambdify(
            [symbol(n) for n in names], [expression.value, mapped], modules=modules
        )
        for before, after in _trials(function, len(names), expression, where):
            if abs(before - after) > 1e-9 * max(1.0, abs(before)):
                raise FormulaError(
                    f"{where}: the energy changes when the {kind.name} is written the other way "
                    f"round ({symmetry}: atoms {', '.join(map(str, permutation))})\n"
                    f"    {expression.text}\n"
                    f'    declare which parameters trade places, e.g. {symmetry} = "..."'
                )


def _trials(
    function: Callable, n_names: int, expression: Expression, where: str
) -> Iterator[tuple[float, float]]:
    """Values of both spellings at a few random points, out of many where they may not exist."""
    random = np.random.default_rng(0)
    n_found = 0
    for trial in range(_N_TRIALS):
        point = random.uniform(0.2, 0.9, n_names) * (1 if trial < _N_POINTS else trial**0.5)
        try:
            before, after = function(*point)
        except (ValueError, OverflowError, ZeroDivisionError):
            continue
        if np.isfinite(before) and np.isfinite(after):
            yield before, after
            n_found += 1
        if n_found == _N_POINTS:
            return
    if not n_found:
        raise FormulaError(
            f"{where}: the formula has no value at any of the points that were tried to check its "
            f"symmetry\n    {expression.text}\n    are its roots and logarithms real?"
        )


def _images(
    expression: Expression,
    parameters: tuple[Parameter, ...],
    kind: ClusterKind,
    coordinates: Derived,
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


_COULOMB: Final = parse_expression("COULOMB*charge1*charge2/r").value


def check_long_range(
    expression: Expression,
    parameters: tuple[Parameter, ...],
    kind: ClusterKind,
    long_range: str,
    *,
    where: str,
) -> None:
    """What a cutoff method puts in the place of a formula must mean the same.

    Raises:
        FormulaError: a term that is not over pairs, or not the energy that its name promises.
    """
    per_atom = {parameter.name for parameter in parameters if parameter.per == "atom"}
    wanted = {"charge"} if long_range == "coulomb" else {"sigma", "epsilon"}
    right = kind.name == "pair" and wanted <= per_atom
    if right and long_range == "coulomb":
        right = bool(sympy.expand(expression.value - _COULOMB) == 0)
    if not right:
        what = (
            'a term over pairs with energy = "COULOMB*charge1*charge2/r"'
            if long_range == "coulomb"
            else "a 12-6 term over pairs with sigma and epsilon of each atom"
        )
        raise FormulaError(
            f"{where}: long_range = '{long_range}' is for {what}, which Ewald sums replace\n"
            f"    {expression.text}\n    leave long_range out, and the formula is cut off as it is"
        )
