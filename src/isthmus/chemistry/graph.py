"""Sparse adjacency of a molecular graph and its connected components, in linear time."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

__all__ = ["Neighbours", "connected_components"]


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Neighbours of every atom in compressed rows (CSR).

    Those of atom `a` are `indices[indptr[a]:indptr[a + 1]]`, ascending.

    Attributes:
        indptr: start of each atom's row, and the end of the last.
        indices: neighbour atoms.
        bond_idx: the bond that joins each neighbour.
    """

    indptr: Int[np.ndarray, "rows"]
    indices: Int[np.ndarray, "ends"]
    bond_idx: Int[np.ndarray, "ends"]

    @classmethod
    def from_bonds(cls, bonds: Int[np.ndarray, "bonds 2"], *, n_atoms: int) -> "Neighbours":
        """Rows from bonds."""
        centre = np.concatenate([bonds[:, 0], bonds[:, 1]])
        other = np.concatenate([bonds[:, 1], bonds[:, 0]])
        bond_idx = np.tile(np.arange(len(bonds), dtype=np.int32), 2)
        order = np.lexsort((other, centre))
        indptr = np.zeros(n_atoms + 1, dtype=np.int64)
        np.cumsum(np.bincount(centre, minlength=n_atoms), out=indptr[1:])
        arrays = indptr, other[order].astype(np.int32), bond_idx[order]
        for array in arrays:
            array.flags.writeable = False
        return cls(*arrays)

    @property
    def degrees(self) -> Int[np.ndarray, "atoms"]:
        """Number of neighbours of each atom."""
        return np.diff(self.indptr)

    def of(self, atom: int) -> Int[np.ndarray, "degree"]:
        """Neighbours of one atom, ascending."""
        return self.indices[self.indptr[atom] : self.indptr[atom + 1]]

    def expand(
        self, atoms: Int[np.ndarray, "rows"]
    ) -> tuple[Int[np.ndarray, "ends"], Int[np.ndarray, "ends"]]:
        """All neighbours of a list of atoms, flat, and the row of the list that each belongs to."""
        degrees = self.degrees[atoms]
        rows = np.repeat(np.arange(len(atoms)), degrees)
        first = np.cumsum(degrees) - degrees
        within = np.arange(len(rows)) - first[rows]
        return self.indices[self.indptr[atoms][rows] + within], rows


def connected_components(
    bonds: Int[np.ndarray, "bonds 2"], *, n_atoms: int
) -> Int[np.ndarray, "atoms"]:
    """Label of each atom's component, counted from 0 in the order of their first atoms."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components as label

    if n_atoms == 0:
        return np.zeros(0, dtype=np.int32)
    ones = np.ones(len(bonds), dtype=np.int8)
    graph = coo_array((ones, (bonds[:, 0], bonds[:, 1])), shape=(n_atoms, n_atoms))
    labels = label(graph, directed=False)[1]
    _, first, compact = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int32)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[compact]
