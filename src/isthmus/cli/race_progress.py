"""How far a race is: a bar on a terminal, a line for each stage elsewhere."""

import time
from typing import TYPE_CHECKING, Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

if TYPE_CHECKING:
    from isthmus.race.conduct import Plan

__all__ = ["RaceBar"]

_COMPILING: Final = 8.0
"""Seconds that a stage takes beside what it measures, about"""

_STAGES: Final = {
    "training": "training",
    "start": "starting",
    "errors": "errors",
    "motion": "stability and drift",
    "scans": "scans",
    "cost": "timed in turns",
}


class RaceBar:
    """Shows progress; a context, so that the terminal is left as it was."""

    def __init__(self, plan: "Plan") -> None:
        """Nothing is shown yet."""
        console = Console(stderr=True)
        self._terminal = console.is_terminal
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[left]}"),
            console=console,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._planned = _planned(plan)
        self._places = {one.name: n for n, one in enumerate(plan.competitors, start=1)}
        self._task = self._bar.add_task("", total=1.0, left="")
        self._now = ("", "")
        self._before, self._began = 0.0, time.monotonic()

    def __enter__(self) -> "RaceBar":
        """Start the bar."""
        if self._terminal:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the terminal as it was."""
        if self._terminal:
            self._bar.stop()

    def stage(self, entrant: str, stage: str) -> None:
        """See `isthmus.race.conduct.Watch`."""
        self._now = (entrant, stage)
        steps = list(self._planned)
        if self._now in self._planned:
            self._before = sum(
                (self._planned[step] for step in steps[: steps.index(self._now)]), 0.0
            )
        place = self._places.get(entrant)
        where = f"[{place}/{len(self._places)}] " if place else ""
        text = f"{where}{entrant}: {_STAGES.get(stage, stage)}"
        if self._terminal:
            self._bar.update(self._task, description=escape(text))
            self.share(0.0)
        else:
            left = self._words(self._before)
            typer.echo(f"isthmus: {text}{', ' + left if left else ''}", err=True)

    def share(self, fraction: float) -> None:
        """See `isthmus.race.conduct.Watch`."""
        if not self._terminal:
            return
        done = self._before + fraction * self._planned.get(self._now, 0.0)
        total = sum(self._planned.values())
        self._bar.update(self._task, completed=done / total, left=self._words(done))

    def note(self, entrant: str, text: str) -> None:
        """See `isthmus.race.conduct.Watch`."""
        if self._terminal:
            self._bar.console.print(
                f"isthmus: {entrant}: {text}", markup=False, highlight=False, soft_wrap=True
            )
        else:
            typer.echo(f"isthmus: {entrant}: {text}", err=True)

    def _words(self, done: float) -> str:
        """The time left: what is planned, in the pace so far."""
        rest = sum(self._planned.values()) - done
        spent = time.monotonic() - self._began
        pace = min(max(spent / done, 0.2), 2.0) if done > _COMPILING else 1.0
        left = rest * pace
        return f"about {left / 60:.0f} min left" if left > 90 else f"about {left:.0f} s left"


def _planned(plan: "Plan") -> dict[tuple[str, str], float]:
    """Seconds that each stage may take, in order."""
    settings = plan.settings
    found: dict[tuple[str, str], float] = {}
    each = settings.turns * settings.turn_seconds + 2 * _COMPILING
    cost = 0.0
    for one in plan.competitors:
        if one.kind == "design":
            found[one.name, "training"] = settings.seeds * (settings.seconds + _COMPILING)
        else:
            found[one.name, "start"] = 1.0
        found[one.name, "errors"] = _COMPILING
        found[one.name, "motion"] = settings.run_seconds + _COMPILING
        found[one.name, "scans"] = _COMPILING
        cost += each
    found["all", "cost"] = cost
    return found
