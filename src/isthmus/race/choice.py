"""Whom to take from a race: the cheapest model that is accurate enough, or the other way round."""

from dataclasses import dataclass

from isthmus.errors import InputError
from isthmus.race.frontier import Axes, Standing, standings
from isthmus.race.record import UNITS, Entrant, Race
from isthmus.race.words import at_least, cost_text, error_text, number
from isthmus.words import counted

__all__ = ["Choice", "NobodyEnough", "pick"]


class NobodyEnough(InputError):
    """No entrant is as accurate, or as fast, as was asked for; the message names the best."""


@dataclass(frozen=True)
class Choice:
    """Whom to take.

    Attributes:
        entrant: the one.
        model: its file, relative to the folder of the race.
        sentence: why.
        notes: what to know besides: cheaper rivals, simulations that broke, refused molecules.
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

    Rivals have no model file to hand over: notes say where one would have been better.

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
    limit = _limit(accuracy, speed)
    everybody = standings(race, axes)
    if accuracy is not None:
        enough = [one for one in everybody if one.error.value <= limit]
        enough.sort(key=lambda one: (one.cost.value, one.error.value))
    else:
        enough = [one for one in everybody if one.cost.value <= limit]
        enough.sort(key=lambda one: (one.error.value, one.cost.value))
    own = [one for one in enough if one.entrant.models]
    if not own:
        raise NobodyEnough(_nobody(race, axes, everybody, enough, accuracy, limit))
    best = own[0]
    model, about_model = _model(best.entrant)
    notes = (*about_model, *_rivals(enough, best), *_doubts(race, axes, best, accuracy))
    return Choice(best.entrant, model, _sentence(race, axes, own, accuracy, limit), notes)


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
    race: Race, axes: Axes, own: list[Standing], accuracy: float | None, limit: float
) -> str:
    best, test = own[0], _test(race, axes)
    shown = error_text(best.error, UNITS[axes.quantity])
    if accuracy is not None:
        chosen = "the only one" if len(own) == 1 else f"the cheapest of {len(own)}"
        found = f"{chosen} with {_wanted(race, axes, limit)}: {shown}"
    else:
        chosen = "the only one" if len(own) == 1 else f"the most accurate of {len(own)}"
        found = (
            f"{chosen} at no more than {limit:g} µs/step: {axes.quantity} error {shown} on {test}"
        )
    return f"{best.entrant.name}: {found} at {cost_text(best.cost)}"


def _test(race: Race, axes: Axes) -> str:
    return axes.test or race.main_test().name


def _wanted(race: Race, axes: Axes, limit: float) -> str:
    article = "an" if axes.quantity == "energy" else "a"
    unit = UNITS[axes.quantity]
    return f"{article} {axes.quantity} error of at most {limit:g} {unit} on {_test(race, axes)}"


def _nobody(
    race: Race,
    axes: Axes,
    everybody: tuple[Standing, ...],
    enough: list[Standing],
    accuracy: float | None,
    limit: float,
) -> str:
    """What was asked for, the best there is, and what to do."""
    unit = UNITS[axes.quantity]
    asked = (
        f"has {_wanted(race, axes, limit)}"
        if accuracy is not None
        else f"takes at most {limit:g} µs/step"
    )
    text = f"no entrant with a model file {asked}"
    if enough:
        names = ", ".join(one.entrant.name for one in enough)
        text += f" (without one: {names}; run it as you did in the race)"
    own = [one for one in everybody if one.entrant.models]
    if not own:
        return f"{text}: no model file has both a cost and an error in this race; race again"
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


def _model(entrant: Entrant) -> tuple[str, list[str]]:
    """Of several seeds the one with the lowest validation error: the test data do not choose."""
    if len(entrant.models) == 1:
        return entrant.models[0], []
    curves = () if entrant.training is None else entrant.training.curves
    lowest = [
        min((p.force_rmse for p in curve if p.force_rmse is not None), default=None)
        for curve in curves
    ]
    said = f"of {len(entrant.models)} seeds"
    if len(lowest) != len(entrant.models) or None in lowest:
        return entrant.models[0], [f"{said}, this is the first: validation errors are missing"]
    best = min(range(len(lowest)), key=lambda k: lowest[k] or 0.0)
    note = f"{said}, this one has the lowest validation error ({number(lowest[best])} kcal/mol/Å)"
    return entrant.models[best], [note]


def _rivals(enough: list[Standing], best: Standing) -> list[str]:
    """Better ones that cannot be handed over."""
    return [
        f"{one.entrant.name}, which has no model file here, would be better: "
        f"{number(one.error.value)} at {cost_text(one.cost)}"
        for one in enough[: enough.index(best)]
    ]


def _doubts(race: Race, axes: Axes, best: Standing, accuracy: float | None) -> list[str]:
    """What speaks against the choice."""
    notes = []
    error, entrant = best.error, best.entrant
    if accuracy is not None and error.high is not None and error.high > accuracy:
        notes.append(f"the interval of its error reaches {number(error.high)}, above the limit")
    errors = entrant.errors[_test(race, axes)]
    if errors.n_refused:
        why = f" ({errors.refusal})" if errors.refusal else ""
        notes.append(f"refused of {_test(race, axes)}: {counted(errors.n_refused, 'frame')}{why}")
    broken = [run for run in entrant.stability if run.broken is not None]
    if broken:
        first = min(broken, key=lambda run: run.ps)
        notes.append(
            f"{len(broken)} of its {len(entrant.stability)} simulations broke, the first after "
            f"{number(first.ps)} ps at {first.temperature:g} K: {first.broken}"
        )
    return notes
