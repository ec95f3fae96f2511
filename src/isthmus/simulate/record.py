"""What an engine says of a run, and what it must be able to do, whoever moves the atoms.

The runner (`isthmus.simulate.run`) writes files and knows no engine; an engine moves atoms and
knows no files.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

__all__ = ["Engine", "Record"]


@dataclass(frozen=True, eq=False)
class Record:
    """The replicas of a run as they stand after a step.

    Attributes:
        step: steps done since the start of the run.
        time: since the start of the run [ps].
        potential: potential energy [kJ/mol].
        kinetic: kinetic energy [kJ/mol].
        temperature: of the kinetic energy [K].
        conserved: what exact dynamics would keep [kJ/mol]; None where nothing is.
        volume: of the box [nm³]; None without a box.
        density: [g/cm³]; None without a box.
        positions: not wrapped into the box [nm].
        velocities: [nm/ps].
        box: cell vectors as rows [nm], or None.
    """

    step: int
    time: float
    potential: Float[np.ndarray, " replicas"]
    kinetic: Float[np.ndarray, " replicas"]
    temperature: Float[np.ndarray, " replicas"]
    conserved: Float[np.ndarray, " replicas"] | None
    volume: Float[np.ndarray, " replicas"] | None
    density: Float[np.ndarray, " replicas"] | None
    positions: Float[np.ndarray, "replicas atoms 3"]
    velocities: Float[np.ndarray, "replicas atoms 3"]
    box: Float[np.ndarray, "replicas 3 3"] | None


@runtime_checkable
class Engine(Protocol):
    """Moves all replicas of a run.

    What comes out must not depend on how steps are divided into calls of `advance`, as long as
    calls end at multiples of `grain` or at reports: so that a run that was resumed ends as it
    would have without.
    """

    @property
    def failure(self) -> str | None:
        """Why it cannot go on, in words; None as long as it can."""
        ...

    @property
    def grain(self) -> int:
        """Steps of one call; a person who asks a run to stop waits for no more than these."""
        ...

    def advance(self, n_steps: int) -> None:
        """Move on; n_steps is at most `grain`."""
        ...

    def record(self) -> Record:
        """Where the replicas stand; numbers that are not finite are given as they are."""
        ...

    def snapshot(self) -> Mapping[str, np.ndarray]:
        """All that `restore` needs to go on bit by bit, the step number included."""
        ...

    def restore(self, snapshot: Mapping[str, np.ndarray]) -> None:
        """Stand where a snapshot was taken.

        Raises:
            InputError: the snapshot is of another system or engine.
        """
        ...

    def term_energies(
        self, positions: Float[np.ndarray, "atoms 3"], box: Float[np.ndarray, "3 3"] | None
    ) -> Mapping[str, float]:
        """Energy of each term of one replica [kJ/mol], to say what broke; may be empty."""
        ...
