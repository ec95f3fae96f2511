"""Who is on the frontier of a race, and whom `pick` hands over."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from isthmus.errors import InputError
from isthmus.race.choice import NobodyEnough, pick
from isthmus.race.frontier import Axes, frontier, standings
from isthmus.race.record import Cost, Entrant, Errors, Estimate, Race
from isthmus.race.results_file import read_race
from isthmus.race.words import at_least, number


@pytest.fixture
def race(repository: Path) -> Race:
    return read_race(repository / "tests" / "data" / "race")


def entrant(name: str, cost: float, error: float, *, models: tuple[str, ...] = ("m",)) -> Entrant:
    return Entrant(
        name=name,
        kind="design" if models else "rival",
        state="finished",
        models=models,
        errors={"3BPA 300 K": Errors(force_rmse=Estimate(value=error), n_frames=9)},
        cost=(
            Cost(
                engine="openmm",
                batch=1,
                molecule="m",
                n_atoms=9,
                value=cost,
                low=cost,
                high=cost,
                per_atom=cost / 9,
            ),
        ),
    )


def with_entrants(race: Race, *entrants: Entrant) -> Race:
    return replace(race, entrants=entrants)


def names(found) -> list[str]:
    return [one.entrant.name for one in found]


def test_the_frontier_is_whom_nobody_beats_in_both(race: Race) -> None:
    assert names(frontier(race)) == ["class1", "class2", "class2plus", "class2plus-ani", "painn"]


def test_other_axes_have_other_frontiers(race: Race) -> None:
    hot = Axes(test="3BPA 1200 K")
    assert "painn" not in names(frontier(race, hot))
    batches = standings(race, Axes(batch=128))
    assert names(batches)[0] == "class1"
    assert batches[0].cost.value == pytest.approx(11.5)
    assert set(names(standings(race, Axes(engine="ase")))) == {"MMFF94", "GFN2-xTB"}
    assert frontier(race, Axes(quantity="energy"))[0].error.value == pytest.approx(2.9)


def test_equals_both_stay_but_a_tie_in_one_number_decides_by_the_other(race: Race) -> None:
    a, b = entrant("a", 10.0, 2.0), entrant("b", 10.0, 2.0)
    slower, worse = entrant("slower", 11.0, 2.0), entrant("worse", 10.0, 2.1)
    found = frontier(with_entrants(race, slower, a, worse, b))
    assert sorted(names(found)) == ["a", "b"]


def test_those_that_failed_or_lack_a_number_do_not_stand(race: Race) -> None:
    fine = entrant("fine", 10.0, 2.0)
    failed = replace(entrant("failed", 1.0, 1.0), state="failed")
    untimed = replace(entrant("untimed", 1.0, 1.0), cost=())
    assert names(standings(with_entrants(race, failed, untimed, fine))) == ["fine"]


def partly(one: Entrant) -> Entrant:
    (name, errors), *_ = one.errors.items()
    return replace(one, errors={name: replace(errors, n_refused=3, refusal="no parameters")})


def test_who_refused_frames_neither_stands_nor_beats_nor_is_picked(race: Race) -> None:
    part, whole = partly(entrant("part", 1.0, 0.1)), entrant("whole", 10.0, 2.0)
    mixed = with_entrants(race, part, whole)
    assert [(one.on_frontier, one.partial) for one in standings(mixed)] == [
        *((False, True), (True, False)),
    ]
    assert pick(mixed, accuracy=3.0).entrant.name == "whole"
    with pytest.raises(NobodyEnough, match="most accurate is whole"):
        pick(mixed, accuracy=0.5)


def test_costs_of_another_timing_are_not_compared(race: Race) -> None:
    def timed(one: Entrant, timing: str) -> Entrant:
        return replace(one, cost=tuple(replace(cost, timing=timing) for cost in one.cost))

    early = timed(entrant("early", 1.0, 0.1), "2026-01-01T00:00:00+00:00")
    late = timed(entrant("late", 10.0, 2.0), "2026-02-01T00:00:00+00:00")
    found = standings(with_entrants(race, early, late))
    assert [(one.on_frontier, one.apart) for one in found] == [(False, True), (True, False)]


def test_without_errors_of_forces_those_of_energies_decide(race: Race) -> None:
    def told(one: Entrant) -> Entrant:
        errors = {
            k: replace(e, force_rmse=None, energy_rmse=e.force_rmse) for k, e in one.errors.items()
        }
        return replace(one, errors=errors)

    blind = with_entrants(race, *map(told, (entrant("a", 1.0, 3.0), entrant("b", 2.0, 1.0))))
    assert blind.main_quantity() == "energy"
    assert names(frontier(blind)) == ["a", "b"]
    assert "energy error of at most 2 kcal/mol on" in pick(blind, accuracy=2.0).sentence


def test_unknown_axes_are_refused_with_those_there_are(race: Race) -> None:
    with pytest.raises(InputError, match="no test set 'x'; there are: 3BPA 300 K"):
        standings(race, Axes(test="x"))
    with pytest.raises(InputError, match="no batch '7'; there are: 1, 128"):
        standings(race, Axes(batch=7))


def test_pick_by_accuracy_takes_the_fastest_that_is_accurate_enough(race: Race) -> None:
    choice = pick(race, accuracy=3.0)
    assert choice.entrant.name == "class2"
    assert choice.model == "models/class2_seed0.safetensors"
    assert "2.84 kcal/mol/Å (2.70 to 2.98) at 41.3 µs/step (openmm, 27 atoms)" in choice.sentence
    assert choice.notes == ()


def test_pick_by_speed_takes_the_most_accurate_that_is_fast_enough(race: Race) -> None:
    choice = pick(race, speed=1e5)
    assert choice.entrant.name == "painn"
    assert "broke, the first after 8.80 ps at 500 K: bond N5-H21" in " ".join(choice.notes)


def test_pick_takes_a_limit_that_is_met_exactly(race: Race) -> None:
    assert pick(race, accuracy=2.84).entrant.name == "class2"
    assert pick(race, speed=41.3).entrant.name == "class2"


def with_seeds(race: Race, seeds: tuple[float, ...]) -> Race:
    found = race.entrant("class2plus")
    errors = replace(found.errors["3BPA 300 K"].force_rmse, seeds=seeds)  # pyright: ignore[reportArgumentType]
    told = {**found.errors, "3BPA 300 K": replace(found.errors["3BPA 300 K"], force_rmse=errors)}
    return with_entrants(race, replace(found, errors=told), race.entrant("class1"))


def test_of_seeds_the_validation_error_chooses_not_the_test(race: Race) -> None:
    choice = pick(race, accuracy=2.0)
    assert choice.model == "models/class2plus_seed1.safetensors"
    assert any("lowest validation error (1.92" in note for note in choice.notes)
    assert any("reaches 2.03, above the limit" in note for note in choice.notes)
    assert any("that of this file is not in the results" in note for note in choice.notes)


def test_the_error_of_the_file_that_is_handed_over_must_be_below_the_limit(race: Race) -> None:
    seeded = with_seeds(race, (1.73, 2.13))
    with pytest.raises(NobodyEnough, match=r"class2plus with 2\.13"):
        pick(seeded, accuracy=2.0)
    choice = pick(seeded, accuracy=2.5)
    assert choice.model == "models/class2plus_seed1.safetensors"
    assert "2.13 kcal/mol/Å at" in choice.sentence
    notes = " ".join(choice.notes)
    assert "the mean of all seeds is 1.93" in notes
    assert "measured with seed 0" in notes


def test_a_better_rival_is_named_but_not_handed_over(race: Race) -> None:
    rival = entrant("theirs", 5.0, 0.5, models=())
    choice = pick(with_entrants(race, rival, entrant("ours", 10.0, 0.9)), accuracy=1.0)
    assert choice.entrant.name == "ours"
    assert any(note.startswith("theirs, which has no model file") for note in choice.notes)


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        ({"accuracy": 0.1}, r"most accurate is painn .* --accuracy 0.710"),
        ({"speed": 1.0}, r"fastest is class1 .* --speed 24.5"),
    ],
)
def test_nobody_enough_names_the_best_and_a_limit_that_takes_it(
    race: Race, limits: dict[str, Any], told: str
) -> None:
    with pytest.raises(NobodyEnough, match=told) as caught:
        pick(race, **limits)
    option, limit = str(caught.value).split("--")[1].split()[:2]
    again: dict[str, Any] = {option: float(limit)}
    assert pick(race, **again)


def test_only_rivals_are_enough(race: Race) -> None:
    rival = entrant("theirs", 5.0, 0.5, models=())
    with pytest.raises(NobodyEnough, match="without one: theirs"):
        pick(with_entrants(race, rival, entrant("ours", 10.0, 2.0)), accuracy=1.0)


@pytest.mark.parametrize(
    "limits", [{}, {"accuracy": 1.0, "speed": 1.0}, {"speed": 0.0}, {"accuracy": float("nan")}]
)
def test_limits_that_make_no_sense_are_refused(race: Race, limits: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="wanted is"):
        pick(race, **limits)


@pytest.mark.parametrize("value", [0.7104, 2.845, 9.999, 24.51, 12345.6, 0.00012345])
def test_a_limit_in_three_figures_lets_its_value_in(value: float) -> None:
    assert value <= float(at_least(value)) <= 1.011 * value


def test_numbers_have_three_figures() -> None:
    shown = [
        number(x) for x in (0.97, 4.605, 24.5, 310.0, 12345.6, 6.2e-4, 0.0, None, float("nan"))
    ]
    assert shown == ["0.970", "4.61", "24.5", "310", "12,346", "6.20e-4", "0", "–", "–"]
