"""Radial bases: functions of a distance that a network weighs. None of them has an envelope.

- Bessel: √(2/c) sin(kπd/c) / d, k = 1..n. Gasteiger, Groß and Günnemann, arXiv:2003.03123 (2020),
  equation 7.
- Gaussian: exp(−(d − μₖ)² / 2w²), centres μₖ evenly from start to stop, w their spacing. Schütt et
  al., J. Chem. Phys. 148, 241722 (2018), in the form of SchNetPack.
- exponential: exp(−βₖ (e^{−αd} − μₖ)²), μₖ evenly from e^{−αc} to 1,
  β = (2/n (1 − e^{−αc}))⁻². Unke and Meuwly, J. Chem. Theory Comput. 15, 3678 (2019), equation 7.
"""

import math

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from isthmus.networks.blocks.sine import sine_of_half_turns

__all__ = ["bessel_basis", "exponential_basis", "gaussian_basis"]


def bessel_basis(
    distances: Float[Array, "*shape"], cutoff: float, n: int, *, axis: int = -1
) -> Float[Array, "..."]:
    """√(2/c) sin(kπd/c) / d for k = 1..n.

    Args:
        distances: [nm]; not 0.
        cutoff: c [nm].
        n: how many.
        axis: where the basis functions stand in the result.
    """
    where = axis % (distances.ndim + 1)
    shape = [1] * (distances.ndim + 1)
    shape[where] = n
    multiples = jnp.arange(1, n + 1, dtype=distances.dtype).reshape(shape)
    d = jnp.expand_dims(distances, where)
    return math.sqrt(2.0 / cutoff) * sine_of_half_turns(multiples * (d / cutoff)) / d


def gaussian_basis(
    distances: Float[Array, "*shape"], start: float, stop: float, n: int
) -> Float[Array, "*shape n"]:
    """exp(−(d − μₖ)² / 2w²), with w the distance between centres.

    Args:
        distances: [nm].
        start, stop: first and last centre [nm].
        n: how many, at least 2.
    """
    centres = jnp.asarray(np.linspace(start, stop, n), distances.dtype)
    width = (stop - start) / (n - 1)
    scaled = (distances[..., None] - centres) / width
    return jnp.exp(-0.5 * scaled * scaled)


def exponential_basis(
    distances: Float[Array, "*shape"], cutoff: float, n: int, *, decay: float = 10.0
) -> Float[Array, "*shape n"]:
    """exp(−β (e^{−αd} − μₖ)²): dense where atoms are close.

    Args:
        distances: [nm].
        cutoff: [nm].
        n: how many.
        decay: α [1/nm].
    """
    last = math.exp(-decay * cutoff)
    centres = jnp.asarray(np.linspace(last, 1.0, n), distances.dtype)
    root = n / (2.0 * (1.0 - last))
    scaled = root * (jnp.exp(-decay * distances)[..., None] - centres)
    return jnp.exp(-scaled * scaled)
