"""Energies term by term, for people and for comparison between engines."""

from collections.abc import Mapping
from dataclasses import dataclass

from isthmus.units import energy_unit

__all__ = ["Report"]


@dataclass(frozen=True)
class Report:
    """Energy of each term, and their sum, in `unit`."""

    energies: Mapping[str, float]
    unit: str

    @classmethod
    def from_energies(cls, energies: Mapping[str, float], *, unit: str) -> "Report":
        """Report of energies that are given in kJ/mol.

        Raises:
            InputError: the unit is not known.
        """
        size = energy_unit(unit)
        return cls({name: value / size for name, value in energies.items()}, unit)

    @property
    def total(self) -> float:
        """Sum of all terms, in `unit`."""
        return sum(self.energies.values())

    def __str__(self) -> str:
        rows = [*self.energies.items(), ("total", self.total)]
        width = max(len(name) for name, _ in rows)
        lines = [f"{name:<{width}}  {value:>16.6f}" for name, value in rows]
        return "\n".join([f"{'term':<{width}}  {f'energy [{self.unit}]':>16}", *lines])
