"""Hydrogen mass repartitioning: slower hydrogens allow longer time steps.

Mass moves from a heavy atom to its hydrogens, and the mass of every molecule stays what it is.
Averages over positions do not depend on masses, but for a metric factor where distances are held;
velocities and all that has to do with time do (Feenstra, Hess and Berendsen, J. Comput. Chem. 20,
786 (1999); Hopkins et al., J. Chem. Theory Comput. 11, 1864 (2015)).

Water keeps its masses, which are those that its model was made with. It moves slowly enough for
long steps only where it is rigid (`hydrogen_constraints`): flexible water wants steps as short as
without repartitioning.
"""

import numpy as np
from jaxtyping import ArrayLike, Float

from isthmus.chemistry.topology import Topology
from isthmus.errors import InputError
from isthmus.simulate.water import water_molecules

__all__ = ["repartition_hydrogen_mass"]

HEAVY_LEAST = 1.0
"""What must be left of an atom that gives mass away [Da]"""


def repartition_hydrogen_mass(
    topology: Topology, masses: ArrayLike, *, hydrogen_mass: float = 3.0
) -> Float[np.ndarray, " atoms"]:
    """Masses [Da] with every hydrogen at `hydrogen_mass`, taken from the atom it is bonded to.

    Hydrogens of water, hydrogens without a heavy neighbour and atoms without mass stay as they
    are. A hydrogen between two heavy atoms takes from the first of them.

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
    chosen &= (result[hydrogen] > 0) & (result[heavy] > 0)
    chosen &= ~np.isin(heavy, water_molecules(topology)[:, 0])
    hydrogen, first = np.unique(hydrogen[chosen], return_index=True)
    heavy = heavy[chosen][first]
    np.subtract.at(result, heavy, hydrogen_mass - result[hydrogen])
    result[hydrogen] = hydrogen_mass
    light = np.flatnonzero((result < HEAVY_LEAST) & np.isin(np.arange(len(result)), heavy))
    if len(light):
        raise InputError(
            f"{topology.describe_atom(int(light[0]))} would be left with "
            f"{result[light[0]]:.3g} Da: choose a smaller hydrogen mass than {hydrogen_mass:.3g} Da"
        )
    return result
