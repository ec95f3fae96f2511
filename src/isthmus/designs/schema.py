"""Designs as TOML: what a file may say, and errors that help.

```toml
name = "stretch"
description = "Harmonic bonds."
references = ["..."]

[[coordinate]]                       # optional: coordinates with parameters of their own
name = "d"
over = "bond"
formula = "r-r0"
unit = "nm"
parameters.r0 = { unit = "nm", default = 0.14, min = 0.05 }

[[term]]
name = "bond"
over = "bond"                        # bond angle torsion branch path5 pair14 pair atom
energy = "k/2*d^2"                   # kJ/mol
parameters.k = { unit = "kJ/mol/nm^2", default = 3e5, min = 0 }

[[network]]                          # a network over atoms and their neighbours
name = "residual"
architecture = "ani"                 # see isthmus.networks.registry
cutoff = 0.5                         # nm
settings = { }                       # sizes, by name; others are at their defaults
repulsion = true                     # add the screened repulsion of nuclei (ZBL)
```

With `base = "class2plus"`, the name of a design that comes with Isthmus, a design has the
coordinates, terms and networks of that one too, before its own.

Instead of `energy` and `parameters`, a term over pairs may say `form`, the name of a ready-made
one: "lennard-jones", "double-exponential", "buffered-14-7", "buckingham" or "coulomb".

Keys of a parameter: `unit`, `per`, `default`, `min`, `max`, `scale`, `meaning`; `from` and `at`
for a parameter of a smaller cluster; and the symmetries of the cluster kind (`reverse`,
`swap23`, `swap34`), each naming the parameter that trades places with this one.

Terms that were imported from another engine say `imported = true`: their clusters come as a
list, their formulas need not be symmetric, and `unit = "?"` stands for a unit that is not known.
"""

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Final

from isthmus.designs.design import Design
from isthmus.designs.tables import (
    check_keys,
    check_lists,
    check_unit,
    did_you_mean,
    kind_of,
    number,
)
from isthmus.errors import DesignError
from isthmus.networks.declaration import NetworkTerm, Setting
from isthmus.terms.formula import Coordinate, FormulaTerm
from isthmus.terms.kinds import ClusterKind
from isthmus.terms.parameter import Parameter, Reference

__all__ = ["design_names", "find_design", "pair_forms", "parse_design", "preset", "read_design"]

MAX_BYTES: Final = 1_000_000

_TOP: Final = {
    "name": str,
    "description": str,
    "references": list,
    "base": str,
    "coordinate": list,
    "term": list,
    "network": list,
}
_NETWORK: Final = {
    "name": str,
    "architecture": str,
    "cutoff": (int, float),
    "settings": dict,
    "repulsion": bool,
}
_COORDINATE: Final = {"name": str, "over": str, "formula": str, "unit": str, "parameters": dict}
_TERM: Final = {
    "name": str,
    "over": str,
    "energy": str,
    "form": str,
    "coordination": int,
    "long_range": str,
    "imported": bool,
    "parameters": dict,
}
_PARAMETER: Final = {
    "unit": str,
    "per": str,
    "default": (int, float, str),
    "min": (int, float),
    "max": (int, float),
    "scale": (int, float),
    "meaning": str,
    "from": str,
    "at": list,
}


def design_names() -> tuple[str, ...]:
    """Names of the designs that come with Isthmus."""
    folder = resources.files("isthmus.designs") / "presets"
    return tuple(sorted(f.name[:-5] for f in folder.iterdir() if f.name.endswith(".toml")))


@cache
def preset(name: str) -> Design:
    """The design of that name that comes with Isthmus.

    Raises:
        DesignError: there is none; the message lists those that exist.
    """
    if name not in design_names():
        raise DesignError(
            f"unknown design '{name}'{did_you_mean(name, design_names())}: "
            f"choose one of {', '.join(design_names())}, or give the path of a TOML file"
        )
    path = resources.files("isthmus.designs") / "presets" / f"{name}.toml"
    return parse_design(path.read_text(encoding="utf-8"), where=f"design '{name}'")


