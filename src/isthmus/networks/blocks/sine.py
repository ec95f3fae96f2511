"""Sines as power series.

The sine and the cosine of XLA on a CPU are calls for each number, ten times as dear as a product.
With y = n + u, n the nearest whole number,

    sin πy = (−1)ⁿ Σ_k (−1)ᵏ (πu)²ᵏ⁺¹ / (2k+1)!

which reaches the rounding of the precision with few terms, and vectorises.
"""

import math
from typing import Final

import jax.numpy as jnp
from jaxtyping import Array, Float

__all__ = ["sine_of_half_turns"]

_SINGLE: Final = 7  # the first term left out is below 1e-9
_DOUBLE: Final = 12


def sine_of_half_turns(y: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """sin πy of small multiples of half a turn."""
    terms = _DOUBLE if y.dtype == jnp.float64 else _SINGLE
    whole = jnp.round(y)
    angle = math.pi * (y - whole)
    square = angle * angle
    series = jnp.full_like(y, _coefficient(terms - 1))
    for k in reversed(range(terms - 1)):
        series = series * square + _coefficient(k)
    odd = whole - 2.0 * jnp.floor(0.5 * whole)
    return (1.0 - 2.0 * odd) * angle * series


def _coefficient(k: int) -> float:
    return (-1.0) ** k / math.factorial(2 * k + 1)
