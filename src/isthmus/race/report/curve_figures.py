"""Figures of plotly for learning curves, scans and errors from test set to test set."""

import html
import statistics
from typing import Any, Final

from isthmus.race.record import UNITS, Entrant, Race, Scan
from isthmus.race.report.frontier_figures import N_COLOURS, colour, layout, scale
from isthmus.race.words import error_text, number

__all__ = ["growth_figure", "learning_figure", "scan_figures"]

_DASHES: Final = ("solid", "dash", "dot")
_ROOM: Final = 2.2
"""Height of a scan's axis over that of its curves, atoms that clash left out"""

_HIGH: Final = 100.0
"""Largest height of a scan's axis [kcal/mol]; no point above counts for the roughness"""


def learning_figure(race: Race) -> dict[str, Any] | None:
    """Validation error against seconds of training, a line a seed.

    Of forces, or of energies where nobody has errors of forces.
    """
    curves = [c for e in race.entrants if e.training is not None for c in e.training.curves]
    some = any(point.force_rmse is not None for curve in curves for point in curve)
    quantity = "force" if some or not curves else "energy"
    traces = []
    for number_of, entrant in enumerate(race.entrants):
        curves = () if entrant.training is None else entrant.training.curves
        for seed, curve in enumerate(curves):
            points = [
                (point.seconds, value)
                for point in curve
                if (value := getattr(point, f"{quantity}_rmse")) is not None
            ]
            if points:
                seeds = f", seed {seed + 1} of {len(curves)}" if len(curves) > 1 else ""
                traces.append(_learning(number_of, entrant, seeds, points, UNITS[quantity]))
    if not traces:
        return None
    values = [y for trace in traces for y in trace["y"]]
    return {
        "data": traces,
        "layout": layout(
            "training [s], compilation not counted",
            f"validation {quantity} error, RMSE [{UNITS[quantity]}]",
            xaxis={"rangemode": "tozero"},
            yaxis=scale(values),
        ),
    }


def scan_figures(race: Race) -> list[dict[str, Any]]:
    """One a scan, with the curves of all entrants; `title` says which."""
    order = {"bond": 0, "angle": 1, "torsion": 2}
    names: dict[tuple[str, str], None] = {}
    for entrant in race.entrants:
        for scan in entrant.smoothness:
            names[scan.kind, scan.scan] = None
    return [
        _scan_figure(race, name)
        for _, name in sorted(names, key=lambda pair: (order.get(pair[0], 3), pair[1]))
    ]


def growth_figure(race: Race) -> dict[str, Any] | None:
    """Error on every test set, a line an entrant; None for a single test set."""
    quantity = race.main_quantity()
    names = [test.name for test in race.tests]
    if len(names) < 2:
        return None
    traces = []
    for place, entrant in enumerate(race.entrants):
        found = [
            (name, error) for name in names if (error := entrant.error(name, quantity)) is not None
        ]
        if entrant.state == "failed" or not found:
            continue
        traces.append(
            _style(place, entrant)
            | {
                "mode": "lines+markers",
                "x": [html.escape(name) for name, _ in found],
                "y": [error.value for _, error in found],
                "hovertext": [
                    f"<b>{html.escape(entrant.name)}</b><br>{html.escape(name)}: "
                    f"{error_text(error, UNITS[quantity])}"
                    for name, error in found
                ],
            }
        )
    if not traces:
        return None
    values = [y for trace in traces for y in trace["y"]]
    shown = layout(
        "test set",
        f"{quantity} error, RMSE [{UNITS[quantity]}]",
        xaxis={
            "type": "category",
            "categoryorder": "array",
            "categoryarray": [html.escape(name) for name in names],
        },
        yaxis=scale(values),
    )
    return {"data": traces, "layout": shown}


def _style(place: int, entrant: Entrant) -> dict[str, Any]:
    rival = entrant.kind == "rival"
    return {
        "type": "scatter",
        "mode": "lines",
        "name": html.escape(entrant.name),
        "meta": {"entrant": place},
        "line": {
            "color": colour(place),
            "width": 2,
            "dash": "dashdot" if rival else _DASHES[place // N_COLOURS % len(_DASHES)],
        },
        "marker": {
            "color": colour(place),
            "size": 7,
            "symbol": "diamond-open" if rival else "circle",
        },
        "hoverinfo": "text",
    }


def _learning(
    place: int, entrant: Entrant, seeds: str, points: list[tuple[float, float]], unit: str
) -> dict[str, Any]:
    name = html.escape(entrant.name)
    return _style(place, entrant) | {
        "mode": "lines+markers",
        "marker": {"color": colour(place), "size": 5},
        "x": [seconds for seconds, _ in points],
        "y": [value for _, value in points],
        "hovertext": [
            f"<b>{name}</b>{seeds}<br>{number(value)} {unit} after {number(seconds)} s"
            for seconds, value in points
        ],
    }


def _scan_figure(race: Race, name: str) -> dict[str, Any]:
    traces, heights, unit, kind = [], [], "", ""
    for place, entrant in enumerate(race.entrants):
        for scan in entrant.smoothness:
            if scan.scan == name:
                traces.append(_scan(place, entrant, scan))
                heights.append(_height(scan))
                unit, kind = scan.x_unit, scan.kind
    highest = max(e for trace in traces for e in (*trace["y"], 0.0) if e is not None)
    height = min(highest, _HIGH, _ROOM * statistics.median(heights)) or 1.0
    what = {"bond": "length", "angle": "angle", "torsion": "torsion angle"}.get(kind, kind)
    shown = layout(
        f"{what} [{unit}]",
        f"energy [{UNITS['energy']}]",
        xaxis={"dtick": 60} if kind == "torsion" else {},
        yaxis={"range": [-0.04 * height, 1.08 * height]},
    )
    return {"data": traces, "layout": shown, "title": name}


def _height(scan: Scan) -> float:
    """Below which three quarters of the points lie [kcal/mol]."""
    energies = sorted(e for e in scan.energy if e is not None)
    return energies[(len(energies) * 3 - 1) // 4] if energies else 0.0


def _scan(place: int, entrant: Entrant, scan: Scan) -> dict[str, Any]:
    rough = ""
    if scan.roughness is not None:
        rough = f"<br>roughness {number(scan.roughness)} {UNITS['energy']}"
    # Many points: the browser writes the numbers; a name holds nothing that it would fill in.
    name = html.escape(entrant.name).replace("%", "&#37;")
    unit = html.escape(scan.x_unit).replace("%", "&#37;")
    style = _style(place, entrant)
    del style["hoverinfo"]
    return style | {
        "x": list(scan.x),
        "y": list(scan.energy),
        "hovertemplate": f"<b>{name}</b><br>%{{y:.3~f}} {UNITS['energy']} at %{{x:.4~g}} {unit}"
        f"{rough}<extra></extra>",
    }
