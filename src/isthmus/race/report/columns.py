"""What is told of an entrant, one column each: for the table of the page and for the CSV."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass

from isthmus.race.frontier import Axes, cost_of, error_of
from isthmus.race.record import UNITS, Cost, Entrant, Estimate, Race
from isthmus.race.report.frontier_figures import CostAxis, cost_axes

__all__ = ["Column", "Held", "columns", "held", "temperatures"]


@dataclass(frozen=True)
class Column:
    """One number of an entrant.

    Attributes:
        title: what it is.
        of: which of its kind; empty where there is one.
        unit: of the number; empty for a count.
        help: what a reader may want to know of it.
        value: of an entrant; None where it was not measured.
        bounds: whether the values have a low and a high.
    """

    title: str
    of: str
    unit: str
    help: str
    value: Callable[[Entrant], Estimate | None]
    bounds: bool = False

    @property
    def head(self) -> str:
        """Title, kind and unit in a line."""
        of = f", {self.of}" if self.of else ""
        return f"{self.title}{of}" + (f" [{self.unit}]" if self.unit else "")


@dataclass(frozen=True)
class Held:
    """Simulations at one temperature.

    Attributes:
        n: how many.
        n_held: how many of them did not break.
        share: mean over simulations of the share of the wanted time before they broke; 1 for
            those that did not.
        ps: the shortest of those that did not break [ps]; None if all did.
        wanted_ps: that each should have had [ps].
        first: when the first of them broke [ps].
    """

    n: int
    n_held: int
    share: float
    ps: float | None
    wanted_ps: float
    first: float | None


def temperatures(race: Race) -> list[float]:
    """At which anything was simulated [K], ascending."""
    return sorted({run.temperature for entrant in race.entrants for run in entrant.stability})


def held(entrant: Entrant, temperature: float) -> Held | None:
    """What became of the simulations at a temperature [K]; None if there were none."""
    runs = [run for run in entrant.stability if run.temperature == temperature]
    if not runs:
        return None
    kept = [run.ps for run in runs if run.broken is None]
    broken = [run for run in runs if run.broken is not None]
    lost = sum(1 - run.ps / run.wanted_ps for run in broken if run.wanted_ps > 0)
    return Held(
        len(runs),
        len(kept),
        1 - lost / len(runs),
        min(kept, default=None),
        max(run.wanted_ps for run in runs),
        min((run.ps for run in broken), default=None),
    )


def columns(race: Race) -> list[Column]:
    """All that this race has measured, main numbers first."""
    found = [_error(race, test.name, "force") for test in race.tests]
    found.append(_error(race, race.main_test().name, "energy"))
    axes = cost_axes(race)
    found += [_cost(race, axis) for axis in (axes if len(axes) > 2 else axes[:1])]
    told = "the main cost by the number of atoms"
    found.append(Column("cost", "an atom", UNITS["cost"], told, _per_atom(race)))
    found += [_held(temperature) for temperature in temperatures(race)]
    found += [
        Column("NVE drift", "", UNITS["drift"], "of the total energy", lambda e: e.drift, True),
        Column("roughness", "", UNITS["energy"], "the largest of all scans", _roughness),
        Column("parameters", "", "", "that were trained", lambda e: _plain(e.n_parameters)),
        Column("training", "", "s", "mean over seeds, compilation not counted", _training),
        Column("compilation", "", "s", "before training, mean over seeds", _compilation),
        Column("refused", "", "frames", "of all test sets", _refused),
    ]
    return [c for c in found if any(c.value(e) is not None for e in race.entrants)]


def _error(race: Race, test: str, quantity: str) -> Column:
    unit = UNITS[quantity]
    return Column(
        f"{quantity} error",
        test,
        unit,
        "RMSE of force components" if quantity == "force" else "RMSE, less the mean of a molecule",
        lambda e: error_of(race, e, Axes(test=test, quantity=quantity)),
        True,
    )


def _cost(race: Race, axis: CostAxis) -> Column:
    axes = Axes(engine=axis.engine, batch=axis.batch, molecule=axis.molecule)

    def value(entrant: Entrant) -> Estimate | None:
        found = cost_of(race, entrant, axes)
        return None if found is None else _cost_estimate(found)

    told = "of a step, for each molecule of the batch"
    return Column("cost", axis.label, UNITS["cost"], told, value, True)


def _cost_estimate(cost: Cost) -> Estimate:
    return Estimate(value=cost.value, low=cost.low, high=cost.high)


def _per_atom(race: Race) -> Callable[[Entrant], Estimate | None]:
    def value(entrant: Entrant) -> Estimate | None:
        found = cost_of(race, entrant, Axes())
        return None if found is None else Estimate(value=found.per_atom)

    return value


def _held(temperature: float) -> Column:
    def value(entrant: Entrant) -> Estimate | None:
        found = held(entrant, temperature)
        return None if found is None else Estimate(value=100 * found.share)

    told = "of the wanted time before a break; a run without one counts whole"
    return Column("held", f"{temperature:g} K", "%", told, value)


def _roughness(entrant: Entrant) -> Estimate | None:
    found = [scan.roughness for scan in entrant.smoothness if scan.roughness is not None]
    return Estimate(value=max(found)) if found else None


def _training(entrant: Entrant) -> Estimate | None:
    return None if entrant.training is None else _mean(entrant.training.seconds)


def _compilation(entrant: Entrant) -> Estimate | None:
    return None if entrant.training is None else _mean(entrant.training.compile_s)


def _refused(entrant: Entrant) -> Estimate | None:
    return _plain(sum(e.n_refused for e in entrant.errors.values())) if entrant.errors else None


def _mean(values: tuple[float, ...]) -> Estimate | None:
    return Estimate(value=statistics.fmean(values)) if values else None


def _plain(value: int | None) -> Estimate | None:
    return None if value is None else Estimate(value=float(value))
