"""Dimensional analysis of energy formulas.

A unit is a product of powers of the base units kJ/mol, nm, rad, e, ps, Da and K. Angles count as
a dimension of their own, so that a force constant per degree or per squared angle is caught;
only trigonometric functions turn them into numbers.
"""

import ast
import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Final

import sympy

from isthmus.errors import FormulaError
from isthmus.terms.expression import Expression

__all__ = ["ENERGY", "Dimension", "check_dimension", "parse_unit", "unit_text"]

Dimension = tuple[Fraction, ...]
"""Exponents of kJ/mol, nm, rad, e, ps, Da, K."""

_BASE: Final = ("kJ/mol", "nm", "rad", "e", "ps", "Da", "K")
_ONE: Final[Dimension] = (Fraction(0),) * len(_BASE)
_TRIGONOMETRIC: Final = (sympy.sin, sympy.cos, sympy.tan)
_INVERSE: Final = (sympy.asin, sympy.acos, sympy.atan)


def _base(name: str) -> Dimension:
    return tuple(Fraction(int(name == base)) for base in _BASE)


ENERGY: Final[Dimension] = _base("kJ/mol")


def _times(a: Dimension, b: Dimension, power: Fraction = Fraction(1)) -> Dimension:
    return tuple(x + power * y for x, y in zip(a, b, strict=True))


def parse_unit(text: str) -> Dimension:
    """Dimension of a unit such as "kJ/mol/nm^2", "rad" or "1".

    Raises:
        FormulaError: the text is no product of the base units; the message lists them.
    """
    wanted = f"write it with {', '.join(_BASE)}, * / ^ and 1, e.g. 'kJ/mol/nm^2'"
    code = text.replace("kJ/mol", "ENERGY").replace("^", "**")
    if re.search(r"\bkJ\b|\bmol\b|\bkcal\b", code):
        raise FormulaError(f"unit '{text}': energies are per mole, kJ/mol; {wanted}")
    try:
        return _unit(ast.parse(code.strip(), mode="eval").body)
    except (SyntaxError, ValueError, ZeroDivisionError, RecursionError):
        raise FormulaError(f"unit '{text}' is not understood: {wanted}") from None


def _unit(node: ast.expr) -> Dimension:
    match node:
        case ast.Constant(value=1):
            return _ONE
        case ast.Name(id="ENERGY"):
            return ENERGY
        case ast.Name(id=name) if name in _BASE:
            return _base(name)
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            return _times(_unit(left), _unit(right))
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            return _times(_unit(left), _unit(right), Fraction(-1))
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            return _times(_ONE, _unit(left), Fraction(ast.unparse(right).replace(" ", "")))
    raise ValueError(ast.dump(node))


def unit_text(dimension: Dimension) -> str:
    """A dimension written as a unit."""
    parts = [
        base if power == 1 else f"{base}^{power}" if power.denominator == 1 else f"{base}^({power})"
        for base, power in zip(_BASE, dimension, strict=True)
        if power
    ]
    return " ".join(parts) or "1"


def check_dimension(
    expression: Expression, units: Mapping[str, str], *, where: str, wanted: Dimension = ENERGY
) -> None:
    """Check that an expression has the wanted dimension, given the units of its symbols.

    Raises:
        FormulaError: two quantities that are added differ in their unit, a function gets an
            argument with a unit, or the result is not what is wanted.
    """
    known = {name: parse_unit(unit) for name, unit in units.items()}
    for name, (function, _) in expression.geometry.items():
        known[name] = _base("nm") if function == "distance" else _base("rad")
    found = _Analysis(known, where, expression.text).dimension(expression.value)
    if found is not None and found != wanted:
        raise FormulaError(
            f"{where}: the formula has the unit [{unit_text(found)}], wanted is "
            f"[{unit_text(wanted)}]\n    {expression.text}\n"
            "    check the declared units of its parameters"
        )


class _Analysis:
    """Walks one expression. None stands for a number, e.g. 0, that fits every unit."""

    def __init__(self, known: Mapping[str, Dimension], where: str, text: str):
        self.known = known
        self.where = where
        self.text = text

    def fail(self, message: str) -> FormulaError:
        return FormulaError(f"{self.where}: {message}\n    {self.text}")

    def dimension(self, node: Any) -> Dimension | None:
        if node.is_Symbol:
            return self.known[node.name]
        if node.is_number:
            return None if node == 0 else _ONE
        if node.is_Add or isinstance(node, sympy.Min | sympy.Max):
            return self.same(node.args)
        if node.is_Mul:
            result = _ONE
            for factor in node.args:
                result = _times(result, self.dimension(factor) or _ONE)
            return result
        if node.is_Pow:
            return self.power(*node.args)
        return self.function(node)

    def same(self, nodes: tuple[Any, ...]) -> Dimension | None:
        first: tuple[Any, Dimension] | None = None
        for node in nodes:
            found = self.dimension(node)
            if found is None:
                continue
            if first is None:
                first = (node, found)
            elif found != first[1]:
                raise self.fail(
                    f"'{first[0]}' [{unit_text(first[1])}] and '{node}' [{unit_text(found)}] "
                    "are added, but their units differ"
                )
        return first[1] if first else None

    def power(self, base: Any, exponent: Any) -> Dimension | None:
        if base == sympy.E:
            self.plain(exponent, "exp")
            return _ONE
        found = self.dimension(base) or _ONE
        if exponent.is_Rational:
            return _times(_ONE, found, Fraction(int(exponent.p), int(exponent.q)))
        self.plain(exponent, "^")
        if found != _ONE:
            raise self.fail(f"'{base}' [{unit_text(found)}] has a power that is not a number")
        return _ONE

    def plain(self, node: Any, name: str, *, angle: bool = False) -> None:
        found = self.dimension(node)
        allowed = (None, _ONE, _base("rad")) if angle else (None, _ONE)
        if found not in allowed:
            raise self.fail(
                f"'{name}' of '{node}', which has the unit [{unit_text(found or _ONE)}]"
            )

    def function(self, node: Any) -> Dimension | None:
        name = type(node).__name__
        if isinstance(node, sympy.Abs):
            return self.dimension(node.args[0])
        if name == "_Select":
            return self.same(node.args[1:])
        if name == "_Step":
            return _ONE
        if isinstance(node, sympy.atan2):
            self.same(node.args)
            return _base("rad")
        for argument in node.args:
            self.plain(argument, name, angle=isinstance(node, _TRIGONOMETRIC))
        return _base("rad") if isinstance(node, _INVERSE) else _ONE
