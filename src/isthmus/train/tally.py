"""Errors added up over steps."""

import math
from dataclasses import asdict, dataclass
from typing import Any

import jax

from isthmus.train.model import Measures
from isthmus.units import ANGSTROM, KILOCALORIE

__all__ = ["Tally"]


@dataclass
class Tally:
    """Sums of squared errors and of their number; kJ/mol and nm.

    They are added in the order of the steps, so that a run that was interrupted and resumed adds
    up to the same last bit.
    """

    force_squares: float = 0.0
    force_count: float = 0.0
    energy_squares: float = 0.0
    energy_count: float = 0.0

    def __post_init__(self) -> None:
        self._latest: Measures | None = None

    def add(self, measures: Measures) -> None:
        """Note the measures of a step, and wait for those of the step before."""
        self.settle()
        self._latest = measures

    def settle(self) -> None:
        """Wait for the last step."""
        if self._latest is None:
            return
        found = jax.device_get(self._latest)
        self._latest = None
        self.force_squares += float(found.force_squares)
        self.force_count += float(found.force_count)
        self.energy_squares += float(found.energy_squares)
        self.energy_count += float(found.energy_count)

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
