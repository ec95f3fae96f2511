"""Energy expressions: OpenMM's custom-force syntax, read into sympy without evaluating anything.

The syntax is that of OpenMM's custom forces: numbers, names, `+ - * / ^`, parentheses, a fixed
list of functions, and definitions after semicolons (`k*d^2; d = r - r0`). The text is parsed by
Python's own grammar into a syntax tree, and only whitelisted nodes are translated, so an
expression from an untrusted file can compute nothing but a formula.

Source: OpenMM User Guide, section "Writing custom expressions".
"""

import ast
import keyword
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import sympy

from isthmus.errors import FormulaError

__all__ = [
    "FUNCTIONS",
    "GEOMETRY_FUNCTIONS",
    "Expression",
    "names_in",
    "parse_expression",
    "symbol",
]

MAX_LENGTH: Final = 20_000
MAX_EXPONENT: Final = 64
MAX_NODES: Final = 100_000
"""Operations and names of an expression with all definitions written out"""
MAX_BITS: Final = 2048
"""Size of a number that a power of numbers may give; a double has 1024 bits before the point"""


def symbol(name: str) -> sympy.Symbol:
    """The symbol that stands for a name in every expression of this package."""
    return sympy.Symbol(name, real=True)


def names_in(value: sympy.Basic) -> frozenset[str]:
    """Names of all symbols of an expression."""
    return frozenset(str(found) for found in value.free_symbols)


class _Step(sympy.Function):
    """step(x) = 0 for x < 0, 1 otherwise."""

    nargs = 1


class _Select(sympy.Function):
    """select(x, y, z) = z for x = 0, y otherwise."""

    nargs = 3


FUNCTIONS: Final[Mapping[str, tuple[int, Callable]]] = {
    "sqrt": (1, sympy.sqrt),
    "exp": (1, sympy.exp),
    "log": (1, sympy.log),
    "sin": (1, sympy.sin),
    "cos": (1, sympy.cos),
    "tan": (1, sympy.tan),
    "sec": (1, lambda x: 1 / sympy.cos(x)),
    "csc": (1, lambda x: 1 / sympy.sin(x)),
    "cot": (1, lambda x: 1 / sympy.tan(x)),
    "asin": (1, sympy.asin),
    "acos": (1, sympy.acos),
    "atan": (1, sympy.atan),
    "atan2": (2, sympy.atan2),
    "sinh": (1, sympy.sinh),
    "cosh": (1, sympy.cosh),
    "tanh": (1, sympy.tanh),
    "erf": (1, sympy.erf),
    "erfc": (1, sympy.erfc),
    "square": (1, lambda x: x**2),
    "cube": (1, lambda x: x**3),
    "recip": (1, lambda x: 1 / x),
    "abs": (1, sympy.Abs),
    "min": (2, sympy.Min),
    "max": (2, sympy.Max),
    "step": (1, _Step),
    "select": (3, _Select),
}
"""Functions by name: number of arguments and meaning."""

NOT_DIFFERENTIABLE: Final = ("floor", "ceil", "delta", "random", "uniform", "gaussian")

GEOMETRY_FUNCTIONS: Final[Mapping[str, int]] = {"distance": 2, "angle": 3, "dihedral": 4}
"""Functions of particles p1, p2, ... that OpenMM's compound forces know: number of particles."""


@dataclass(frozen=True)
class Expression:
    """A parsed expression.

    `text` is what was written; `value` the sympy expression, definitions substituted;
    `geometry` maps the names of the symbols that stand for `distance(p1, p2)` and the like to
    (function, particles).
    """

    text: str
    value: sympy.Expr
    geometry: Mapping[str, tuple[str, tuple[int, ...]]]

    @property
    def names(self) -> frozenset[str]:
        """Names of all free symbols, without those that stand for geometry functions."""
        return names_in(self.value) - frozenset(self.geometry)