def find_design(name: str | Path) -> Design:
    """The design of a name, or in a file: what ends in `.toml` or has a folder is a file.

    Raises:
        DesignError, FormulaError: there is none, or it is wrong.
    """
    if isinstance(name, Path) or name.endswith(".toml") or len(Path(name).parts) > 1:
        return read_design(name)
    return preset(name)


def read_design(path: str | Path) -> Design:
    """Read and check a design file.

    Raises:
        DesignError: the file cannot be read or does not follow the schema.
        FormulaError: a formula is wrong.
    """
    file = Path(path)
    try:
        if file.stat().st_size > MAX_BYTES:
            raise DesignError(f"{file}: larger than {MAX_BYTES} bytes; a design is a short text")
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DesignError(f"{file}: cannot be read as text ({error})") from None
    return parse_design(text, where=str(file))


def parse_design(text: str, *, where: str = "design") -> Design:
    """Parse and check a design given as TOML.

    Raises:
        DesignError: not TOML, or not the schema; says where and suggests the right key.
        FormulaError: a formula is wrong.
    """
    try:
        table = tomllib.loads(text)
    except ValueError as error:  # TOMLDecodeError is one; so is a number of too many digits
        raise DesignError(f"{where}: not valid TOML: {error}") from None
    except RecursionError:
        raise DesignError(f"{where}: not valid TOML: brackets are nested too deeply") from None
    check_lists(table, ("coordinate", "term", "network"), where=where)
    check_keys(table, _TOP, required=("name",), where=where)
    coordinates = tuple(
        _coordinate(entry, f"{where}, coordinate {number}")
        for number, entry in enumerate(table.get("coordinate", []), start=1)
    )
    terms = tuple(
        _term(entry, coordinates, f"{where}, term {number}")
        for number, entry in enumerate(table.get("term", []), start=1)
    )
    networks = tuple(
        _network(entry, f"{where}, network {number}")
        for number, entry in enumerate(table.get("network", []), start=1)
    )
    if "base" in table:
        return parse_design(_with_base(text, table["base"], where), where=where)
    references = tuple(str(reference) for reference in table.get("references", []))
    design = Design(
        table["name"], table.get("description", ""), references, coordinates, terms, text, networks
    )
    design.check()
    return design


def _with_base(text: str, base: str, where: str) -> str:
    """The TOML of a design with that of its base written out, so that it stands for itself."""
    if base not in design_names():
        raise DesignError(
            f"{where}: base = '{base}' is no design{did_you_mean(base, design_names())}: choose "
            f"one of {', '.join(design_names())}"
        )
    head, own = _divided(text)
    kept = [line for line in head.splitlines() if not re.match(r"\s*base\s*=", line)]
    return "\n".join([*kept, _divided(preset(base).text)[1], own])


def _divided(text: str) -> tuple[str, str]:
    """What stands before the first table of a TOML, and the rest."""
    first = re.search(r"^\s*\[", text, re.MULTILINE)
    place = len(text) if first is None else first.start()
    return text[:place], text[place:]


def _coordinate(entry: Any, where: str) -> Coordinate:
    check_keys(entry, _COORDINATE, required=("name", "over", "formula", "unit"), where=where)
    where = f"{where} '{entry['name']}'"
    kind = kind_of(entry, where)
    check_unit(entry["unit"], where)
    return Coordinate(
        entry["name"],
        entry["over"],
        entry["formula"],
        entry["unit"],
        _parameters(entry.get("parameters", {}), kind, where),
    )


def _term(entry: Any, coordinates: tuple[Coordinate, ...], where: str) -> FormulaTerm:
    entry = _with_form(entry, where)
    check_keys(entry, _TERM, required=("name", "over", "energy"), where=where)
    where = f"{where} '{entry['name']}'"
    kind = kind_of(entry, where)
    long_range = entry.get("long_range")
    if long_range not in (None, "coulomb", "dispersion"):
        raise DesignError(
            f"{where}: long_range = '{long_range}'; choose 'coulomb', 'dispersion', or leave it out"
        )
    if entry.get("coordination") is not None and kind.name != "branch":
        raise DesignError(f"{where}: coordination is for terms over branches, not {kind.name}s")
    imported = entry.get("imported", False)
    parameters = _parameters(entry.get("parameters", {}), kind, where)
    for parameter in parameters:
        if parameter.unit is None and not imported:
            raise DesignError(
                f"{where}, parameter '{parameter.name}': unit = \"?\" is for terms with "
                "imported = true; state the unit, so that the formula can be checked"
            )
    return FormulaTerm(
        entry["name"],
        entry["over"],
        entry["energy"],
        parameters,
        coordinates,
        entry.get("coordination"),
        long_range,
        imported,
    )


