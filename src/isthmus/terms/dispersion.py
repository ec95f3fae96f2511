r"""Long-range correction: the energy of the pairs that a cutoff leaves out of a liquid.

With g(r) = 1 beyond the cutoff, and S the switching function (0 beyond the cutoff),

    E = coefficient / V,
    coefficient = 2 pi N^2 < int_0^inf (1 - S(r)) u(r) r^2 dr >,

where the integral starts at the switching distance, or at the cutoff without switching, and the
mean runs over all N (N + 1) / 2 pairs i <= j of atoms, each with itself included: OpenMM's
convention. Source: Shirts, Mobley, Chodera and Pande, J. Phys. Chem. B 111, 13052 (2007); Allen
and Tildesley, 2nd ed., section 2.8; OpenMM user guide, "Lennard-Jones Interaction".

Atoms are given as types with counts (`count_types`): time is quadratic in types, memory linear.
"""

import math
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from isthmus.errors import InputError
from isthmus.geometry.box import volume
from isthmus.terms.special import Special

__all__ = [
    "DispersionCorrection",
    "count_types",
    "lennard_jones_tail",
    "pair_tail",
]

# Gauss-Legendre points an interval: the integrands are smooth, and this reaches rounding.
_N_NODES = 48
_BLOCK = 256


class DispersionCorrection(Special):
    """Long-range correction of a pair term.

    Attributes:
        name: of the correction.
        pair_term: name of the pair term that it corrects.
        coefficient: energy times volume [kJ/mol nm^3], from `lennard_jones_tail` or `pair_tail`.
    """

    name: str = eqx.field(static=True)
    pair_term: str = eqx.field(static=True)
    coefficient: Float[Array | np.ndarray, ""]

    def energy(
        self, positions: Float[Array, "3 atoms"], box: Float[Array, "3 3"] | None
    ) -> Float[Array, ""]:
        """See `Special.energy`."""
        if box is None:
            raise InputError(
                f"'{self.name}' is an energy per volume: give box=(3, 3) cell vectors in nm"
            )
        return jnp.asarray(self.coefficient, positions.dtype) / volume(box)


def count_types(
    parameters: Float[np.ndarray, "atoms parameters"],
) -> tuple[Int[np.ndarray, " types"], Int[np.ndarray, " types"]]:
    """Distinct rows of per-atom parameters: an atom of each type, and the number of its atoms."""
    _, representative, counts = np.unique(parameters, axis=0, return_index=True, return_counts=True)
    return representative, counts


def lennard_jones_tail(
    sigma: Float[Array, " types"],
    epsilon: Float[Array, " types"],
    counts: Int[Array | np.ndarray, " types"],
    *,
    cutoff: float,
    switch_distance: float | None = None,
) -> Float[Array, ""]:
    """Coefficient [kJ/mol nm^3] for Lennard-Jones with Lorentz-Berthelot mixing.

    Args:
        sigma: sigma of each type [nm].
        epsilon: epsilon of each type [kJ/mol].
        counts: atoms of each type.
        cutoff: [nm].
        switch_distance: where OpenMM's switching function starts [nm]; None for a plain cutoff.
    """
    nodes, weights = _quadrature(cutoff, switch_distance)
    twelve, six = (float(np.sum(weights * nodes**-power)) for power in (12, 6))
    root = jnp.where(epsilon > 0, jnp.sqrt(jnp.where(epsilon > 0, epsilon, 1.0)), 0.0)

    def integral(first: Array, second: Array) -> Array:
        sixth = ((sigma[first] + sigma[second]) / 2) ** 6
        return 4 * root[first] * root[second] * sixth * (sixth * twelve - six)

    return _coefficient(integral, counts, sigma.dtype)


def pair_tail(
    pair_energy: Callable[[Array, Array, Array], Array],
    counts: Int[Array | np.ndarray, " types"],
    *,
    cutoff: float,
    switch_distance: float | None = None,
) -> Float[Array, ""]:
    """Coefficient [kJ/mol nm^3] for any pair energy that decays faster than 1/r^3.

    Args:
        pair_energy: function (r, first, second) -> energy [kJ/mol] of a distance [nm] and the
            indices of two types, elementwise.
        counts: atoms of each type.
        cutoff: [nm].
        switch_distance: as for `lennard_jones_tail`.
    """
    nodes, weights = _quadrature(cutoff, switch_distance)
    dtype = jnp.result_type(float)

    def integral(first: Array, second: Array) -> Array:
        energies = pair_energy(jnp.asarray(nodes, dtype), first, second)
        return jnp.sum(jnp.asarray(weights, dtype) * energies)

    return _coefficient(jax.vmap(integral, in_axes=(None, 0)), counts, dtype)


def _coefficient(
    integral: Callable[[Array, Array], Array],
    counts: Int[Array | np.ndarray, " types"],
    dtype: np.dtype,
) -> Float[Array, ""]:
    """2 pi N^2 times the mean of `integral(type, types)` over pairs i <= j of atoms."""
    n = jnp.asarray(counts, dtype)
    types = jnp.arange(len(counts))

    def row(one: Array) -> Array:
        integrals = integral(one, types)
        return 0.5 * n[one] * (jnp.sum(n * integrals) + integrals[one])

    rows = jax.lax.map(jax.checkpoint(row), types, batch_size=_BLOCK)
    total = jnp.sum(n)
    return 2 * math.pi * total**2 * jnp.sum(rows) / (total * (total + 1) / 2)


def _quadrature(
    cutoff: float, switch_distance: float | None
) -> tuple[Float[np.ndarray, " nodes"], Float[np.ndarray, " nodes"]]:
    """Distances [nm] and weights [nm^3] of the integral of (1 - S(r)) r^2 dr."""
    x, w = np.polynomial.legendre.leggauss(_N_NODES)
    x, w = (x + 1) / 2, w / 2
    # Beyond the cutoff r = cutoff / x; dispersion turns into a polynomial in x.
    nodes, weights = cutoff / x, w * cutoff**3 / x**4
    if switch_distance is not None:
        width = cutoff - switch_distance
        r = switch_distance + width * x
        switched_off = x**3 * (10 - 15 * x + 6 * x**2)
        nodes = np.concatenate([r, nodes])
        weights = np.concatenate([w * width * r**2 * switched_off, weights])
    return nodes, weights
