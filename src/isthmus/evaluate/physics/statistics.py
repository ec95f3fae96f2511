"""Statistics of short, correlated runs.

| question | method |
|---|---|
| slope of many replicas | straight lines, one a replica; the error is their spread |
| slope of one run | a straight line; the error by cutting the run into blocks |
| kinetic energies at T | Kolmogorov–Smirnov test against K^(f/2−1) e^(−K/kT) |
| energies at T₁ and T₂ | maximum likelihood of ln P₂(U)/P₁(U) = a + s U; canonical: s = β₁ − β₂ |

The last two are the tests of M. R. Shirts, J. Chem. Theory Comput. 9, 909 (2013), and of
P. T. Merz, M. R. Shirts, PLoS ONE 13, e0202764 (2018) (`physical_validation`).
"""

from typing import Final

import numpy as np
from jaxtyping import Float
from scipy import optimize, special, stats

from isthmus.units import BOLTZMANN

__all__ = ["Estimate", "ensemble_slope", "kinetic_p_value", "slope_of"]

_BLOCKS: Final = 8
_FEW: Final = 4
"""Replicas below which the spread between them says little of the error"""


class Estimate(tuple[float, float]):
    """A value and its standard error."""

    __slots__ = ()

    @property
    def value(self) -> float:
        """The value."""
        return self[0]

    @property
    def error(self) -> float:
        """Its standard error."""
        return self[1]


def slope_of(
    times: Float[np.ndarray, " records"], values: Float[np.ndarray, "records replicas"]
) -> Estimate:
    """Mean slope of values over time, with its standard error.

    Args:
        times: evenly spaced.
        values: of independent replicas.
    """
    slopes = _slopes(times, values)
    if values.shape[1] >= _FEW:
        return Estimate((float(slopes.mean()), float(slopes.std(ddof=1) / np.sqrt(len(slopes)))))
    line = slopes * (times - times.mean())[:, None] + values.mean(axis=0)
    rest = values - line
    size = len(times) // _BLOCKS
    blocks = rest[: size * _BLOCKS].reshape(_BLOCKS, size, -1).mean(axis=1)
    centres = times[: size * _BLOCKS].reshape(_BLOCKS, size).mean(axis=1)
    spread = blocks.std(axis=0, ddof=2) / np.sqrt(np.sum((centres - centres.mean()) ** 2))
    error = float(np.sqrt(np.sum(spread**2)) / len(slopes))
    return Estimate((float(slopes.mean()), error))


def _slopes(times: np.ndarray, values: np.ndarray) -> Float[np.ndarray, " replicas"]:
    centred = times - times.mean()
    return centred @ (values - values.mean(axis=0)) / (centred @ centred)


def kinetic_p_value(
    kinetic: Float[np.ndarray, " samples"], *, degrees_of_freedom: int, temperature: float
) -> float:
    """Probability of samples at least as far from the canonical distribution as these.

    Args:
        kinetic: independent kinetic energies [kJ/mol].
        degrees_of_freedom: of the motion.
        temperature: [K].
    """
    shape = degrees_of_freedom / 2
    return float(stats.kstest(kinetic / (BOLTZMANN * temperature), "gamma", args=(shape,)).pvalue)


def ensemble_slope(
    cold: Float[np.ndarray, "records replicas"], hot: Float[np.ndarray, "records replicas"]
) -> Estimate:
    """Slope of ln P_hot(U)/P_cold(U) over U [mol/kJ], with its standard error.

    The error is the larger of two: of independent samples (from the curvature of the
    likelihood), and of replicas left out one by one (jackknife), which knows of correlation
    in time.

    Args:
        cold, hot: potential energies of independent replicas at two temperatures [kJ/mol].
    """
    centre = float(np.mean([cold.mean(), hot.mean()]))
    size = float(np.std(np.concatenate([cold.ravel(), hot.ravel()])))
    low, high = (cold - centre) / size, (hot - centre) / size
    slope, error = _fit(low, high)
    n_replicas = min(low.shape[1], high.shape[1])
    if n_replicas >= _FEW:
        kept = [np.arange(n_replicas) != k for k in range(n_replicas)]
        left = np.array(
            [_fit(low[:, :n_replicas][:, k], high[:, :n_replicas][:, k])[0] for k in kept]
        )
        spread = np.sqrt((n_replicas - 1) / n_replicas * np.sum((left - left.mean()) ** 2))
        error = max(error, float(spread))
    return Estimate((slope / size, error / size))


def _fit(low: np.ndarray, high: np.ndarray) -> tuple[float, float]:
    """Logistic regression of which state a sample comes from."""
    x = np.concatenate([low.ravel(), high.ravel()])
    of_high = np.concatenate([np.zeros(low.size), np.ones(high.size)])

    def cost(u: np.ndarray) -> tuple[float, np.ndarray]:
        z = u[0] + u[1] * x
        rest = special.expit(z) - of_high
        return float(np.sum(np.logaddexp(0, z) - of_high * z)), np.array([rest.sum(), rest @ x])

    found = optimize.minimize(cost, np.zeros(2), jac=True, method="BFGS").x
    p = special.expit(found[0] + found[1] * x)
    weight = p * (1 - p)
    curvature = np.array([[weight.sum(), weight @ x], [weight @ x, weight @ x**2]])
    # States that do not overlap say nothing of the slope
    if np.linalg.cond(curvature) > 1e12:
        return float(found[1]), float("inf")
    return float(found[1]), float(np.sqrt(np.linalg.inv(curvature)[1, 1]))
