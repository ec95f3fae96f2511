"""Neighbour lists: for each atom a row of its neighbours, built on the host and used under jit.

Close pairs are found by vesin (cell lists, time and memory linear in atoms), freed of excluded ones
and laid out as one row for each atom, each pair in both of its rows, padded to a common width, so
that rebuilding a list during a simulation changes no shape and compiles nothing. A sum over the
row of an atom needs no scatter, which is what makes rows fast; an energy loop is::

    first, second = jnp.arange(n_atoms)[:, None], neighbours.rows
    real = first != second                     # padding is the atom itself
    inside = real & (r2 < cutoff**2)           # the list reaches to cutoff + skin
    r = jnp.sqrt(jnp.where(inside, r2, 1.0))   # no NaN from the padding's r = 0
    energy = 0.5 * jnp.sum(jnp.where(inside, pair_energy(r), 0.0))

Every index is in bounds: gathers may use `mode="promise_in_bounds"`.
"""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import vesin
from jaxtyping import Array, Bool, Float, Int
from scipy.sparse import coo_array

from isthmus.errors import InputError
from isthmus.geometry.box import check_box, check_cutoff, inverse_box, minimum_image

__all__ = ["NeighbourList", "all_pairs", "build_neighbours", "is_stale", "places_back"]

# Widths are multiples of this, and leave this fraction for the rows to grow.
_WIDTH_STEP = 8
_WIDTH_MARGIN = 0.05

_AT_ONCE = 1 << 24  # entries compared with excluded pairs at once


class NeighbourList(eqx.Module):
    """The neighbours of each atom within `cutoff + skin`, without the excluded ones.

    Attributes:
        rows: (atoms, width) atom indices, in no order that means anything; padded with the atom
            that the row belongs to.
        n_pairs: number of pairs; each stands in two rows [1].
        back: for each place of `rows`, the flat place where the same pair stands in the row of
            the neighbour, 0 for padding; None where it was not asked for.
        positions: positions the list was built for [nm].
        box: box the list was built for [nm], or None.
        cutoff: interaction cutoff [nm].
        skin: extra reach of the list [nm].
    """

    rows: Int[Array, "atoms width"]
    n_pairs: Int[Array, ""]
    back: Int[Array, "atoms width"] | None
    positions: Float[Array, "atoms 3"]
    box: Float[Array, "3 3"] | None
    cutoff: float = eqx.field(static=True)
    skin: float = eqx.field(static=True)

    @property
    def width(self) -> int:
        """Number of columns of `rows`, padding included."""
        return self.rows.shape[1]

    @property
    def mask(self) -> Bool[Array, "atoms width"]:
        """True for neighbours, False for padding."""
        return self.rows != jnp.arange(self.rows.shape[0], dtype=self.rows.dtype)[:, None]


def build_neighbours(
    positions: Float[np.ndarray | Array, "atoms 3"],
    box: Float[np.ndarray | Array, "3 3"] | None,
    *,
    cutoff: float,
    skin: float,
    exclusions: Int[np.ndarray, "exclusions 2"],
    width: int | None = None,
    back: bool = False,
) -> NeighbourList:
    """Neighbour list of `positions` [nm] in `box` [nm]; runs on the host.

    Args:
        positions: (atoms, 3) [nm]; they need not lie inside the box.
        box: reduced cell vectors [nm], or None for no periodicity.
        cutoff: interaction cutoff [nm].
        skin: extra reach [nm]; the list stays valid until an atom has moved by skin/2.
        exclusions: pairs of atoms that never interact, in any order, repeats allowed.
        width: columns of the rows, usually `previous.width`; None to choose one.
        back: whether to say where each pair stands in its other row.

    Raises:
        InputError: positions that are not finite, a box that is not in reduced form or smaller
            than twice the cutoff, or an atom with more neighbours than `width`.
    """
    host_positions = np.asarray(positions, dtype=np.float64)
    host_box = None if box is None else np.asarray(box, dtype=np.float64)
    _check(host_positions, host_box, cutoff, skin)
    first, second = _close_pairs(host_positions, host_box, cutoff + skin)
    rows = _rows(first, second, len(host_positions), width)
    taken_out = _exclude(rows, np.asarray(exclusions, dtype=np.int64))
    return NeighbourList(
        rows=jnp.asarray(rows),
        n_pairs=jnp.asarray(len(first) - taken_out, dtype=jnp.int32),
        back=jnp.asarray(places_back(rows)) if back else None,
        positions=jnp.asarray(positions),
        box=None if box is None else jnp.asarray(box),
        cutoff=float(cutoff),
        skin=float(skin),
    )


