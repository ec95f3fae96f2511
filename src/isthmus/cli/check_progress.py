"""The bar of `isthmus check`: groups of checks, and how far the long run of one is."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

__all__ = ["Bar", "progress_bar"]


class Bar:
    """Groups done, and the share of the one in work."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress = progress
        self._task = progress.add_task("", total=total)
        self._name = ""

    def begins(self, name: str) -> None:
        """A group of checks begins."""
        self._name = name
        self._progress.update(self._task, description=name)

    def heed(self, share: float) -> None:
        """A run of this group has come so far, from 0 to 1."""
        self._progress.update(self._task, description=f"{self._name} {share:.0%}")

    def ended(self) -> None:
        """The group is done."""
        self._progress.advance(self._task)


@contextmanager
def progress_bar(total: int) -> Iterator[Bar]:
    """A bar on stderr; nothing is shown where stderr is no terminal."""
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
        yield Bar(progress, total)
