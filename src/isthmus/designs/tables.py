"""Checks of single TOML tables of a design: keys, numbers, units, kinds of cluster."""

import difflib
import math
from collections.abc import Mapping
from typing import Any

from isthmus.errors import DesignError, FormulaError
from isthmus.terms.dimensions import parse_unit
from isthmus.terms.kinds import ClusterKind, kind_named

__all__ = ["check_keys", "check_lists", "check_unit", "did_you_mean", "kind_of", "number"]


def check_lists(table: Mapping[str, Any], keys: tuple[str, ...], *, where: str) -> None:
    """Refuse `[term]`, a single table, where a list of tables was meant.

    Raises:
        DesignError: says how to write it.
    """
    for key in keys:
        if isinstance(table.get(key), dict):
            raise DesignError(
                f"{where}: [{key}] is a single table: write [[{key}]] (two brackets), one for "
                f"each {key}"
            )


def kind_of(entry: Mapping[str, Any], where: str) -> ClusterKind:
    """The cluster kind that `over` names.

    Raises:
        FormulaError: there is none of that name.
    """
    try:
        return kind_named(entry["over"])
    except FormulaError as error:
        raise FormulaError(f"{where}: {error}") from None


def check_unit(unit: str, where: str) -> None:
    """Refuse what is no product of our units.

    Raises:
        FormulaError: says which unit came, and what to write.
    """
    if "kcal" in unit:
        raise FormulaError(
            f"{where}: unit '{unit}': kcal/mol is not an internal unit; write kJ/mol and multiply "
            "by 4.184"
        )
    try:
        parse_unit(unit)
    except FormulaError as error:
        raise FormulaError(f"{where}: {error}") from None


def number(entry: Mapping[str, Any], key: str, where: str) -> float | None:
    """The finite number under a key; None without the key.

    Raises:
        DesignError: it is infinite, or no number.
    """
    if key not in entry:
        return None
    try:
        value = float(entry[key])
    except OverflowError:
        value = math.inf
    if not math.isfinite(value):
        raise DesignError(f"{where}: {key} = {str(entry[key])[:20]} is no finite number")
    return value


def check_keys(
    entry: Any, known: Mapping[str, Any], *, required: tuple[str, ...], where: str
) -> None:
    """Refuse keys that are not known, are missing, or hold a value of another type.

    Raises:
        DesignError: says which, and suggests the right key.
    """
    if not isinstance(entry, dict):
        raise DesignError(f"{where}: a table was wanted, {type(entry).__name__} came")
    for key in entry:
        if key not in known:
            raise DesignError(
                f"{where}: unknown key '{key}'{did_you_mean(key, tuple(known))}; "
                f"known are {', '.join(known)}"
            )
    for key in required:
        if key not in entry:
            raise DesignError(f"{where}: the key '{key}' is missing")
    for key, value in entry.items():
        if not isinstance(value, known[key]) or (
            isinstance(value, bool) and known[key] is not bool
        ):
            raise DesignError(f"{where}: {key} = {value!r} has the wrong type")


def did_you_mean(word: str, known: tuple[str, ...]) -> str:
    """A suggestion for a misspelt word, to be put behind it; empty where nothing is close."""
    close = difflib.get_close_matches(word, known, n=1)
    return f" (did you mean '{close[0]}'?)" if close else ""
