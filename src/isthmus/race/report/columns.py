"""What is told of an entrant, one column each: for the table of the page and for the CSV."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass

from isthmus.race.frontier import Axes, cost_of, error_of
from isthmus.race.record import UNITS, Cost, Entrant, Estimate, Race
from isthmus.race.report.frontier_figures import CostAxis, cost_axes
from isthmus.race.words import number
from isthmus.words import counted

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
        n_whole: how many of them held for the wanted time.
        n_undecided: how many were cut short, for they were slow, before anything broke.
        share: mean over simulations of the share of the wanted time that they held.
        ps: the shortest time that one held, until it broke, was cut short or was over [ps].
        wanted_ps: that each should have had [ps].
        first: when the first of them broke [ps].
        n_replicas: of all simulations; None where it is not known.
    """

    n: int
    n_whole: int
    n_undecided: int
    share: float
    ps: float
    wanted_ps: float
    first: float | None
    n_replicas: int | None

    @property
    def text(self) -> str:
        """Such as "3.2 of 10 ps: undecided, 8 replicas"."""
        told = f"{number(self.ps)} of {self.wanted_ps:g} ps"
        if self.first is not None:
            told += ", broke"
        elif self.n_undecided:
            told += ", undecided"
        return (
            told if self.n_replicas is None else f"{told} ({counted(self.n_replicas, 'replica')})"
        )


def temperatures(race: Race) -> list[float]:
    """At which anything was simulated [K], ascending."""
    return sorted({run.temperature for entrant in race.entrants for run in entrant.stability})


def held(entrant: Entrant, temperature: float) -> Held | None:
    """What became of the simulations at a temperature [K]; None if there were none."""
    runs = [run for run in entrant.stability if run.temperature == temperature]
    if not runs:
        return None
    shares = [min(run.ps / run.wanted_ps, 1.0) for run in runs if run.wanted_ps > 0]
    replicas = [run.n_replicas for run in runs if run.n_replicas is not None]
    return Held(
        n=len(runs),
        n_whole=sum(run.broken is None and not run.undecided for run in runs),
        n_undecided=sum(run.undecided for run in runs),
        share=sum(shares) / len(runs),
        ps=min(run.ps for run in runs),
        wanted_ps=max(run.wanted_ps for run in runs),
        first=min((run.ps for run in runs if run.broken is not None), default=None),
        n_replicas=sum(replicas) if len(replicas) == len(runs) else None,
    )


def columns(race: Race) -> list[Column]:
    """All that this race has measured, main numbers first."""
    first = race.main_quantity()
    found = [_error(race, test.name, first) for test in race.tests]
    other = "energy" if first == "force" else "force"
    found.append(_error(race, race.main_test().name, other))
    axes = cost_axes(race)
    found += [_cost(race, axis) for axis in (axes if len(axes) > 2 else axes[:1])]
    told = "the main cost by the number of atoms"
    found.append(Column("cost", "an atom", UNITS["cost"], told, _per_atom(race)))
    found += [column for kelvin in temperatures(race) for column in _held(kelvin)]
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


def _held(temperature: float) -> list[Column]:
    def of(number_of: Callable[[Held], float | int | None]) -> Callable[[Entrant], Estimate | None]:
        def value(entrant: Entrant) -> Estimate | None:
            found = held(entrant, temperature)
            told = None if found is None else number_of(found)
            return None if told is None else Estimate(value=float(told))

        return value

    share = "of the wanted time, until it broke or, being slow, was cut short"
    kelvin = f"{temperature:g} K"
    return [
        Column("held", kelvin, "%", share, of(lambda h: 100 * h.share)),
        Column("simulated", kelvin, "ps", "the shortest run, to its break", of(lambda h: h.ps)),
        Column("wanted", kelvin, "ps", "length of a run", of(lambda h: h.wanted_ps)),
        Column("broke", kelvin, "runs", "in which a replica broke", of(_n_broken)),
        Column("undecided", kelvin, "runs", "cut short, for slow", of(lambda h: h.n_undecided)),
        Column("replicas", kelvin, "", "that ran at once", of(lambda h: h.n_replicas)),
    ]


def _n_broken(found: Held) -> int:
    """In which a replica broke."""
    return found.n - found.n_whole - found.n_undecided


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
