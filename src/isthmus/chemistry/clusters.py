"""Bonded clusters of a topology: groups of atoms that an energy term acts on.

All are found in time and memory linear in the number of atoms (times the logarithm that a sort
costs), by joining rows of the sparse adjacency; no array of atoms × atoms exists anywhere.

The *further pairs*, those that nonbonded terms act on in full, are the complement of
`Clusters.excluded_pairs` in all pairs i < j. There are of the order of atoms² of them, so they are
never stored: a neighbour list masks the exclusions, and `further_pairs` yields explicit blocks
of bounded size to those who want them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
from jaxtyping import Bool, Float, Int

from isthmus.chemistry.graph import Neighbours
from isthmus.errors import InputError

__all__ = ["Clusters", "further_pairs"]

_CARBON, _NITROGEN = 6, 7


@dataclass(frozen=True, eq=False, kw_only=True)
class Clusters:
    """The bonded clusters of one topology, each computed at first use and then kept.

    Reached through `Topology.clusters`. Index arrays are read-only int32, rows unique and in a
    fixed order, atoms in a canonical order within each row.
    """

    atomic_numbers: Int[np.ndarray, "atoms"]
    formal_charges: Int[np.ndarray, "atoms"]
    bonds: Int[np.ndarray, "bonds 2"]
    bond_orders: Float[np.ndarray, "bonds"]
    aromatic_atoms: Bool[np.ndarray, "atoms"]
    neighbours: Neighbours

    @property
    def n_atoms(self) -> int:
        """Number of atoms."""
        return len(self.atomic_numbers)

    @cached_property
    def angles(self) -> Int[np.ndarray, "angles 3"]:
        """Atoms i, j, k: j the centre, bonded to both, i < k; sorted by j, i, k."""
        return _sorted_rows(_stars(self.neighbours, 2)[:, [1, 0, 2]], by=(1, 0, 2))

    @cached_property
    def branches(self) -> Int[np.ndarray, "branches 4"]:
        """Atoms c, a, b, d: a centre and three of its neighbours, ascending; every such three."""
        return _sorted_rows(_stars(self.neighbours, 3), by=(0, 1, 2, 3))

    @cached_property
    def torsions(self) -> Int[np.ndarray, "torsions 4"]:
        """Atoms i, j, k, l: paths of three bonds, j < k, sorted by j, k, i, l.

        None has a linear atom at j or k, where the torsion angle is undefined.
        """
        paths = self._paths4
        straight = self.linear_atoms[paths[:, 1]] | self.linear_atoms[paths[:, 2]]
        return _frozen(paths[~straight])

    @cached_property
    def paths5(self) -> Int[np.ndarray, "paths5 5"]:
        """Atoms i, j, k, l, m: paths of four bonds, i < m, sorted by k, i, j, l, m.

        None has a linear atom inside.
        """
        angles = self.angles
        angles = angles[~self.linear_atoms[angles].any(axis=1)]
        first, row = self.neighbours.expand(angles[:, 0])
        paths = np.column_stack([first, angles[row]])
        paths = paths[(paths[:, 0] != paths[:, 2]) & (paths[:, 0] != paths[:, 3])]
        last, row = self.neighbours.expand(paths[:, 3])
        paths = np.column_stack([paths[row], last])
        i, j, k, _, m = paths.T
        paths = paths[(m != k) & (m != j) & (m != i)]
        paths = np.where(paths[:, :1] < paths[:, 4:], paths, paths[:, ::-1])
        return _sorted_rows(paths, by=(2, 0, 1, 3, 4))

    @cached_property
    def pairs14(self) -> Int[np.ndarray, "pairs 2"]:
        """Atoms i < j at a graph distance of exactly 3 bonds, also across linear atoms."""
        closer = np.concatenate([self._keys(self.bonds), self._keys(self.angles[:, [0, 2]])])
        keys = np.setdiff1d(self._keys(self._paths4[:, [0, 3]]), closer)
        return self._pairs(keys)

    @cached_property
    def excluded_pairs(self) -> Int[np.ndarray, "pairs 2"]:
        """Atoms i < j at a graph distance of 1, 2 or 3 bonds, sorted lexicographically."""
        near = [self.bonds, self.angles[:, [0, 2]], self.pairs14]
        return self._pairs(np.unique(np.concatenate([self._keys(pairs) for pairs in near])))

    @property
    def n_further_pairs(self) -> int:
        """Number of pairs i < j that are more than 3 bonds apart or not connected."""
        return self.n_atoms * (self.n_atoms - 1) // 2 - len(self.excluded_pairs)

    @cached_property
    def linear_atoms(self) -> Bool[np.ndarray, "atoms"]:
        """Centres of a linear group: carbon or nitrogen with two neighbours, sp hybridised.

        Whatever resonance form was given: two double bonds, or a triple and a single bond
        (nitrile, alkyne, allene, azide, isocyanate, CO2); a cation of carbon with a double bond
        (acylium, vinyl cation); a carbon with a double bond to such a centre whose third
        valence is a charge or an unpaired electron (propargyl and ynolate written as allenes).
        Other elements of two neighbours and two double bonds, such as sulphur in SO2, are bent.
        """
        n_atoms = self.n_atoms
        order_sum = np.bincount(
            self.bonds.ravel(), weights=np.repeat(self.bond_orders, 2), minlength=n_atoms
        )
        carbon = self.atomic_numbers == _CARBON
        candidate = (self.neighbours.degrees == 2) & (carbon | (self.atomic_numbers == _NITROGEN))
        candidate &= ~self.aromatic_atoms
        linear = candidate & (order_sum == 4)
        unsaturated = candidate & carbon & (order_sum == 3)
        double = self.bonds[self.bond_orders == 2]
        beside = np.zeros(n_atoms, dtype=bool)
        for atom, other in (double.T, double.T[::-1]):
            beside[atom[linear[other]]] = True
        return _frozen(linear | (unsaturated & (beside | (self.formal_charges == 1))))

    @cached_property
    def _paths4(self) -> Int[np.ndarray, "paths 4"]:
        first, row = self.neighbours.expand(self.bonds[:, 0])
        paths = np.column_stack([first, self.bonds[row]])
        paths = paths[paths[:, 0] != paths[:, 2]]
        last, row = self.neighbours.expand(paths[:, 2])
        paths = np.column_stack([paths[row], last])
        paths = paths[(paths[:, 3] != paths[:, 1]) & (paths[:, 3] != paths[:, 0])]
        return _sorted_rows(paths, by=(1, 2, 0, 3))

    def _keys(self, pairs: Int[np.ndarray, "pairs 2"]) -> Int[np.ndarray, "pairs"]:
        low, high = pairs.min(axis=1).astype(np.int64), pairs.max(axis=1)
        return low * self.n_atoms + high

    def _pairs(self, keys: Int[np.ndarray, "pairs"]) -> Int[np.ndarray, "pairs 2"]:
        return _frozen(np.column_stack(np.divmod(keys, max(self.n_atoms, 1))).astype(np.int32))


def further_pairs(
    clusters: Clusters, *, block_size: int = 1_000_000
) -> Iterator[Int[np.ndarray, "pairs 2"]]:
    """Yield all pairs i < j that are not excluded, sorted, in blocks of bounded memory.

    Args:
        clusters: of the topology.
        block_size: largest number of pairs in a block, or the number of atoms if that is more.

    Raises:
        InputError: a block size below 1.
    """
    if block_size < 1:
        raise InputError(f"block_size is {block_size}; wanted 1 or more")
    n_atoms = clusters.n_atoms
    excluded = clusters.excluded_pairs.astype(np.int64)
    # Row i holds the pairs (i, i+1) ... (i, n-1); starts[i] counts the pairs of the rows above.
    starts = np.concatenate([[0], np.cumsum(np.arange(n_atoms - 1, -1, -1, dtype=np.int64))])
    position = starts[excluded[:, 0]] + excluded[:, 1] - excluded[:, 0] - 1
    row = 0
    while row < n_atoms - 1:
        end = int(np.searchsorted(starts, starts[row] + block_size, side="right")) - 1
        end = min(max(end, row + 1), n_atoms - 1)
        keep = np.ones(starts[end] - starts[row], dtype=bool)
        inside = slice(*np.searchsorted(position, [starts[row], starts[end]]))
        keep[position[inside] - starts[row]] = False
        rows = np.repeat(np.arange(row, end), np.arange(n_atoms - 1 - row, n_atoms - 1 - end, -1))
        columns = np.arange(len(keep)) + starts[row] - starts[rows] + rows + 1
        yield np.column_stack([rows[keep], columns[keep]]).astype(np.int32)
        row = end


def _stars(neighbours: Neighbours, n_arms: int) -> Int[np.ndarray, "stars atoms_each"]:
    """Every centre with every choice of `n_arms` of its neighbours, these ascending."""
    degrees = neighbours.degrees
    stars = [np.zeros((0, n_arms + 1), dtype=np.int32)]
    for degree in np.unique(degrees[degrees >= n_arms]).tolist():
        centres = np.flatnonzero(degrees == degree)
        arms = neighbours.indices[neighbours.indptr[centres][:, None] + np.arange(degree)]
        choices = np.array(list(combinations(range(degree), n_arms)))
        chosen = arms[:, choices].reshape(-1, n_arms)
        centre = np.repeat(centres, len(choices)).astype(np.int32)
        stars.append(np.column_stack([centre, chosen]))
    return np.concatenate(stars)


def _sorted_rows(
    rows: Int[np.ndarray, "clusters size"], *, by: tuple[int, ...]
) -> Int[np.ndarray, "clusters size"]:
    order = np.lexsort(tuple(rows[:, column] for column in reversed(by)))
    return _frozen(np.ascontiguousarray(rows[order], dtype=np.int32))


def _frozen(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array