def places_back(rows: Int[np.ndarray, "atoms width"]) -> Int[np.ndarray, "atoms width"]:
    """For each place (i, k) that holds atom j, the flat place that holds i in the row of j.

    Args:
        rows: of a `NeighbourList`; 0 is given for its padding.
    """
    first, column = np.nonzero(rows != np.arange(len(rows), dtype=rows.dtype)[:, None])
    second = rows[first, column]
    # Sorted by (first, second) and by (second, first), a pair and its reverse stand at one place
    forth, reverse = np.lexsort((second, first)), np.lexsort((first, second))
    places = np.zeros(rows.shape, np.int32)
    flat = first * rows.shape[1] + column
    places[first[forth], column[forth]] = flat[reverse]
    return places


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


def _close_pairs(
    positions: Float[np.ndarray, "atoms 3"],
    box: Float[np.ndarray, "3 3"] | None,
    reach: float,
) -> tuple[Int[np.ndarray, " pairs"], Int[np.ndarray, " pairs"]]:
    """Atoms i and j of all pairs whose nearest images lie within reach, each pair once."""
    n_atoms = len(positions)
    if n_atoms < 2:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    calculator = vesin.NeighborList(cutoff=reach, full_list=False)
    first, second = calculator.compute(
        points=positions,
        box=np.zeros((3, 3)) if box is None else box,
        periodic=box is not None,
        quantities="ij",
    )
    first, second = first.astype(np.int64), second.astype(np.int64)
    if box is not None and 2 * reach > np.diagonal(box).min():
        # The list reaches beyond half the box: drop further images of a pair, and self images.
        keys = np.unique(np.minimum(first, second) * n_atoms + np.maximum(first, second))
        first, second = keys // n_atoms, keys % n_atoms
        apart = first != second
        first, second = first[apart], second[apart]
    return first, second


def _rows(
    first: Int[np.ndarray, " pairs"],
    second: Int[np.ndarray, " pairs"],
    n_atoms: int,
    width: int | None,
) -> Int[np.ndarray, "atoms width"]:
    """Neighbours of each atom, padded with the atom itself; raises `InputError` on overflow."""
    ends = np.concatenate([first, second]), np.concatenate([second, first])
    table = coo_array((np.ones(len(ends[0]), dtype=np.int8), ends), shape=(n_atoms, n_atoms))
    table = table.tocsr()
    counts = np.diff(table.indptr)
    most = int(counts.max(initial=0))
    if width is None:
        width = -(-(int(most * (1 + _WIDTH_MARGIN)) + 1) // _WIDTH_STEP) * _WIDTH_STEP
    if most > width:
        raise InputError(
            f"An atom has {most} neighbours, more than the width of {width} of the list. Build it "
            "again without a width; a much denser system than before points to atoms that have "
            "collapsed onto each other."
        )
    rows = np.repeat(np.arange(n_atoms, dtype=np.int32)[:, None], width, axis=1)
    rows[np.arange(width) < counts[:, None]] = table.indices
    return rows


def _exclude(
    rows: Int[np.ndarray, "atoms width"], exclusions: Int[np.ndarray, "exclusions 2"]
) -> int:
    """Replace excluded neighbours by padding, in place; the number of pairs that were there."""
    if len(exclusions) == 0 or len(rows) == 0:
        return 0
    both = np.unique(np.concatenate([exclusions, exclusions[:, ::-1]]), axis=0)
    found = 0
    for block in np.array_split(both, max(1, both.size * rows.shape[1] // _AT_ONCE)):
        pair, column = np.nonzero(rows[block[:, 0]] == block[:, 1:])
        rows[block[pair, 0], column] = block[pair, 0]
        found += len(pair)
    return found // 2


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
