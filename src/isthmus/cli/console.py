"""What all commands use to show things: a console for results, signs of life for long steps."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)

__all__ = ["Counter", "results", "working"]

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


class Counter:
    """Many steps of one kind: their count and the time left, on stderr.

    Nothing is shown where stderr is no terminal, nor between the steps, so that results can be
    printed there.
    """

    def __init__(self, total: int) -> None:
        console = Console(stderr=True)
        self._shown = console.is_terminal
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._task = self._progress.add_task("", total=total)

    @contextmanager
    def working(self, text: str) -> Iterator[None]:
        """One of the steps."""
        if not self._shown:
            yield
            return
        self._progress.update(self._task, description=escape(text))
        with self._progress:
            yield
        self._progress.advance(self._task)
