"""Ewald splitting parameters and grid sizes from an error tolerance, by OpenMM's rules.

All three rules start from alpha = sqrt(-ln(2 tolerance)) / cutoff and size the reciprocal sum
for the same tolerance (OpenMM user guide, "Coulomb Interaction with Ewald Summation", "...with
Particle Mesh Ewald" and "Lennard-Jones Interaction with Particle Mesh Ewald"). Host functions:
their results are static numbers and shapes.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from isthmus.errors import InputError
from isthmus.geometry.box import box_widths

__all__ = [
    "EwaldParameters",
    "GridParameters",
    "ewald_parameters",
    "ljpme_parameters",
    "pme_parameters",
]

_SMALLEST_GRID = 6
_SMALLEST_TOLERANCE = 1e-10


class EwaldParameters(NamedTuple):
    """Parameters of an explicit Ewald sum.

    Attributes:
        alpha: splitting parameter [1/nm].
        k_max: the sum runs over |n| < k_max along each reciprocal vector [1].
    """

    alpha: float
    k_max: tuple[int, int, int]


class GridParameters(NamedTuple):
    """Parameters of a particle mesh.

    Attributes:
        alpha: splitting parameter [1/nm].
        grid: number of grid points along a, b, c [1].
    """

    alpha: float
    grid: tuple[int, int, int]


def ewald_parameters(
    box: Float[np.ndarray, "3 3"], *, cutoff: float, tolerance: float = 5e-4
) -> EwaldParameters:
    """Explicit Ewald: the smallest odd k_max with error below `tolerance` along each axis.

    Along a cell vector of width L the error of stopping at n is estimated by

        0.05 sqrt(L alpha) n exp(-(pi n / (L alpha))^2).
    """
    alpha = _alpha(cutoff, tolerance)
    x, y, z = (_smallest_odd_k(float(width) * alpha, tolerance) for width in box_widths(box))
    return EwaldParameters(alpha, (x, y, z))


def pme_parameters(
    box: Float[np.ndarray, "3 3"], *, cutoff: float, tolerance: float = 5e-4
) -> GridParameters:
    """Smooth PME of order 5: ceil(2 alpha L / (3 tolerance^(1/5))) points for a width L."""
    alpha = _alpha(cutoff, tolerance)
    return GridParameters(alpha, _grid(box, 2 * alpha / (3 * tolerance**0.2)))


def ljpme_parameters(
    box: Float[np.ndarray, "3 3"], *, cutoff: float, tolerance: float = 5e-4
) -> GridParameters:
    """Dispersion PME of order 5: ceil(alpha L / (3 tolerance^(1/5))) points for a width L."""
    alpha = _alpha(cutoff, tolerance)
    return GridParameters(alpha, _grid(box, alpha / (3 * tolerance**0.2)))


def _alpha(cutoff: float, tolerance: float) -> float:
    """Splitting parameter [1/nm] for which erfc(alpha cutoff) is about `tolerance`."""
    if not (_SMALLEST_TOLERANCE <= tolerance < 0.5 and cutoff > 0 and math.isfinite(cutoff)):
        raise InputError(
            f"No Ewald parameters for a cutoff of {cutoff} nm and a tolerance of {tolerance}: a "
            f"positive cutoff and a tolerance from {_SMALLEST_TOLERANCE} to 0.5 (usually 5e-4) are "
            "wanted."
        )
    return math.sqrt(-math.log(2 * tolerance)) / cutoff


def _grid(box: Float[np.ndarray, "3 3"], density: float) -> tuple[int, int, int]:
    """Grid points along each axis for a density [1/nm]."""
    x, y, z = (max(math.ceil(float(width) * density), _SMALLEST_GRID) for width in box_widths(box))
    return x, y, z


def _smallest_odd_k(width_alpha: float, tolerance: float) -> int:
    """Smallest n, rounded up to odd, beyond which the error estimate stays below tolerance."""

    def too_large(n: int) -> bool:
        decay = math.exp(-((math.pi * n / width_alpha) ** 2))
        return 0.05 * math.sqrt(width_alpha) * n * decay > tolerance

    # Like OpenMM's, the search starts at 10: the estimate also vanishes for n -> 0.
    n = 10
    if too_large(n):
        while too_large(n):
            n += 1
    else:
        while n > 0 and not too_large(n):
            n -= 1
        n += 1
    return n + 1 if n % 2 == 0 else n
