"""Rivals by name.

| text | rival | how it is evaluated |
|---|---|---|
| `mmff94`, `mmff94s` | MMFF94 with RDKit's parameters | our engines |
| `openmm:SYSTEM.xml` | a serialised OpenMM System | our engines if it can be imported |
| `uff` | the Universal Force Field | RDKit |
| `gfn2`, `gfn1`, `pyscf:...`, `ase:...` | see `isthmus.label.named` | its program |
| `module:factory`, `file.py:factory` | any calculator of ASE | a process of its own |
"""

from pathlib import Path
from typing import Final

from isthmus.errors import InputError, UnsupportedForceError
from isthmus.forcefield.forcefield import ForceField
from isthmus.label.named import level_named
from isthmus.race.rivals.caller import Caller, LevelCaller
from isthmus.race.rivals.openmm_system import SystemCaller
from isthmus.race.rivals.process import ProcessCaller
from isthmus.race.rivals.rdkit_uff import UniversalForceField

__all__ = ["NAMES", "check_rival", "force_field_of", "is_factory", "make_caller"]

NAMES: Final = ("mmff94", "mmff94s", "uff", "gfn2", "gfn1")
"""Rivals that need no more than a name"""

_MMFF: Final = {"mmff94": "MMFF94", "mmff94s": "MMFF94s"}
_LEVELS: Final = ("ase", "pyscf")


def is_factory(text: str) -> bool:
    """Whether a text is `module:factory`, for a process of its own."""
    place, colon, name = text.rpartition(":")
    return bool(colon and place and name) and text.partition(":")[0] not in ("openmm", *_LEVELS)


def check_rival(text: str) -> None:
    """Before any work is done: whether there is such a rival.

    Raises:
        InputError: an unknown name, or a file that is not there.
        EngineMissingError: its program is not installed.
    """
    kind, _, rest = text.partition(":")
    if text.lower() in (*_MMFF, "uff"):
        return
    if kind == "openmm":
        if not Path(rest).is_file():
            raise InputError(f"--rival {text}: there is no file '{rest}'; check the path")
    elif is_factory(text):
        place = text.rpartition(":")[0]
        if place.endswith(".py") and not Path(place).is_file():
            raise InputError(f"--rival {text}: there is no file '{place}'; check the path")
    else:
        try:
            level_named(text)
        except InputError as error:
            raise InputError(
                f"--rival {text}: {error}; other rivals are mmff94, mmff94s, uff, "
                "openmm:SYSTEM.xml and module:factory"
            ) from None


def force_field_of(text: str) -> tuple[ForceField, str] | None:
    """The force field of a rival that our engines can run, and what it is; None for others.

    Raises:
        InputError: a System that cannot be read.
    """
    kind, _, rest = text.partition(":")
    if text.lower() in _MMFF:
        name = _MMFF[text.lower()]
        return ForceField.mmff(name), f"{name}, RDKit's parameters in Isthmus's formulas"
    if kind != "openmm":
        return None
    from isthmus.deploy.openmm.importing import from_openmm, read_system_xml

    try:
        force_field = from_openmm(read_system_xml(rest))
    except UnsupportedForceError:
        # OpenMM itself evaluates what our language cannot say
        return None
    return force_field, f"OpenMM System {Path(rest).name}, imported"


def make_caller(text: str, *, python: str | None, timeout: float) -> Caller:
    """A rival that is called; `force_field_of` has those that are not.

    Raises:
        InputError: an unknown name.
        EngineMissingError: its program is not installed.
        RivalError: its process cannot be started.
    """
    if text.lower() == "uff":
        return LevelCaller(UniversalForceField())
    if text.startswith("openmm:"):
        return SystemCaller(text.partition(":")[2])
    if is_factory(text):
        return ProcessCaller(text, python=python, timeout=timeout)
    return LevelCaller(level_named(text))
