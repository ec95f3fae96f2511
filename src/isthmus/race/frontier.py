"""The frontier of a race: who is beaten by nobody in both cost and error.

An entrant is dominated if another costs no more and errs no more, and is better in one of them.
Only what is comparable is compared: an entrant that refused frames of the test set, or was timed
apart from those that were timed last, is neither on the frontier nor does it dominate.
"""

from dataclasses import dataclass, replace
from typing import Final

from isthmus.errors import InputError
from isthmus.race.record import Cost, Entrant, Estimate, Race

__all__ = [
    "QUANTITIES",
    "Axes",
    "Standing",
    "cost_of",
    "error_of",
    "frontier",
    "quantity_of",
    "standings",
    "timed_apart",
]

QUANTITIES: Final = ("force", "energy")


@dataclass(frozen=True, kw_only=True)
class Axes:
    """What is compared: an error on a test set against a cost.

    Attributes:
        test: name of a test set; None is the main one.
        quantity: force or energy; None is that of the race, see `Race.main_quantity`.
        engine: of the cost; None is the fastest of each entrant.
        batch: molecules at once.
        molecule: of the cost; None is the first that was measured.
    """

    test: str | None = None
    quantity: str | None = None
    engine: str | None = None
    batch: int = 1
    molecule: str | None = None


@dataclass(frozen=True)
class Standing:
    """An entrant by its cost [µs/step] and its error [kcal/mol/Å or kcal/mol].

    Attributes:
        partial: it refused frames of the test set: its error is of the others.
        apart: its cost was measured at another time than those that were measured last.
        on_frontier: nobody dominates it, and it is neither partial nor timed apart.
    """

    entrant: Entrant
    cost: Cost
    error: Estimate
    partial: bool
    apart: bool
    on_frontier: bool

    @property
    def compared(self) -> bool:
        """Whether its numbers may be held against those of others."""
        return not (self.partial or self.apart)


def standings(race: Race, axes: Axes | None = None) -> tuple[Standing, ...]:
    """All that have both numbers and did not fail, the cheapest first.

    Raises:
        InputError: a test set, quantity, engine or batch that the race does not have.
    """
    axes = axes or Axes()
    _check(race, axes)
    found = [
        (entrant, cost, error)
        for entrant in race.entrants
        if entrant.state != "failed"
        and (cost := cost_of(race, entrant, axes)) is not None
        and (error := error_of(race, entrant, axes)) is not None
    ]
    found.sort(key=lambda item: (item[1].value, item[2].value))
    test = axes.test or race.main_test().name
    marked = [
        Standing(entrant, cost, error, entrant.is_partial(test), timed_apart(race, cost), False)
        for entrant, cost, error in found
    ]
    compared = [one for one in marked if one.compared]
    return tuple(
        replace(one, on_frontier=one.compared and not any(_beats(o, one) for o in compared))
        for one in marked
    )


def _beats(one: Standing, other: Standing) -> bool:
    mine, theirs = ((s.cost.value, s.error.value) for s in (one, other))
    return mine[0] <= theirs[0] and mine[1] <= theirs[1] and mine != theirs


def frontier(race: Race, axes: Axes | None = None) -> tuple[Standing, ...]:
    """Those that nobody dominates, the cheapest first: their errors fall.

    Raises:
        InputError: as `standings`.
    """
    return tuple(one for one in standings(race, axes) if one.on_frontier)


def cost_of(race: Race, entrant: Entrant, axes: Axes) -> Cost | None:
    """The cost that these axes ask for, if it was measured."""
    molecule = axes.molecule or _first_molecule(race)
    return min(
        (
            cost
            for cost in entrant.cost
            if cost.batch == axes.batch
            and cost.molecule == molecule
            and axes.engine in (None, cost.engine)
        ),
        key=lambda cost: cost.value,
        default=None,
    )


def error_of(race: Race, entrant: Entrant, axes: Axes) -> Estimate | None:
    """The error that these axes ask for, if it was measured."""
    return entrant.error(axes.test or race.main_test().name, quantity_of(race, axes))


def quantity_of(race: Race, axes: Axes) -> str:
    """Force or energy."""
    return axes.quantity or race.main_quantity()


def timed_apart(race: Race, cost: Cost) -> bool:
    """Whether a cost was measured at another time than those that were measured last."""
    return cost.timing != max(one.timing for entrant in race.entrants for one in entrant.cost)


def _check(race: Race, axes: Axes) -> None:
    costs = [cost for entrant in race.entrants for cost in entrant.cost]
    known = {
        "test set": (axes.test, [test.name for test in race.tests]),
        "quantity": (axes.quantity, list(QUANTITIES)),
        "engine": (axes.engine, sorted({cost.engine for cost in costs})),
        "batch": (axes.batch, sorted({1, *(cost.batch for cost in costs)})),
        "molecule": (axes.molecule, sorted({cost.molecule for cost in costs})),
    }
    for what, (wanted, there) in known.items():
        if wanted is not None and wanted not in there:
            names = ", ".join(map(str, there)) or "none"
            raise InputError(f"this race has no {what} '{wanted}'; there are: {names}")


def _first_molecule(race: Race) -> str | None:
    return next((cost.molecule for entrant in race.entrants for cost in entrant.cost), None)
