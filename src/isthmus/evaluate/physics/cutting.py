"""Bonds that are in no ring of any size, and what lies on either side of one that is cut.

All atoms are searched from their molecule's first one; a bond that the search did not need closes
a ring, with the bonds of the search from both of its ends up to where they meet. Each is walked
once, so the time is linear in the number of bonds.
"""

import numpy as np
from jaxtyping import Bool, Int

from isthmus.chemistry.graph import connected_components
from isthmus.chemistry.topology import Topology

__all__ = ["moved_side", "open_bonds"]


def open_bonds(topology: Topology) -> Bool[np.ndarray, " bonds"]:
    """Whether each bond is in no ring: cut, it leaves two parts."""
    bonds = topology.bonds
    parent, depth = _search(topology)
    needed = (parent[bonds[:, 0]] == bonds[:, 1]) | (parent[bonds[:, 1]] == bonds[:, 0])
    # Where an atom's way up goes on; bonds of rings are passed over once they are known
    above = list(range(topology.n_atoms))

    def top(atom: int) -> int:
        while above[atom] != atom:
            above[atom] = above[above[atom]]
            atom = above[atom]
        return atom

    for i, j in bonds[~needed].tolist():
        a, b = top(i), top(j)
        while a != b:
            if depth[a] < depth[b]:
                a, b = b, a
            above[a] = int(parent[a])
            a = top(a)
    lower = np.where(parent[bonds[:, 0]] == bonds[:, 1], bonds[:, 0], bonds[:, 1])
    return needed & (np.array(above, dtype=np.int64)[lower] == lower)


def _search(
    topology: Topology,
) -> tuple[Int[np.ndarray, " atoms"], Int[np.ndarray, " atoms"]]:
    """The atom from which each was found, −1 for a molecule's first one; and how far down."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import breadth_first_order

    n = topology.n_atoms
    _, first = np.unique(topology.components, return_index=True)
    # One node more, from which every molecule is reached
    i = np.concatenate([topology.bonds[:, 0], np.full(len(first), n)])
    j = np.concatenate([topology.bonds[:, 1], first])
    graph = coo_array((np.ones(len(i), dtype=np.int8), (i, j)), shape=(n + 1, n + 1)).tocsr()
    order, parent = breadth_first_order(graph, n, directed=False)
    depth = np.zeros(n + 1, dtype=np.int64)
    for atom in order[1:].tolist():
        depth[atom] = depth[parent[atom]] + 1
    found = parent[:n].astype(np.int64)
    found[first] = -1
    return found, depth[:n]


def moved_side(topology: Topology, i: int, j: int) -> Bool[np.ndarray, " atoms"] | None:
    """Atoms on the side of j when the bond i-j is cut; None where it is in a ring."""
    kept = (topology.bonds != (min(i, j), max(i, j))).any(axis=1)
    parts = connected_components(topology.bonds[kept], n_atoms=topology.n_atoms)
    return None if parts[i] == parts[j] else parts == parts[j]
