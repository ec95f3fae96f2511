"""Settings of networks as frozen records: filled from what a design says, and checked."""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, TypeVar

from isthmus.errors import DesignError

__all__ = ["check_choice", "check_sizes", "filled"]

_Settings = TypeVar("_Settings")


def filled(defaults: _Settings, settings: Mapping[str, Any]) -> _Settings:
    """The record with these values in place of its own.

    Whole numbers pass for real ones, and lists for tuples.

    Args:
        defaults: a frozen dataclass.
        settings: by name of its fields.

    Raises:
        DesignError: a name that the record does not have, or a value of another type.
    """
    known = {field.name: getattr(defaults, field.name) for field in fields(defaults)}  # pyright: ignore[reportArgumentType]
    values = {}
    for name, value in settings.items():
        if name not in known:
            raise DesignError(f"unknown setting '{name}'; known are {', '.join(known)}")
        values[name] = _converted(name, value, known[name])
    return replace(defaults, **values)  # pyright: ignore[reportArgumentType]


def check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """One of some words.

    Raises:
        DesignError: it is none of them.
    """
    if value not in choices:
        raise DesignError(f"{name} = '{value}': choose one of {', '.join(choices)}")


def check_sizes(name: str, values: tuple[int | float, ...], *, least: int = 1) -> None:
    """Whole numbers, each at least so large.

    Raises:
        DesignError: some is not.
    """
    if any(value != int(value) or value < least for value in values):
        said = ", ".join(f"{value:g}" for value in values)
        raise DesignError(f"{name} = {said}: wanted are whole numbers from {least} on")


def _converted(name: str, value: Any, like: object) -> Any:
    """The value in the type of the default."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if isinstance(like, tuple) and isinstance(value, list | tuple):
        return tuple(_converted(name, each, like[0] if like else 0.0) for each in value)
    if isinstance(like, bool | str) and isinstance(value, type(like)):
        return value
    if isinstance(like, int) and not isinstance(like, bool) and number and value == int(value):
        return int(value)
    if isinstance(like, float) and number:
        return float(value)
    kind = {bool: "true or false", str: "a word", int: "a whole number", float: "a number"}
    wanted = kind.get(type(like), "a list of numbers")
    raise DesignError(f"{name} = {value!r}: wanted is {wanted}")