def _fail(where: str, text: str, position: int, message: str) -> FormulaError:
    excerpt = text.strip("\n")
    return FormulaError(f"{where}: {message}\n    {excerpt}\n    {' ' * position}^")


class _Reader(ast.NodeVisitor):
    """Translates one whitelisted Python syntax tree into sympy."""

    def __init__(self, where: str, text: str, offset: int, definitions: Mapping[str, sympy.Expr]):
        self.where = where
        self.text = text
        self.offset = offset
        self.definitions = definitions
        self.geometry: dict[str, tuple[str, tuple[int, ...]]] = {}

    def fail(self, node: ast.AST, message: str) -> FormulaError:
        position = self.offset + getattr(node, "col_offset", 0)
        return _fail(self.where, self.text, position, message)

    def read(self, node: ast.AST) -> sympy.Expr:
        match node:
            case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
                if value > sys.float_info.max:
                    raise self.fail(node, "this number is too large")
                return sympy.Rational(repr(value))
            case ast.Name(id=name):
                name = name.removeprefix("__keyword_")
                return self.definitions.get(name, symbol(name))
            case ast.UnaryOp(op=ast.USub()):
                return -self.read(node.operand)
            case ast.UnaryOp(op=ast.UAdd()):
                return self.read(node.operand)
            case ast.BinOp():
                return self.binary(node)
            case ast.Call(func=ast.Name(id=name), args=args, keywords=[]):
                return self.call(node, name, args)
        raise self.fail(node, "this is not part of the expression syntax")

    def binary(self, node: ast.BinOp) -> sympy.Expr:
        left, right = self.read(node.left), self.read(node.right)
        match node.op:
            case ast.Add():
                return left + right
            case ast.Sub():
                return left - right
            case ast.Mult():
                return left * right
            case ast.Div():
                if right == 0:
                    raise self.fail(node.right, "division by zero")
                return left / right
            case ast.Pow():
                if right.is_Rational and abs(right) > MAX_EXPONENT:
                    raise self.fail(node.right, f"exponent larger than {MAX_EXPONENT}")
                if isinstance(left, sympy.Rational) and right.is_Rational:
                    bits = max(int(left.p).bit_length(), int(left.q).bit_length())
                    if bits * abs(right) > MAX_BITS:
                        raise self.fail(node, "this number is too large")
                return left**right
        raise self.fail(node, "this operator is not known; use + - * / ^")

    def call(self, node: ast.AST, name: str, args: list[ast.expr]) -> sympy.Expr:
        if name in GEOMETRY_FUNCTIONS:
            return self.geometry_call(node, name, args)
        if name in NOT_DIFFERENTIABLE:
            raise self.fail(node, f"'{name}' is not differentiable, so it gives no forces")
        if name not in FUNCTIONS:
            known = ", ".join([*FUNCTIONS, *GEOMETRY_FUNCTIONS])
            raise self.fail(node, f"unknown function '{name}'; known are {known}")
        count, function = FUNCTIONS[name]
        if len(args) != count:
            raise self.fail(node, f"'{name}' takes {count} argument(s), {len(args)} given")
        result: Any = function(*(self.read(arg) for arg in args))
        return result

    def geometry_call(self, node: ast.AST, name: str, args: list[ast.expr]) -> sympy.Expr:
        count = GEOMETRY_FUNCTIONS[name]
        particles = [
            int(arg.id[1:])
            for arg in args
            if isinstance(arg, ast.Name) and re.fullmatch(r"p[1-9][0-9]*", arg.id)
        ]
        if len(particles) != count or len(args) != count:
            wanted = ", ".join(f"p{a}" for a in range(1, count + 1))
            raise self.fail(node, f"'{name}' takes {count} particles: {name}({wanted})")
        label = f"{name}_{'_'.join(map(str, particles))}"
        self.geometry[label] = (name, tuple(particles))
        return symbol(label)


