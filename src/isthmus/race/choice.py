"""Whom to take from a race: the cheapest model that is accurate enough, or the other way round."""

import math
from dataclasses import dataclass, replace

from isthmus.errors import InputError
from isthmus.race.frontier import Axes, Standing, quantity_of, standings
from isthmus.race.record import UNITS, Cost, Entrant, Estimate, Race
from isthmus.race.words import at_least, cost_text, error_text, interval, number

__all__ = ["Choice", "NobodyEnough", "error_of_file", "pick"]


class NobodyEnough(InputError):
    """No entrant is as accurate, or as fast, as was asked for; the message names the best."""


@dataclass(frozen=True)
class Choice:
    """Whom to take.

    Attributes:
        entrant: the one.
        model: its file, relative to the folder of the race.
        sentence: why.
        notes: what to know besides: which seed, cheaper rivals, simulations that broke.
    """

    entrant: Entrant
    model: str
    sentence: str
    notes: tuple[str, ...]


def pick(
    race: Race,
    *,
    accuracy: float | None = None,
    speed: float | None = None,
    axes: Axes | None = None,
) -> Choice:
    """The cheapest model that is accurate enough, or the most accurate that is fast enough.

    Rivals have no model file to hand over: notes say where one would have been better. Of several
    seeds, validation errors choose one, and its own error must be below the limit. Entrants that
    refused frames of the test set, or were timed apart from the others, are not taken.

    Args:
        race: with at least one entrant that has a model file.
        accuracy: the largest error [kcal/mol/Å; of energies kcal/mol].
        speed: the largest cost [µs/step]; give one of the two.
        axes: which error and which cost.

    Raises:
        InputError: both limits or none, a limit that is not positive, axes that the race does
            not have.
        NobodyEnough: no model file reaches the limit; names the best there is.
    """
    axes = axes or Axes()
    axes = replace(axes, quantity=quantity_of(race, axes))
    limit = _limit(accuracy, speed)
    everybody = [_handed(one) for one in standings(race, axes) if one.compared]
    if accuracy is not None:
        enough = [one for one in everybody if one.error.value <= limit]
        enough.sort(key=lambda one: (one.cost.value, one.error.value))
    else:
        enough = [one for one in everybody if one.cost.value <= limit]
        enough.sort(key=lambda one: (one.error.value, one.cost.value))
    own = [one for one in enough if one.model]
    if not own:
        raise NobodyEnough(_nobody(race, axes, everybody, enough, accuracy, limit))
    best = own[0]
    notes = (*best.notes, *_rivals(enough, best), *_doubts(race, axes, best, accuracy))
    return Choice(best.entrant, best.model, _sentence(race, axes, own, accuracy, limit), notes)


@dataclass(frozen=True)
class _Handed:
    """What would be handed over: one file, with the error of that file.

    Attributes:
        model: empty for rivals.
        notes: of several seeds, which one it is.
    """

    entrant: Entrant
    cost: Cost
    error: Estimate
    model: str
    notes: tuple[str, ...]


def _handed(one: Standing) -> _Handed:
    """Of several seeds the one with the lowest validation error: the test data do not choose."""
    entrant, error = one.entrant, one.error
    models, n = entrant.models, len(entrant.models)
    if n < 2:
        return _Handed(entrant, one.cost, error, "".join(models), ())
    seed, why = _seed(entrant)
    notes = [f"of {n} seeds, this is seed {seed}: {why}"]
    if len(error.seeds) == n:
        mean = f"{number(error.value)} ({interval(error.low, error.high)})"
        notes.append(f"the error is that of this file; the mean of all seeds is {mean}")
        error = Estimate(value=error.seeds[seed])
    else:
        notes.append("the error is the mean of all seeds: that of this file is not in the results")
    if seed:
        notes.append("cost, dynamics and scans were measured with seed 0, not with this file")
    return _Handed(entrant, one.cost, error, models[seed], tuple(notes))


def error_of_file(one: Standing) -> Estimate:
    """Of the model file that would be handed over: of several seeds its own, if it is known."""
    return _handed(one).error


def _seed(entrant: Entrant) -> tuple[int, str]:
    """Which of several seeds, and why; force errors decide, or energies where there are none."""
    curves = () if entrant.training is None else entrant.training.curves
    if len(curves) == len(entrant.models):
        for quantity, unit in (("force_rmse", UNITS["force"]), ("energy_rmse", UNITS["energy"])):
            lowest = [
                min((x for p in curve if (x := getattr(p, quantity)) is not None), default=math.inf)
                for curve in curves
            ]
            if max(lowest) < math.inf:
                best = lowest.index(min(lowest))
                return best, f"it has the lowest validation error ({number(lowest[best])} {unit})"
    return 0, "the first, for validation errors are missing"


