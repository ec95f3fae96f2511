"""Designs and formulas as people read them on a terminal."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from isthmus.designs.design import Design
from isthmus.networks.declaration import NetworkTerm
from isthmus.terms.formula import Coordinate, FormulaTerm
from isthmus.terms.kinds import KINDS
from isthmus.terms.parameter import Parameter

__all__ = ["readable_design", "readable_formula"]

_SUPERSCRIPTS: Final = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
# A sign between two operands, but not that of an exponent such as 1e-5
_BINARY_SIGN: Final = re.compile(r"(?<![0-9.][eE])(?<=[\w)⁰¹²³⁴⁵⁶⁷⁸⁹])\s*([+-])\s*(?=[\w(.])")


def readable_formula(text: str) -> list[str]:
    """A formula in lines: the energy first, then the definitions that it uses.

    >>> readable_formula("k/2*d^2; d=r-r0")
    ['k/2·d²', 'd = r - r0']
    """
    formula, *definitions = (_readable(part) for part in text.split(";") if part.strip())
    return [formula, *(" = ".join(map(str.strip, part.split("=", 1))) for part in definitions)]


def _readable(text: str) -> str:
    one_line = " ".join(text.split())
    raised = re.sub(r"\^(-?\d+)", lambda found: found[1].translate(_SUPERSCRIPTS), one_line)
    return _BINARY_SIGN.sub(r" \1 ", raised).replace("*", "·")


def readable_design(design: Design) -> Group:
    """Everything that a design says: coordinates first, then the terms with their parameters."""
    parts: list[RenderableType] = [Text(design.name, style="bold")]
    if design.description:
        parts.append(Padding(Text(" ".join(design.description.split())), (0, 0, 0, 2)))
    parts += [
        Padding(Text(reference, style="dim"), (0, 0, 0, 2)) for reference in design.references
    ]
    if design.coordinates:
        parts += ["", Text("Coordinates, shared by the terms", style="bold")]
        for coordinate in design.coordinates:
            parts += _owner(coordinate, coordinate.formula, f"[{coordinate.unit}]")
    parts += ["", Text("Energy terms [kJ/mol]", style="bold")]
    for term in design.terms:
        parts += _owner(term, term.energy, "")
    for network in design.networks:
        parts += _network(network)
    if design.terms:
        parts += ["", Text("Clusters", style="bold"), _clusters(design)]
    return Group(*parts)


def _network(network: NetworkTerm) -> Iterator[RenderableType]:
    title = Text.assemble(("  " + network.name, "bold cyan"))
    title.append("  over every atom and its neighbours", style="dim")
    yield ""
    yield title
    said = [f"architecture {network.architecture}, cutoff {network.cutoff:g} nm"]
    said += [f"{name} = {value}" for name, value in network.settings]
    if network.repulsion:
        said.append("with the screened repulsion of nuclei (ZBL)")
    yield Padding(Text("; ".join(said)), (0, 0, 0, 4))


def _owner(owner: FormulaTerm | Coordinate, formula: str, unit: str) -> Iterator[RenderableType]:
    title = Text.assemble(("  " + owner.name, "bold cyan"), f" {unit}" if unit else "")
    title.append(f"  {_reach(owner)}", style="dim")
    yield ""
    yield title
    left = owner.name if isinstance(owner, Coordinate) else "E"
    first, *definitions = readable_formula(formula)
    yield Padding(Text(f"{left} = {first}"), (0, 0, 0, 4))
    yield from (Padding(Text(f"with {line}"), (0, 0, 0, 6)) for line in definitions)
    if owner.parameters:
        yield Padding(_parameters(owner.parameters), (0, 0, 0, 4))


def _reach(owner: FormulaTerm | Coordinate) -> str:
    """What a term acts on, and what of its geometry it uses."""
    text = f"over every {owner.over}"
    if isinstance(owner, FormulaTerm) and owner.coordination is not None:
        text += f" whose centre has {owner.coordination} neighbours"
    known = [*owner.kind.variables]
    known += [*owner.coordinate_names] if isinstance(owner, FormulaTerm) else []
    used = [name for name in known if name in owner.expression.names]
    return f"{text}; in {', '.join(used)}" if used else text


def _clusters(design: Design) -> Table:
    """The kinds of cluster that a design uses, in words."""
    table = Table(box=None, padding=(0, 2, 0, 2), show_header=False)
    used = {owner.over for owner in design.owners.values()}
    for name, kind in KINDS.items():
        if name in used:
            table.add_row(Text(name, style="cyan"), Text(kind.description))
    return table


def _parameters(parameters: Iterable[Parameter]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("parameter", "unit", "default", "range"):
        table.add_column(heading, no_wrap=True)
    table.add_column("meaning")
    for parameter in parameters:
        table.add_row(
            Text(parameter.name, style="green"),
            Text(_unit(parameter)),
            Text(_default(parameter)),
            Text(_range(parameter)),
            Text(_meaning(parameter)),
        )
    return table


def _unit(parameter: Parameter) -> str:
    if parameter.unit is None:
        return "unknown"
    return "-" if parameter.unit == "1" else _readable(parameter.unit)


def _default(parameter: Parameter) -> str:
    if parameter.reference is not None:
        return ""
    if isinstance(parameter.default, str):
        return f"by {parameter.default}"
    return f"{parameter.default:.10g}"


def _range(parameter: Parameter) -> str:
    low, high = parameter.minimum, parameter.maximum
    if low is None and high is None:
        return ""
    if high is None:
        return f"≥ {low:.4g}"
    if low is None:
        return f"≤ {high:.4g}"
    return f"{low:.4g} to {high:.4g}"


def _meaning(parameter: Parameter) -> str:
    reference = parameter.reference
    if reference is not None:
        atoms = "-".join(map(str, reference.at))
        place = f" of atoms {atoms}" if atoms else ""
        return f"that of {reference.owner}.{reference.parameter}{place}"
    words = [parameter.meaning] if parameter.meaning else []
    words += ["one an atom"] if parameter.per == "atom" else []
    words += [f"{symmetry} ↔ {image}" for symmetry, image in parameter.images]
    return "; ".join(words)
