"""Independent groups of constraints: found on the host, solved side by side.

Constraints that share no atom are independent. Connected groups are batched by their pattern,
such as a heavy atom with its hydrogens or a rigid water, and each batch is solved elementwise.
With the vectors r of the constraints at the reference, inverse masses m⁻¹ and the signed
incidence B (constraints × atoms), moved positions x' are corrected along the reference vectors:

    s(λ) = s' + A (λ r),   A = B m⁻¹ Bᵀ,   |s(λ)|² = d²  for every constraint

(Ryckaert, Ciccotti and Berendsen, J. Comput. Phys. 23, 327 (1977)). Newton's method on λ solves
all constraints of a group together, so that convergence is quadratic. Velocities need one linear
solve, r·(v + A (μ r)) = 0 (Andersen, J. Comput. Phys. 52, 24 (1983)).
"""

from collections import defaultdict
from typing import Final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from isthmus.chemistry.graph import connected_components
from isthmus.errors import InputError
from isthmus.parameters.parameterization import Constraints

__all__ = ["Groups", "checked_constraints", "find_groups", "rows_at"]

ITERATIONS: Final = {"float32": 6, "float64": 7}
"""Steps of Newton's method. Four take displacements of 0.01 nm to rounding in float32; the others
are there for worse starts, and cost little."""

LARGEST_GROUP: Final = 64
"""Coupled constraints that are solved as one dense system; time grows with the cube."""

UNROLLED: Final = 4
"""Systems up to this size are eliminated elementwise over all groups; larger ones by LAPACK."""

Pattern = tuple[tuple[int, int], ...]


class Groups(eqx.Module):
    """All groups of one pattern.

    Attributes:
        pattern: local indices of the two atoms of each constraint.
        atoms: atoms of each group.
        inverse_masses: [1/Da].
        distances: [nm].
        coupling: B m⁻¹ Bᵀ [1/Da].
    """

    pattern: Pattern = eqx.field(static=True)
    atoms: Int[np.ndarray | Array, "groups size"]
    inverse_masses: Float[np.ndarray | Array, "groups size"]
    distances: Float[np.ndarray | Array, "groups constraints"]
    coupling: Float[np.ndarray | Array, "groups constraints constraints"]

    def differences(
        self, values: Float[Array, "*replicas atoms 3"]
    ) -> Float[Array, "constraints *replicas groups 3"]:
        """First atom minus second, for each constraint."""
        ends = [rows_at(values, self.atoms[:, a]) for a in range(self.atoms.shape[1])]
        return jnp.stack([ends[i] - ends[j] for i, j in self.pattern])

    def spread(
        self,
        multipliers: Float[Array, "constraints *replicas groups"],
        vectors: Float[Array, "constraints *replicas groups 3"],
    ) -> Float[Array, "*replicas rows 3"]:
        """Shift of every atom of every group, m⁻¹ Bᵀ (λ r), as rows (groups × size)."""
        pulls = multipliers[..., None] * vectors
        zero = jnp.zeros_like(pulls[0])
        shifts = [zero] * self.atoms.shape[1]
        for c, (i, j) in enumerate(self.pattern):
            shifts[i] = shifts[i] + pulls[c]
            shifts[j] = shifts[j] - pulls[c]
        weights = jnp.asarray(self.inverse_masses, vectors.dtype)
        stacked = jnp.stack(shifts, axis=-2) * weights[..., None]
        return stacked.reshape(*stacked.shape[:-3], -1, 3)

    def matrix(
        self,
        left: Float[Array, "constraints *replicas groups 3"],
        right: Float[Array, "constraints *replicas groups 3"],
    ) -> Float[Array, "constraints constraints *replicas groups"]:
        """A_cd (left_c · right_d)."""
        dots = jnp.sum(left[:, None] * right[None, :], axis=-1)
        return self._coupling(left) * dots

    def shift_positions(
        self,
        positions: Float[Array, "*replicas atoms 3"],
        reference: Float[Array, "*replicas atoms 3"],
    ) -> Float[Array, "*replicas rows 3"]:
        """What brings the distances to their values, along the vectors of the reference."""
        along, moved = self.differences(reference), self.differences(positions)
        coupling = self._coupling(along)[..., None]
        square = jnp.asarray(self.distances.T, positions.dtype) ** 2
        square = square.reshape(len(square), *(1,) * (along.ndim - 3), -1)

        def newton(_, multipliers):
            pulls = multipliers[..., None] * along
            now = moved + jnp.sum(coupling * pulls[None], axis=1)
            missing = square - jnp.sum(now**2, axis=-1)
            return multipliers + _solve(2 * self.matrix(now, along), missing)

        start = jnp.zeros(along.shape[:-1], along.dtype)
        steps = ITERATIONS[str(positions.dtype)]
        return self.spread(jax.lax.fori_loop(0, steps, newton, start), along)

    def shift_velocities(
        self,
        velocities: Float[Array, "*replicas atoms 3"],
        positions: Float[Array, "*replicas atoms 3"],
    ) -> Float[Array, "*replicas rows 3"]:
        """What takes out the velocities along the constraints."""
        along, moving = self.differences(positions), self.differences(velocities)
        wrong = jnp.sum(along * moving, axis=-1)
        return self.spread(_solve(self.matrix(along, along), -wrong), along)

    def _coupling(self, like: Array) -> Array:
        """The coupling, shaped to multiply (constraints, constraints, *replicas, groups)."""
        n = len(self.pattern)
        coupling = jnp.moveaxis(jnp.asarray(self.coupling, like.dtype), 0, -1)
        return coupling.reshape(n, n, *(1,) * (like.ndim - 3), -1)


