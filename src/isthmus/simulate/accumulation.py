"""Positions and velocities as sums of very many small changes, and how many digits these keep.

    "float32"       plain sums
    "compensated"   a value and its rounding error, both float32: as good as about 48 bits
    "float64"       plain sums in float64; JAX must trace in 64 bits

Forces are in the precision of the surface in all three. The error of an addition comes from the
branch-free two-sum of Knuth (The Art of Computer Programming 2, section 4.2.2, theorem B):

    s = a + b,   t = s - a,   error = (a - (s - t)) + (b - t)
"""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from isthmus.errors import InputError
from isthmus.simulate.surface import Surface

__all__ = ["ACCUMULATIONS", "Phase", "accumulation_type", "begin_phase", "checked_accumulation"]

ACCUMULATIONS = ("float32", "compensated", "float64")
"""Ways to sum up positions and velocities"""

Vectors = Float[Array, "*replicas atoms 3"]


class Phase(eqx.Module):
    """Positions and velocities, with the rounding errors of their sums if these are kept.

    Attributes:
        positions: [nm].
        velocities: [nm/ps].
        low: what is to be added to positions and velocities, or None.
    """

    positions: Vectors
    velocities: Vectors
    low: tuple[Vectors, Vectors] | None

    def shifted(self, change: Vectors) -> "Phase":
        """With positions that are moved by `change` [nm]."""
        if self.low is None:
            return Phase(self.positions + change, self.velocities, None)
        positions, error = _two_sum(self.positions, change + self.low[0])
        return Phase(positions, self.velocities, (error, self.low[1]))

    def pushed(self, change: Vectors) -> "Phase":
        """With velocities that are changed by `change` [nm/ps]."""
        if self.low is None:
            return Phase(self.positions, self.velocities + change, None)
        velocities, error = _two_sum(self.velocities, change + self.low[1])
        return Phase(self.positions, velocities, (self.low[0], error))

    def placed(self, positions: Vectors) -> "Phase":
        """With positions [nm] where particles without mass stand elsewhere."""
        return Phase(positions, self.velocities, self.low)


def checked_accumulation(accumulation: str | None, surface: Surface) -> str:
    """How to sum up; None is the precision of the surface.

    Raises:
        InputError: an unknown way, or one with fewer digits than the surface has.
    """
    if accumulation is None:
        return surface.precision
    if accumulation not in ACCUMULATIONS:
        raise InputError(
            f"unknown accumulation '{accumulation}': choose one of {', '.join(ACCUMULATIONS)}"
        )
    if surface.precision == "float64" and accumulation != "float64":
        raise InputError(
            f"accumulation '{accumulation}' has fewer digits than a surface in float64: choose "
            "'float64', or bind with precision='float32'"
        )
    return accumulation


def accumulation_type(accumulation: str) -> np.dtype:
    """Type of positions and velocities."""
    return np.dtype("float64" if accumulation == "float64" else "float32")


def begin_phase(positions: Any, velocities: Any, accumulation: str) -> Phase:
    """Positions [nm] and velocities [nm/ps], ready to be summed up.

    Raises:
        InputError: float64 is wanted while JAX works in 32 bits.
    """
    dtype = accumulation_type(accumulation)
    if dtype == np.float64 and jnp.zeros(()).dtype != dtype:
        raise InputError(
            "accumulation in float64 was asked for, but JAX works in 32 bits: wrap the call in "
            "`with jax.enable_x64(True):`, as `isthmus.simulate.advance` does"
        )
    x, v = jnp.asarray(positions, dtype), jnp.asarray(velocities, dtype)
    low = (jnp.zeros_like(x), jnp.zeros_like(v)) if accumulation == "compensated" else None
    return Phase(x, v, low)


def _two_sum(a: Vectors, b: Vectors) -> tuple[Vectors, Vectors]:
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)