def _network(entry: Any, where: str) -> NetworkTerm:
    check_keys(entry, _NETWORK, required=("name", "architecture", "cutoff"), where=where)
    where = f"{where} '{entry['name']}'"
    cutoff = number(entry, "cutoff", where)
    assert cutoff is not None
    settings: list[tuple[str, Setting]] = []
    for key, value in entry.get("settings", {}).items():
        if isinstance(value, list) and all(type(v) in (int, float) for v in value):
            numbers: list[int | float] = value
            settings.append((key, tuple(numbers)))
        elif isinstance(value, (bool, int, float, str)):
            settings.append((key, value))
        else:
            raise DesignError(
                f"{where}: settings.{key} = {value!r}: a number, a text, true, false or a list of "
                "numbers was wanted"
            )
    return NetworkTerm(
        entry["name"],
        entry["architecture"],
        cutoff,
        tuple(settings),
        entry.get("repulsion", False),
    )


@cache
def pair_forms() -> Mapping[str, Mapping[str, Any]]:
    """The ready-made pair forms by name: energy, parameters, description."""
    path = resources.files("isthmus.designs") / "pair_forms.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))


def _with_form(entry: Any, where: str) -> Any:
    """The entry with energy and parameters of the form that it names, if it names one."""
    if not isinstance(entry, dict) or "form" not in entry:
        return entry
    name, forms = entry["form"], pair_forms()
    if name not in forms:
        close = did_you_mean(str(name), tuple(forms))
        raise DesignError(f"{where}: unknown form '{name}'{close}; known are {', '.join(forms)}")
    if {"energy", "parameters"} & set(entry) or entry.get("over") != "pair":
        raise DesignError(
            f"{where}: form = '{name}' brings energy and parameters of a term over pairs: leave "
            'out `energy` and `parameters`, and write over = "pair"'
        )
    brought = {key: value for key, value in forms[name].items() if key != "description"}
    return brought | {key: value for key, value in entry.items() if key != "form"}


def _parameters(table: Any, kind: ClusterKind, where: str) -> tuple[Parameter, ...]:
    return tuple(
        _parameter(name, entry, kind, f"{where}, parameter '{name}'")
        for name, entry in table.items()
    )


def _parameter(name: str, entry: Any, kind: ClusterKind, where: str) -> Parameter:
    check_keys(
        entry, _PARAMETER | dict.fromkeys(kind.symmetries, str), required=("unit",), where=where
    )
    if entry["unit"] != "?":
        check_unit(entry["unit"], where)
    reference = None
    if "from" in entry:
        owner, dot, parameter = entry["from"].partition(".")
        if not dot:
            raise DesignError(f"{where}: from = '{entry['from']}' must read 'term.parameter'")
        reference = Reference(owner, parameter, tuple(entry.get("at", ())))
    elif "at" in entry:
        raise DesignError(f"{where}: 'at' belongs to 'from', which is missing")
    low, high = number(entry, "min", where), number(entry, "max", where)
    if low is not None and high is not None and not low < high:
        raise DesignError(f"{where}: min = {low} is not below max = {high}")
    scale = number(entry, "scale", where)
    default = entry.get("default")
    if not isinstance(default, str):
        default = number(entry, "default", where) or 0.0
        below, above = low is not None and default < low, high is not None and default > high
        if reference is None and (below or above):
            raise DesignError(
                f"{where}: default = {default} is not in the range that min and max give; a "
                "parameter without a default starts at 0"
            )
    return Parameter(
        name,
        None if entry["unit"] == "?" else entry["unit"],
        entry.get("per", "cluster"),
        default,
        low,
        high,
        1.0 if scale is None else scale,
        tuple((s, entry[s]) for s in kind.symmetries if s in entry),
        reference,
        entry.get("meaning", ""),
    )
