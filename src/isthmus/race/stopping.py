"""A race that was asked to end."""

from collections.abc import Callable

__all__ = ["Stopped", "raise_if"]


class Stopped(Exception):
    """Work was ended because it was asked to; what was finished before is kept."""


def raise_if(stop: Callable[[], bool]) -> None:
    """End what is going on.

    Raises:
        Stopped: the race was asked to end.
    """
    if stop():
        raise Stopped
