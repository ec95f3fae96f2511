"""Pictures of checks: one figure a check, its panels side by side."""

from pathlib import Path
from typing import Any, Final

import numpy as np

from isthmus.evaluate.physics.check import Check, Panel
from isthmus.evaluate.pictures import new_figure

__all__ = ["draw_check"]

_COLOURS: Final = (
    "#3b6ea5",
    "#c8553d",
    "#4f9d69",
    "#8d6cab",
    "#b8860b",
    "#5b8c9e",
    "#a0522d",
    "#777777",
)
_DPI: Final = 130
_LEVEL: Final = "#444444"


def draw_check(check: Check, path: Path) -> None:
    """All panels of a check.

    Raises:
        EngineMissingError: matplotlib is not installed.
    """
    figure = new_figure(4.8 * len(check.panels), 3.8)
    axes = np.atleast_1d(figure.subplots(1, len(check.panels)))
    for axis, panel in zip(axes, check.panels, strict=True):
        _draw(axis, panel)
    figure.savefig(path, dpi=_DPI)


def _draw(axis: Any, panel: Panel) -> None:
    axis.set_title(panel.title, fontsize=10)
    axis.set(xlabel=panel.x_label, ylabel=panel.y_label)
    if panel.log_x:
        axis.set_xscale("log", base=2)
        axis.set_xticks(panel.lines[0].x, [f"{x:g}" for x in panel.lines[0].x])
    if panel.log_y:
        axis.set_yscale("log")
    elif panel.about_zero is not None:
        axis.set_yscale("symlog", linthresh=panel.about_zero)
    if panel.level is not None:
        axis.axhline(panel.level, color=_LEVEL, lw=0.8, ls="--")
    many = sum(not line.label for line in panel.lines) > 1
    for number, line in enumerate(panel.lines):
        seen = np.isfinite(line.x) & np.isfinite(line.y)
        colour = _COLOURS[number % len(_COLOURS)]
        if line.points:
            axis.plot(line.x[seen], line.y[seen], "o", ms=3.5, color=colour, label=line.label)
        elif many and not line.label:
            axis.plot(line.x[seen], line.y[seen], lw=0.6, color="#b9c7d6")
        else:
            axis.plot(line.x[seen], line.y[seen], lw=1.3, color=colour, label=line.label)
    if any(line.label for line in panel.lines):
        axis.legend(fontsize=7.5, frameon=False)
    axis.spines[["top", "right"]].set_visible(False)
