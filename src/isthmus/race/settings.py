"""What can be chosen about a race."""

from dataclasses import asdict, dataclass, replace
from typing import Any

from isthmus.errors import InputError

__all__ = ["RaceSettings"]


@dataclass(frozen=True, kw_only=True)
class RaceSettings:
    """Settings of a race; the same for all entrants.

    Attributes:
        seconds: of training, for each seed of a design.
        seeds: how often each design is trained.
        turns: timings of each contender.
        turn_seconds: that one timing should take.
        batch: molecules of the large batch.
        cost_seconds: that all timings of one contender may take.
        temperatures: of the runs for stability [K].
        stability_ps: length of these [ps].
        drift_ps: length of the run at constant energy [ps].
        starts: frames that runs start from.
        run_seconds: that the runs of an entrant at all temperatures may take, and its run at
            constant energy, compilation not counted.
        scans: of each kind.
        points: of each scan.
        scan_seconds: that all scans of a rival may take.
        rival_seconds: that a rival may take for one molecule, or for its start.
    """

    seconds: float = 60.0
    seeds: int = 1
    turns: int = 7
    turn_seconds: float = 0.15
    batch: int = 128
    cost_seconds: float = 20.0
    temperatures: tuple[float, ...] = (300.0, 500.0)
    stability_ps: float = 10.0
    drift_ps: float = 4.0
    starts: int = 8
    run_seconds: float = 30.0
    scans: int = 2
    points: int = 121
    scan_seconds: float = 30.0
    rival_seconds: float = 600.0

    def __post_init__(self) -> None:
        for name in ("seconds", "turn_seconds", "cost_seconds", "stability_ps", "drift_ps"):
            if not 0 < getattr(self, name) < float("inf"):
                raise InputError(f"{name} = {getattr(self, name)}: a positive number is wanted")
        for name in ("seeds", "turns", "batch", "starts", "scans"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} = {getattr(self, name)}: 1 or more is wanted")
        if not self.temperatures or min(self.temperatures) <= 0:
            raise InputError(f"temperatures = {self.temperatures}: wanted are some above 0 K")

    def quicker(self) -> "RaceSettings":
        """For a first look: shorter runs, fewer timings."""
        return replace(
            self,
            turns=min(self.turns, 5),
            turn_seconds=0.1,
            cost_seconds=6.0,
            stability_ps=2.0,
            drift_ps=1.0,
            starts=4,
            run_seconds=6.0,
            scans=1,
            points=61,
            scan_seconds=6.0,
        )

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        found = asdict(self)
        found["time_s"] = found.pop("seconds")
        return found | {"temperatures": list(self.temperatures)}
