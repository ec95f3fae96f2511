"""The frontier as figures of plotly: one for each test set, quantity and cost.

Colours are names that the page resolves: "@e3" the fourth entrant, "@dim", "@grid" and so on.
"""

import html
import math
from dataclasses import dataclass
from typing import Any, Final

from isthmus.race.choice import error_of_file
from isthmus.race.frontier import (
    QUANTITIES,
    Axes,
    Standing,
    cost_of,
    error_of,
    quantity_of,
    standings,
)
from isthmus.race.record import UNITS, Cost, Estimate, Race
from isthmus.race.words import engine_text, error_text, interval, number
from isthmus.words import counted

__all__ = [
    "N_COLOURS",
    "CostAxis",
    "colour",
    "cost_axes",
    "ends",
    "frontier_figures",
    "is_wide",
    "layout",
    "scale",
    "standing_words",
    "ticks",
]

N_COLOURS: Final = 10
_WIDE: Final = 6.0
"""Largest over smallest error from which on their axis is logarithmic"""


@dataclass(frozen=True)
class CostAxis:
    """One of the costs to choose from; `label` is for the reader."""

    label: str
    engine: str | None
    batch: int
    molecule: str | None


def cost_axes(race: Race) -> list[CostAxis]:
    """The main cost, and each engine, batch and molecule that was measured."""
    found: dict[CostAxis, None] = {}
    costs = [cost for entrant in race.entrants for cost in entrant.cost]
    many = len({cost.molecule for cost in costs}) > 1
    for cost in sorted(costs, key=lambda c: (c.batch, c.engine)):
        at_once = "one molecule" if cost.batch == 1 else f"{cost.batch} molecules at once"
        of = f", {cost.molecule}" if many else ""
        axis = CostAxis(f"{cost.engine}, {at_once}{of}", cost.engine, cost.batch, cost.molecule)
        found[axis] = None
    return [CostAxis("the fastest engine, one molecule", None, 1, None), *found]


def frontier_figures(race: Race) -> dict[str, dict[str, Any]]:
    """All figures by "test|quantity|cost", each counted from 0.

    Each has `data` and `layout` of plotly; `points`, the numbers behind it, for labels and for
    the choice by a limit; `missing`, who is not drawn and why.
    """
    figures = {}
    for i, test in enumerate(race.tests):
        for j, quantity in enumerate(QUANTITIES):
            for k, cost in enumerate(cost_axes(race)):
                axes = Axes(
                    test=test.name,
                    quantity=quantity,
                    engine=cost.engine,
                    batch=cost.batch,
                    molecule=cost.molecule,
                )
                figures[f"{i}|{j}|{k}"] = _figure(race, axes)
    return figures


def colour(number: int) -> str:
    """Of an entrant, counted from 0; the page has one for each theme."""
    return f"@e{number % N_COLOURS}"


def layout(x: str, y: str, **axes: dict[str, Any]) -> dict[str, Any]:
    """What all figures share; `xaxis` and `yaxis` add to their axes."""

    def axis(title: str, more: dict[str, Any]) -> dict[str, Any]:
        return {
            "title": {"text": title, "standoff": 8, "font": {"size": 13}},
            "gridcolor": "@grid",
            "linecolor": "@line",
            "tickcolor": "@line",
            "zeroline": False,
            "showline": True,
            "ticks": "outside",
            "automargin": True,
        } | more

    return {
        "xaxis": axis(x, axes.get("xaxis", {})),
        "yaxis": axis(y, axes.get("yaxis", {})),
        "font": {"color": "@text", "size": 12},
        "paper_bgcolor": "@page",
        "plot_bgcolor": "@page",
        "hoverlabel": {"bgcolor": "@card", "bordercolor": "@line", "font": {"color": "@text"}},
        "margin": {"l": 56, "r": 14, "t": 28, "b": 48},
        "showlegend": False,
        "hovermode": "closest",
    }


def _figure(race: Race, axes: Axes) -> dict[str, Any]:
    places = {entrant.name: number for number, entrant in enumerate(race.entrants)}
    found = standings(race, axes)
    best = [one for one in found if one.on_frontier]
    line = {
        "type": "scatter",
        "mode": "lines",
        "x": [one.cost.value for one in best],
        "y": [one.error.value for one in best],
        "line": {"shape": "hv", "color": "@accent", "width": 1.5, "dash": "dot"},
        "hoverinfo": "skip",
    }
    quantity = quantity_of(race, axes)
    errors = [one.error.value for one in found]
    said = f"{quantity} error, RMSE [{UNITS[quantity]}]"
    return {
        "data": [line, *(_trace(race, one, places[one.entrant.name], axes) for one in found)],
        "layout": layout(
            "cost of a step [µs]",
            said,
            xaxis={"type": "log", **ticks([one.cost.value for one in found])},
            yaxis=scale(errors),
        ),
        "points": [
            {
                "e": places[one.entrant.name],
                "name": one.entrant.name,
                "x": one.cost.value,
                "y": one.error.value,
                "file": error_of_file(one).value,
                "bars": ends(one.cost) + ends(one.error),
                "on": one.on_frontier,
                "model": bool(one.entrant.models),
                "compared": one.compared,
            }
            for one in found
        ],
        "missing": _missing(race, axes, found),
    }


