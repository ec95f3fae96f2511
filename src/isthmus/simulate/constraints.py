"""Fixed distances during dynamics: SHAKE and RATTLE, solved by Newton's method.

Corrections are given added to the coordinates (`constrain_positions`, `constrain_velocities`) and
alone (`position_shift`, `velocity_shift`): a shift divided by the time step keeps the digits that
a difference of float32 positions has lost. A stored float32 position of 5 nm is rounded by
2e-7 nm, so that distances computed from it are not better than about 3e-6 relative; the shifts
themselves are converged to rounding.
"""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from isthmus.parameters.parameterization import Constraints
from isthmus.simulate.constraint_groups import (
    Groups,
    checked_constraints,
    find_groups,
    rows_at,
)

__all__ = ["ConstraintSolver"]


class ConstraintSolver(eqx.Module):
    """Keeps distances and takes out velocities along them; made by `ConstraintSolver.create`.

    All methods are pure and traceable, and take any number of leading replica axes. Positions of
    atoms that are tied together must belong to the same periodic image. Masses weigh the
    corrections, so linear and angular momentum are kept.

    Attributes:
        groups: independent groups of constraints, batched by pattern.
        rows: (atoms,) row of each atom in the concatenated shifts; the last for free atoms.
        pairs: constrained atoms (constraints, 2).
        distances: [nm].
    """

    groups: tuple[Groups, ...]
    rows: Int[np.ndarray | Array, " atoms"]
    pairs: Int[np.ndarray | Array, "constraints 2"]
    distances: Float[np.ndarray | Array, " constraints"]

    @classmethod
    def create(
        cls, constraints: Constraints | None, masses: Float[np.ndarray, " atoms"]
    ) -> "ConstraintSolver":
        """Find the independent groups; runs on the host.

        Args:
            constraints: pairs and distances [nm], or None for none.
            masses: (atoms,) [Da]; a constraint between two atoms without mass is left out.

        Raises:
            InputError: an impossible or repeated constraint, one between an atom with and one
                without mass, or more than 64 constraints that hang together.
        """
        masses = np.asarray(masses, dtype=np.float64)
        pairs, distances = checked_constraints(constraints, masses)
        batches = find_groups(pairs, distances, masses)
        rows = np.full(len(masses), sum(batch.atoms.size for batch in batches), dtype=np.int32)
        start = 0
        for batch in batches:
            rows[batch.atoms] = start + np.arange(batch.atoms.size).reshape(batch.atoms.shape)
            start += batch.atoms.size
        return cls(batches, rows, pairs, distances)

    @property
    def n_constraints(self) -> int:
        """Number of distances that are held: degrees of freedom that are taken away."""
        return len(self.pairs)

    def position_shift(
        self,
        positions: Float[Array, "*replicas atoms 3"],
        reference: Float[Array, "*replicas atoms 3"],
    ) -> Float[Array, "*replicas atoms 3"]:
        """What to add to moved `positions` [nm] to restore the distances.

        Args:
            positions: after the move.
            reference: before it, where the constraints hold: gives the directions.
        """
        return self._gathered(
            [g.shift_positions(positions, reference) for g in self.groups], positions
        )

    def velocity_shift(
        self,
        velocities: Float[Array, "*replicas atoms 3"],
        positions: Float[Array, "*replicas atoms 3"],
    ) -> Float[Array, "*replicas atoms 3"]:
        """What to add to velocities [nm/ps] so that no distance changes at `positions` [nm]."""
        return self._gathered(
            [g.shift_velocities(velocities, positions) for g in self.groups], velocities
        )

    def constrain_positions(
        self,
        positions: Float[Array, "*replicas atoms 3"],
        reference: Float[Array, "*replicas atoms 3"],
    ) -> Float[Array, "*replicas atoms 3"]:
        """Moved positions with their distances restored [nm]; arguments as `position_shift`."""
        if not self.groups:
            return positions
        return positions + self.position_shift(positions, reference)

    def constrain_velocities(
        self,
        velocities: Float[Array, "*replicas atoms 3"],
        positions: Float[Array, "*replicas atoms 3"],
    ) -> Float[Array, "*replicas atoms 3"]:
        """Velocities [nm/ps] that change no constrained distance at `positions` [nm]."""
        if not self.groups:
            return velocities
        return velocities + self.velocity_shift(velocities, positions)

    def violation(self, positions: Float[Array, "*replicas atoms 3"]) -> Float[Array, "*replicas"]:
        """Largest |r − d| / d of all constraints [1]; 0 without any."""
        if not self.groups:
            return jnp.zeros(positions.shape[:-2], positions.dtype)
        step = rows_at(positions, self.pairs[:, 0]) - rows_at(positions, self.pairs[:, 1])
        lengths = jnp.sqrt(jnp.sum(step**2, axis=-1))
        wanted = jnp.asarray(self.distances, positions.dtype)
        return jnp.max(jnp.abs(lengths - wanted) / wanted, axis=-1)

    def _gathered(self, shifts: list[Array], like: Array) -> Array:
        if not shifts:
            return jnp.zeros_like(like)
        free = jnp.zeros((*like.shape[:-2], 1, 3), like.dtype)
        return rows_at(jnp.concatenate([*shifts, free], axis=-2), self.rows)
