"""The parts of the page that are text: stability, failures, data, machine and commands."""

import html
from collections.abc import Iterator

from isthmus.race.frontier import Standing, standings
from isthmus.race.record import Entrant, Race, Stability, TrainingData
from isthmus.race.report.columns import Held, columns, held, temperatures
from isthmus.race.report.frontier_figures import N_COLOURS, standing_words
from isthmus.race.words import interval, number

__all__ = ["commands", "data", "dot", "failures", "machine", "notes", "stability", "table"]

_HELD_OUT = {
    "frames": "other frames of the molecules that were trained on",
    "molecules": "molecules that were not trained on",
    "unknown": "whether they were trained on is not known",
}


def _name(race: Race, entrant: Entrant) -> str:
    """Its name with the colour that it has in every figure."""
    place = next(k for k, other in enumerate(race.entrants) if other is entrant)
    rival = entrant.kind == "rival"
    badge = " <span class='badge'>rival</span>" if rival else ""
    return f"{dot(place, rival=rival)}{html.escape(entrant.name)}{badge}"


def dot(place: int, *, rival: bool) -> str:
    """The mark of an entrant, as it is in the figures."""
    kind = "dot rival" if rival else "dot"
    return f"<span class='{kind}' style='--own:var(--e{place % N_COLOURS})'></span>"


def table(race: Race) -> Iterator[str]:
    """All numbers; the heads are buttons that sort."""
    shown = columns(race)
    badges = {one.entrant.name: _badge(one) for one in standings(race)}
    yield "<div class='wide' tabindex='0' role='region' aria-label='all numbers'>"
    yield "<table class='sortable' id='numbers'><thead><tr>"
    yield "<th scope='col' aria-sort='none'><button type='button'>entrant</button>"
    for column in shown:
        below = (f"<span class='unit'>{html.escape(x)}</span>" for x in (column.of, column.unit))
        yield (
            f"<th scope='col' class='n' aria-sort='none' title='{html.escape(column.help)}'>"
            f"<button type='button'>{html.escape(column.title)}{''.join(below)}</button>"
        )
    yield "<tbody>"
    for place, entrant in enumerate(race.entrants):
        if entrant.state == "failed":
            continue
        best = badges.get(entrant.name, "")
        about = html.escape(entrant.description)
        told = f"<span class='dim' title='{about}'>{about}</span>"
        yield f"<tr data-entrant='{place}'><th scope='row' data-v='{html.escape(entrant.name)}'>"
        yield f"{_name(race, entrant)}{best}{told}"
        for column in shown:
            found = column.value(entrant)
            if found is None:
                yield "<td class='n'>–"
                continue
            between = interval(found.low, found.high) if column.bounds else ""
            more = f"<span class='unit'>{between}</span>" if between else ""
            yield f"<td class='n' data-v='{found.value!r}'>{_shown(found.value)}{more}"
    yield "</table></div>"


def _badge(one: Standing) -> str:
    """On the frontier, or why it is not compared."""
    if one.on_frontier:
        return " <span class='badge on'>frontier</span>"
    return "" if one.compared else f" <span class='badge'>{html.escape(standing_words(one))}</span>"


def stability(race: Race) -> Iterator[str]:
    """How many simulations held, at each temperature, and what broke the others."""
    warm = temperatures(race)
    yield "<div class='wide' tabindex='0' role='region' aria-label='stability'>"
    yield "<table><thead><tr><th scope='col'>entrant"
    yield from (f"<th scope='col'>{temperature:g} K" for temperature in warm)
    yield "<tbody>"
    for place, entrant in enumerate(race.entrants):
        if not entrant.stability:
            continue
        yield f"<tr data-entrant='{place}'><th scope='row'>{_name(race, entrant)}"
        yield from (f"<td>{_bar(held(entrant, temperature))}" for temperature in warm)
    yield "</table></div>"
    broken = [(e, run) for e in race.entrants for run in e.stability if run.broken is not None]
    if broken:
        yield f"<details><summary>What broke the {len(broken)} that did not hold</summary><ul>"
        yield from (_broken(race, entrant, run) for entrant, run in broken)
        yield "</ul></details>"


def failures(race: Race) -> Iterator[str]:
    """Who failed, and why; who has not raced yet."""
    for entrant in race.entrants:
        if entrant.state == "finished":
            continue
        so_far = html.escape(", ".join(entrant.done) or "nothing")
        waits = f"not finished; done so far: {so_far}. <code>--resume</code> goes on."
        why = html.escape(entrant.failure or "no reason was given")
        said = waits if entrant.state == "waiting" else why
        yield f"<div class='card {html.escape(entrant.state)}'>"
        yield f"<h3>{html.escape(entrant.name)}</h3><p>{said}</p>"
        if entrant.command:
            yield _command(entrant.command)
        yield "</div>"


