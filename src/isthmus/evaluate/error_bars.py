"""Error bars of an ensemble's mean, made of the spread of its members.

If the truth were one more draw from where the n members come from, with variance s², the error of
their mean would have the variance (1 + 1/n) s², and spread² is an unbiased estimate of s² (V.
Fortin et al., J. Hydrometeorol. 15, 1708 (2014)). Error bars are therefore

    bar = factor √(1 + 1/n) spread,    factor² = Σ error² / ((1 + 1/n) Σ spread²)

with one factor for energies and one for forces (V. Kuleshov, N. Fenner, S. Ermon, ICML (2018), on
calibration); a factor of 1 stands for members that are honest. It is a ratio of sums: the mean of
error² / spread² has no finite expectation with three members or fewer, for small spreads occur by
chance. Below `FEWEST_MEMBERS` single spreads say little, whatever the factor: take more members.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float
from scipy.special import ndtri

from isthmus.errors import InputError
from isthmus.words import counted

__all__ = [
    "FEWEST_MEMBERS",
    "LEVELS",
    "Calibration",
    "ErrorBars",
    "error_bars",
    "fit_factor",
    "widened",
]

FEWEST_MEMBERS: Final = 4
"""Of an ensemble whose error bars deserve trust"""

LEVELS: Final = np.arange(0.05, 1.0, 0.05)
"""Probabilities at which coverage is compared"""


@dataclass(frozen=True)
class Calibration:
    """Factors of the error bars, see the module, and the data that they were fitted on.

    Attributes:
        energies, forces: None where the data have no such labels, or the members agree on all.
        data: name of the data.
    """

    energies: float | None
    forces: float | None
    data: str = ""


@dataclass(frozen=True, eq=False, kw_only=True)
class ErrorBars:
    """How well error bars of one kind, energies or forces, fit the errors.

    Attributes:
        coverage: for each of `LEVELS`, the share of errors within the central interval that
            should hold so many of them.
        coverage_1_sigma, coverage_2_sigma: share of errors within one and two error bars; 0.683
            and 0.954 if Gaussian.
        expected_calibration_error: mean of |coverage - level| over `LEVELS`.
        rms: root mean square of the error bars [kJ/mol or kJ/mol/nm].
        rms_error: of the errors, in the same unit.
        n: number of errors.
        n_without_spread: errors left out, since the members agree to the last bit there.
    """

    coverage: Float[np.ndarray, "levels"]
    coverage_1_sigma: float
    coverage_2_sigma: float
    expected_calibration_error: float
    rms: float
    rms_error: float
    n: int
    n_without_spread: int


def fit_factor(
    spread: Float[np.ndarray, "samples"],
    error: Float[np.ndarray, "samples"],
    *,
    members: int,
    what: str,
) -> float:
    """The factor that makes mean squares of error bars and errors equal; see the module.

    Args:
        spread: standard deviation (n - 1) of the members; positive where they differ.
        error: of their mean, in the same unit.
        members: how many there are.
        what: of what they are, for the message.

    Raises:
        InputError: no labels, or the members agree everywhere.
    """
    used = spread > 0
    if not used.any():
        raise InputError(
            f"the error bars of {what} cannot be calibrated: of {counted(len(spread), 'label')}, "
            "the members differ on none; give labelled data and members that differ"
        )
    bars = widened(spread[used], members)
    return float(np.sqrt(np.square(error[used]).sum() / np.square(bars).sum()))


def error_bars(
    spread: Float[np.ndarray, "samples"],
    error: Float[np.ndarray, "samples"],
    *,
    members: int,
    factor: float = 1.0,
) -> ErrorBars | None:
    """How well error bars fit the errors; None where there is nothing to compare.

    Arguments as `fit_factor`, whose result is the factor.
    """
    used = spread > 0
    if not used.any():
        return None
    bars = factor * widened(spread[used], members)
    scores = np.sort(np.abs(error[used]) / bars)

    limits = np.array([1.0, 2.0, *ndtri((1 + LEVELS) / 2)])
    shares = np.searchsorted(scores, limits, side="right") / len(scores)
    coverage = shares[2:]
    return ErrorBars(
        coverage=coverage,
        coverage_1_sigma=float(shares[0]),
        coverage_2_sigma=float(shares[1]),
        expected_calibration_error=float(np.abs(coverage - LEVELS).mean()),
        rms=float(np.sqrt(np.square(bars).mean())),
        rms_error=float(np.sqrt(np.square(error[used]).mean())),
        n=int(used.sum()),
        n_without_spread=int((~used).sum()),
    )


def widened(spread: Float[np.ndarray, "samples"], members: int) -> Float[np.ndarray, "samples"]:
    """Standard error of the mean of the members, were the truth one more of them."""
    return spread * np.sqrt(1 + 1 / members)
