"""Constraints and heavier hydrogens of a System, by the same rules as in our own engine."""

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Int

from isthmus.chemistry.topology import Topology
from isthmus.deploy.openmm.reader_registry import number
from isthmus.parameters.parameterization import Parameterization
from isthmus.simulate.hydrogen_constraints import hydrogen_constraints
from isthmus.simulate.hydrogen_mass import repartition_hydrogen_mass

if TYPE_CHECKING:
    import openmm

__all__ = ["hold_hydrogens", "hold_nothing", "make_hydrogens_heavier"]


def hold_hydrogens(
    system: "openmm.System",
    topology: Topology,
    item: Parameterization,
    atoms: Int[np.ndarray, " atoms"],
) -> None:
    """Hold what `hydrogen_constraints` finds for a molecule, or for the whole.

    Args:
        system: changed; what it holds already stays.
        topology: of the molecule.
        item: the model's numbers for it.
        atoms: its particles in the system, in the order of the topology.

    Raises:
        InputError: as `hydrogen_constraints`.
    """
    held = {
        frozenset(system.getConstraintParameters(n)[:2]) for n in range(system.getNumConstraints())
    }
    found = hydrogen_constraints(topology, item)
    pairs = atoms[np.asarray(found.pairs)].tolist()
    for (i, j), distance in zip(pairs, found.distances.tolist(), strict=True):
        if frozenset((i, j)) not in held:
            system.addConstraint(i, j, distance)


def hold_nothing(system: "openmm.System") -> None:
    """Take all constraints away."""
    for n in reversed(range(system.getNumConstraints())):
        system.removeConstraint(n)


def make_hydrogens_heavier(
    system: "openmm.System", topology: Topology, hydrogen_mass: float
) -> None:
    """Set the masses that `repartition_hydrogen_mass` finds.

    Args:
        system: changed.
        topology: of all its particles.
        hydrogen_mass: [Da].

    Raises:
        InputError: as `repartition_hydrogen_mass`.
    """
    masses = np.array([number(system.getParticleMass(a)) for a in range(topology.n_atoms)])
    after = repartition_hydrogen_mass(topology, masses, hydrogen_mass=hydrogen_mass)
    for atom, mass in enumerate(after.tolist()):
        system.setParticleMass(atom, mass)
