"""How much of a sample is left when it is reweighted from the reference to the force field.

The frames were sampled from the reference, each at its own temperature T. Reweighting them to the
force field gives frame i the weight w_i = exp(-ΔU_i / kT) with ΔU = U_model - U_reference, and
leaves the fraction of Kish,

    f = (Σ w_i)² / (n Σ w_i²),

L. Kish, Survey Sampling, Wiley (1965), p. 427. f is 1 where ΔU is constant, and 1/n at worst. The
weights of the other direction, exp(+ΔU / kT), belong to frames sampled from the force field, of
which there are none here. Where ΔU is Gaussian with standard deviation σ, both directions tend to
exp(-(σ / kT)²). A small n gives f an upward bias: nothing below 1/n can be seen.
"""

from typing import Final

import numpy as np
from jaxtyping import Float

__all__ = ["BOLTZMANN", "FEWEST_FRAMES", "ROOM_TEMPERATURE", "effective_fraction"]

BOLTZMANN: Final = 0.00831446261815324
"""Molar gas constant [kJ/mol/K] (SI 2019, exact)"""

ROOM_TEMPERATURE: Final = 300.0
"""Taken where a frame states no temperature [K]"""

FEWEST_FRAMES: Final = 5
"""Of one molecule at one temperature, for an effective sample size"""


def effective_fraction(
    differences: Float[np.ndarray, "frames"],
    temperatures: Float[np.ndarray, "frames"],
    *,
    otherwise: float = ROOM_TEMPERATURE,
) -> float | None:
    """Effective fraction of the frames of one molecule; see the module.

    Frames of different temperatures are separate samples, whose fractions are averaged with their
    numbers of frames as weights.

    Args:
        differences: ΔU, up to a constant [kJ/mol].
        temperatures: of the frames [K]; NaN where not stated.
        otherwise: temperature where none is stated [K].

    Returns:
        From 0 to 1; None where no temperature has `FEWEST_FRAMES` frames.
    """
    stated = np.round(np.where(np.isnan(temperatures), otherwise, temperatures), 2)
    total, n_frames = 0.0, 0
    for temperature in np.unique(stated):
        own = differences[stated == temperature]
        if len(own) < FEWEST_FRAMES:
            continue
        exponents = -own / (BOLTZMANN * temperature)
        weights = np.exp(exponents - exponents.max())
        total += float(weights.sum() ** 2 / np.square(weights).sum())
        n_frames += len(own)
    return total / n_frames if n_frames else None