def notes(race: Race) -> Iterator[str]:
    """What else there is to know of the race and of entrants."""
    yield "<ul>"
    yield from (f"<li>{html.escape(note)}" for note in race.notes)
    for entrant in race.entrants:
        for note in entrant.notes:
            yield f"<li>{_name(race, entrant)}: {html.escape(note)}"
    yield "</ul>"


def data(race: Race) -> Iterator[str]:
    """Training data and test sets, with their level of theory and hashes."""
    yield "<div class='wide' tabindex='0' role='region' aria-label='data'>"
    yield "<table><thead><tr><th scope='col'>data<th scope='col'>file"
    yield "<th scope='col' class='n'>molecules<th scope='col' class='n'>frames"
    yield "<th scope='col'>level of theory<th scope='col'>held out<th scope='col'>SHA-256<tbody>"
    if race.training is None:
        yield "<tr><th scope='row'>training<td colspan='6'>none: only saved models and rivals raced"
    else:
        yield _data_row(race.training, "training", "")
    if race.validation is not None:
        yield _data_row(race.validation, "validation", "")
    for test in race.tests:
        yield _data_row(test, "test", _HELD_OUT.get(test.held_out, test.held_out))
    yield "</table></div>"


def machine(race: Race) -> Iterator[str]:
    """Where it was run, with which versions and settings."""
    own = race.machine
    memory = "unknown" if own.memory_GiB is None else f"{own.memory_GiB:.3g} GiB"
    rows = {
        "processor": own.processor,
        "cores": str(own.cores),
        "memory": memory,
        "system": own.system,
        "date": race.date,
        "Isthmus": race.isthmus,
        "Python": own.python,
    }
    rows |= own.versions
    yield from _pairs(rows)
    yield "<details><summary>Settings of the race</summary>"
    yield from _pairs({key: _plain(value) for key, value in race.settings.items()})
    yield "</details>"


def commands(race: Race) -> Iterator[str]:
    """What was typed, and what makes each model again."""
    yield _command(race.command)
    own = [entrant for entrant in race.entrants if entrant.command]
    if own:
        yield "<details open><summary>Each design by itself</summary>"
        yield "<p class='dim'>The first seed of each, with its limit of time as the command counts "
        yield "it. What a limit of time ends comes out alike, not the same to the last digit.</p>"
        for entrant in own:
            yield f"<h3>{_name(race, entrant)}</h3>{_command(entrant.command or '')}"
        yield "</details>"


def _pairs(rows: dict[str, str]) -> Iterator[str]:
    yield "<dl>"
    for key, value in rows.items():
        yield f"<div><dt>{html.escape(key)}</dt><dd>{html.escape(value)}</dd></div>"
    yield "</dl>"


def _plain(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(_plain, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _command(text: str) -> str:
    """A command whose words are not broken at their hyphens."""
    words = " ".join(f"<span>{html.escape(word)}</span>" for word in text.split(" "))
    return f"<pre>{words}</pre>"


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) and abs(value) >= 1000 else number(value)


def _bar(found: Held | None) -> str:
    if found is None:
        return "–"
    kind = "bad" if found.first is not None else "open" if found.n_undecided else "ok"
    text = f"{found.n_whole} of {found.n} held"
    if found.n_undecided:
        text += f", {found.n_undecided} undecided: too slow"
    text += f"<br>{html.escape(found.text)}"
    return f"<span class='bar {kind}' style='--share:{found.share:.3f}'></span>{text}"


def _broken(race: Race, entrant: Entrant, run: Stability) -> str:
    return (
        f"<li>{_name(race, entrant)}: {html.escape(run.broken or '')}, after "
        f"{number(run.ps)} of {number(run.wanted_ps)} ps at {run.temperature:g} K "
        f"({html.escape(run.molecule)}, {html.escape(run.test)})"
    )


def _data_row(item: TrainingData, role: str, held_out: str) -> str:
    level = item.level_of_theory or "not stated"
    return (
        f"<tr><th scope='row'>{html.escape(item.name)} <span class='badge'>{role}</span>"
        f"<td>{html.escape(item.source)}<td class='n'>{item.n_molecules:,}"
        f"<td class='n'>{item.n_frames:,}<td class='said'>{html.escape(level)}"
        f"<td class='said'>{html.escape(held_out)}"
        f"<td><code title='{html.escape(item.sha256)}'>{html.escape(item.sha256[:12])}</code>"
    )
