"""Which atoms are molecules of water."""

import numpy as np
from jaxtyping import Int

from isthmus.chemistry.topology import Topology

__all__ = ["water_molecules"]


def water_molecules(topology: Topology) -> Int[np.ndarray, "waters 3"]:
    """Oxygen and both hydrogens of every molecule of water, by its bonds alone.

    Sites without an element, which some models of water have, are not counted.
    """
    numbers, bonds = topology.atomic_numbers, np.asarray(topology.bonds)
    bonds = bonds[(numbers[bonds] > 0).all(axis=1)]
    degrees = np.bincount(bonds.ravel(), minlength=topology.n_atoms)
    ends = np.concatenate([bonds, bonds[:, ::-1]])
    held = (numbers[ends[:, 0]] == 8) & (numbers[ends[:, 1]] == 1) & (degrees[ends[:, 1]] == 1)
    oxygen, hydrogen = ends[held].T
    count = np.bincount(oxygen, minlength=topology.n_atoms)
    whole = (count[oxygen] == 2) & (degrees[oxygen] == 2)
    oxygen, hydrogen = oxygen[whole], hydrogen[whole]
    order = np.lexsort((hydrogen, oxygen))
    pairs = hydrogen[order].reshape(-1, 2)
    return np.column_stack([oxygen[order][::2], pairs]).astype(np.int32)
