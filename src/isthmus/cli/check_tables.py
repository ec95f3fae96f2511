"""The table of `isthmus check`."""

from typing import TYPE_CHECKING, Final

from rich.console import Group as Lines
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from isthmus.evaluate.physics.check import (
    FAIL,
    NOT_APPLICABLE,
    NOT_JUDGED,
    PASS,
    UNDECIDED,
    VERDICTS,
)
from isthmus.evaluate.physics.words import bound_text, goal_text, value_text

if TYPE_CHECKING:
    from isthmus.evaluate.physics.gate import Checks

__all__ = ["check_table", "summary"]

_STYLES: Final = {
    PASS: "green",
    FAIL: "bold red",
    UNDECIDED: "yellow",
    NOT_JUDGED: "dim",
    NOT_APPLICABLE: "dim",
}


def check_table(found: "Checks", *, title: str) -> RenderableType:
    """One check a row, with its note below."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("check", style="cyan", overflow="fold")
    table.add_column("", no_wrap=True)
    table.add_column("value", overflow="fold")
    table.add_column("threshold", no_wrap=True)
    table.add_column("goal", no_wrap=True)
    table.add_column("threshold from", style="dim", overflow="fold")
    for check in found.checks:
        goal = goal_text(check) + (" ✓" if check.reached_goal else "")
        table.add_row(
            Text(check.name),
            Text(check.verdict, style=_STYLES[check.verdict]),
            Text(value_text(check)),
            Text(bound_text(check)),
            Text(goal),
            Text(check.source),
        )
    notes = [
        Text.assemble((f"{check.name}: ", "cyan"), (check.note, "dim"))
        for check in found.checks
        if check.note
    ]
    return Lines(Text(title, style="bold"), table, Text(""), *notes, Text(""))


def summary(found: "Checks") -> str:
    """How many came out how, in a line."""
    counts = {v: sum(check.verdict == v for check in found.checks) for v in VERDICTS}
    said = ", ".join(f"{n} {verdict}" for verdict, n in counts.items() if n) or "no checks"
    failed = "; ".join(check.name for check in found.failed)
    return f"{said}; failed: {failed}" if failed else said
