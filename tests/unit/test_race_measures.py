"""Numbers of a race: errors with their intervals, costs of those that take turns, broken runs."""

from dataclasses import replace

import numpy as np
import pytest
from data_springs import springs  # pyright: ignore[reportMissingImports]

from isthmus.evaluate.physics.motion import Motion
from isthmus.evaluate.predict import Prediction, Refusal
from isthmus.race.accuracy import errors_of, over_seeds
from isthmus.race.cost import Contender, take_turns
from isthmus.race.motion import judged_run
from isthmus.race.record import Errors, Estimate
from isthmus.race.rivals.caller import RivalError
from isthmus.race.settings import RaceSettings
from isthmus.simulate.mechanics import Mechanics
from isthmus.units import ANGSTROM, KILOCALORIE

SETTINGS = RaceSettings(turns=3, turn_seconds=0.4, cost_seconds=100.0)


def test_errors_are_in_their_units_and_refusals_are_counted() -> None:
    entry, other = springs("CO", 40), springs("CCO", 5)
    assert entry.forces is not None
    noise = np.random.default_rng(0).normal(scale=50.0, size=entry.forces.shape)
    shift = np.where(np.arange(40) % 2, 1.0, -1.0)
    found = errors_of(
        [entry, other],
        [Prediction(entry.energies + 7 + shift, entry.forces + noise), Refusal("no such atoms")],
    )
    assert found.force_rmse is not None
    assert found.energy_rmse is not None
    exact = np.sqrt(np.square(noise).mean()) / (KILOCALORIE / ANGSTROM)
    assert found.force_rmse.value == pytest.approx(exact)
    assert found.energy_rmse.value == pytest.approx(1 / KILOCALORIE)
    # One molecule: its frames are drawn; of 720 components the RMSE is known to some percent
    low, high = found.force_rmse.low, found.force_rmse.high
    assert low is not None
    assert high is not None
    assert 0.9 * exact < low < exact < high < 1.1 * exact
    assert (found.n_frames, found.n_refused, found.refusal) == (40, 5, "no such atoms")


def test_seeds_give_their_mean_and_its_range() -> None:
    every = [Errors(force_rmse=Estimate(value=x), n_frames=3) for x in (1.0, 2.0, 6.0)]
    found = over_seeds(every)
    assert found.force_rmse == Estimate(value=3.0, low=1.0, high=6.0, seeds=(1.0, 2.0, 6.0))
    assert found.energy_rmse is None
    # One seed that refuses frames makes the whole partial
    found = over_seeds([every[0], replace(every[1], n_refused=2, refusal="not finite")])
    assert (found.n_refused, found.refusal) == (2, "not finite")


def contender(name: str, step: float, log: list[str], *, batch: int = 1) -> Contender:
    """One that says it took so long for each step."""

    def run(n_steps: int) -> float:
        log.append(name)
        return step * n_steps

    return Contender(name, "isthmus", batch, springs("CO", 2), run, 0.0)


def test_contenders_take_turns_as_long_as_each_other() -> None:
    log: list[str] = []
    quick, slow = contender("quick", 1e-3, log), contender("slow", 0.3, log, batch=4)
    take_turns([quick, slow], SETTINGS, lambda _share: None)
    rounds = [log[-6:][k : k + 2] for k in (0, 2, 4)]
    assert [sorted(one) for one in rounds] == [["quick", "slow"]] * 3
    assert (quick.steps, slow.steps) == (400, 1)
    first, second = quick.cost(), slow.cost()
    assert first is not None
    assert second is not None
    assert (first.value, second.value) == (pytest.approx(1e3), pytest.approx(0.3e6 / 4))
    assert first.per_atom == pytest.approx(1e3 / 6)


def test_few_turns_are_spread_over_all_rounds_each_in_an_order_of_its_own() -> None:
    def order() -> list[str]:
        log: list[str] = []
        many = [contender(name, 0.1, log) for name in "abc"]
        # Three turns of a whole second are all that it can afford
        many.append(contender("slow", 1.0, log))
        take_turns(
            many,
            replace(SETTINGS, turns=9, turn_seconds=0.2, cost_seconds=3.0),
            lambda _share: None,
        )
        return log[-(3 * 9 + 3) :]

    log = order()
    places = [k for k, name in enumerate(log) if name == "slow"]
    assert len(places) == 3
    assert places[0] < 4
    assert len(log) // 3 < places[1] < 2 * len(log) // 3
    assert places[2] >= len(log) - 4
    quick = [name for name in log if name != "slow"]
    assert len({tuple(quick[k : k + 3]) for k in range(0, 27, 3)}) > 1
    assert order() == log


def test_a_contender_that_fails_is_given_up_and_the_others_go_on() -> None:
    log: list[str] = []
    sound = contender("sound", 0.1, log)

    def fails(_n_steps: int) -> float:
        log.append("bad")
        raise RivalError("it died")

    bad = replace(contender("bad", 0.1, log), run=fails)
    take_turns([bad, sound], SETTINGS, lambda _share: None)
    assert log.count("bad") == 1
    assert bad.failure == "it died"
    assert bad.cost() is None
    assert sound.cost() is not None


def test_the_first_that_breaks_ends_the_time_that_is_counted() -> None:
    entry = springs("CO", 1)
    n = entry.n_atoms
    positions = np.tile(entry.positions, (3, 2, 1, 1))
    positions[2, 1, 0, 0] += 1.0
    mechanics = Mechanics.create(np.asarray(entry.topology.masses))
    motion = Motion(
        np.array([0.4, 0.8, 1.2]),
        np.zeros((3, 2)),
        np.full((3, 2), 1.0),
        positions,
        np.zeros((3, 2, n, 3)),
        mechanics,
        0.001,
        None,
    )
    found = judged_run(entry, "t", 300.0, motion, SETTINGS)
    assert (found.ps, found.n_replicas) == (1.2, 2)
    assert found.broken is not None
    assert "1 of 2 replicas" in found.broken
    # Heat that comes before it counts; that of the start does not
    hot = replace(motion, kinetic=np.array([[900.0, 1.0], [1.0, 900.0], [1.0, 1.0]]))
    found = judged_run(entry, "t", 300.0, hot, SETTINGS)
    assert found.ps == 0.8
    assert found.broken is not None
    assert "a temperature of" in found.broken
    whole = motion.records(slice(0, 2))
    found = judged_run(entry, "t", 300.0, whole, SETTINGS)
    assert (found.ps, found.broken) == (0.8, None)
