"""Errors added up over steps, and steps that had no gradient."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import jax

from isthmus.train.model import Measures
from isthmus.units import ANGSTROM, KILOCALORIE

__all__ = ["Tally"]

_TOO_MANY: Final = 50
"""Steps on end without a finite gradient, after which a run ends"""

_NAMED: Final = 8


@dataclass
class Tally:
    """Sums of squared errors and of their number; kJ/mol and nm.

    They are added in the order of the steps, so that a run that was interrupted and resumed adds
    up to the same last bit. A step whose loss is not finite changed no weights: it is counted,
    and adds nothing.

    Attributes:
        force_squares, force_count, energy_squares, energy_count: since the last validation.
        skipped: steps without a finite gradient, in the whole run.
        on_end: how many of them were the latest steps.
    """

    force_squares: float = 0.0
    force_count: float = 0.0
    energy_squares: float = 0.0
    energy_count: float = 0.0
    skipped: int = 0
    on_end: int = 0

    def __post_init__(self) -> None:
        self._latest: Measures | None = None
        self._names: Sequence[str] = ()
        self._skipped: Sequence[str] = ()

    def add(self, measures: Measures, names: Sequence[str]) -> None:
        """Note the measures of a step on the molecules named, and wait for the step before."""
        self.settle()
        self._latest, self._names = measures, names

    def settle(self) -> None:
        """Wait for the last step."""
        if self._latest is None:
            return
        found = jax.device_get(self._latest)
        self._latest = None
        if not math.isfinite(float(found.loss)):
            self.skipped += 1
            self.on_end += 1
            self._skipped = self._names
            return
        self.on_end = 0
        self.force_squares += float(found.force_squares)
        self.force_count += float(found.force_count)
        self.energy_squares += float(found.energy_squares)
        self.energy_count += float(found.energy_count)

    def emptied(self) -> "Tally":
        """For the steps to come: without sums, but with the count of steps that were skipped."""
        self.settle()
        tally = Tally(skipped=self.skipped, on_end=self.on_end)
        tally._skipped = self._skipped
        return tally

    @property
    def diverged(self) -> bool:
        """Whether there is no hope of a finite gradient: fifty steps on end had none."""
        return self.on_end >= _TOO_MANY

    @property
    def complaint(self) -> str:
        """How a run that diverged ended, and what to do."""
        unique = list(dict.fromkeys(self._skipped))
        more = ", ..." if len(unique) > _NAMED else ""
        last = f", the last with {', '.join(unique[:_NAMED])}{more}" if unique else ""
        return (
            f"{_TOO_MANY} steps on end had gradients that are not finite{last}: look at these "
            "molecules with `isthmus data info` (atoms that coincide, labels in wrong units), "
            "leave them out, or take a lower --learning-rate, and train anew"
        )

    def as_json(self) -> dict[str, float]:
        """Plain data, from which `Tally(**data)` is the same again."""
        self.settle()
        return asdict(self)

    def rmse(self, name: str) -> dict[str, Any]:
        """Errors as they are written down, in kcal/mol and Å; None where nothing was labelled."""
        self.settle()
        force = _root(self.force_squares, self.force_count)
        energy = _root(self.energy_squares, self.energy_count)
        return {
            f"{name}_force_rmse": None if force is None else force / (KILOCALORIE / ANGSTROM),
            f"{name}_energy_rmse": None if energy is None else energy / KILOCALORIE,
        }


def _root(squares: float, count: float) -> float | None:
    return math.sqrt(squares / count) if count else None
