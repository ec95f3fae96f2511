"""What a minimiser sees: energies, forces along the free directions, and steps that are allowed.

Constraints make a curved space: forces are projected onto its tangent, and a step is followed by
a correction back onto it. All weights are equal here, for masses do not matter for a minimum.
"""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from isthmus.simulate.constraints import ConstraintSolver
from isthmus.simulate.surface import Neighbours, evaluate

__all__ = ["Point", "Problem", "dot", "largest", "shortened"]

Vectors = Float[Array, "*replicas atoms 3"]
Scalars = Float[Array, "*replicas"]


class Point(eqx.Module):
    """A place on the surface: positions [nm], energy [kJ/mol], forces [kJ/mol/nm]."""

    positions: Vectors
    energy: Scalars
    forces: Vectors


class Problem(eqx.Module):
    """A surface with what must not change.

    Attributes:
        surface: energies and forces.
        box: cell vectors [nm], or None.
        neighbours: lists of the surface, or None.
        movable: (atoms,) which atoms may move, or None for all.
        constraints: fixed distances, solved with equal weights, or None.
    """

    surface: Any
    box: Float[Array, "3 3"] | None
    neighbours: Neighbours
    movable: Bool[Array, " atoms"] | None
    constraints: ConstraintSolver | None

    def at(self, positions: Vectors) -> Point:
        """Energy and projected forces at positions [nm]."""
        found = evaluate(self.surface, positions, self.box, self.neighbours)
        forces = self.projected(jnp.asarray(found.forces), positions)
        return Point(positions, jnp.asarray(found.energy), forces)

    def projected(self, vectors: Vectors, positions: Vectors) -> Vectors:
        """The part of vectors along which atoms may move."""
        if self.movable is not None:
            vectors = self._fixed(vectors, jnp.zeros_like(vectors))
        if self.constraints is None:
            return vectors
        return self.constraints.constrain_velocities(vectors, positions)

    def _fixed(self, values: Vectors, instead: Vectors) -> Vectors:
        """Values with those of atoms that may not move replaced."""
        assert self.movable is not None
        return jnp.where(self.movable[:, None], values, instead)

    def moved(self, positions: Vectors, step: Vectors) -> Vectors:
        """Positions after a step, with constraints restored [nm]."""
        after = positions + step
        if self.constraints is not None:
            after = self.constraints.constrain_positions(after, positions)
        return after if self.movable is None else self._fixed(after, positions)


def dot(first: Vectors, second: Vectors) -> Scalars:
    """Scalar product over all atoms."""
    return jnp.sum(first * second, axis=(-2, -1))


def largest(vectors: Vectors) -> Scalars:
    """Length of the longest vector of an atom; huge ones do not overflow."""
    size = jnp.max(jnp.abs(vectors), axis=(-2, -1))
    scale = jnp.where((size > 0) & jnp.isfinite(size), size, 1)
    parts = vectors / scale[..., None, None]
    found = jnp.sqrt(jnp.max(jnp.sum(parts**2, axis=-1), axis=-1)) * scale
    return jnp.where(jnp.isfinite(size), found, jnp.inf)


def shortened(vectors: Vectors, limit: Array | float) -> Vectors:
    """Vectors with none longer than `limit`, each by itself; what is not a number becomes 0."""
    vectors = jnp.nan_to_num(vectors, nan=0.0)
    size = jnp.max(jnp.abs(vectors), axis=-1, keepdims=True)
    scale = jnp.where(size > 0, size, 1)
    unit = vectors / scale
    length = jnp.sqrt(jnp.sum(unit**2, axis=-1, keepdims=True))
    # Compared as ratios: the product of a huge scale and its unit vector may overflow
    limit = jnp.asarray(limit, vectors.dtype)
    return jnp.where(length > limit / scale, unit / jnp.maximum(length, 1e-30) * limit, vectors)
