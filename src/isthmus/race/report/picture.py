"""The frontier as a picture for a paper: error against cost, a panel a test set."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from isthmus.evaluate.pictures import new_figure
from isthmus.race.frontier import Axes, Standing, standings
from isthmus.race.record import UNITS, Race
from isthmus.race.report.frontier_figures import ends, is_wide, ticks
from isthmus.race.report.labels import Box, place_labels, stairs

__all__ = ["draw_frontier"]

_COLOUR: Final = "#3b6ea5"
_GREY: Final = "#9aa0a6"
_DPI: Final = 300
_MOST_COLUMNS: Final = 3
_SMALL: Final = 8


def draw_frontier(race: Race, path: Path) -> None:
    """Filled: ours; open diamonds: rivals; grey: dominated; stairs: the frontier.

    A hollow circle, or a diamond in thin lines, cannot be compared: partial or timed apart.

    Raises:
        EngineMissingError: matplotlib is not installed.
    """
    n = len(race.tests)
    n_columns = min(n, _MOST_COLUMNS)
    n_rows = -(-n // n_columns)
    size = (5.6, 4.2) if n == 1 else (4.2 * n_columns, 3.9 * n_rows)
    figure = new_figure(*size)
    panels = figure.subplots(n_rows, n_columns, squeeze=False, sharex=True, sharey=True).ravel()
    of_tests = [standings(race, Axes(test=test.name)) for test in race.tests]
    everything = [one for found in of_tests for one in found]
    for panel, test, found in zip(panels, race.tests, of_tests, strict=False):
        if n > 1:
            panel.set_title(_plain(test.name), fontsize=10)
        _draw(panel, found)
        if everything:
            _scale(panel, everything)
    for panel in panels[n:]:
        panel.set_visible(False)
    figure.supxlabel("cost of a step [µs]", fontsize=10)
    quantity = race.main_quantity()
    figure.supylabel(f"{quantity} error, RMSE [{UNITS[quantity]}]", fontsize=10)
    figure.draw_without_rendering()  # sizes are known from here on
    figure.set_layout_engine("none")
    for panel, found in zip(panels, of_tests, strict=False):
        _label(panel, figure.dpi, found)
    figure.savefig(path, dpi=_DPI)


def _draw(panel: Any, found: tuple[Standing, ...]) -> None:
    panel.spines[["top", "right"]].set_visible(False)
    if not found:
        panel.text(0.5, 0.5, "nothing to compare", transform=panel.transAxes, ha="center")
    best = [one for one in found if one.on_frontier]
    panel.step(
        [one.cost.value for one in best],
        [one.error.value for one in best],
        where="post",
        color=_COLOUR,
        lw=1,
        ls=":",
        zorder=1,
    )
    for one in found:
        _mark(panel, one)


def _scale(panel: Any, everything: list[Standing]) -> None:
    """Of all panels, since they share their axes."""
    panel.set_xscale("log")
    _ticks(panel.xaxis, [end for one in everything for end in ends(one.cost)])
    if is_wide([one.error.value for one in everything]):
        panel.set_yscale("log")
        bars = [end for one in everything for end in (*ends(one.error), one.error.value)]
        _ticks(panel.yaxis, [end for end in bars if end > 0])
    else:
        panel.set_ylim(bottom=0)


def _mark(panel: Any, one: Standing) -> None:
    colour = _COLOUR if one.on_frontier else _GREY
    rival = one.entrant.kind == "rival"
    cost, error = one.cost, one.error
    between = None
    if error.low is not None and error.high is not None:
        between = [[max(0.0, error.value - error.low)], [max(0.0, error.high - error.value)]]
    panel.errorbar(
        [cost.value],
        [error.value],
        xerr=[[max(0.0, cost.value - cost.low)], [max(0.0, cost.high - cost.value)]],
        yerr=between,
        fmt="D" if rival else "o",
        ms=5.5,
        mfc="white" if rival or not one.compared else colour,
        mew=1.0 if one.compared else 0.5,
        mec=colour,
        color=colour,
        elinewidth=0.9,
        capsize=1.5,
        zorder=3 if one.on_frontier else 2,
    )


def _ticks(axis: Any, values: list[float]) -> None:
    if not (shown := ticks(values)):
        return
    low, high = min(values), max(values)
    room = (high / low) ** 0.12 * 1.15
    axis.set_ticks(shown["tickvals"], shown["ticktext"])
    axis.set_ticks(shown["minor"]["tickvals"], [], minor=True)
    axis.axes.set(**{f"{axis.axis_name}lim": (low / room, high * room)})


def _label(panel: Any, dpi: float, found: tuple[Standing, ...]) -> None:
    """Names beside the points; those of the frontier choose first."""
    if not found:
        return
    scale = 72 / dpi  # points of print
    order = sorted(found, key=lambda one: not one.on_frontier)
    corner = panel.bbox.min

    def pixels(cost: float, error: float) -> tuple[float, float]:
        x, y = (panel.transData.transform((cost, error)) - corner) * scale
        return float(x), float(y)

    points = [pixels(one.cost.value, one.error.value) for one in order]
    labels = place_labels(
        points,
        [_size(panel, one.entrant.name, scale) for one in order],
        (panel.bbox.width * scale, panel.bbox.height * scale),
        [
            *stairs([at for at, one in zip(points, order, strict=True) if one.on_frontier]),
            *(box for one in order for box in _bars(one, pixels)),
        ],
    )
    line = {"arrowstyle": "-", "lw": 0.5, "color": _GREY, "shrinkA": 0, "shrinkB": 4}
    for one, (x, y), label in zip(order, points, labels, strict=True):
        panel.annotate(
            _plain(one.entrant.name),
            (one.cost.value, one.error.value),
            xytext=(label.x - x, label.y - y),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=_SMALL,
            color="#222222" if one.on_frontier else "#666666",
            arrowprops=line if label.far else None,
        )


def _bars(one: Standing, pixels: Callable[[float, float], tuple[float, float]]) -> Iterator[Box]:
    """The bars of a point as boxes; a bar that reaches zero goes to the edge."""
    cost, error = one.cost.value, one.error.value
    left, right = ends(one.cost)
    low, high = ends(one.error)
    (x, y), (x1, _), (x2, _) = pixels(cost, error), pixels(left, error), pixels(right, error)
    (_, y1), (_, y2) = pixels(cost, max(low, 1e-3 * error)), pixels(cost, high)
    yield x1, y - 2, x2, y + 2
    yield x - 2, y1, x + 2, y2


def _size(panel: Any, name: str, scale: float) -> tuple[float, float]:
    """Of a name as it will be drawn [points of print]."""
    text = panel.text(0, 0, _plain(name), fontsize=_SMALL)
    box = text.get_window_extent()
    text.remove()
    return box.width * scale + 2, box.height * scale


def _plain(name: str) -> str:
    """Without the signs that matplotlib takes for formulas."""
    return name.replace("$", r"\$")
