"""Formulas as text in the syntax of OpenMM's custom forces."""

import math
from typing import Any, Final, TypeAlias

import sympy
from sympy.printing.precedence import PRECEDENCE
from sympy.printing.str import StrPrinter

__all__ = ["Formula", "formula_text"]

Formula: TypeAlias = Any
"""A sympy expression. sympy's own annotations lose the type in almost every operation."""

_SIMPLE: Final = 12
"""Fractions of numbers up to this size are printed as they are, others as decimal numbers."""

_RENAMED: Final = {"Abs": "abs", "_Step": "step", "_Select": "select"}


class _Printer(StrPrinter):
    """Prints what the parser of `isthmus.terms.expression` can read."""

    def _print_Pow(self, expr: Formula, rational: bool = False) -> str:
        base, exponent = expr.args
        if exponent.is_number and exponent.is_negative:
            return f"1/{self.parenthesize(sympy.Pow(base, -exponent), PRECEDENCE['Pow'])}"
        if exponent == sympy.S.Half:
            return f"sqrt({self._print(base)})"
        left = self.parenthesize(base, PRECEDENCE["Pow"], strict=False)
        return f"{left}^{self.parenthesize(exponent, PRECEDENCE['Pow'], strict=False)}"

    def _print_Float(self, expr: Formula) -> str:
        return repr(float(expr))

    def _print_Rational(self, expr: Formula) -> str:
        return repr(float(expr)) if expr.q != 1 else str(expr.p)

    def _print_Pi(self, expr: Formula) -> str:
        return repr(math.pi)

    def _print_Exp1(self, expr: Formula) -> str:
        return repr(math.e)

    def _print_Min(self, expr: Formula) -> str:
        return self._nested("min", list(expr.args))

    def _print_Max(self, expr: Formula) -> str:
        return self._nested("max", list(expr.args))

    def _print_Function(self, expr: Formula) -> str:
        name = expr.func.__name__
        return f"{_RENAMED.get(name, name)}({self.stringify(expr.args, ', ')})"

    _print_Abs = _print_Function

    def _nested(self, name: str, arguments: list[Formula]) -> str:
        """min and max take two arguments there, any number here."""
        text = self._print(arguments[0])
        for argument in arguments[1:]:
            text = f"{name}({text}, {self._print(argument)})"
        return text


def formula_text(value: Formula) -> str:
    """The expression as OpenMM reads it; numbers with all digits of a double."""
    unwieldy = {
        number: sympy.Float(number, 17)
        for number in value.atoms(sympy.Rational)
        if abs(number.p) > _SIMPLE or number.q > _SIMPLE
    }
    return _Printer().doprint(value.xreplace(unwieldy))
