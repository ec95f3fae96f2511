"""Expressions of OpenMM's custom forces, turned into formulas of our own."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from isthmus.deploy.openmm.reader_registry import ForceToRead
from isthmus.errors import FormulaError
from isthmus.terms.formula import FormulaTerm
from isthmus.terms.formula_checks import CONSTANTS
from isthmus.terms.kinds import kind_named
from isthmus.terms.parameter import Parameter

__all__ = ["CustomFormula", "custom_term", "global_values", "identifiers", "renamed"]

_TOKEN = re.compile(r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[A-Za-z_]\w*|\s+|.", flags=re.DOTALL)


def identifiers(text: str) -> frozenset[str]:
    """Names in an expression: variables, parameters, functions."""
    return frozenset(t for t in _TOKEN.findall(text) if re.match(r"[A-Za-z_]", t))


def renamed(text: str, names: Mapping[str, str]) -> str:
    """The expression with names exchanged for others, or for expressions."""
    return "".join(names.get(token, token) for token in _TOKEN.findall(text))


def global_values(force: Any) -> dict[str, float]:
    """Default values of the global parameters of a custom force."""
    return {
        force.getGlobalParameterName(n): force.getGlobalParameterDefaultValue(n)
        for n in range(force.getNumGlobalParameters())
    }


@dataclass(frozen=True)
class CustomFormula:
    """A formula made from a custom expression.

    Attributes:
        term: the declaration.
        columns: by parameter name, its column among the parameters of the force.
        notes: global parameters that became constants.
    """

    term: FormulaTerm
    columns: dict[str, int]
    notes: tuple[str, ...]


def custom_term(
    item: ForceToRead,
    over: str,
    text: str,
    *,
    names: list[str],
    per: str = "cluster",
    tables: Iterable[str] = (),
) -> CustomFormula:
    """The formula term of a custom force.

    Global parameters become definitions at the end of the expression. Parameters that it does
    not use are left out; one that has the name of a variable or constant of ours is renamed.

    Args:
        item: the force.
        over: cluster kind.
        text: its expression, in our variables.
        names: of the parameters of each cluster, or of each atom.
        per: whose parameters they are, "cluster" or "atom".
        tables: names in the expression that stand for tables over pairs of atom types.

    Raises:
        UnsupportedForceError: the expression is none that our formula language can say.
    """
    kind = kind_named(over)
    text = text.strip().rstrip("; ")
    taken = identifiers(text) | set(names)
    clashes = {}
    for name in names:
        if per == "cluster" and (name in kind.variables or name in CONSTANTS):
            clashes[name] = next(n for n in _underscored(name) if n not in taken)
    globals_used = {n: v for n, v in global_values(item.force).items() if n in taken}
    own = identifiers(text)
    columns = {}
    for column, name in enumerate(names):
        spellings = {name} if per == "cluster" else {f"{name}1", f"{name}2"}
        if spellings & own:
            columns[clashes.get(name, name)] = column
    text = renamed(text, clashes)
    text = "; ".join([text, *(f"{name}={value!r}" for name, value in globals_used.items())])
    parameters = tuple(Parameter(name, None, per=per) for name in columns)
    parameters += tuple(Parameter(name, None, per="type_pair") for name in tables)
    term = FormulaTerm(item.label, over, text, parameters, imported=True)
    _check(item, term)
    notes = ()
    if globals_used:
        shown = ", ".join(f"{name} = {value:g}" for name, value in globals_used.items())
        notes = (f"{item.label}: global parameters became constants: {shown}",)
    return CustomFormula(term, columns, notes)


def _underscored(name: str) -> Iterator[str]:
    while True:
        name += "_"
        yield name


def _check(item: ForceToRead, term: FormulaTerm) -> None:
    try:
        term.check()
    except FormulaError as error:
        raise item.unsupported(
            f"its expression cannot be said in our formula language: {error}",
            "rewrite it with + - * / ^ and differentiable functions of r, theta, phi, "
            "distance(p1,p2), angle(p1,p2,p3) and dihedral(p1,p2,p3,p4)",
        ) from None