def parse_expression(text: str, *, where: str = "expression") -> Expression:
    """Read an expression.

    Args:
        text: the expression, in OpenMM's syntax.
        where: what to call it in error messages, e.g. "term 'stretch'".

    Raises:
        FormulaError: it is not in the syntax; the message shows the place.
    """
    if len(text) > MAX_LENGTH:
        raise FormulaError(f"{where}: longer than {MAX_LENGTH} characters")
    flat = " ".join(text.split())
    if not flat.rstrip("; "):
        raise FormulaError(f"{where}: the expression is empty")
    pieces: list[tuple[int, str]] = []
    start = 0
    for piece in flat.split(";"):
        pieces.append((start, piece))
        start += len(piece) + 1
    definitions: dict[str, sympy.Expr] = {}
    sizes: dict[str, int] = {}
    geometry: dict[str, tuple[str, tuple[int, ...]]] = {}
    for offset, piece in reversed(pieces[1:]):
        if not piece.strip():
            continue
        name, equals, body = piece.partition("=")
        if not equals or not re.fullmatch(r"\s*[A-Za-z_]\w*\s*", name):
            raise _fail(where, flat, offset, "after ';' a definition 'name = expression' must come")
        start = offset + len(name) + 1
        reader, tree, size = _syntax(where, flat, start, body, definitions, sizes)
        definitions[name.strip()] = _value(reader, tree, geometry)
        sizes[name.strip()] = size
    reader, tree, _ = _syntax(where, flat, 0, pieces[0][1], definitions, sizes)
    return Expression(flat, _value(reader, tree, geometry), geometry)


def _syntax(
    where: str,
    flat: str,
    offset: int,
    piece: str,
    definitions: Mapping[str, sympy.Expr],
    sizes: Mapping[str, int],
) -> tuple[_Reader, ast.expr, int]:
    """A reader for one piece, its syntax tree, and its size with all definitions written out."""
    stripped = piece.lstrip()
    offset += len(piece) - len(stripped)
    if (wrong := re.search(r"\*\*|__", stripped)) is not None:
        raise _fail(
            where, flat, offset + wrong.start(), "powers are written with ^, and names have no '__'"
        )
    code, places = _to_python(stripped)
    try:
        tree = ast.parse(code, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        column = min((getattr(error, "offset", None) or 1) - 1, len(places) - 1)
        position = offset + places[max(column, 0)]
        raise _fail(where, flat, position, "cannot be read from here on") from None
    size = 0
    for node in ast.walk(tree):
        if isinstance(node, ast.expr):
            node.col_offset = places[min(node.col_offset, len(places) - 1)]
            name = node.id.removeprefix("__keyword_") if isinstance(node, ast.Name) else ""
            size += sizes.get(name, 1)
    # Definitions that each use the one before twice would double it every time.
    if size > MAX_NODES:
        raise _fail(where, flat, offset, f"has more than {MAX_NODES} operations, definitions in")
    return _Reader(where, flat, offset, definitions), tree, size


def _value(
    reader: _Reader, tree: ast.expr, geometry: dict[str, tuple[str, tuple[int, ...]]]
) -> sympy.Expr:
    """What a syntax tree says; the geometry functions that it calls are added to `geometry`."""
    try:
        value = reader.read(tree)
    except RecursionError:
        raise reader.fail(tree, "is nested too deeply") from None
    if value.has(sympy.zoo, sympy.nan, sympy.oo, -sympy.oo, sympy.I):
        raise reader.fail(tree, "this has no finite real value, whatever its parameters are")
    geometry.update(reader.geometry)
    return value


def _to_python(text: str) -> tuple[str, list[int]]:
    """Turn `^` into `**` and hide Python's keywords; also the place each character came from."""
    code: list[str] = []
    places: list[int] = []
    for match in re.finditer(r"[A-Za-z_]\w*|\^|.", text, flags=re.DOTALL):
        token = match.group()
        if token == "^":
            new = "**"
        elif keyword.iskeyword(token):
            new = f"__keyword_{token}"
        else:
            new = token
        code.append(new)
        places.extend([match.start()] * len(new))
    return "".join(code), places or [0]
