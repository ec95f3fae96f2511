"""How far a simulation is: a bar on a terminal, a line now and then elsewhere."""

import time
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

if TYPE_CHECKING:
    from isthmus.simulate.run import Progress as Done

__all__ = ["RunBar", "speed"]

_EVERY = 10.0
"""Between lines where there is no terminal [s]"""
_REFRESH = 0.1
"""Between changes of the bar [s]"""
_DAY = 86_400.0


class RunBar:
    """Shows progress; a context, so that the terminal is left as it was."""

    def __init__(self, *, timestep: float, replicas: int, compiles: bool) -> None:
        """Nothing is shown yet.

        Args:
            timestep: [ps].
            replicas: how many run at once.
            compiles: whether the first steps are compiled.
        """
        console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[state]}"),
            console=console,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._terminal = console.is_terminal
        self._first = "compiling" if compiles else "starting"
        self._task = self._bar.add_task(self._first, total=1.0, state="")
        self._timestep = timestep
        self._replicas = replicas
        self._shown = time.monotonic()

    def __enter__(self) -> "RunBar":
        """Start the bar, on a terminal."""
        if self._terminal:
            self._bar.start()
        else:
            first = f"{self._first} (up to a minute), then " if self._first == "compiling" else ""
            typer.echo(f"isthmus: {first}simulating", err=True)
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the terminal as it was."""
        if self._terminal:
            self._bar.stop()

    def show(self, done: "Done") -> None:
        """Called after every piece of the run."""
        now = time.monotonic()
        if now - self._shown < (_REFRESH if self._terminal else _EVERY):
            return
        # How long it will take is known from the second piece on; a line waits for that
        if not (self._terminal or done.steps_timed or done.step == done.n_steps):
            return
        self._shown = now
        text = self._text(done)
        if self._terminal:
            self._bar.update(
                self._task,
                description="simulating",
                completed=done.step / done.n_steps,
                state=text,
            )
        else:
            typer.echo(f"isthmus: {done.step / done.n_steps:4.0%}  {text}", err=True)

    def _text(self, done: "Done") -> str:
        temperature = float(done.record.temperature.mean())
        parts = [f"{done.record.time:.6g} ps", f"{temperature:.0f} K"]
        rate = speed(done.steps_timed, done.seconds, self._timestep)
        if rate is not None:
            each = " each" if self._replicas > 1 else ""
            left = (done.n_steps - done.step) * done.seconds / done.steps_timed
            parts += [f"{_rounded(rate)} ns/day{each}", f"about {_duration(left)} left"]
        return "  ".join(parts)


def speed(steps: int, seconds: float, timestep: float) -> float | None:
    """Simulated time in a day [ns], for a time step in ps; None if nothing was timed."""
    if steps < 1 or seconds <= 0:
        return None
    return steps * timestep / 1000 / seconds * _DAY


def _rounded(rate: float) -> str:
    return f"{rate:.0f}" if rate >= 100 else f"{rate:.3g}"


def _duration(seconds: float) -> str:
    for unit, size in (("d", _DAY), ("h", 3600.0), ("min", 60.0)):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
