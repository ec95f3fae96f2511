"""How far a training run is: a bar on a terminal, a line for each validation elsewhere."""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from isthmus.train.result import Progress as Done
    from isthmus.train.settings import TrainSettings

__all__ = ["TrainingBar"]


class TrainingBar:
    """Shows progress; a context, so that the terminal is left as it was.

    Attributes:
        begun: whether a step was shown.
    """

    def __init__(self, settings: "TrainSettings", *, resuming: bool = False) -> None:
        """Nothing is shown yet.

        Args:
            settings: of the run.
            resuming: whether the run goes on, so that it is to be said from where.
        """
        self._resuming = resuming
        self.begun = False
        console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[errors]}"),
            console=console,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._terminal = console.is_terminal
        self._settings = settings
        self._task = self._bar.add_task("compiling", total=1.0, errors="")
        self._shown: Mapping[str, Any] = {}
        self._started = time.monotonic()

    def __enter__(self) -> "TrainingBar":
        """Start the bar."""
        if self._terminal:
            self._bar.start()
        else:
            typer.echo("isthmus: compiling (up to a minute), then training", err=True)
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the terminal as it was."""
        if self._terminal:
            self._bar.stop()

    def show(self, done: "Done") -> None:
        """Called after every step."""
        self.begun = True
        if self._resuming:
            self._resuming = False
            typer.echo(
                f"isthmus: note: the run goes on from the checkpoint after step {done.step - 1}, "
                f"{done.fraction:.0%} of it done",
                err=True,
            )
        if done.note:
            typer.echo(f"isthmus: warning: {done.note}", err=True)
        fresh = done.metrics is not self._shown and bool(done.metrics)
        self._shown = done.metrics
        if self._terminal:
            self._bar.update(
                self._task,
                description="training",
                completed=done.fraction,
                errors=_errors(done.metrics) if done.metrics else "",
            )
        elif fresh:
            typer.echo(
                f"isthmus: {done.fraction:4.0%}  epoch {done.metrics['epoch']:g}  "
                f"{_errors(done.metrics)}  {done.seconds:.0f} s, about {done.left:.0f} s left",
                err=True,
            )


def _errors(metrics: Mapping[str, Any]) -> str:
    part = "validation" if "validation_force_rmse" in metrics else "train"
    force, energy = metrics[f"{part}_force_rmse"], metrics[f"{part}_energy_rmse"]
    texts = [
        f"{value:.3g} {unit}"
        for value, unit in ((force, "kcal/mol/Å"), (energy, "kcal/mol"))
        if value is not None
    ]
    return f"{part} RMSE {', '.join(texts)}"
