"""How far a labelling run is: a bar on a terminal, a line now and then elsewhere."""

import time
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

if TYPE_CHECKING:
    from isthmus.label.progress import Progress as Done

__all__ = ["Shown"]

_EVERY = 30.0
"""Between lines where there is no terminal [s]"""


class Shown:
    """Called with what is done; a context, so that the terminal is left as it was."""

    def __init__(self) -> None:
        """Nothing is shown yet."""
        console = Console(stderr=True)
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("frames"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            console=console,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._terminal = console.is_terminal
        self._task = self._bar.add_task("labelling", total=None, left="")
        self._start = self._last = time.monotonic()
        self._before: int | None = None

    def __enter__(self) -> "Shown":
        """Show the bar, on a terminal."""
        if self._terminal:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Take it away."""
        if self._terminal:
            self._bar.stop()

    def __call__(self, done: "Done") -> None:
        """Show what is done by now."""
        if self._before is None:
            self._before = done.n_frames_done
            if done.n_earlier:
                typer.echo(
                    f"isthmus: going on: {done.n_earlier} of {done.n_pieces} parts are there",
                    err=True,
                )
        left = self._left(done)
        lost = f", {done.n_lost} dropped" if done.n_lost else ""
        if self._terminal:
            self._bar.update(
                self._task,
                description=f"labelling{lost}",
                completed=done.n_frames_done,
                total=done.n_frames,
                left=left,
            )
        elif time.monotonic() - self._last > _EVERY:
            self._last = time.monotonic()
            text = f"isthmus: {done.n_frames_done} of {done.n_frames} frames{lost}"
            typer.echo(text + (f", {left}" if left else ""), err=True)

    def _left(self, done: "Done") -> str:
        """The time that is left, as the run went so far."""
        passed = time.monotonic() - self._start
        new = done.n_frames_done - (self._before or 0)
        if new <= 0 or passed < 1:
            return ""
        seconds = passed / new * (done.n_frames - done.n_frames_done)
        for unit, size in (("h", 3600), ("min", 60)):
            if seconds >= size:
                return f"about {seconds / size:.1f} {unit} left"
        return f"about {seconds:.0f} s left"
