"""How far a labelling run is."""

from collections.abc import Mapping
from dataclasses import dataclass

from isthmus.label.folder import Report
from isthmus.label.plan import Piece, Plan

__all__ = ["Counted", "Progress"]


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a run is.

    Attributes:
        n_done: pieces that are finished, those of an earlier run included.
        n_pieces: all pieces.
        n_earlier: pieces that an earlier run had finished.
        n_frames_done: frames that these pieces stand for, dropped ones included.
        n_frames: all frames.
        n_lost: frames that were dropped so far.
    """

    n_done: int
    n_pieces: int
    n_earlier: int
    n_frames_done: int
    n_frames: int
    n_lost: int


@dataclass(eq=False)
class Counted:
    """Counts what is done while it is being done.

    Attributes:
        plan: of the run.
        reports: of the finished pieces; grows.
        n_earlier: how many of them an earlier run had finished.
    """

    plan: Plan
    reports: Mapping[Piece, Report]
    n_earlier: int

    def now(self, n_crashed: int) -> Progress:
        """What is done by now."""
        targets = self.plan.targets
        return Progress(
            n_done=len(self.reports) + n_crashed,
            n_pieces=sum(len(target.pieces) for target in targets),
            n_earlier=self.n_earlier,
            n_frames_done=sum(targets[i].pieces[k] for i, k in self.reports),
            n_frames=sum(target.n_frames for target in targets),
            n_lost=sum(n for one in self.reports.values() for n, _ in one.dropped),
        )
