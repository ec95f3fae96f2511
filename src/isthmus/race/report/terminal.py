"""The table of a race in the terminal: what decides, the fastest first."""

from rich.console import Group as Lines
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from isthmus.race.frontier import Axes, Standing, cost_of, error_of, standings
from isthmus.race.record import UNITS, Entrant, Race
from isthmus.race.report.columns import Held, held, temperatures
from isthmus.race.words import interval, number

__all__ = ["terminal_table"]


def terminal_table(race: Race) -> RenderableType:
    """Error on the main test set and main cost of each; who failed or waits."""
    test, quantity = race.main_test(), race.main_quantity()
    stands = {one.entrant.name: one for one in standings(race)}
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("entrant", style="cyan", overflow="fold", min_width=12)
    unit = UNITS[quantity]
    heads = [f"{quantity} error\n[{unit}]", "95 %\ninterval", "cost\n[µs/step]", "engine"]
    warm = temperatures(race)
    heads += [f"held at {temperature:g} K\n[ps]" for temperature in warm]
    for head in [*heads, "parameters"]:
        table.add_column(Text(head), justify="right")
    for entrant in sorted(race.entrants, key=lambda one: _place(race, one)):
        table.add_row(*_row(race, entrant, stands.get(entrant.name), warm))
    level = test.level_of_theory or "a level of theory that is not stated"
    title = f"race on {test.name}, against {level}"
    return Lines(Text(title, style="bold"), table, Text(_legend(stands), style="dim"))


def _legend(stands: dict[str, Standing]) -> str:
    said = [
        "●: on the frontier",
        "◇: rival",
        "Held: before a break, ×: replicas, ?: too slow to be decided",
    ]
    if any(one.partial for one in stands.values()):
        said.append("○ partial: it refused frames, and is not compared")
    if any(one.apart for one in stands.values()):
        said.append("○ apart: its cost was measured at another time, and is not compared")
    return ". ".join(said) + "."


def _place(race: Race, entrant: Entrant) -> float:
    cost = cost_of(race, entrant, Axes())
    return float("inf") if cost is None else cost.value


def _row(race: Race, entrant: Entrant, stands: Standing | None, warm: list[float]) -> list[Text]:
    error = error_of(race, entrant, Axes())
    cost = cost_of(race, entrant, Axes())
    cells = [_marked(entrant, stands)]
    if entrant.state == "finished":
        between = "" if error is None else interval(error.low, error.high).replace(" to ", "–")
        cells += [number(None if error is None else error.value), between]
    else:
        cells += [entrant.state, ""]
    cells += ["–", ""] if cost is None else [number(cost.value), cost.engine]
    cells += [_held(held(entrant, temperature)) for temperature in warm]
    cells.append("–" if entrant.n_parameters is None else f"{entrant.n_parameters:,}")
    return [Text(cell) for cell in cells]


def _marked(entrant: Entrant, stands: Standing | None) -> str:
    """The name with its marks."""
    rival = " ◇" if entrant.kind == "rival" else ""
    if stands is None or stands.compared:
        mark = "● " if stands is not None and stands.on_frontier else "  "
        return mark + entrant.name + rival
    why = [what for what in ("partial", "apart") if getattr(stands, what)]
    return f"○ {entrant.name}{rival} ({', '.join(why)})"


def _held(found: Held | None) -> str:
    """Such as "10 of 10 ×8", or "3.2 of 10 ×1 ?" of a run that was cut short."""
    if found is None:
        return "–"
    doubt = " ?" if found.first is None and found.n_undecided else ""
    many = "" if found.n_replicas is None else f" ×{found.n_replicas}"
    return f"{found.ps:.3g} of {found.wanted_ps:g}{many}{doubt}"
