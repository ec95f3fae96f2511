"""Orders of atoms that the molecular graph does not tell apart: its automorphisms."""

from itertools import pairwise
from typing import Any, Final

import numpy as np
from jaxtyping import Int

from isthmus.chemistry.rdkit_bridge import rdkit_from_topology
from isthmus.chemistry.topology import Topology
from isthmus.errors import InputError

__all__ = ["equivalent_orders"]

_LARGEST: Final = 300
"""Atoms up to which the whole graph is matched with itself"""


def equivalent_orders(topology: Topology, *, most: int) -> Int[np.ndarray, "orders atoms"]:
    """Orders that leave the graph as it is, without the identity.

    Exchanges of two hydrogens, or halogens, on the same centre come first, then those of the
    whole graph. Charges and bond orders count as they were given, so the oxygens of a
    carboxylate, which differ by their Kekulé form, are not exchanged.

    Args:
        topology: of any number of components.
        most: orders to return.
    """
    pairs = _on_one_centre(topology)
    if topology.n_atoms > _LARGEST:
        return _exchanges(topology, pairs[_spread(len(pairs), most)])
    found = list(_exchanges(topology, pairs))
    found += [order for order in _of_the_graph(topology, most) if _is_new(order, found)]
    every = np.array(found, dtype=np.int64).reshape(-1, topology.n_atoms)
    return every[_spread(len(every), most)]


def _spread(count: int, most: int) -> Int[np.ndarray, " chosen"]:
    """Indices of at most so many of a list, evenly spread over it."""
    return np.unique(np.linspace(0, count - 1, min(most, count)).round().astype(int))


def _exchanges(
    topology: Topology, pairs: Int[np.ndarray, "pairs 2"]
) -> Int[np.ndarray, "pairs atoms"]:
    """Orders in which two atoms are exchanged."""
    orders = np.tile(np.arange(topology.n_atoms), (len(pairs), 1))
    np.put_along_axis(orders, pairs, pairs[:, ::-1], axis=1)
    return orders


def _on_one_centre(topology: Topology) -> Int[np.ndarray, "pairs 2"]:
    """Pairs of atoms of one kind whose only neighbour is the same."""
    pairs = []
    degrees = topology.neighbours.degrees
    for centre in np.flatnonzero(degrees > 1).tolist():
        around = topology.neighbours.of(centre)
        ends = [int(a) for a in around if degrees[a] == 1]
        pairs += [
            (first, second)
            for first, second in pairwise(ends)
            if _kind(topology, first) == _kind(topology, second)
        ]
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def _kind(topology: Topology, atom: int) -> tuple[Any, ...]:
    """What tells an atom at the end of a bond from another one there."""
    bond = topology.neighbours.bond_idx[topology.neighbours.indptr[atom]]
    return (
        int(topology.atomic_numbers[atom]),
        int(topology.formal_charges[atom]),
        float(topology.bond_orders[bond]),
    )


def _of_the_graph(topology: Topology, most: int) -> list[np.ndarray]:
    try:
        mol: Any = rdkit_from_topology(topology)
    except InputError:
        return []
    matches = mol.GetSubstructMatches(mol, uniquify=False, useChirality=True, maxMatches=50 * most)
    orders = [np.array(match) for match in matches]
    orders = [order for order in orders if _keeps_charges(topology, order)]
    return [orders[k] for k in _spread(len(orders), most)]


def _keeps_charges(topology: Topology, order: np.ndarray) -> bool:
    same = np.array_equal(topology.formal_charges[order], topology.formal_charges)
    return same and not np.array_equal(order, np.arange(topology.n_atoms))


def _is_new(order: np.ndarray, found: list[np.ndarray]) -> bool:
    return not any(np.array_equal(order, other) for other in found)
