"""Virtual sites: particles whose positions follow from those of others.

    two atoms      x = w1 x1 + w2 x2
    three atoms    x = w1 x1 + w2 x2 + w3 x3
    out of plane   x = x1 + w12 r12 + w13 r13 + wc r12 × r13
    local frame    origin Σ a_i x_i, axes from Σ b_i x_i and Σ c_i x_i, fixed local position

Source: OpenMM User Guide, section "Virtual sites"; the same definitions, so that they round-trip.
"""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from isthmus.geometry.gather import rows_of

__all__ = ["LinearSites", "LocalFrameSites", "OutOfPlaneSites", "VirtualSites"]

Positions = Float[Array, "3 atoms *batch"]
Sites = Float[Array, "3 sites *batch"]


class LinearSites(eqx.Module):
    """Weighted averages of two or three atoms; two-atom sites have a third weight of zero."""

    sites: Int[np.ndarray, " sites"]
    parents: Int[np.ndarray, "sites 3"]
    weights: Float[np.ndarray, "sites 3"]

    def place(self, positions: Positions) -> Sites:
        """Positions of the sites [nm]."""
        weights = _like(self.weights, positions)
        return _weighted([_atom(positions, self.parents[:, c]) for c in range(3)], weights)


class OutOfPlaneSites(eqx.Module):
    """x = x1 + w12 r12 + w13 r13 + wc r12 × r13; weights (sites, 3): w12, w13 [1], wc [1/nm]."""

    sites: Int[np.ndarray, " sites"]
    parents: Int[np.ndarray, "sites 3"]
    weights: Float[np.ndarray, "sites 3"]

    def place(self, positions: Positions) -> Sites:
        """Positions of the sites [nm]."""
        weights = _like(self.weights, positions)
        origin, second, third = (_atom(positions, self.parents[:, c]) for c in range(3))
        r12, r13 = second - origin, third - origin
        shift = (
            weights[:, 0] * r12 + weights[:, 1] * r13 + weights[:, 2] * jnp.cross(r12, r13, axis=0)
        )
        return origin + shift


class LocalFrameSites(eqx.Module):
    """Fixed positions [nm] in a frame made of weighted sums over up to `width` parents.

    Unused parents repeat the first one with zero weights.
    """

    sites: Int[np.ndarray, " sites"]
    parents: Int[np.ndarray, "sites width"]
    origin_weights: Float[np.ndarray, "sites width"]
    x_weights: Float[np.ndarray, "sites width"]
    y_weights: Float[np.ndarray, "sites width"]
    local: Float[np.ndarray, "sites 3"]

    def place(self, positions: Positions) -> Sites:
        """Positions of the sites [nm]."""
        atoms = [_atom(positions, self.parents[:, c]) for c in range(self.parents.shape[1])]

        def combine(weights: np.ndarray) -> Sites:
            scaled = _like(weights, positions)
            return _weighted(atoms, scaled)

        origin = combine(self.origin_weights)
        x_axis, y_axis = combine(self.x_weights), combine(self.y_weights)
        z_axis = jnp.cross(x_axis, y_axis, axis=0)
        x_axis, z_axis = _unit(x_axis), _unit(z_axis)
        y_axis = jnp.cross(z_axis, x_axis, axis=0)
        local = _like(self.local, positions)
        return origin + local[:, 0] * x_axis + local[:, 1] * y_axis + local[:, 2] * z_axis


class VirtualSites(eqx.Module):
    """All virtual sites of a system."""

    groups: tuple[LinearSites | OutOfPlaneSites | LocalFrameSites, ...]

    @property
    def sites(self) -> Int[np.ndarray, " sites"]:
        """Particles that are virtual sites."""
        return np.concatenate([group.sites for group in self.groups])

    def apply(self, positions: Positions) -> Positions:
        """Positions [nm] with every virtual site where it belongs."""
        for group in self.groups:
            positions = positions.at[:, group.sites].set(group.place(positions))
        return positions


def _weighted(atoms: list[Sites], weights: Array) -> Sites:
    """Sum of atoms times the columns of weights."""
    total = jnp.zeros_like(atoms[0])
    for column, atom in enumerate(atoms):
        total = total + atom * weights[:, column]
    return total


def _atom(positions: Positions, idx: Int[np.ndarray, " sites"]) -> Sites:
    return jnp.stack([rows_of(positions[c], idx) for c in range(3)])


def _like(weights: Array | np.ndarray, positions: Positions) -> Array:
    """Weights (sites, n) ready to multiply (3, sites, *batch) arrays column by column."""
    shape = weights.shape + (1,) * (positions.ndim - 2)
    return jnp.asarray(weights, positions.dtype).reshape(shape)


def _unit(vectors: Sites) -> Sites:
    return vectors / jnp.sqrt(jnp.sum(vectors * vectors, axis=0))
