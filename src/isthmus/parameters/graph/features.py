"""Features of atoms and bonds: what the network sees of a molecule.

All follow from the topology alone, and none depends on the order of the atoms or on the resonance
form in which the molecule was written (`isthmus.parameters.graph.resonance`). Topologies are
expected in RDKit's model of aromaticity, as all readers give them.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from jaxtyping import Float, Int

from isthmus.chemistry.elements import covalent_radii
from isthmus.chemistry.rings import RING_SIZES, bonds_in_rings
from isthmus.chemistry.topology import Topology
from isthmus.parameters.graph.resonance import resonance_average

__all__ = [
    "ATOM_FEATURES",
    "BOND_FEATURES",
    "FEATURES_VERSION",
    "GraphFeatures",
    "graph_features",
]

FEATURES_VERSION: Final = 2
"""Of the columns and of the priors, which a network corrects: weights fit only the version that
they were made for"""

ELEMENTS: Final = (1, 3, 5, 6, 7, 8, 9, 11, 12, 14, 15, 16, 17, 19, 20, 30, 34, 35, 53)
"""Elements with a column of their own; others share one, and differ by radius and number"""

_MAX_DEGREE: Final = 6

ATOM_FEATURES: Final = len(ELEMENTS) + 3 + (_MAX_DEGREE + 1) + len(RING_SIZES) + 6
"""Number of columns of an atom"""

BOND_FEATURES: Final = 6
"""Number of columns of a bond"""


@dataclass(frozen=True)
class GraphFeatures:
    """What the network and the priors need to know of a topology.

    Attributes:
        atoms: features of atoms, float32.
        bonds: features of bonds, float32; rows as in `Topology.bonds`.
        charges: formal charges, averaged over resonance forms [e].
        averaged: the topology with averaged bond orders, for priors that look at them.
    """

    atoms: Float[np.ndarray, "atoms features"]
    bonds: Float[np.ndarray, "bonds bond_features"]
    charges: Float[np.ndarray, "atoms"]
    averaged: Topology


def graph_features(topology: Topology) -> GraphFeatures:
    """Features of all atoms and bonds of a topology."""
    average = resonance_average(topology)
    numbers, degrees = topology.atomic_numbers, topology.neighbours.degrees
    averaged = _with_orders(topology, average.orders)
    linear = averaged.clusters.linear_atoms
    unsaturated = np.zeros(topology.n_atoms, dtype=bool)
    unsaturated[topology.bonds[average.orders > 1].ravel()] = True
    hydrogens = np.bincount(
        topology.bonds.ravel(),
        weights=(numbers[topology.bonds[:, ::-1]] == 1).ravel(),
        minlength=topology.n_atoms,
    )
    atoms = [
        _one_hot(numbers, ELEMENTS),
        ~np.isin(numbers, ELEMENTS),
        covalent_radii(numbers) * 10,
        numbers / 50,
        _one_hot(np.minimum(degrees, _MAX_DEGREE), range(_MAX_DEGREE + 1)),
        topology.ring_sizes,
        average.charges,
        hydrogens / 2,
        linear,
        unsaturated & ~linear,
        average.aromatic,
        average.delocalised,
    ]
    orders = average.orders
    bonds = [
        orders - 1,
        orders == 1,
        (orders != 1) & (orders != 2) & (orders != 3),
        orders == 2,
        orders == 3,
        bonds_in_rings(topology.bonds, n_atoms=topology.n_atoms),
    ]
    return GraphFeatures(
        np.column_stack(atoms).astype(np.float32),
        np.column_stack(bonds).astype(np.float32),
        average.charges,
        averaged,
    )


def _one_hot(
    values: Int[np.ndarray, "atoms"], known: tuple[int, ...] | range
) -> Float[np.ndarray, "atoms known"]:
    return (values[:, None] == np.asarray(known)).astype(np.float64)


def _with_orders(topology: Topology, orders: Float[np.ndarray, "bonds"]) -> Topology:
    """The topology with averaged orders, as 1, 1.5, 2 or 3."""
    between = (orders != 1) & (orders != 2) & (orders != 3)
    return replace(topology, bond_orders=np.where(between, np.where(orders < 2, 1.5, 2.0), orders))
