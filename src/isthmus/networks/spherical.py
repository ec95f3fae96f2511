"""Real spherical harmonics as polynomials, to l = 3, in the order and normalisation of e3nn.

Component normalisation: Σ_m Y_lm² = 2l + 1 on the unit sphere. The polar axis is y: m = −l..l runs
as in the usual real harmonics with (z, x, y) in the place of (x, y, z), and Y_1 is √3 (x, y, z).
With (a, b, c) = (z, x, y):

    Y_2: √15 ab, √15 bc, √5/2 (3c² − 1), √15 ac, √15/2 (a² − b²)
    Y_3: √(35/8) b(3a² − b²), √105 abc, √(21/8) b(5c² − 1), √7/2 c(5c² − 3), √(21/8) a(5c² − 1),
         √105/2 c(a² − b²), √(35/8) a(a² − 3b²)

Geiger and Smidt, arXiv:2207.09453 (2022), for the conventions of e3nn.
"""

import math
from typing import Any, Final

import jax.numpy as jnp
from jaxtyping import Array, Float

__all__ = ["HIGHEST", "harmonic_components", "real_harmonics"]

HIGHEST: Final = 3


def real_harmonics(
    directions: Float[Array, "3 *shape"], l_max: int
) -> tuple[Float[Array, "_ *shape"], ...]:
    """Y_0 to Y_l_max, each with its 2l + 1 components first.

    Args:
        directions: x, y, z of unit vectors; of other vectors the result means nothing.
        l_max: at most 3.
    """
    return tuple(jnp.stack(each) for each in harmonic_components(directions, l_max))


def harmonic_components(directions: Any, l_max: int) -> list[list[Any]]:
    """The same in lists, with whatever numbers or arrays x, y and z are."""
    assert 0 <= l_max <= HIGHEST
    b, c, a = directions
    root = math.sqrt
    found = [[0.0 * a + 1.0], [root(3) * x for x in (b, c, a)]]
    if l_max >= 2:
        both = root(15) * a
        fourth = root(15) / 2 * (a * a - b * b)
        second = root(5) / 2 * (3 * c * c - 1)
        found.append([both * b, root(15) * b * c, second, both * c, fourth])
    if l_max >= 3:
        level = 5 * c * c - 1
        found.append(
            [
                root(35 / 8) * b * (3 * a * a - b * b),
                root(105) * a * b * c,
                root(21 / 8) * b * level,
                root(7) / 2 * c * (level - 2),
                root(21 / 8) * a * level,
                root(105) / 2 * c * (a * a - b * b),
                root(35 / 8) * a * (a * a - 3 * b * b),
            ]
        )
    return found[: l_max + 1]
