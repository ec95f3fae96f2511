"""Cutoff envelopes: 1 at distance 0, and 0 from the cutoff on, with as many derivatives as said.

With x = d / cutoff:

- cosine: ½ (cos πx + 1). Behler and Parrinello, Phys. Rev. Lett. 98, 146401 (2007). Its second
  derivative jumps at the cutoff: there forces are continuous and curvature is not.
- polynomial: 1 − (p+1)(p+2)/2 xᵖ + p(p+2) xᵖ⁺¹ − p(p+1)/2 xᵖ⁺². Gasteiger, Groß and Günnemann,
  arXiv:2003.03123 (2020), equation 8. First and second derivative vanish at the cutoff.
- smooth: (1 − x²)³. First and second derivative vanish at the cutoff; the cheapest, and the one
  that falls earliest.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from isthmus.errors import DesignError
from isthmus.networks.blocks.sine import sine_of_half_turns

__all__ = ["ENVELOPES", "cosine_envelope", "envelope", "polynomial_envelope", "smooth_envelope"]

ENVELOPES = ("polynomial", "smooth", "cosine")
"""Names that `envelope` knows."""


def cosine_envelope(
    distances: Float[Array, "*shape"], cutoff: float | Float[Array, "*shape"]
) -> Float[Array, "*shape"]:
    """½ (cos πx + 1): continuous in value and slope only.

    Args:
        distances: [nm].
        cutoff: [nm].
    """
    return 0.5 * sine_of_half_turns(_inside(distances, cutoff) + 0.5) + 0.5


def polynomial_envelope(
    distances: Float[Array, "*shape"], cutoff: float | Float[Array, "*shape"], p: int = 6
) -> Float[Array, "*shape"]:
    """1 − (p+1)(p+2)/2 xᵖ + p(p+2) xᵖ⁺¹ − p(p+1)/2 xᵖ⁺², continuous in value, slope, curvature.

    Evaluated as (1 − x)³ Σ_{k<p} (k+1)(k+2)/2 xᵏ, the same without loss of digits at the cutoff.

    Args:
        distances: [nm].
        cutoff: [nm].
        p: the larger, the longer the envelope stays near 1.
    """
    x = _inside(distances, cutoff)
    total = jnp.full_like(x, p * (p + 1) / 2)
    for k in reversed(range(p - 1)):
        total = total * x + (k + 1) * (k + 2) / 2
    rest = 1.0 - x
    return rest * rest * rest * total


def smooth_envelope(
    distances: Float[Array, "*shape"], cutoff: float | Float[Array, "*shape"]
) -> Float[Array, "*shape"]:
    """(1 − x²)³, continuous in value, slope and curvature.

    Args:
        distances: [nm].
        cutoff: [nm].
    """
    x = _inside(distances, cutoff)
    rest = 1.0 - x * x
    return rest * rest * rest


def envelope(
    name: str, distances: Float[Array, "*shape"], cutoff: float | Float[Array, "*shape"]
) -> Float[Array, "*shape"]:
    """The envelope of this name.

    Args:
        name: one of `ENVELOPES`.
        distances: [nm].
        cutoff: [nm].

    Raises:
        DesignError: the name is unknown.
    """
    if name == "polynomial":
        return polynomial_envelope(distances, cutoff)
    if name == "smooth":
        return smooth_envelope(distances, cutoff)
    if name == "cosine":
        return cosine_envelope(distances, cutoff)
    raise DesignError(f"unknown envelope '{name}': choose one of {', '.join(ENVELOPES)}")


def _inside(
    distances: Float[Array, "*shape"], cutoff: float | Float[Array, "*shape"]
) -> Float[Array, "*shape"]:
    return jnp.minimum(distances / cutoff, 1.0)
