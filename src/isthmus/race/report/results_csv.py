"""The numbers of a race as CSV: a row an entrant, units in the heads, empty where not measured."""

import csv
from pathlib import Path

from isthmus.race.frontier import standings
from isthmus.race.record import Race
from isthmus.race.report.columns import columns
from isthmus.race.report.frontier_figures import standing_words

__all__ = ["write_csv"]


def write_csv(race: Race, path: Path) -> None:
    """Write all columns of the page's table, with low and high beside each number that has them."""
    stands = {one.entrant.name: standing_words(one) for one in standings(race)}
    shown = columns(race)
    head = ["entrant", "kind", "state", "standing"]
    for column in shown:
        head.append(column.head)
        if column.bounds:
            head += [f"{column.head} low", f"{column.head} high"]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*head, "models", "failure", "command"])
        for entrant in race.entrants:
            cells: list[str | float] = [
                entrant.name,
                entrant.kind,
                entrant.state,
                stands.get(entrant.name, ""),
            ]
            for column in shown:
                found = column.value(entrant)
                values = [None] * 3 if found is None else [found.value, found.low, found.high]
                cells += ["" if v is None else v for v in values[: 3 if column.bounds else 1]]
            told = (" ".join(entrant.models), entrant.failure or "", entrant.command or "")
            writer.writerow([*cells, *told])
