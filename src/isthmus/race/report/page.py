"""The page of a race: everything in one file, which opens from disk and calls no network.

Two scripts run, plotly's and `page.js`; the page allows these two alone, by their hashes. All
that comes from the race is text in the page or JSON in a block that is not run.
"""

import base64
import hashlib
import html
import json
import shlex
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

from isthmus.errors import EngineMissingError
from isthmus.race.frontier import QUANTITIES
from isthmus.race.record import UNITS, Race
from isthmus.race.report import sections
from isthmus.race.report.curve_figures import growth_figure, learning_figure, scan_figures
from isthmus.race.report.frontier_figures import N_COLOURS, cost_axes, frontier_figures
from isthmus.words import counted

__all__ = ["page", "plotly_script"]


def plotly_script() -> str:
    """The library that draws, as it is put into the page.

    Raises:
        EngineMissingError: plotly is not installed.
    """
    try:
        from plotly.offline import get_plotlyjs  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise EngineMissingError(
            "the report needs plotly, which is not installed: pip install 'isthmus[report]'"
        ) from error
    return get_plotlyjs()


def page(race: Race, *, folder: str, picture: bytes) -> str:
    """The whole page.

    Args:
        race: of which at least one test set is known.
        folder: of the race, as it was given, for the commands that it shows.
        picture: the frontier as PNG, for readers without scripts.

    Raises:
        EngineMissingError: plotly is not installed.
    """
    own = files("isthmus.race.report")
    script = own.joinpath("page.js").read_text(encoding="utf-8")
    style = own.joinpath("page.css").read_text(encoding="utf-8")
    plotly = plotly_script()
    allowed = " ".join(_hash(text) for text in (plotly, script))
    policy = (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:"
    )
    figures = _figures(race)
    content = _inline(_payload(race, figures, folder))
    title = html.escape(_title(race))
    parts = [
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>",
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        "<meta name='viewport' content='width=device-width, initial-scale=1'>",
        f"<title>{title}</title><style>{style}</style></head><body>",
        *_body(race, figures, picture),
        f"<script type='application/json' id='race'>{content}</script>",
        f"<script>{plotly}</script><script>{script}</script></body></html>\n",
    ]
    return "\n".join(parts)


def _title(race: Race) -> str:
    data = race.training or race.main_test()
    return f"Race on {data.name}"


def _figures(race: Race) -> dict[str, dict[str, Any]]:
    """All but the frontier, by the names of their places in the page."""
    found = {"growth": growth_figure(race), "learning": learning_figure(race)}
    named = {name: figure for name, figure in found.items() if figure is not None}
    return named | {f"scan-{k}": figure for k, figure in enumerate(scan_figures(race))}


def _payload(race: Race, figures: dict[str, dict[str, Any]], folder: str) -> dict[str, Any]:
    costs = [""]
    molecules = {cost.molecule for entrant in race.entrants for cost in entrant.cost}
    for axis in cost_axes(race)[1:]:
        batch = "" if axis.batch == 1 else f" --batch {axis.batch}"
        of = f" --molecule {shlex.quote(axis.molecule or '')}" if len(molecules) > 1 else ""
        costs.append(f" --engine {shlex.quote(axis.engine or '')}{batch}{of}")
    force_first = race.main_quantity() == "force"
    return {
        "colours": N_COLOURS,
        "units": [UNITS[quantity] for quantity in QUANTITIES],
        "frontier": frontier_figures(race),
        "figures": figures,
        "pick": f"isthmus pick {shlex.quote(folder)}",
        "options": {
            "test": [f" --test {shlex.quote(test.name)}" for test in race.tests],
            "quantity": ["", " --quantity energy"] if force_first else [" --quantity force", ""],
            "cost": costs,
        },
    }


