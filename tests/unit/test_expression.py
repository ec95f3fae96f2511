"""Expressions in OpenMM's syntax, and the errors of wrong ones."""

import contextlib

import hypothesis.strategies as st
import pytest
import sympy
from hypothesis import given

from isthmus.errors import FormulaError
from isthmus.terms.expression import FUNCTIONS, parse_expression, symbol

X, Y = symbol("x"), symbol("y")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("x^2+y", X**2 + Y),
        ("-x^2", -(X**2)),
        ("2^-3", sympy.Rational(1, 8)),
        ("x/2", X / 2),
        ("0.1*x", X / 10),
        ("1e-3*x", X / 1000),
        ("square(x)+cube(y)", X**2 + Y**3),
        ("a*b; b=a^2; a=x+1", (X + 1) ** 3),
        ("a; a=b+y; b=x", X + Y),
        ("min(x, y)", sympy.Min(X, Y)),
        ("lambda*x", symbol("lambda") * X),
    ],
)
def test_reads_what_openmm_reads(text: str, wanted: sympy.Expr) -> None:
    assert sympy.simplify(parse_expression(text).value - wanted) == 0


def test_definitions_may_follow_in_any_number_of_lines() -> None:
    expression = parse_expression("k*d^2;\n  d = r -\n r0;")
    assert expression.names == {"k", "r", "r0"}


def test_geometry_functions_name_their_particles() -> None:
    expression = parse_expression("k*distance(p1,p3)*cos(dihedral(p1,p2,p3,p4))")
    assert set(expression.geometry.values()) == {("distance", (1, 3)), ("dihedral", (1, 2, 3, 4))}
    assert expression.names == {"k"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the expression is empty"),
        ("k*(r-r0", "cannot be read from here on"),
        ("k*r**2", r"powers are written with \^"),
        ("floor(r)", "'floor' is not differentiable"),
        ("foo(r)", "unknown function 'foo'; known are sqrt"),
        ("sqrt(r, 2)", r"'sqrt' takes 1 argument\(s\), 2 given"),
        ("distance(p1)", r"distance\(p1, p2\)"),
        ("r if k else 0", "cannot be read|not part of the expression"),
        ("r.real", "not part of the expression syntax"),
        ("[r]", "not part of the expression syntax"),
        ("r @ k", "operator is not known"),
        ("r; k", "a definition 'name = expression' must come"),
        ("r/0", "division by zero"),
        ("r^1000", "exponent larger than 64"),
        ("__import__(1)", "names have no '__'"),
        ("(" * 5000 + "r" + ")" * 5000, "cannot be read|nested too deeply"),
        ("r" * 30_000, "longer than"),
        ("1e400*r", "this number is too large"),
        ("1" * 400 + "*r", "this number is too large"),
        ("(((9^64)^64)^64)^64*r", "this number is too large"),
        ("log(0)*r", "no finite real value"),
        ("sqrt(-1)*r", "no finite real value"),
        ("r^atan2(0, 0)", "no finite real value"),
        ("a0" + "".join(f"; a{i}=sin(a{i + 1})*cos(a{i + 1})" for i in range(60)), "operations"),
    ],
)
def test_refuses_with_the_place(text: str, message: str) -> None:
    with pytest.raises(FormulaError, match=message):
        parse_expression(text, where="term 'a'")


def test_the_message_points_at_the_place() -> None:
    with pytest.raises(FormulaError) as caught:
        parse_expression("k/2*floor(r)", where="term 'bond'")
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("term 'bond': ")
    assert lines[1][lines[2].index("^") :].startswith("floor")


def test_the_place_is_right_behind_a_power() -> None:
    with pytest.raises(FormulaError) as caught:
        parse_expression("x^2+x^3+nope(x)")
    lines = str(caught.value).splitlines()
    assert lines[1][lines[2].index("^") :].startswith("nope")


@given(st.text(alphabet="xyk0123456789.+-*/^();= ,sincoqrtep_", max_size=40))
def test_any_text_gives_a_formula_or_a_formula_error(text: str) -> None:
    with contextlib.suppress(FormulaError):
        parse_expression(text)


def test_every_function_has_a_meaning_for_sympy() -> None:
    for name, (count, _) in FUNCTIONS.items():
        arguments = ", ".join(["x"] * count)
        assert parse_expression(f"{name}({arguments})").names <= {"x"}


def test_the_caret_points_at_a_wrong_power() -> None:
    with pytest.raises(FormulaError) as raised:
        parse_expression("k/2*(r-r0)**2")
    formula, caret = str(raised.value).splitlines()[-2:]
    assert formula[caret.index("^") :] == "**2"
