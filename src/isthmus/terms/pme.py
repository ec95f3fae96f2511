r"""Smooth particle-mesh Ewald: the reciprocal-space energy on a grid.

Charges are spread over a grid with cardinal B-splines M_n of order n = 5, and

    E = 1/2 sum_m G(m) |F(Q)(m)|^2,
    G(m) = C exp(-pi^2 m^2 / alpha^2) / (pi V m^2) |b(m)|^2,    G(0) = 0,

with Q the grid of charges, F the discrete Fourier transform, m the reciprocal vectors [1/nm] and
|b(m)|^2 the Euler spline factors. Source: Essmann, Perera, Berkowitz, Darden, Lee and Pedersen,
J. Chem. Phys. 103, 8577 (1995), equations 3.10, 4.7 and 4.8. The splines, the grid and the order
are OpenMM's, so that energies agree on the same grid to rounding. The rest of the Ewald energy
is in `isthmus.terms.ewald`.

Time is atoms times n^3, plus the transform; memory is linear in atoms and in grid points.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from isthmus.geometry.box import fractional, inverse_box, volume
from isthmus.units import COULOMB

__all__ = [
    "ORDER",
    "grid_energy",
    "half_grid_vectors",
    "pme_reciprocal_energy",
    "spline_moduli",
    "spread",
]

ORDER = 5
"""Order of the B-splines [1], as in OpenMM."""


def pme_reciprocal_energy(
    positions: Float[Array, "atoms 3"],
    charges: Float[Array, " atoms"],
    box: Float[Array, "3 3"],
    *,
    alpha: float | Float[Array, ""],
    grid: tuple[int, int, int],
) -> Float[Array, ""]:
    """Reciprocal-space Coulomb energy [kJ/mol]; pure and differentiable in all arrays.

    Args:
        positions: [nm], inside the box or not.
        charges: [e].
        box: cell vectors [nm], triclinic or not.
        alpha: splitting parameter [1/nm].
        grid: number of points along a, b, c, each at least `ORDER`; static.
    """
    m_squared = half_grid_vectors(box, grid)
    origin = m_squared == 0
    m_squared = jnp.where(origin, 1.0, m_squared)
    decay = jnp.exp(-((math.pi / alpha) ** 2) * m_squared) / m_squared
    moduli = spline_moduli(grid).astype(positions.dtype)
    mean = jnp.mean(jnp.where(origin, 0.0, decay), axis=0)
    influence = COULOMB / math.pi / volume(box) * mean / moduli
    return grid_energy(spread(positions, charges, box, grid=grid), influence)


def spread(
    positions: Float[Array, "atoms 3"],
    charges: Float[Array, " atoms"],
    box: Float[Array, "3 3"],
    *,
    grid: tuple[int, int, int],
) -> Float[Array, "grid_x grid_y grid_z"]:
    """Charges (or dispersion coefficients) spread over the grid by B-splines.

    The order^3 points of an atom go out as order^2 runs along z, each contiguous in a grid that
    is longer by order - 1 and folded afterwards: one index serves five points.
    """
    fractions = fractional(positions, box)
    fractions = fractions - jnp.floor(fractions)
    scaled = fractions * jnp.asarray(grid, positions.dtype)
    lower = jnp.floor(scaled)
    weights = _splines(scaled - lower)
    # Rounding can take a fraction just below 1 to 1: the remainder brings it back.
    index = jnp.remainder(lower.astype(jnp.int32), jnp.asarray(grid, jnp.int32))
    steps = jnp.arange(ORDER, dtype=jnp.int32)
    x = jnp.remainder(index[:, 0, None] + steps, grid[0])
    y = jnp.remainder(index[:, 1, None] + steps, grid[1])
    runs = jnp.stack(
        jnp.broadcast_arrays(x[:, :, None], y[:, None, :], index[:, 2, None, None]), axis=-1
    )
    values = (
        charges[:, None, None, None]
        * weights[:, 0, :, None, None]
        * weights[:, 1, None, :, None]
        * weights[:, 2, None, None, :]
    )
    numbers = jax.lax.ScatterDimensionNumbers(
        update_window_dims=(3,), inserted_window_dims=(0, 1), scatter_dims_to_operand_dims=(0, 1, 2)
    )
    long = jnp.zeros((grid[0], grid[1], grid[2] + ORDER - 1), positions.dtype)
    long = jax.lax.scatter_add(long, runs, values, numbers, mode="promise_in_bounds")
    return long[:, :, : grid[2]].at[:, :, : ORDER - 1].add(long[:, :, grid[2] :])


@jax.custom_jvp
def grid_energy(
    density: Float[Array, "grid_x grid_y grid_z"], influence: Float[Array, "grid_x grid_y half_z"]
) -> Float[Array, ""]:
    """1/2 sum_m influence(m) |F(density)(m)|^2 over the whole reciprocal grid.

    Its derivative by the density is the potential on the grid, one inverse transform; this rule
    spares the transforms that differentiating through F would repeat. It can itself be
    differentiated, forwards and backwards.
    """
    spectrum = jnp.fft.rfftn(density)
    return _half_sum(_power(spectrum) * influence, density.shape[2])


@grid_energy.defjvp
def _grid_energy_jvp(primals, tangents):
    """Energy and its change along tangents of density and influence."""
    density, influence = primals
    change_density, change_influence = tangents
    spectrum = jnp.fft.rfftn(density)
    power = _power(spectrum)
    potential = jnp.fft.irfftn(influence * spectrum, s=density.shape, norm="forward")
    change = jnp.sum(potential * change_density)
    change = change + _half_sum(power * change_influence, density.shape[2])
    return _half_sum(power * influence, density.shape[2]), change


def half_grid_vectors(
    box: Float[Array, "3 3"], grid: tuple[int, int, int]
) -> Float[Array, "2 grid_x grid_y half_z"]:
    """Squared lengths [1/nm^2] of the reciprocal vectors m of a real transform's half grid.

    Twice: those of the points, and those of the points at the opposite indices that the half
    grid leaves out. They differ only at the highest frequency of an even grid in a triclinic
    box, which stands for +n/2 and -n/2 at once; the mean of the influence over both is what a
    whole grid would give, and keeps energy and potential consistent.
    """
    reciprocal = inverse_box(box)
    x, y, z = (np.fft.fftfreq(n, 1 / n).astype(box.dtype) for n in grid)
    half = np.arange(grid[2] // 2 + 1)

    def squared(sign: int) -> Float[Array, "grid_x grid_y half_z"]:
        along_x, along_y = (k[(sign * np.arange(len(k))) % len(k)] for k in (x, y))
        along_z = z[(sign * half) % grid[2]]
        components = (
            along_x[:, None, None] * reciprocal[axis, 0]
            + along_y[:, None] * reciprocal[axis, 1]
            + along_z * reciprocal[axis, 2]
            for axis in range(3)
        )
        first, second, third = components
        return jnp.square(first) + jnp.square(second) + jnp.square(third)

    return jnp.stack([squared(1), squared(-1)])


def spline_moduli(grid: tuple[int, int, int]) -> Float[np.ndarray, "grid_x grid_y half_z"]:
    """1 / |b(m)|^2 on a real transform's half grid [1]; host, from the static grid alone."""
    x, y, z = (_axis_moduli(n) for n in grid)
    return x[:, None, None] * y[:, None] * z[: grid[2] // 2 + 1]


def _axis_moduli(n: int) -> Float[np.ndarray, " grid"]:
    """|sum_k M_5(k + 1) exp(2 pi i m k / n)|^2 for each m (Essmann et al., equation 4.4)."""
    nodes = np.zeros(n)
    nodes[: ORDER - 1] = np.asarray(_spline_weights(0.0), dtype=float)[: ORDER - 1]
    moduli = np.abs(np.fft.fft(nodes)) ** 2
    # An odd spline has no component at the highest frequency of an even grid; OpenMM puts the
    # mean of the neighbours there, where the influence is negligible.
    for m in np.flatnonzero(moduli < 1e-7):
        moduli[m] = (moduli[m - 1] + moduli[(m + 1) % n]) / 2
    return moduli


def _splines(offsets: Float[Array, "atoms 3"]) -> Float[Array, "atoms 3 order"]:
    """B-spline weights of the `ORDER` grid points from the one below each coordinate."""
    return jnp.stack(_spline_weights(offsets), axis=-1)


def _spline_weights(w):
    """M_n(w + n - 1 - l) for l = 0..n-1 by the recursion of Essmann et al., equation 4.1."""
    weights = [1 - w, w]
    for order in range(3, ORDER + 1):
        padded = [0.0, *weights, 0.0]
        weights = [
            ((w + order - 1 - k) * padded[k] + (k + 1 - w) * padded[k + 1]) / (order - 1)
            for k in range(order)
        ]
    return weights


def _power(spectrum: Array) -> Float[Array, "grid_x grid_y half_z"]:
    """|spectrum|^2."""
    return spectrum.real**2 + spectrum.imag**2


def _half_sum(values: Float[Array, "grid_x grid_y half_z"], n_z: int) -> Float[Array, ""]:
    """Half of the sum over the whole grid of values given on the half grid."""
    both = np.full(n_z // 2 + 1, 1.0)
    both[0] = 0.5
    if n_z % 2 == 0:
        both[-1] = 0.5
    return jnp.sum(values * jnp.asarray(both, values.dtype))
