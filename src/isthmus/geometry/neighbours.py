"""Neighbour lists: padded half lists of pairs, built on the host and used under jit.

The list is built by vesin (cell lists, memory linear in atoms), sorted, freed of excluded pairs
and padded to a capacity, so that rebuilding it during a simulation changes no shape and compiles
nothing. An energy loop over a list is::

    first, second = neighbours.pairs[:, 0], neighbours.pairs[:, 1]
    real = first != second                     # padding is the pair (n_atoms - 1, n_atoms - 1)
    inside = real & (r2 < cutoff**2)           # the list reaches to cutoff + skin
    r = jnp.sqrt(jnp.where(inside, r2, 1.0))   # no NaN from the padding's r = 0
    energy = jnp.sum(jnp.where(inside, pair_energy(r), 0.0))

Every index is in bounds, and `first` ascends to the end of the padding: gathers may use
`mode="promise_in_bounds"`, segment sums over it `indices_are_sorted=True`.
"""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import vesin
from jaxtyping import Array, Bool, Float, Int

from isthmus.errors import InputError
from isthmus.geometry.box import check_box, check_cutoff, inverse_box, minimum_image

__all__ = ["NeighbourList", "all_pairs", "build_neighbours", "is_stale"]

# Capacities are multiples of this, and leave this fraction for the list to grow.
_CAPACITY_STEP = 256
_CAPACITY_MARGIN = 0.05


class NeighbourList(eqx.Module):
    """All pairs of atoms within `cutoff + skin`, each once, without the excluded ones.

    Attributes:
        pairs: (pairs, 2) atom indices i < j, sorted by i and then j; padded at the end with
            (n_atoms - 1, n_atoms - 1), the only rows where both indices are the same.
        n_pairs: number of rows that are no padding [1].
        positions: positions the list was built for [nm].
        box: box the list was built for [nm], or None.
        cutoff: interaction cutoff [nm].
        skin: extra reach of the list [nm].
    """

    pairs: Int[Array, "pairs 2"]
    n_pairs: Int[Array, ""]
    positions: Float[Array, "atoms 3"]
    box: Float[Array, "3 3"] | None
    cutoff: float = eqx.field(static=True)
    skin: float = eqx.field(static=True)

    @property
    def capacity(self) -> int:
        """Number of rows of `pairs`, padding included."""
        return self.pairs.shape[0]

    @property
    def mask(self) -> Bool[Array, " pairs"]:
        """True for pairs, False for padding."""
        return self.pairs[:, 0] != self.pairs[:, 1]


def build_neighbours(
    positions: Float[np.ndarray | Array, "atoms 3"],
    box: Float[np.ndarray | Array, "3 3"] | None,
    *,
    cutoff: float,
    skin: float,
    exclusions: Int[np.ndarray, "exclusions 2"],
    capacity: int | None = None,
) -> NeighbourList:
    """Neighbour list of `positions` [nm] in `box` [nm]; runs on the host.

    Args:
        positions: (atoms, 3) [nm]; they need not lie inside the box.
        box: reduced cell vectors [nm], or None for no periodicity.
        cutoff: interaction cutoff [nm].
        skin: extra reach [nm]; the list stays valid until an atom has moved by skin/2.
        exclusions: pairs of atoms that never interact, in any order, repeats allowed.
        capacity: rows of the padded list, usually `previous.capacity`; None to choose one.

    Raises:
        InputError: positions that are not finite, a box that is not in reduced form or smaller
            than twice the cutoff, or more pairs than `capacity`.
    """
    host_positions = np.asarray(positions, dtype=np.float64)
    host_box = None if box is None else np.asarray(box, dtype=np.float64)
    _check(host_positions, host_box, cutoff, skin)
    keys = _pair_keys(host_positions, host_box, cutoff + skin)
    n_atoms = len(host_positions)
    keys = _without(keys, np.asarray(exclusions, dtype=np.int64), n_atoms)
    if capacity is None:
        capacity = _roomy_capacity(len(keys))
    if len(keys) > capacity:
        raise InputError(
            f"The neighbour list has {len(keys)} pairs, more than its capacity of {capacity}. "
            "Build it again without a capacity; a much denser system than before points to "
            "atoms that have collapsed onto each other."
        )
    pairs = np.full((capacity, 2), max(n_atoms - 1, 0), dtype=np.int32)
    np.floor_divide(keys, n_atoms, out=pairs[: len(keys), 0], casting="unsafe")
    np.remainder(keys, n_atoms, out=pairs[: len(keys), 1], casting="unsafe")
    return NeighbourList(
        pairs=jnp.asarray(pairs),
        n_pairs=jnp.asarray(len(keys), dtype=jnp.int32),
        positions=jnp.asarray(positions),
        box=None if box is None else jnp.asarray(box),
        cutoff=float(cutoff),
        skin=float(skin),
    )


