"""Hydrogen mass repartitioning: slower hydrogens allow longer time steps.

Mass moves from a heavy atom to its hydrogens; the mass of every molecule stays what it is, and
with it every average over positions (Feenstra, Hess and Berendsen, J. Comput. Chem. 20, 786
(1999); Hopkins et al., J. Chem. Theory Comput. 11, 1864 (2015)).
"""

import numpy as np
from jaxtyping import ArrayLike, Float

from isthmus.chemistry.topology import Topology
from isthmus.errors import InputError

__all__ = ["repartition_hydrogen_mass"]

HEAVY_LEAST = 1.0
"""What must be left of an atom that gives mass away [Da]"""


def repartition_hydrogen_mass(
    topology: Topology, masses: ArrayLike, *, hydrogen_mass: float = 3.0
) -> Float[np.ndarray, " atoms"]:
    """Masses [Da] with every hydrogen at `hydrogen_mass`, taken from the atom it is bonded to.

    Hydrogens of water, hydrogens without a heavy neighbour and atoms without mass stay as they
    are. Rigid water gains nothing from heavier hydrogens.

    Args:
        topology: what is bonded to what.
        masses: (atoms,) [Da].
        hydrogen_mass: new mass of a hydrogen [Da].

    Raises:
        InputError: masses that do not fit, or a heavy atom that would be left with less than
            1 Da.
    """
    result = np.array(masses, dtype=np.float64)
    if result.shape != (topology.n_atoms,):
        raise InputError(
            f"masses of shape {result.shape} came for {topology.n_atoms} atoms: give one each"
        )
    if not (np.isfinite(hydrogen_mass) and hydrogen_mass > 0):
        raise InputError(f"a hydrogen mass of {hydrogen_mass} Da cannot be used; 1 to 4 is usual")
    numbers = topology.atomic_numbers
    bonds = np.asarray(topology.bonds)
    hydrogen, heavy = np.concatenate([bonds, bonds[:, ::-1]]).T
    chosen = (numbers[hydrogen] == 1) & (numbers[heavy] > 1)
    chosen &= (result[hydrogen] > 0) & (result[heavy] > 0) & ~_in_water(topology)[heavy]
    hydrogen, heavy = hydrogen[chosen], heavy[chosen]
    np.subtract.at(result, heavy, hydrogen_mass - result[hydrogen])
    result[hydrogen] = hydrogen_mass
    light = np.flatnonzero((result < HEAVY_LEAST) & np.isin(np.arange(len(result)), heavy))
    if len(light):
        raise InputError(
            f"{topology.describe_atom(int(light[0]))} would be left with "
            f"{result[light[0]]:.3g} Da: choose a smaller hydrogen mass than {hydrogen_mass:.3g} Da"
        )
    return result


def _in_water(topology: Topology) -> np.ndarray:
    """Whether each atom is an oxygen whose only neighbours are two hydrogens."""
    numbers, bonds = topology.atomic_numbers, np.asarray(topology.bonds)
    hydrogens = np.zeros(topology.n_atoms, dtype=int)
    for ends in (bonds, bonds[:, ::-1]):
        np.add.at(hydrogens, ends[:, 0], numbers[ends[:, 1]] == 1)
    return (numbers == 8) & (hydrogens == 2) & (topology.neighbours.degrees == 2)
