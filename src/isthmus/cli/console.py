"""What all commands use to show things: a console for results, a spinner for long steps."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape

__all__ = ["results", "working"]

_WIDTH = 100
"""Columns where the output goes to a file, which has no width of its own"""


def results() -> Console:
    """The console for results, on stdout; plain text where stdout is no terminal."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_WIDTH)


@contextmanager
def working(text: str) -> Iterator[None]:
    """A spinner on stderr for as long as a step takes; nothing where stderr is no terminal."""
    with Console(stderr=True).status(escape(text)):
        yield
