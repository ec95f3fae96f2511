"""Where an imported force field came from: which terms make up which force of the other engine."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Origin"]


@dataclass(frozen=True)
class Origin:
    """Forces of another engine and the terms that stand for them.

    Attributes:
        engine: e.g. "OpenMM".
        forces: (label of the force, names of its terms), in the engine's order; a force without
            energy, such as a barostat, has no terms.
        notes: what was left out or fixed on the way, for people; empty if nothing was.
    """

    engine: str
    forces: tuple[tuple[str, tuple[str, ...]], ...]
    notes: tuple[str, ...] = ()

    def by_force(self, energies: Mapping[str, Any]) -> dict[str, Any]:
        """Energies by term, added up to energies by force; forces without terms have 0.0.

        `energies` may hold numbers or arrays, all in one unit; the result has the same.
        """
        return {label: sum((energies[name] for name in names), 0.0) for label, names in self.forces}
