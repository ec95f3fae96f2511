"""Real spherical harmonics of unit vectors up to degree 3, and invariants of their sums.

Y_l is scaled so that Σ_m Y_lm(a) Y_lm(b) = P_l(a·b), the Legendre polynomial, hence
Σ_m Y_lm² = 1. Components are in the order

    l = 1   x, y, z
    l = 2   √3 xy, √3 yz, (3z² − r²)/2, √3 xz, √3 (x² − y²)/2
    l = 3   m = −3 ... 3 in the usual order

Each degree is a homogeneous polynomial, so the zero vector gives 0 and nothing divides by a length.
"""

import math

import jax.numpy as jnp
from jaxtyping import Array, Float

__all__ = ["as_matrix", "harmonics"]

_R3 = math.sqrt(3.0)
_R6, _R10, _R15 = math.sqrt(6.0), math.sqrt(10.0), math.sqrt(15.0)


def harmonics(
    directions: Float[Array, "3 *shape"], degree: int
) -> tuple[Float[Array, "components *shape"], ...]:
    """Y_0, Y_1, ... up to a degree of at most 3; components first.

    Args:
        directions: unit vectors; 0 for none, where Y_0 still is 1.
        degree: the last l.
    """
    x, y, z = directions
    found = [jnp.ones_like(x)[None]]
    if degree >= 1:
        found.append(directions)
    xx, yy, zz = x * x, y * y, z * z
    if degree >= 2:
        second = [_R3 * x * y, _R3 * y * z, zz - 0.5 * (xx + yy), _R3 * x * z]
        found.append(jnp.stack([*second, 0.5 * _R3 * (xx - yy)]))
    if degree >= 3:
        across = 4.0 * zz - xx - yy
        third = [
            _R10 / 4.0 * y * (3.0 * xx - yy),
            _R15 * x * y * z,
            _R6 / 4.0 * y * across,
            0.5 * z * (2.0 * zz - 3.0 * (xx + yy)),
            _R6 / 4.0 * x * across,
            _R15 / 2.0 * z * (xx - yy),
            _R10 / 4.0 * x * (xx - 3.0 * yy),
        ]
        found.append(jnp.stack(third))
    return tuple(found)


def as_matrix(second: Float[Array, "5 *shape"]) -> tuple[Float[Array, "*shape"], ...]:
    """A sum of Y_2 as the symmetric matrix without trace Σ (3 v vᵀ − 1)/2, up to a factor.

    The factor is such that vᵀ Q v = Y_2(u)·Y_2(v) for the matrix Q of Y_2(u).

    Returns:
        Q_xx, Q_yy, Q_zz, Q_xy, Q_xz, Q_yz.
    """
    xy, yz, up, xz, across = second
    half = 0.5 * _R3
    return (
        half * across - 0.5 * up,
        -half * across - 0.5 * up,
        up,
        half * xy,
        half * xz,
        half * yz,
    )
