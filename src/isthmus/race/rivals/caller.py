"""What every rival offers that is called from Python: energies, forces, and its own time."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from isthmus.data.entry import Entry
from isthmus.errors import IsthmusError
from isthmus.label.level import Labeller, Level
from isthmus.units import ANGSTROM

__all__ = ["Caller", "LevelCaller", "RivalError"]

_STEP: Final = 1e-3 * ANGSTROM
"""Displacement of a coordinate between timed calls [nm]: about that of a step of MD"""

Evaluated = tuple[Float[np.ndarray, "frames"], Float[np.ndarray, "frames atoms 3"]]


class RivalError(IsthmusError):
    """A rival that gives no energies: it refuses the molecule, takes too long, or has died."""


@runtime_checkable
class Caller(Protocol):
    """A rival that is called with positions."""

    @property
    def engine(self) -> str:
        """What its time is of, as in `Cost`: "ase", a call, or "openmm", a step."""
        ...

    @property
    def description(self) -> str:
        """What it is, with versions, in a line."""
        ...

    @property
    def versions(self) -> Mapping[str, str]:
        """Of the programs that compute."""
        ...

    def evaluate(self, entry: Entry, positions: Float[np.ndarray, "frames atoms 3"]) -> Evaluated:
        """Energies [kJ/mol] and forces [kJ/mol/nm] at positions [nm] of a molecule.

        Raises:
            RivalError: there are none.
        """
        ...

    def seconds(
        self, entry: Entry, positions: Float[np.ndarray, "frames atoms 3"], calls: int
    ) -> float:
        """Time of so many calls of energy and forces [s], each with other positions.

        Raises:
            RivalError: as `evaluate`.
        """
        ...

    def close(self) -> None:
        """Give back what it holds."""
        ...


@dataclass(eq=False)
class LevelCaller:
    """A level of theory in this process; one molecule is kept set up."""

    level: Level
    engine: str = field(default="ase", init=False)
    _kept: tuple[str, Labeller] | None = field(default=None, init=False)

    @property
    def description(self) -> str:
        """See `Caller`."""
        return self.level.level_of_theory

    @property
    def versions(self) -> Mapping[str, str]:
        """See `Caller`."""
        return self.level.versions

    def evaluate(self, entry: Entry, positions: Float[np.ndarray, "frames atoms 3"]) -> Evaluated:
        """See `Caller`."""
        labeller = self._labeller(entry)
        try:
            found = [labeller(frame) for frame in positions]
        except IsthmusError as error:
            raise RivalError(str(error)) from error
        return np.array([one.energy for one in found]), np.array([one.forces for one in found])

    def seconds(
        self, entry: Entry, positions: Float[np.ndarray, "frames atoms 3"], calls: int
    ) -> float:
        """See `Caller`; each call starts from the electrons of the last, as in dynamics."""
        labeller = self._labeller(entry)
        walk = _STEP * np.random.default_rng(0).standard_normal((calls, *positions.shape[1:]))
        frames = positions[0] + walk
        begin = time.perf_counter()
        try:
            for frame in frames:
                labeller(frame, continued=True)
        except IsthmusError as error:
            raise RivalError(str(error)) from error
        return time.perf_counter() - begin

    def close(self) -> None:
        """See `Caller`."""
        self._kept = None

    def _labeller(self, entry: Entry) -> Labeller:
        if entry.box is not None:
            raise RivalError("its frames are in a box, which rivals are not given")
        digest = entry.topology.digest
        if self._kept is None or self._kept[0] != digest:
            try:
                numbers = np.asarray(entry.topology.atomic_numbers)
                self.level.check(numbers)
                # As few electrons unpaired as their number allows
                multiplicity = 1 + (int(numbers.sum()) - entry.total_charge) % 2
                self._kept = digest, self.level.labeller(entry.topology, multiplicity=multiplicity)
            except IsthmusError as error:
                raise RivalError(str(error)) from error
        return self._kept[1]