def _inline(content: Any) -> str:
    """JSON that no text in it can end or open: as it stands between script tags."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _body(race: Race, figures: dict[str, dict[str, Any]], picture: bytes) -> Iterator[str]:
    yield from _head(race, figures)
    yield from _frontier(race, picture)
    if "growth" in figures:
        yield "<h2 id='tests'>From test set to test set</h2>"
        yield "<p>An error that grows slowly holds far from the data that were trained on.</p>"
        yield _plot("growth", "errors on all test sets")
    yield "<h2 id='table'>All numbers</h2><p>A click on a head sorts, a second one turns round. "
    yield "Below an error: its 95 % interval; below a cost: the lowest and highest repeat.</p>"
    yield from sections.table(race)
    if any(entrant.stability for entrant in race.entrants):
        yield "<h2 id='stability'>Stability</h2><p>Simulations that held for the wanted "
        yield "time; bars: the share of it that they held. Grey: cut short, for it was slow, "
        yield "before anything broke: whether it would have held is not known.</p>"
        yield from sections.stability(race)
    scans = {name: figure for name, figure in figures.items() if name.startswith("scan-")}
    if scans:
        yield "<h2 id='smoothness'>Smoothness</h2><p>Energy along one coordinate, from the lowest "
        yield "of each curve. Curves that shoot up are cut off; a double click shows them.</p>"
        yield "<div class='grid'>"
        for name, figure in scans.items():
            said = html.escape(figure["title"])
            yield f"<figure><figcaption>{said}</figcaption>{_plot(name, 'scan: ' + said)}</figure>"
        yield "</div>"
    if "learning" in figures:
        yield "<h2 id='learning'>Learning curves</h2>"
        yield _plot("learning", "validation error against seconds of training")
    if any(entrant.state != "finished" for entrant in race.entrants):
        yield "<h2 id='failures'>Not at the finish</h2>"
        yield from sections.failures(race)
    if race.notes or any(entrant.notes for entrant in race.entrants):
        yield "<h2 id='notes'>Notes</h2>"
        yield from sections.notes(race)
    yield "<h2 id='data'>Data and level of theory</h2>"
    yield from sections.data(race)
    yield "<h2 id='machine'>Machine and versions</h2>"
    yield from sections.machine(race)
    yield "<h2 id='commands'>Commands</h2>"
    yield from sections.commands(race)


def _head(race: Race, figures: dict[str, dict[str, Any]]) -> Iterator[str]:
    states = [entrant.state for entrant in race.entrants]
    n_failed, n_waiting = states.count("failed"), states.count("waiting")
    failed = f", <a href='#failures'>{n_failed} failed</a>" if n_failed else ""
    waiting = f", <a href='#failures'>{n_waiting} not finished</a>" if n_waiting else ""
    trained = ""
    if race.training is not None:
        trained = f" trained on {counted(race.training.n_frames, 'frame')},"
    level = race.main_test().level_of_theory or "a level of theory that is not stated"
    yield f"<header><h1>{html.escape(_title(race))}</h1>"
    yield f"<p class='dim'>{counted(len(states), 'entrant')}{failed}{waiting};{trained} "
    yield f"measured against {html.escape(level)} on {html.escape(race.machine.processor)}, "
    yield f"{html.escape(race.date[:10])}, Isthmus {html.escape(race.isthmus)}</p></header>"
    links = {"frontier": "Frontier"}
    links |= {"tests": "Test sets"} if "growth" in figures else {}
    links["table"] = "Numbers"
    links |= {"stability": "Stability"} if any(e.stability for e in race.entrants) else {}
    links |= {"smoothness": "Smoothness"} if "scan-0" in figures else {}
    links |= {"learning": "Learning"} if "learning" in figures else {}
    links |= {"data": "Data", "machine": "Machine", "commands": "Commands"}
    yield "<nav>" + " ".join(f"<a href='#{to}'>{said}</a>" for to, said in links.items()) + "</nav>"
    yield "<div class='chips' role='group' aria-label='show or hide entrants'>"
    for place, entrant in enumerate(race.entrants):
        if entrant.state != "failed":
            mark = sections.dot(place, rival=entrant.kind == "rival")
            yield (
                f"<button type='button' aria-pressed='true' data-entrant='{place}'>"
                f"{mark}{html.escape(entrant.name)}</button>"
            )
    yield "</div>"


def _frontier(race: Race, picture: bytes) -> Iterator[str]:
    yield "<section id='frontier'><h2>The frontier</h2><p>Below and to the left is better. Grey: "
    yield "another entrant is both cheaper and more accurate. Diamonds: rivals. Hollow: not "
    yield "compared, for it refused frames of the test set or was timed apart. Bars: 95 % interval "
    yield "of the error, lowest and highest repeat of the cost.</p><div class='controls'>"
    yield _radio("test", "test set", [test.name for test in race.tests])
    first = QUANTITIES.index(race.main_quantity())
    yield _radio("quantity", "error of", ["forces", "energies"], first)
    yield "<label class='pick'><span class='what'>cost in</span><select id='cost'>"
    for k, axis in enumerate(cost_axes(race)):
        yield f"<option value='{k}'>{html.escape(axis.label)}</option>"
    yield "</select></label></div>"
    yield "<div class='plot' id='plot-frontier' role='img' aria-label='cost against error'></div>"
    shown = base64.b64encode(picture).decode()
    yield f"<noscript><img alt='the frontier' src='data:image/png;base64,{shown}'></noscript>"
    yield "<p id='best' aria-live='polite'></p><p id='missing' class='dim'></p>"
    yield "<div class='choose'>"
    yield _limit(
        "accuracy",
        "The fastest with an error of at most",
        "unit-error",
        UNITS[race.main_quantity()],
    )
    yield _limit("speed", "The most accurate that takes at most", "unit-cost", UNITS["cost"])
    yield "</div></section>"


def _radio(name: str, title: str, options: list[str], checked: int = 0) -> str:
    buttons = "".join(
        f"<label><input type='radio' name='{name}' value='{k}'{' checked' if k == checked else ''}>"
        f"{html.escape(option)}</label>"
        for k, option in enumerate(options)
    )
    return f"<fieldset><legend>{title}</legend><div class='segments'>{buttons}</div></fieldset>"


def _limit(kind: str, asks: str, unit_class: str, unit: str) -> str:
    return (
        f"<div class='card'><label>{asks} <input type='number' id='limit-{kind}' min='0' "
        f"step='any'> <span class='{unit_class}'>{unit}</span></label>"
        f"<output id='said-{kind}' for='limit-{kind}'></output>"
        f"<pre id='command-{kind}' hidden></pre></div>"
    )


def _plot(name: str, said: str) -> str:
    return f"<div class='plot' data-figure='{name}' role='img' aria-label='{said}'></div>"
