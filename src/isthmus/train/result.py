"""What a training run says while it goes on, and what it gives at the end."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from isthmus.forcefield.forcefield import ForceField

__all__ = ["Metrics", "Progress", "TrainResult"]

Metrics = dict[str, Any]


@dataclass(frozen=True)
class Progress:
    """How far a run is, for those who watch it.

    Attributes:
        fraction: of the whole run, from 0 to 1.
        step: number of steps done.
        seconds: used so far, in all sessions.
        left: seconds that the rest will take.
        metrics: of the last validation, or empty.
        note: what could not be done, for example a checkpoint that could not be written.
    """

    fraction: float
    step: int
    seconds: float
    left: float
    metrics: Mapping[str, Any]
    note: str = ""


@dataclass(frozen=True)
class TrainResult:
    """What a run gives.

    Attributes:
        force_field: with the best weights.
        history: metrics of every validation; errors in kcal/mol and kcal/mol/Å.
        steps: how many were done.
        seconds: how long they took, compilation included.
        ending: "complete", "patience", "stopped", "time" where the limit of time ended it, or
            "diverged" where gradients were no longer finite; the weights are those before.
        line: of the history, whose weights these are; empty where they were not measured.
        note: what went wrong at the end, or empty.
        resumable: whether a checkpoint of the last step was written.
        skipped: steps that changed nothing, since their gradients were not finite.
        element_energies: by atomic number [kJ/mol], if energies were counted from them.
    """

    force_field: ForceField
    history: tuple[Metrics, ...]
    steps: int
    seconds: float
    ending: str
    element_energies: Mapping[int, float] | None
    line: Metrics = field(default_factory=dict)
    note: str = ""
    resumable: bool = False
    skipped: int = 0
