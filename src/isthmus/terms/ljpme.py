r"""Dispersion particle-mesh Ewald (LJPME): the 1/r^6 part of Lennard-Jones without a cutoff.

On the grid, the dispersion between two atoms is -c_i c_j / r^6 with geometric coefficients
c = 2 sigma^3 sqrt(epsilon). Its energy is

    reciprocal  1/2 sum_m G(m) |F(c)(m)|^2, with b = pi m / alpha,
                G = -pi^(3/2) / (3 V) |b(m)|^2
                    [2 pi^(7/2) m^3 erfc(b) + (alpha^3 - 2 pi^2 alpha m^2) exp(-b^2)]
    self        +alpha^6 / 12 sum_i c_i^2
    pairs       +c_i c_j g(r) for every pair inside the cutoff and every excluded pair:
                what the grid holds of it is taken out again.
    g(r)      = (1 - exp(-x) (1 + x + x^2/2)) / r^6,  x = alpha^2 r^2.

Pairs inside the cutoff then have their own Lennard-Jones energy, with any combining rule, and
OpenMM shifts the sum of both to zero at the cutoff.

Source: Essmann et al., J. Chem. Phys. 103, 8577 (1995), section 5; Wennberg, Murtola, Hess and
Lindahl, J. Chem. Theory Comput. 9, 3527 (2013); OpenMM user guide, "Lennard-Jones Interaction
with Particle Mesh Ewald". c is in nm^3 (kJ/mol)^(1/2), alpha in 1/nm, V in nm^3.
"""

import math

import jax.numpy as jnp
from jax.scipy.special import erfc
from jaxtyping import Array, Float

from isthmus.geometry.box import volume
from isthmus.terms.pme import grid_energy, half_grid_vectors, spline_moduli, spread

__all__ = [
    "c6_coefficients",
    "grid_dispersion",
    "ljpme_reciprocal_energy",
    "ljpme_self_energy",
]


def c6_coefficients(
    sigma: Float[Array, " atoms"], epsilon: Float[Array, " atoms"]
) -> Float[Array, " atoms"]:
    """Geometric dispersion coefficients 2 sigma^3 sqrt(epsilon) [nm^3 (kJ/mol)^(1/2)].

    `sigma` [nm], `epsilon` [kJ/mol]. Atoms without Lennard-Jones (epsilon = 0) get 0, with a
    finite derivative.
    """
    active = epsilon > 0
    root = jnp.where(active, jnp.sqrt(jnp.where(active, epsilon, 1.0)), 0.0)
    return 2 * sigma**3 * root


def grid_dispersion(
    r_squared: Float[Array, "*shape"], alpha: float | Float[Array, ""]
) -> Float[Array, "*shape"]:
    """Kernel g [1/nm^6] of squared distances [nm^2]; times c_i c_j. Smooth down to r = 0."""
    x = alpha**2 * r_squared
    near = x < 1.0
    # The bracket is exp(-x) sum_{k>=3} x^k/k!: without this, its first terms cancel.
    series = jnp.zeros_like(x)
    for k in range(17, 2, -1):
        series = series * x + 1 / math.factorial(k)
    far = jnp.where(near, 1.0, x)
    closed = (1 - jnp.exp(-far) * (1 + far + far**2 / 2)) / far**3
    return alpha**6 * jnp.where(near, jnp.exp(-x) * series, closed)


def ljpme_self_energy(
    c6: Float[Array, " atoms"], *, alpha: float | Float[Array, ""]
) -> Float[Array, ""]:
    """Self energy alpha^6/12 sum c^2 [kJ/mol]: half of what the grid holds of i with itself."""
    return alpha**6 / 12 * jnp.sum(c6**2)


def ljpme_reciprocal_energy(
    positions: Float[Array, "atoms 3"],
    c6: Float[Array, " atoms"],
    box: Float[Array, "3 3"],
    *,
    alpha: float | Float[Array, ""],
    grid: tuple[int, int, int],
) -> Float[Array, ""]:
    """Reciprocal-space dispersion energy [kJ/mol]; arguments as `pme_reciprocal_energy`."""
    m_squared = half_grid_vectors(box, grid)
    origin = m_squared == 0
    m = jnp.where(origin, 0.0, jnp.sqrt(jnp.where(origin, 1.0, m_squared)))
    b = math.pi * m / alpha
    slow = 2 * math.pi**3.5 * m * m_squared * erfc(b)
    fast = (alpha**3 - 2 * math.pi**2 * alpha * m_squared) * jnp.exp(-(b**2))
    moduli = spline_moduli(grid).astype(positions.dtype)
    mean = jnp.mean(slow + fast, axis=0)
    influence = -(math.pi**1.5) / 3 / volume(box) * mean / moduli
    return grid_energy(spread(positions, c6, box, grid=grid), influence)
