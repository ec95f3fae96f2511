"""Which parameters of a design enter the energy linearly, all of them together."""

from collections.abc import Iterator

import sympy

from isthmus.designs.design import Design
from isthmus.terms.expression import names_in, symbol
from isthmus.terms.formula import FormulaTerm
from isthmus.terms.parameter import Parameter

__all__ = ["linear_parameters"]

Name = tuple[str, str]
"""Owner and parameter"""


def linear_parameters(design: Design) -> frozenset[Name]:
    """(owner, parameter) of a set in which the energy is affine, the others being held.

    Parameters are taken in the order in which the design declares them: of the product k·c, k is
    in the set and c is not. Parameters of coordinates are never in it.
    """
    own = [(owner.name, p.name) for owner, p in design.own_parameters()]
    barred = {(c.name, p.name) for c in design.coordinates for p in c.parameters}
    chosen: set[Name] = set()
    for name in own:
        if name not in barred and all(_stays_linear(term, name, chosen) for term in design.terms):
            chosen.add(name)
    return frozenset(chosen)


def _stays_linear(term: FormulaTerm, name: Name, chosen: set[Name]) -> bool:
    """Whether the derivative by a parameter is free of itself and of those chosen before."""
    symbols = {_name(term, p): list(_symbols(term, p)) for p in term.parameters}
    taken = {s for other in (*chosen, name) for s in symbols.get(other, [])}
    return all(
        not names_in(sympy.diff(term.expression.value, symbol(s))) & taken
        for s in symbols.get(name, [])
    )


def _name(term: FormulaTerm, parameter: Parameter) -> Name:
    reference = parameter.reference
    if reference is None:
        return term.name, parameter.name
    return reference.owner, reference.parameter


def _symbols(term: FormulaTerm, parameter: Parameter) -> Iterator[str]:
    if parameter.per == "atom" and term.kind.n_atoms > 1:
        for a in range(term.kind.n_atoms):
            yield f"{parameter.name}{a + 1}"
    else:
        yield parameter.name
