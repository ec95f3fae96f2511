"""Ensembles: means, spreads, and error bars that fit Gaussian errors."""

import json

import numpy as np
import pytest
from data_springs import springs  # pyright: ignore[reportMissingImports]

from isthmus.data import Entry
from isthmus.errors import InputError
from isthmus.evaluate.as_json import ensemble_as_json
from isthmus.evaluate.ensemble import (
    EnsembleEvaluation,
    SpreadAndErrors,
    combine,
    spread_and_errors,
)
from isthmus.evaluate.error_bars import LEVELS, Calibration, error_bars, fit_factor
from isthmus.evaluate.evaluation import judge
from isthmus.evaluate.predict import Prediction, Refusal


def shifted(entry: Entry, energy: float, force: float, slope: float = 0.0) -> Prediction:
    assert entry.forces is not None
    tilt = slope * np.arange(entry.n_frames)
    return Prediction(np.array(entry.energies + energy + tilt), np.array(entry.forces + force))


def test_the_mean_and_the_spread_of_two_members() -> None:
    entry = springs("CO", 5)
    members = [[shifted(entry, 100.0, 1.0, 1.0)], [shifted(entry, -7.0, 3.0, 2.0)]]
    (mean,), (spread,) = combine(members)
    assert isinstance(mean, Prediction)
    assert spread is not None
    np.testing.assert_allclose(mean.forces - entry.forces, 2.0)
    np.testing.assert_allclose(spread.forces, np.sqrt(2.0))
    # The zeros of the members do not count, only their slopes 1 and 2 about the middle frame.
    np.testing.assert_allclose(spread.energies, np.abs(np.arange(5) - 2.0) / np.sqrt(2), atol=1e-8)


def test_a_member_that_refuses_is_named() -> None:
    entry = springs("CO", 5)
    (mean,), (spread,) = combine([[shifted(entry, 0, 0)], [Refusal("no numbers")]])
    assert mean == Refusal("member 2: no numbers")
    assert spread is None
    with pytest.raises(InputError, match="at least two members"):
        combine([[shifted(entry, 0, 0)]])


def test_gaussian_errors_give_back_their_factor_and_coverage() -> None:
    rng = np.random.default_rng(5)
    spread = rng.uniform(0.1, 3.0, size=40_000)
    # The standard error of a mean of four is √(5/4) of their spread.
    error = 2.5 * np.sqrt(5 / 4) * spread * rng.normal(size=len(spread))
    factor = fit_factor(spread, error, members=4, what="forces")
    assert factor == pytest.approx(2.5, rel=0.02)
    bars = error_bars(spread, error, members=4, factor=factor)
    assert bars is not None
    assert bars.coverage_1_sigma == pytest.approx(0.6827, abs=0.01)
    assert bars.coverage_2_sigma == pytest.approx(0.9545, abs=0.01)
    assert bars.expected_calibration_error < 0.01
    assert bars.rms == pytest.approx(bars.rms_error, rel=0.05)
    plain = error_bars(spread, error, members=4)
    assert plain is not None
    assert plain.coverage_1_sigma == pytest.approx(0.311, abs=0.01)
    assert plain.expected_calibration_error > 0.2


@pytest.mark.parametrize("n", [2, 3, 8])
def test_a_truth_that_is_one_more_member_has_a_factor_of_one(n: int) -> None:
    """Also with two or three members, where the mean of error² / spread² does not exist."""
    rng = np.random.default_rng(7)
    drawn = rng.uniform(0.5, 2.0, size=40_000) * rng.normal(size=(n + 1, 40_000))
    truth, members = drawn[0], drawn[1:]
    spread, error = members.std(axis=0, ddof=1), members.mean(axis=0) - truth
    assert fit_factor(spread, error, members=n, what="forces") == pytest.approx(1.0, abs=0.02)


def test_constant_errors_cover_all_or_nothing() -> None:
    bars = error_bars(np.ones(10), np.full(10, 1.5 * np.sqrt(1.5)), members=2)
    assert bars is not None
    assert (bars.coverage_1_sigma, bars.coverage_2_sigma) == (0.0, 1.0)
    # 1.5 σ holds 0.866 of a Gaussian.
    np.testing.assert_array_equal(bars.coverage, LEVELS > 0.866)


def test_members_that_agree_cannot_be_calibrated() -> None:
    with pytest.raises(InputError, match="members differ on none"):
        fit_factor(np.zeros(4), np.ones(4), members=4, what="energies")
    assert error_bars(np.zeros(4), np.ones(4), members=4) is None
    half = error_bars(np.array([0.0, 1.0]), np.ones(2), members=4)
    assert half is not None
    assert (half.n, half.n_without_spread) == (1, 1)


def test_ranks_of_molecules() -> None:
    none = np.zeros(0)

    def found(spread: list[float], error: list[float]) -> SpreadAndErrors:
        both = np.array([spread, error], dtype=float)
        return SpreadAndErrors(none, none, none, none, *both, n_members=4)

    assert found([1, 2, 9], [0.1, 4.0, 5.0]).rank_correlation == pytest.approx(1.0)
    assert found([1, 2, 9], [3.0, 2.0, 1.0]).rank_correlation == pytest.approx(-1.0)
    assert found([1, 2], [1, 2]).rank_correlation is None
    assert found([1, 1, 1], [1, 2, 3]).rank_correlation is None


def test_everything_stands_in_strict_json() -> None:
    entries = [springs("CO", 6), springs("CCO", 6), springs("CN", 1)]
    found = [
        [shifted(entry, 5.0 * k, force, slope) for k, entry in enumerate(entries)]
        for force, slope in ((1.0, 0.1), (2.0, -0.3), (6.0, 0.5))
    ]
    means, spreads = combine(found)
    evaluation = EnsembleEvaluation(
        judge(entries, means),
        tuple(judge(entries, of) for of in found),
        {entry.name: s for entry, s in zip(entries, spreads, strict=True) if s is not None},
    )
    pairs = spread_and_errors(evaluation)
    np.testing.assert_allclose(pairs.force_error, 3.0)
    np.testing.assert_allclose(pairs.force_spread, np.std([1.0, 2.0, 6.0], ddof=1))
    calibration = Calibration(2.0, 3.0, "held out")
    content = ensemble_as_json(evaluation, calibration, members=[{"name": str(k)} for k in "abc"])
    again = json.loads(json.dumps(content, allow_nan=False))
    assert [member["name"] for member in again["members"]] == ["a", "b", "c"]
    assert again["calibrated"]["force_factor"] == 3.0
    bar = again["calibrated"]["force"]["rms_error_bar"]
    spread = np.std([1.0, 2.0, 6.0], ddof=1)
    assert bar == pytest.approx(3.0 * np.sqrt(4 / 3) * spread / 41.84)
    # All forces are off by the same: the ranks of molecules say nothing.
    assert again["per_molecule"][2]["energy_spread"] == 0.0
