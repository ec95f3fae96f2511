"""Frozen dataclasses as plain values of JSON, and back with a check of every entry."""

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from isthmus.errors import InputError

__all__ = ["from_plain", "to_plain"]

T = TypeVar("T")


def to_plain(value: Any) -> Any:
    """Dictionaries, lists and numbers; None for those that are not finite.

    A field of a dataclass whose metadata has a `key` is called by it.
    """
    if dataclasses.is_dataclass(value):
        return {
            _key(field): to_plain(getattr(value, field.name)) for field in dataclasses.fields(value)
        }
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def from_plain(record: type[T], content: object, *, where: str) -> T:
    """A dataclass of the values that `to_plain` gave; entries it does not know are ignored.

    Args:
        record: the dataclass.
        content: of JSON.
        where: what is read, for messages.

    Raises:
        InputError: an entry is missing or of the wrong kind.
    """
    if not isinstance(content, Mapping):
        raise _wrong(where, content, "a table")
    kinds = typing.get_type_hints(record)
    values = {}
    for field in dataclasses.fields(typing.cast("Any", record)):
        key = _key(field)
        if key in content:
            values[field.name] = _as(kinds[field.name], content[key], f"{where}: {key}")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise InputError(f"{where}: there is no '{key}'; the file is not that of a whole race")
    return record(**values)


def _key(field: "dataclasses.Field[Any]") -> str:
    return field.metadata.get("key", field.name)


def _as(kind: Any, value: object, where: str) -> Any:
    """A value of a kind: a union with None, a tuple of one kind, a dict of strings, or plain."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is types.UnionType:
        return None if value is None else _as(inner[0], value, where)
    if origin is tuple:
        if not isinstance(value, list):
            raise _wrong(where, value, "a list")
        return tuple(_as(inner[0], item, f"{where}[{i}]") for i, item in enumerate(value))
    if origin is dict:
        if not isinstance(value, Mapping):
            raise _wrong(where, value, "a table")
        return {key: _as(inner[1], item, f"{where}: {key}") for key, item in value.items()}
    if dataclasses.is_dataclass(kind):
        return from_plain(typing.cast("type", kind), value, where=where)
    if kind is Any:
        return value
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if kind in (int, str) and type(value) is kind:
        return value
    raise _wrong(where, value, {float: "a number", int: "a whole number"}.get(kind, "a text"))


def _wrong(where: str, value: object, wanted: str) -> InputError:
    return InputError(f"{where}: {value!r} stands there; wanted is {wanted}")
