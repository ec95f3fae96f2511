"""Designs written as TOML, so that `parse_design` reads back the same terms."""

import json
from collections.abc import Iterable, Iterator, Sequence

from isthmus.terms.formula import Coordinate, FormulaTerm
from isthmus.terms.parameter import Parameter

__all__ = ["design_text"]


def design_text(
    name: str,
    terms: Sequence[FormulaTerm],
    *,
    description: str = "",
    references: Iterable[str] = (),
    coordinates: Sequence[Coordinate] = (),
) -> str:
    """The TOML of a design made of these terms."""
    lines = [f"name = {_string(name)}", f"description = {_string(description)}"]
    lines.append(f"references = [{', '.join(map(_string, references))}]")
    for coordinate in coordinates:
        lines += ["", "[[coordinate]]", f"name = {_string(coordinate.name)}"]
        lines += [f"over = {_string(coordinate.over)}", f"formula = {_string(coordinate.formula)}"]
        lines += [f"unit = {_string(coordinate.unit)}"]
        lines += _parameters("coordinate", coordinate.parameters)
    for term in terms:
        lines += ["", "[[term]]", *_term(term), *_parameters("term", term.parameters)]
    return "\n".join(lines) + "\n"


def _term(term: FormulaTerm) -> Iterator[str]:
    yield f"name = {_string(term.name)}"
    yield f"over = {_string(term.over)}"
    if term.coordination is not None:
        yield f"coordination = {term.coordination}"
    if term.long_range is not None:
        yield f"long_range = {_string(term.long_range)}"
    if term.imported:
        yield "imported = true"
    yield f"energy = {_string(term.energy)}"


def _parameters(owner: str, parameters: Sequence[Parameter]) -> Iterator[str]:
    if parameters:
        yield f"[{owner}.parameters]"
    for parameter in parameters:
        entries = ", ".join(f"{key} = {value}" for key, value in _entries(parameter))
        yield f"{_string(parameter.name)} = {{ {entries} }}"


def _entries(parameter: Parameter) -> Iterator[tuple[str, str]]:
    yield "unit", _string("?" if parameter.unit is None else parameter.unit)
    if parameter.per != "cluster":
        yield "per", _string(parameter.per)
    if isinstance(parameter.default, str):
        yield "default", _string(parameter.default)
    elif parameter.default:
        yield "default", repr(float(parameter.default))
    for key, value in (("min", parameter.minimum), ("max", parameter.maximum)):
        if value is not None:
            yield key, repr(float(value))
    if parameter.scale != 1.0:
        yield "scale", repr(float(parameter.scale))
    if parameter.meaning:
        yield "meaning", _string(parameter.meaning)
    yield from ((symmetry, _string(image)) for symmetry, image in parameter.images)
    if parameter.reference is not None:
        found = parameter.reference
        yield "from", _string(f"{found.owner}.{found.parameter}")
        if found.at:
            yield "at", repr(list(found.at))


def _string(text: str) -> str:
    """A TOML basic string; JSON's escapes are a subset of TOML's, but for DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")