def is_wide(values: list[float]) -> bool:
    """Whether they are better seen on a logarithmic axis."""
    return bool(values) and min(values) > 0 and max(values) > _WIDE * min(values)


def scale(values: list[float]) -> dict[str, Any]:
    """The axis of errors: logarithmic where they are wide, from zero where not."""
    return {"type": "log", **ticks(values)} if is_wide(values) else {"rangemode": "tozero"}


def ticks(values: list[float]) -> dict[str, Any]:
    """Ticks of a logarithmic axis, as plain numbers: the fewer the wider it is."""
    if not values or min(values) <= 0:
        return {}
    decades = range(math.floor(math.log10(min(values))) - 1, math.ceil(math.log10(max(values))) + 1)
    wide = max(values) / min(values)
    steps = (1,) if wide > 40 else (1, 2, 5) if wide > 4 else (1, 1.5, 2, 3, 4, 5, 6, 8)
    at = [n * 10.0**d for d in decades for n in steps]
    minor = [n * 10.0**d for d in decades for n in range(1, 10)]
    return {
        "tickvals": at,
        "ticktext": [f"{tick:,g}" for tick in at],
        "minor": {"tickmode": "array", "tickvals": minor, "ticks": "outside", "ticklen": 3},
    }


def _trace(race: Race, one: Standing, place: int, axes: Axes) -> dict[str, Any]:
    shown = colour(place) if one.on_frontier else "@grey"
    rival = one.entrant.kind == "rival"
    return {
        "type": "scatter",
        "mode": "markers",
        "name": html.escape(one.entrant.name),
        "meta": {"entrant": place},
        "x": [one.cost.value],
        "y": [one.error.value],
        "error_x": _bar(one.cost.value, one.cost.low, one.cost.high, shown),
        "error_y": _bar(one.error.value, one.error.low, one.error.high, shown),
        "marker": {
            "symbol": _symbol(one),
            "size": 12 if rival else 11,
            "color": shown,
            "line": {"width": 2 if rival or not one.compared else 0, "color": shown},
        },
        "hoverinfo": "text",
        "hovertext": _hover(race, one, axes),
    }


def _symbol(one: Standing) -> str:
    """Rivals are open diamonds; of ours a hollow circle is not comparable."""
    if one.entrant.kind == "rival":
        return "diamond-open" if one.compared else "diamond-open-dot"
    return "circle" if one.compared else "circle-open"


def _bar(value: float, low: float | None, high: float | None, shown: str) -> dict[str, Any]:
    if low is None or high is None:
        return {"visible": False}
    return {
        "type": "data",
        "symmetric": False,
        "array": [max(0.0, high - value)],
        "arrayminus": [max(0.0, value - low)],
        "color": shown,
        "thickness": 1.2,
        "width": 3,
    }


def ends(found: Cost | Estimate) -> list[float]:
    """Of its bar: low and high, or the value itself."""
    low, high = found.low, found.high
    return [found.value if low is None else low, found.value if high is None else high]


def _hover(race: Race, one: Standing, axes: Axes) -> str:
    entrant, cost = one.entrant, one.cost
    kind = {"rival": "rival", "model": "saved model"}.get(entrant.kind, "design")
    where = standing_words(one)
    quantity = quantity_of(race, axes)
    test = axes.test or race.main_test().name
    lines = [
        f"{quantity} error {error_text(one.error, UNITS[quantity])}",
        f"on {test}, {counted(entrant.errors[test].n_frames, 'frame')}",
        f"cost {number(cost.value)} µs/step ({interval(cost.low, cost.high)})",
        f"{engine_text(cost)}: {number(cost.per_atom)} µs/atom",
        f"{number(86_400 / cost.value)} ns/day at 1 fs",
    ]
    if entrant.n_parameters is not None:
        lines.append(f"{entrant.n_parameters:,} parameters")
    if entrant.errors[test].n_refused:
        lines.append(f"refused {counted(entrant.errors[test].n_refused, 'frame')}")
    head = f"<b>{html.escape(entrant.name)}</b> – {kind}, {where}"
    return "<br>".join([head, *map(html.escape, lines)])


def standing_words(one: Standing) -> str:
    """Where it stands, for a reader."""
    if one.on_frontier:
        return "on the frontier"
    reasons = ["partial: it refused frames"] if one.partial else []
    reasons += ["timed apart from the others"] if one.apart else []
    return "; ".join(reasons) or "dominated"


def _missing(race: Race, axes: Axes, found: tuple[Standing, ...]) -> list[str]:
    """Who has no point, and why."""
    drawn = {one.entrant.name for one in found}
    said = []
    for entrant in race.entrants:
        if entrant.name in drawn:
            continue
        lacks = [
            what
            for what, value in (
                ("cost", cost_of(race, entrant, axes)),
                (f"{quantity_of(race, axes)} error", error_of(race, entrant, axes)),
            )
            if value is None
        ]
        failed = entrant.state == "failed"
        said.append(f"{entrant.name} ({'failed' if failed else 'no ' + ', no '.join(lacks)})")
    return said
