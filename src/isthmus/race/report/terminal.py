"""The table of a race in the terminal: what decides, the fastest first."""

from rich.console import Group as Lines
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from isthmus.race.frontier import Axes, cost_of, frontier
from isthmus.race.record import Entrant, Race
from isthmus.race.report.columns import held, temperatures
from isthmus.race.words import interval, number

__all__ = ["terminal_table"]


def terminal_table(race: Race) -> RenderableType:
    """Force error on the main test set and main cost of each; who failed or waits."""
    test = race.main_test()
    best = {one.entrant.name for one in frontier(race)}
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("entrant", style="cyan", overflow="fold", min_width=12)
    heads = ["force error\n[kcal/mol/Å]", "95 %\ninterval", "cost\n[µs/step]", "engine"]
    warm = temperatures(race)
    heads += [f"held at\n{temperature:g} K" for temperature in warm]
    for head in [*heads, "parameters"]:
        table.add_column(Text(head), justify="right")
    for entrant in sorted(race.entrants, key=lambda one: _place(race, one)):
        table.add_row(*_row(race, entrant, entrant.name in best, warm))
    level = test.level_of_theory or "a level of theory that is not stated"
    title = f"race on {test.name}, against {level}"
    said = "●: on the frontier. ◇: rival. Held: simulations that did not break."
    return Lines(Text(title, style="bold"), table, Text(said, style="dim"))


def _place(race: Race, entrant: Entrant) -> float:
    cost = cost_of(race, entrant, Axes())
    return float("inf") if cost is None else cost.value


def _row(race: Race, entrant: Entrant, best: bool, warm: list[float]) -> list[Text]:
    error = entrant.error(race.main_test().name)
    cost = cost_of(race, entrant, Axes())
    mark = "● " if best else "  "
    rival = " ◇" if entrant.kind == "rival" else ""
    cells = [mark + entrant.name + rival]
    if entrant.state == "finished":
        between = "" if error is None else interval(error.low, error.high).replace(" to ", "–")
        cells += [number(None if error is None else error.value), between]
    else:
        cells += [entrant.state, ""]
    cells += ["–", ""] if cost is None else [number(cost.value), cost.engine]
    for temperature in warm:
        found = held(entrant, temperature)
        cells.append("–" if found is None else f"{found.n_held} of {found.n}")
    cells.append("–" if entrant.n_parameters is None else f"{entrant.n_parameters:,}")
    return [Text(cell) for cell in cells]
