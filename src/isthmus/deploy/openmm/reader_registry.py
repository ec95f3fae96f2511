"""Readers of OpenMM forces: what a reader gets, what it gives, and which force has which reader."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from isthmus.errors import UnsupportedForceError
from isthmus.terms.bound import BoundTerm
from isthmus.terms.nonbonded import PairGroup
from isthmus.terms.special import Special

__all__ = ["READERS", "ForceToRead", "Reading", "number", "numbers", "reads"]


@dataclass(frozen=True)
class ForceToRead:
    """One force of a System.

    Attributes:
        force: the `openmm.Force`.
        index: its place in the System.
        label: its name, made unique within the System.
        n_atoms: particles of the System.
    """

    force: Any
    index: int
    label: str
    n_atoms: int

    def part(self, name: str) -> str:
        """Name of one of several terms that this force becomes."""
        return f"{self.label}: {name}"

    def unsupported(self, reason: str, advice: str) -> UnsupportedForceError:
        """The error for something that cannot be imported: what came, and what to do."""
        kind = type(self.force).__name__
        called = "" if self.label == kind else f" '{self.label}'"
        return UnsupportedForceError(
            f"force {self.index} of the System, {kind}{called}: {reason}; {advice}"
        )


@dataclass(frozen=True)
class Reading:
    """What a force became.

    Attributes:
        terms, pair_groups, specials: all that has an energy.
        notes: what a person should know: things left out, numbers fixed.
    """

    terms: tuple[BoundTerm, ...] = ()
    pair_groups: tuple[PairGroup, ...] = ()
    specials: tuple[Special, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def term_names(self) -> tuple[str, ...]:
        """Names of everything that has an energy."""
        return (
            *(t.term.name for t in self.terms),
            *(t.term.name for group in self.pair_groups for t in group.terms),
            *(s.name for s in self.specials),
        )


Reader = Callable[[ForceToRead], Reading]

READERS: dict[str, Reader] = {}
"""Reader of each force, by the name of OpenMM's class."""


def reads(*class_names: str) -> Callable[[Reader], Reader]:
    """Register a reader for forces of these classes; a class can have one reader only."""

    def register(reader: Reader) -> Reader:
        for name in class_names:
            assert name not in READERS, f"two readers for {name}"
            READERS[name] = reader
        return reader

    return register


def number(value: Any) -> float:
    """A number without its unit, in nm, ps, Da, e, kJ/mol, rad."""
    from openmm import unit

    if unit.is_quantity(value):
        value = value.value_in_unit_system(unit.md_unit_system)
    return float(value)


def numbers(rows: list[Any], n_columns: int) -> Float[np.ndarray, "rows columns"]:
    """`number` of every entry of a table, also of an empty one."""
    table = np.array([[number(value) for value in row] for row in rows], dtype=np.float64)
    return table.reshape(len(rows), n_columns)
