"""How long and how often: the sizes of all checks, for a quick look or for a verdict."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from isthmus.errors import InputError

__all__ = ["TIMESTEP", "Settings"]

TIMESTEP: Final = 0.0005
"""Of runs at constant energy [ps]"""

_WORK: Final = 1.2e8
"""Atoms times steps of one long run with `quick=False`, at most; a fifteenth with it"""

_QUICKER: Final = 15
_DEARER: Final = 20
"""Times what an atom costs in a step with neighbour lists and Ewald sums"""

_HOTTEST: Final = 5000.0


@dataclass(frozen=True)
class Settings:
    """Sizes of the checks.

    Attributes:
        quick: for a first look: fewer and shorter.
        temperatures: of the runs [K]; the first is that of all checks but stability.
        seed: of all random numbers.
    """

    quick: bool = False
    temperatures: tuple[float, ...] = (300.0, 500.0)
    seed: int = 0

    @classmethod
    def create(
        cls, *, quick: bool = False, temperatures: Sequence[float] = (300.0, 500.0), seed: int = 0
    ) -> "Settings":
        """Check and freeze.

        Raises:
            InputError: no temperature, or one out of range.
        """
        wrong = [t for t in temperatures if not 0 < t <= _HOTTEST]
        if wrong or not temperatures:
            shown = ", ".join(f"{t:g}" for t in wrong) or "none"
            raise InputError(
                f"temperatures of {shown} came: give one or more above 0 and up to "
                f"{_HOTTEST:g} K, e.g. 300,500"
            )
        return cls(quick, tuple(float(t) for t in dict.fromkeys(temperatures)), seed)

    @property
    def temperature(self) -> float:
        """Of all runs but those for stability [K]."""
        return self.temperatures[0]

    def replicas(self, n_atoms: int, *, batched: bool) -> int:
        """Replicas at each temperature."""
        if not batched:
            return 1
        wanted = 16 if self.quick else 32
        return max(2, min(wanted, 20_000 // n_atoms))

    def steps(
        self, wanted: int, n_atoms: int, n_replicas: int, *, grain: int, least: int, batched: bool
    ) -> int:
        """Steps of a run: those wanted, fewer for large systems; a multiple of `grain`.

        Args:
            wanted: for a small molecule.
            n_atoms: of one replica.
            n_replicas: of all temperatures.
            grain: steps between records.
            least: fewest records.
            batched: whether replicas are run together; with neighbour lists each step costs more.
        """
        work = _WORK / (_QUICKER if self.quick else 1) / (1 if batched else _DEARER)
        possible = int(work / (n_atoms * n_replicas))
        return max(least, min(wanted, possible) // grain) * grain