def is_stale(
    neighbours: NeighbourList,
    positions: Float[Array, "atoms 3"],
    box: Float[Array, "3 3"] | None,
) -> Bool[Array, ""]:
    """Whether the list may miss a pair: an atom has moved by more than skin/2.

    In a box that has changed, the motion is what goes beyond the strain S of the box, and the
    strain takes its part of the skin (Frobenius norm):

        2 max |x - x0 S| > skin - |S - 1| (cutoff + skin),   S = box0^-1 box.

    Pure and jittable; never false for a list that misses a pair.
    """
    reference = neighbours.positions
    allowed = jnp.asarray(neighbours.skin, reference.dtype)
    if box is not None and neighbours.box is not None:
        strain = jnp.matmul(inverse_box(neighbours.box), box, precision="highest")
        reference = jnp.matmul(reference, strain, precision="highest")
        reach = neighbours.cutoff + neighbours.skin
        allowed = allowed - jnp.linalg.norm(strain - jnp.eye(3, dtype=strain.dtype)) * reach
    moved = minimum_image(positions - reference, box)
    return 2 * jnp.sqrt(jnp.max(jnp.sum(moved**2, axis=-1))) > allowed


def all_pairs(
    n_atoms: int, exclusions: Int[np.ndarray, "exclusions 2"]
) -> Int[np.ndarray, "pairs 2"]:
    """Every pair i < j that is not excluded: the list of a small system without a cutoff.

    Its memory is quadratic in atoms, by its meaning.
    """
    first, second = np.triu_indices(n_atoms, k=1)
    keys = first.astype(np.int64) * n_atoms + second
    keys = _without(keys, np.asarray(exclusions, dtype=np.int64), n_atoms)
    return np.stack([keys // max(n_atoms, 1), keys % max(n_atoms, 1)], axis=1).astype(np.int32)


def _check(
    positions: Float[np.ndarray, "atoms 3"],
    box: Float[np.ndarray, "3 3"] | None,
    cutoff: float,
    skin: float,
) -> None:
    """Raise `InputError` for anything a neighbour list cannot be built from."""
    if not (np.isfinite(cutoff) and cutoff > 0 and np.isfinite(skin) and skin >= 0):
        raise InputError(
            f"A cutoff of {cutoff} nm with a skin of {skin} nm cannot be used; a positive cutoff "
            "and a skin that is not negative are wanted, both in nm."
        )
    bad = np.flatnonzero(~np.all(np.isfinite(positions), axis=1))
    if len(bad):
        raise InputError(
            f"The positions of {len(bad)} atoms are not finite numbers (first: atom {bad[0]}); "
            "finite coordinates in nm are wanted. Check the input file, or the step that "
            "produced them."
        )
    if box is not None:
        check_box(box)
        check_cutoff(box, cutoff)


def _pair_keys(
    positions: Float[np.ndarray, "atoms 3"],
    box: Float[np.ndarray, "3 3"] | None,
    reach: float,
) -> Int[np.ndarray, " pairs"]:
    """Sorted keys i * n_atoms + j, i < j, of all pairs whose nearest images lie within reach."""
    n_atoms = len(positions)
    if n_atoms < 2:
        return np.zeros(0, dtype=np.int64)
    calculator = vesin.NeighborList(cutoff=reach, full_list=False)
    first, second = calculator.compute(
        points=positions,
        box=np.zeros((3, 3)) if box is None else box,
        periodic=box is not None,
        quantities="ij",
    )
    first, second = first.astype(np.int64), second.astype(np.int64)
    keys = np.minimum(first, second)
    keys *= n_atoms
    keys += np.maximum(first, second, out=first)
    keys.sort()
    if box is not None and 2 * reach > np.diagonal(box).min():
        # The list reaches beyond half the box: drop further images of a pair, and self images.
        keys = np.unique(keys)
        keys = keys[keys // n_atoms != keys % n_atoms]
    return keys


def _without(
    keys: Int[np.ndarray, " pairs"],
    exclusions: Int[np.ndarray, "exclusions 2"],
    n_atoms: int,
) -> Int[np.ndarray, " left"]:
    """Sorted keys less those of the excluded pairs."""
    if len(exclusions) == 0 or len(keys) == 0:
        return keys
    excluded = exclusions.min(axis=1) * n_atoms + exclusions.max(axis=1)
    places = np.minimum(np.searchsorted(keys, excluded), len(keys) - 1)
    keep = np.ones(len(keys), dtype=bool)
    keep[places[keys[places] == excluded]] = False
    return keys[keep]


def _roomy_capacity(n_pairs: int) -> int:
    """Capacity with room for the fluctuations of a liquid, in few distinct sizes."""
    wanted = int(n_pairs * (1 + _CAPACITY_MARGIN)) + 1
    return -(-wanted // _CAPACITY_STEP) * _CAPACITY_STEP
