"""When a bespoke fit must end before its end: a limit of time, or the wish of somebody."""

import time
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Ended", "Limit"]


class Ended(Exception):
    """A fit is to end where it stands; `why` is "time" or "stopped"."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True)
class Limit:
    """Looked at between all pieces of work that take more than a moment.

    Attributes:
        begin: of the fit, by `time.perf_counter`.
        seconds: that it may take; None: as many as it wants.
        stop: asked whether it should end here.
    """

    begin: float
    seconds: float | None
    stop: Callable[[], bool]

    @property
    def used(self) -> float:
        """Seconds since the fit began."""
        return time.perf_counter() - self.begin

    def __call__(self) -> None:
        """Go on.

        Raises:
            Ended: the time is used up, or somebody wants the fit to end.
        """
        if self.stop():
            raise Ended("stopped")
        if self.seconds is not None and self.used > self.seconds:
            raise Ended("time")