def _limit(accuracy: float | None, speed: float | None) -> float:
    if (accuracy is None) == (speed is None):
        raise InputError(
            "wanted is one limit: --accuracy, the largest error [kcal/mol/Å], or --speed, the "
            "largest cost [µs/step]"
        )
    limit = accuracy if accuracy is not None else speed
    if limit is None or not limit > 0:
        raise InputError(f"the limit is {limit}: wanted is a number above 0")
    return limit


def _sentence(
    race: Race, axes: Axes, own: list[_Handed], accuracy: float | None, limit: float
) -> str:
    best, test, quantity = own[0], _test(race, axes), quantity_of(race, axes)
    shown = error_text(best.error, UNITS[quantity])
    if accuracy is not None:
        chosen = "the only one" if len(own) == 1 else f"the cheapest of {len(own)}"
        found = f"{chosen} with {_wanted(race, axes, limit)}: {shown}"
    else:
        chosen = "the only one" if len(own) == 1 else f"the most accurate of {len(own)}"
        found = f"{chosen} at no more than {limit:g} µs/step: {quantity} error {shown} on {test}"
    return f"{best.entrant.name}: {found} at {cost_text(best.cost)}"


def _test(race: Race, axes: Axes) -> str:
    return axes.test or race.main_test().name


def _wanted(race: Race, axes: Axes, limit: float) -> str:
    quantity = quantity_of(race, axes)
    article = "an" if quantity == "energy" else "a"
    return (
        f"{article} {quantity} error of at most {limit:g} {UNITS[quantity]} on {_test(race, axes)}"
    )


def _nobody(
    race: Race,
    axes: Axes,
    everybody: list[_Handed],
    enough: list[_Handed],
    accuracy: float | None,
    limit: float,
) -> str:
    """What was asked for, the best there is, and what to do."""
    unit = UNITS[quantity_of(race, axes)]
    asked = (
        f"has {_wanted(race, axes, limit)}"
        if accuracy is not None
        else f"takes at most {limit:g} µs/step"
    )
    text = f"no entrant with a model file {asked}"
    if enough:
        names = ", ".join(one.entrant.name for one in enough)
        text += f" (without one: {names}; run it as you did in the race)"
    own = [one for one in everybody if one.model]
    if not own:
        return (
            f"{text}: no model file has both a cost and an error of the whole test set, measured "
            "with those of the others; race again"
        )
    if accuracy is not None:
        best = min(own, key=lambda one: one.error.value)
        advice = (
            f"--accuracy {at_least(best.error.value)} takes it; for less, train for longer, on "
            "more data, or race other designs"
        )
        return (
            f"{text}. The most accurate is {best.entrant.name} with "
            f"{error_text(best.error, unit)} at {cost_text(best.cost)}: {advice}"
        )
    best = min(own, key=lambda one: one.cost.value)
    return (
        f"{text}. The fastest is {best.entrant.name} with {cost_text(best.cost)}, error "
        f"{error_text(best.error, unit)}: --speed {at_least(best.cost.value)} takes it; for less, "
        "race simpler designs or a faster engine"
    )


def _rivals(enough: list[_Handed], best: _Handed) -> list[str]:
    """Better ones that cannot be handed over."""
    return [
        f"{one.entrant.name}, which has no model file here, would be better: "
        f"{number(one.error.value)} at {cost_text(one.cost)}"
        for one in enough[: enough.index(best)]
    ]


def _doubts(race: Race, axes: Axes, best: _Handed, accuracy: float | None) -> list[str]:
    """What speaks against the choice."""
    notes = []
    error, entrant = best.error, best.entrant
    if accuracy is not None and error.high is not None and error.high > accuracy:
        notes.append(f"the interval of its error reaches {number(error.high)}, above the limit")
    cut = [run for run in entrant.stability if run.undecided]
    if cut:
        shortest = min(cut, key=lambda run: run.ps)
        notes.append(
            f"{len(cut)} of its {len(entrant.stability)} simulations were too slow to be decided: "
            f"{number(shortest.ps)} of {number(shortest.wanted_ps)} ps at "
            f"{shortest.temperature:g} K"
        )
    broken = [run for run in entrant.stability if run.broken is not None]
    if broken:
        first = min(broken, key=lambda run: run.ps)
        notes.append(
            f"{len(broken)} of its {len(entrant.stability)} simulations broke, the first after "
            f"{number(first.ps)} ps at {first.temperature:g} K: {first.broken}"
        )
    return notes
