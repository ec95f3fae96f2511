"""Ctrl-C, or the wish of the system that the process ends, during a training run."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

__all__ = ["Interruption", "Stopped", "interruptions", "raise_if"]


class Stopped(Exception):
    """Work was ended because it was asked to."""


class Interruption:
    """Called, it says whether the run was asked to end."""

    def __init__(self) -> None:
        """Nobody has asked yet."""
        self._numbers: list[int] = []

    def __call__(self) -> bool:
        """Whether the run was asked to end."""
        return bool(self._numbers)

    @property
    def exit_code(self) -> int:
        """As a shell would give: 130 after Ctrl-C, 143 after SIGTERM."""
        return 128 + self._numbers[0]

    def note(self, number: int, _frame: object) -> None:
        """Handles a signal; the second one ends the process at once."""
        if self._numbers:
            raise KeyboardInterrupt
        self._numbers.append(number)
        # Not by echo: the signal may have come in the midst of a write to the same stream
        with suppress(OSError):
            os.write(2, b"\nisthmus: stopping after this step; Ctrl-C again ends at once\n")


@contextmanager
def interruptions() -> Iterator[Interruption]:
    """Signals do not end the process, but are noted."""
    found = Interruption()
    wanted = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, found.note) for number in wanted}
    try:
        yield found
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def raise_if(stop: Callable[[], bool]) -> None:
    """End what is going on.

    Raises:
        Stopped: the run was asked to end.
    """
    if stop():
        raise Stopped
