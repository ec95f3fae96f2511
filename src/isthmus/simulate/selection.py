"""Some terms of a parameterization, by name."""

import dataclasses
from collections.abc import Sequence
from difflib import get_close_matches

from isthmus.errors import InputError
from isthmus.parameters.parameterization import Parameterization

__all__ = ["bonded_terms", "chosen_terms"]


def bonded_terms(parameterization: Parameterization) -> tuple[str, ...]:
    """Names of the terms that go inside when the time step is split: all but those over pairs.

    Pairs three bonds apart go inside too: they are few, and their forces change fast.
    """
    return tuple(bound.term.name for bound in parameterization.terms if bound.term.over != "pair")


def chosen_terms(parameterization: Parameterization, term_names: Sequence[str]) -> Parameterization:
    """The same system with some of its terms; masses, sites, constraints and box stay.

    Raises:
        InputError: a term that is not there, one named twice, or none.
    """
    known = parameterization.term_names
    _check(tuple(term_names), known)
    names = set(term_names)
    groups = tuple(
        dataclasses.replace(group, terms=tuple(t for t in group.terms if t.term.name in names))
        for group in parameterization.pair_groups
    )
    terms = tuple(t for t in parameterization.terms if t.term.name in names)
    used = {c.name for t in terms for c, _ in t.term.coordinate_names.values()}
    return dataclasses.replace(
        parameterization,
        terms=terms,
        coordinates=tuple(c for c in parameterization.coordinates if c.coordinate.name in used),
        pair_groups=tuple(group for group in groups if group.terms),
        specials=tuple(s for s in parameterization.specials if s.name in names),
        networks=tuple(n for n in parameterization.networks if n.name in names),
    )


def _check(names: tuple[str, ...], known: tuple[str, ...]) -> None:
    listed = ", ".join(known)
    if not names:
        raise InputError(f"no term was chosen: name some of {listed}")
    for name in names:
        if name not in known:
            close = get_close_matches(name, known, n=1)
            hint = f"; '{close[0]}' may be meant" if close else ""
            raise InputError(f"there is no term '{name}'{hint}: choose from {listed}")
        if names.count(name) > 1:
            raise InputError(f"the term '{name}' was chosen twice: name each term once")
