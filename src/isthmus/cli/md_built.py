"""What any engine of `isthmus md` hands to the runner."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from isthmus.chemistry.molecule import Molecule
    from isthmus.simulate.record import Engine

__all__ = ["BROKEN", "Built"]

BROKEN: Final = 1
"""Exit code of a run that broke: a failure of the physics, not of what was asked for"""


@dataclass(frozen=True)
class Built:
    """A system at the start of its run.

    Attributes:
        engine: moves the atoms.
        molecule: what is moved, one replica.
        facts: what will run, by what it is about, for people.
        notes: what the reader must know, a sentence each.
        made_of: what a checkpoint must agree with, beside the request; plain data.
        device: that computes, as its engine calls it.
        compiles: whether its first steps are compiled, which takes a while.
    """

    engine: "Engine"
    molecule: "Molecule"
    facts: Mapping[str, str]
    notes: tuple[str, ...]
    made_of: Mapping[str, Any]
    device: str
    compiles: bool = True
