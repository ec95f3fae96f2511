"""Statistics of the checks: known answers, and numbers of `physical_validation`."""

import numpy as np
import pytest

from isthmus.evaluate.physics.check import judged
from isthmus.evaluate.physics.conservation import judge_drift
from isthmus.evaluate.physics.ensembles import judge_kinetic, judge_potential
from isthmus.evaluate.physics.equipartition import judge_equipartition
from isthmus.evaluate.physics.statistics import ensemble_slope, kinetic_p_value, slope_of
from isthmus.units import BOLTZMANN


def test_slopes_and_their_errors_are_those_of_the_noise() -> None:
    rng = np.random.default_rng(0)
    times = np.linspace(0, 1, 400)
    for n_replicas in (1, 16):
        found = [
            slope_of(times, 0.7 * times[:, None] + rng.normal(size=(400, n_replicas)))
            for _ in range(60)
        ]
        exact = np.sqrt(12 / 400 / n_replicas)
        assert np.mean([slope for slope, _ in found]) == pytest.approx(0.7, abs=exact / 2)
        assert np.mean([error for _, error in found]) == pytest.approx(exact, rel=0.2)


def test_p_value_and_slope_are_those_of_physical_validation() -> None:
    """physical_validation 1.0.5 (pymbar 4.0.3) on the same samples, data_is_uncorrelated=True."""
    rng = np.random.default_rng(0)
    kinetic = rng.gamma(30, 0.008314462618 * 300, size=2000)
    cold = rng.gamma(30, 0.008314462618 * 300, size=2000)
    hot = rng.gamma(30, 0.008314462618 * 320, size=2000)
    value = kinetic_p_value(kinetic, degrees_of_freedom=60, temperature=300.0)
    assert value == pytest.approx(0.9240202606794137, rel=1e-4)
    slope = ensemble_slope(cold[:, None], hot[:, None])
    # It cuts off the tails of both samples, a thousandth of each
    for temperature, quantiles in ((320, 0.10587720742508754), (325, 2.43828761780558)):
        exact = 1 / (BOLTZMANN * 300) - 1 / (BOLTZMANN * temperature)
        assert abs(slope.value - exact) / slope.error == pytest.approx(quantiles, abs=0.1)


def test_kinetic_energies_of_another_temperature_fail() -> None:
    rng = np.random.default_rng(1)
    samples = rng.gamma(30.0, 1.0, size=(20, 60))
    assert judge_kinetic(samples, 60).verdict == "pass"
    assert judge_kinetic(1.05 * samples, 60).verdict == "fail"
    # The right mean is not enough
    assert judge_kinetic(30 + 0.7 * (samples - 30), 60).verdict == "fail"


def test_potential_energies_of_another_ensemble_fail() -> None:
    rng = np.random.default_rng(2)
    cold = rng.gamma(30.0, BOLTZMANN * 300, size=(60, 16))
    hot = rng.gamma(30.0, BOLTZMANN * 360, size=(60, 16))
    assert judge_potential(cold, hot, 300.0, 360.0).verdict == "pass"
    narrow = hot.mean() + 0.7 * (hot - hot.mean())
    assert judge_potential(cold - 20, hot, 300.0, 360.0).verdict == "fail"
    assert judge_potential(cold, narrow, 300.0, 360.0).verdict == "fail"


def test_atoms_that_are_hotter_than_others_fail() -> None:
    rng = np.random.default_rng(3)
    reduced = rng.chisquare(3, size=(20, 16, 10)) / 3
    groups = {"H": np.arange(10) < 6, "C": np.arange(10) >= 6}
    assert judge_equipartition(reduced, groups).verdict == "pass"
    reduced[:, :, :6] *= 1.15
    found = judge_equipartition(reduced, groups)
    assert found.verdict == "fail"
    assert "H 1.1" in found.note


@pytest.mark.parametrize(
    ("drift", "noise", "verdict"),
    [(0.0, 1e-9, "pass"), (1e-3, 1e-9, "fail"), (0.0, 1e-3, "undecided")],
)
def test_drift_is_judged_by_its_error(drift: float, noise: float, verdict: str) -> None:
    rng = np.random.default_rng(4)
    times = np.linspace(0, 10, 500)
    energies = drift * times[:, None] / 1000 + noise * rng.normal(size=(500, 16))
    assert judge_drift(times, energies).verdict == verdict


def test_what_is_no_number_fails() -> None:
    found = judged("forces", "x", float("nan"), threshold=1.0, goal=0.5, source="none")
    assert found.verdict == "fail"
    assert found.value is None
    assert found.reached_goal is None
