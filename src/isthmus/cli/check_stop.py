"""SIGTERM during `isthmus check` does what Ctrl-C does: what was done until then is kept."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

__all__ = ["Ended", "interrupted_by_signals"]


@dataclass
class Ended:
    """By which signal checks were ended; SIGINT unless another one came."""

    number: int = signal.SIGINT

    @property
    def exit_code(self) -> int:
        """As a shell would give: 130 after Ctrl-C, 143 after SIGTERM."""
        return 128 + self.number


@contextmanager
def interrupted_by_signals() -> Iterator[Ended]:
    """SIGTERM raises KeyboardInterrupt here, as SIGINT does everywhere."""
    ended = Ended()

    def note(number: int, _frame: object) -> None:
        ended.number = number
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, note)
    try:
        yield ended
    finally:
        signal.signal(signal.SIGTERM, before)
