"""Priors: what a parameter is before anything has been fitted, from the elements alone.

A prior makes a force field that holds molecules together, nothing more. Bond lengths are sums
of Pyykkö's covalent radii for the bond order; angles follow the number of neighbours and linear
centres; Lennard-Jones parameters are UFF's (`isthmus.parameters.uff`); charges are the formal
charges, and what every bond moves to its more electronegative end. They must not all be 0: there
the Coulomb energy has no slope in the charges.

Whoever changes a prior makes all trained networks worthless, for they correct it: raise
`isthmus.parameters.graph.features.FEATURES_VERSION`.
"""

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
from jaxtyping import Float, Int

from isthmus.chemistry.elements import covalent_radii
from isthmus.chemistry.topology import Topology
from isthmus.errors import DesignError
from isthmus.parameters.uff import uff_pair

__all__ = ["PRIORS", "bond_charges", "initial_value"]

Clusters = Int[np.ndarray, "clusters size"]

TETRAHEDRAL: Final = np.arccos(-1 / 3)
_SHRINK: Final = {1.0: 1.0, 1.5: 0.93, 2.0: 0.87, 3.0: 0.79}
"""Length of a bond of that order relative to a single bond."""

_ELECTRONEGATIVITY: Final = {
    1: 2.20, 3: 0.98, 5: 2.04, 6: 2.55, 7: 3.04, 8: 3.44, 9: 3.98, 11: 0.93, 12: 1.31, 14: 1.90,
    15: 2.19, 16: 2.58, 17: 3.16, 19: 0.82, 20: 1.00, 30: 1.65, 34: 2.55, 35: 2.96, 53: 2.66,
}  # fmt: skip
"""Pauling's scale: A. L. Allred, J. Inorg. Nucl. Chem. 17, 215 (1961)."""

_UNKNOWN_ELECTRONEGATIVITY: Final = 2.0
_CHARGE_PER_ELECTRONEGATIVITY: Final = 0.3
"""[e] that a single bond moves: 0.1 from hydrogen to carbon, 0.37 from hydrogen to oxygen."""


def _bond_length(topology: Topology, clusters: Clusters) -> Float[np.ndarray, " clusters"]:
    radii = covalent_radii(topology.atomic_numbers)
    order = dict(zip(map(tuple, topology.bonds.tolist()), topology.bond_orders, strict=True))
    shrink = [_SHRINK[float(order[i, j])] for i, j in np.sort(clusters, axis=1).tolist()]
    return radii[clusters].sum(axis=1) * np.asarray(shrink, dtype=float).reshape(-1)


def _angle(topology: Topology, clusters: Clusters) -> Float[np.ndarray, " clusters"]:
    centres = clusters[:, 1]
    degree = topology.neighbours.degrees[centres]
    planar = np.zeros(topology.n_atoms, dtype=bool)
    planar[topology.bonds[topology.bond_orders > 1].ravel()] = True
    values = np.where((degree == 3) | ((degree == 2) & planar[centres]), 2 * np.pi / 3, TETRAHEDRAL)
    values = np.where((degree == 3) & ~planar[centres], TETRAHEDRAL, values)
    ring = topology.smallest_ring
    for size, angle in ((3, np.pi / 3), (4, np.pi / 2), (5, 1.88)):
        inside = (ring[clusters] == size).all(axis=1)
        values = np.where(inside, angle, values)
    return np.where(topology.clusters.linear_atoms[centres], np.pi, values)


def _uff(topology: Topology, clusters: Clusters, column: int) -> Float[np.ndarray, " clusters"]:
    """Column 0: distance of the minimum [nm], 1: depth [kJ/mol], of UFF's 12-6 potential."""
    rows = {int(z): uff_pair(int(z))[column] for z in set(topology.atomic_numbers)}
    return np.array([rows[int(z)] for z in topology.atomic_numbers[clusters[:, 0]]])


def bond_charges(topology: Topology) -> Float[np.ndarray, " atoms"]:
    """Charges that the bonds move, in proportion to order and electronegativity [e]; sum 0."""
    numbers = topology.atomic_numbers.tolist()
    pull = np.array([_ELECTRONEGATIVITY.get(z, _UNKNOWN_ELECTRONEGATIVITY) for z in numbers])
    first, second = topology.bonds.T
    moved = _CHARGE_PER_ELECTRONEGATIVITY * topology.bond_orders * (pull[second] - pull[first])
    charges = np.zeros(topology.n_atoms)
    np.add.at(charges, first, moved)
    np.add.at(charges, second, -moved)
    return charges


def _charge(topology: Topology, clusters: Clusters) -> Float[np.ndarray, " clusters"]:
    return (topology.formal_charges + bond_charges(topology))[clusters[:, 0]]


def _r_min(topology: Topology, clusters: Clusters) -> Float[np.ndarray, " clusters"]:
    return _uff(topology, clusters, 0)


def _cos_angle(topology: Topology, clusters: Clusters) -> Float[np.ndarray, " clusters"]:
    """cos of the prior angle; -1.3 for a linear one, where the slope must not vanish."""
    angles = _angle(topology, clusters)
    return np.where(angles > 3.1, -1.3, np.cos(angles))


PRIORS: Final[Mapping[str, Callable[[Topology, Clusters], Float[np.ndarray, " clusters"]]]] = {
    "bond_length": _bond_length,
    "angle": _angle,
    "cos_angle": _cos_angle,
    "r_min": _r_min,
    "sigma": lambda topology, clusters: _r_min(topology, clusters) * 2 ** (-1 / 6),
    "epsilon": lambda topology, clusters: _uff(topology, clusters, 1),
    "charge": _charge,
}
"""Priors by name: functions of the topology and the clusters (atoms as (atoms, 1))."""


def initial_value(
    default: float | str, topology: Topology, clusters: Clusters
) -> Float[np.ndarray, " clusters"]:
    """Value of a parameter before any fit, one a cluster.

    Raises:
        DesignError: the default is a name, but not that of a prior.
    """
    if isinstance(default, str):
        if default not in PRIORS:
            raise DesignError(f"unknown prior '{default}': choose one of {', '.join(PRIORS)}")
        return PRIORS[default](topology, clusters)
    return np.full(len(clusters), float(default))
