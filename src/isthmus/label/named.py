"""Levels of theory by name.

| text | level |
|---|---|
| `gfn2`, `gfn1` | GFN2-xTB, GFN1-xTB (tblite) |
| `pyscf:FUNCTIONAL[-d3bj|-d4]/BASIS` | a density functional, or `hf` (PySCF) |
| `ase:NAME`, `ase:module:Class` | any calculator of ASE |
"""

import difflib
from collections.abc import Mapping
from typing import Any

from isthmus.errors import InputError
from isthmus.label.ase_level import AseLevel
from isthmus.label.level import Level
from isthmus.label.quantum import Quantum
from isthmus.label.tight_binding import METHODS, TightBinding

__all__ = ["level_named"]


def level_named(text: str, arguments: Mapping[str, Any] | None = None) -> Level:
    """The level of theory that a text names; its program is looked for.

    Args:
        text: see the table of this module.
        arguments: of a calculator of ASE.

    Raises:
        InputError: no such level, or arguments where none belong.
        EngineMissingError: its program is not installed.
    """
    kind, colon, rest = text.strip().partition(":")
    kind = kind.lower()
    if arguments and not (colon and kind == "ase"):
        raise InputError(f"the method '{text}' takes no arguments; only ase:... does")
    if not colon and kind in METHODS:
        return TightBinding(kind)
    if colon and kind == "pyscf":
        return Quantum.parse(rest)
    if colon and kind == "ase" and rest:
        return AseLevel.parse(rest, arguments or {})
    known = (*METHODS, "pyscf:b3lyp/def2-svp", "ase:NAME", "ase:module:Class")
    close = difflib.get_close_matches(text.lower(), known, n=1)
    guess = f" (did you mean '{close[0]}'?)" if close else ""
    raise InputError(
        f"unknown method '{text}'{guess}: give gfn2, gfn1, pyscf:FUNCTIONAL/BASIS, ase:NAME or "
        "ase:module:Class"
    )