def checked_constraints(
    constraints: Constraints | None, masses: np.ndarray
) -> tuple[Int[np.ndarray, "constraints 2"], Float[np.ndarray, " constraints"]]:
    """Pairs i < j and distances [nm] of all constraints that move."""
    if constraints is None or not len(constraints.pairs):
        return np.zeros((0, 2), dtype=np.int32), np.zeros(0)
    pairs = np.sort(np.asarray(constraints.pairs, dtype=np.int32), axis=1)
    distances = np.asarray(constraints.distances, dtype=np.float64)
    if pairs.min() < 0 or pairs.max() >= len(masses) or np.any(pairs[:, 0] == pairs[:, 1]):
        raise InputError(
            f"constraints are given between atoms {int(pairs.min())} to {int(pairs.max())} of a "
            f"system of {len(masses)} atoms: pairs of different atoms in it are wanted"
        )
    if not np.all(np.isfinite(distances) & (distances > 0)):
        raise InputError(f"constrained distances must be positive [nm]: {distances.min():.4g} came")
    if len(np.unique(pairs, axis=0)) < len(pairs):
        raise InputError("a distance is constrained twice: give each pair of atoms once")
    solid = masses[pairs] > 0
    mixed = np.flatnonzero(solid[:, 0] != solid[:, 1])
    if len(mixed):
        i, j = pairs[mixed[0]].tolist()
        raise InputError(
            f"atoms {i} and {j} are constrained, and one of them has no mass: a fixed atom or a "
            "virtual site cannot be part of a constraint; give it a mass, or leave the constraint "
            "out"
        )
    return pairs[solid[:, 0]], distances[solid[:, 0]]


def find_groups(
    pairs: Int[np.ndarray, "constraints 2"],
    distances: Float[np.ndarray, " constraints"],
    masses: Float[np.ndarray, " atoms"],
) -> tuple[Groups, ...]:
    """Connected groups, batched by pattern."""
    if not len(pairs):
        return ()
    labels = connected_components(pairs, n_atoms=len(masses))[pairs[:, 0]]
    order = np.argsort(labels, kind="stable")
    starts = np.flatnonzero(np.diff(labels[order], prepend=-1))
    batches: dict[Pattern, list[tuple[np.ndarray, np.ndarray]]] = defaultdict(list)
    for chosen in np.split(order, starts[1:]):
        if len(chosen) > LARGEST_GROUP:
            raise InputError(
                f"{len(chosen)} constraints hang together (atom {int(pairs[chosen[0], 0])} is one "
                f"of theirs), and at most {LARGEST_GROUP} can: constrain only bonds to hydrogen "
                "and rigid water"
            )
        atoms, pattern, ranked = _canonical(pairs[chosen])
        batches[pattern].append((atoms, distances[chosen][ranked]))
    result = []
    for pattern, members in batches.items():
        atoms = np.stack([m[0] for m in members]).astype(np.int32)
        inverse = 1 / masses[atoms]
        signs = np.zeros((len(pattern), atoms.shape[1]))
        for c, (i, j) in enumerate(pattern):
            signs[c, i], signs[c, j] = 1, -1
        coupling = np.einsum("ca,ga,da->gcd", signs, inverse, signs)
        result.append(Groups(pattern, atoms, inverse, np.stack([m[1] for m in members]), coupling))
    return tuple(result)


def _canonical(
    pairs: Int[np.ndarray, "constraints 2"],
) -> tuple[Int[np.ndarray, " size"], Pattern, Int[np.ndarray, " constraints"]]:
    """Atoms with the most constrained first, constraints in their numbers, and their order."""
    atoms, ends = np.unique(pairs, return_inverse=True)
    ends = ends.reshape(-1, 2)
    degree = np.bincount(ends.ravel(), minlength=len(atoms))
    order = np.argsort(-degree, kind="stable")
    place = np.argsort(order)
    local = np.sort(place[ends], axis=1)
    ranked = np.lexsort((local[:, 1], local[:, 0]))
    pattern = tuple((int(i), int(j)) for i, j in local[ranked])
    return atoms[order], pattern, ranked


def rows_at(values: Array, idx: Int[np.ndarray | Array, " rows"]) -> Array:
    """values[..., idx, :]; indices are right by construction."""
    picked = values.at[..., jnp.asarray(idx), :]
    return picked.get(mode="promise_in_bounds", wrap_negative_indices=False)


def _solve(
    matrix: Float[Array, "n n *batch"], right: Float[Array, "n *batch"]
) -> Float[Array, "n *batch"]:
    """Solve many small systems; without pivoting where elimination is unrolled.

    At the reference the matrix is positive definite, and near it elimination is stable.
    """
    n = len(right)
    if n > UNROLLED:
        first = jnp.moveaxis(matrix, (0, 1), (-2, -1))
        solution = jnp.linalg.solve(first, jnp.moveaxis(right, 0, -1)[..., None])
        return jnp.moveaxis(solution[..., 0], -1, 0)
    rows = [[matrix[i, j] for j in range(n)] for i in range(n)]
    known = [right[i] for i in range(n)]
    for p in range(n):
        for i in range(p + 1, n):
            factor = rows[i][p] / rows[p][p]
            rows[i] = [a - factor * b for a, b in zip(rows[i], rows[p], strict=True)]
            known[i] = known[i] - factor * known[p]
    for p in reversed(range(n)):
        for j in range(p + 1, n):
            known[p] = known[p] - rows[p][j] * known[j]
        known[p] = known[p] / rows[p][p]
    return jnp.stack(known)
