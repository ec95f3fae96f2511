"""The bar of `isthmus check`: groups of checks, and how far the long run of one is."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from isthmus.words import counted

__all__ = ["Bar", "progress_bar"]


class Bar:
    """Groups done, and the share of the one in work."""

    def __init__(self, progress: Progress, total: int, *, in_lines: bool) -> None:
        self._progress, self._in_lines = progress, in_lines
        self._done, self._total, self._start = 0, total, time.monotonic()
        self._task = progress.add_task("", total=total)
        self._name = ""

    def begins(self, name: str) -> None:
        """A group of checks begins."""
        self._name = name
        self._progress.update(self._task, description=name)
        if self._in_lines:
            seconds = time.monotonic() - self._start
            groups = counted(self._total, "group")
            line = f"isthmus: {self._done} of {groups}, {seconds:.0f} s; now {name}"
            typer.echo(line, err=True)

    def heed(self, share: float) -> None:
        """A run of this group has come so far, from 0 to 1."""
        self._progress.update(self._task, description=f"{self._name} {share:.0%}")

    def ended(self) -> None:
        """The group is done."""
        self._done += 1
        self._progress.advance(self._task)


@contextmanager
def progress_bar(total: int) -> Iterator[Bar]:
    """A bar on stderr; a line for each group where stderr is no terminal."""
    console = Console(stderr=True)
    progress = Progress(
        TextColumn("{task.description:<18}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        redirect_stdout=False,
        disable=not console.is_terminal,
    )
    with progress:
        yield Bar(progress, total, in_lines=not console.is_terminal)
