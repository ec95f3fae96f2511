"""Constraints of bonds to hydrogen, and hydrogens made heavier."""

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int

from isthmus.chemistry.topology import Topology
from isthmus.deploy.md.choosing import water_atoms
from isthmus.errors import InputError
from isthmus.parameters.parameterization import Parameterization

if TYPE_CHECKING:
    import openmm

__all__ = ["constrain_hydrogens", "repartition"]


def constrain_hydrogens(
    system: "openmm.System",
    topology: Topology,
    item: Parameterization,
    atoms: Int[np.ndarray, " atoms"],
) -> None:
    """Hold the bonds to hydrogen of a molecule at the equilibrium lengths of its model.

    Args:
        system: changed.
        topology: of the molecule.
        item: the model's numbers for it.
        atoms: its particles in the system, in the order of the topology.

    Raises:
        InputError: the model has no equilibrium lengths.
    """
    bonds, lengths = _equilibria(item)
    hydrogen = topology.atomic_numbers == 1
    for (i, j), length in zip(bonds.tolist(), lengths.tolist(), strict=True):
        if hydrogen[i] or hydrogen[j]:
            system.addConstraint(int(atoms[i]), int(atoms[j]), length)


def _equilibria(
    item: Parameterization,
) -> tuple[Int[np.ndarray, "bonds 2"], Float[np.ndarray, " bonds"]]:
    """Bonds and their equilibrium lengths [nm]: the parameter r0 over bonds."""
    for term in item.terms:
        if term.term.over == "bond" and "r0" in term.values:
            return np.asarray(term.atoms_idx), np.asarray(term.values["r0"], dtype=np.float64)
    for coordinate in item.coordinates:
        if coordinate.coordinate.over == "bond" and "r0" in coordinate.values:
            return (
                np.asarray(coordinate.atoms_idx),
                np.asarray(coordinate.values["r0"], dtype=np.float64),
            )
    raise InputError(
        "the model has no parameter r0 of bonds, at which those to hydrogen could be held: choose "
        "constraints 'auto' or 'none'"
    )


def repartition(system: "openmm.System", topology: Topology, hydrogen_mass: float) -> None:
    """Give hydrogens outside of water another mass, taken from the atoms that they are bonded to.

    Args:
        system: changed.
        topology: of all its particles.
        hydrogen_mass: [Da].

    Raises:
        InputError: an atom would be left without mass.
    """
    masses = np.array(
        [system.getParticleMass(a)._value for a in range(topology.n_atoms)], dtype=np.float64
    )
    numbers, water = topology.atomic_numbers, water_atoms(topology)
    for i, j in topology.bonds.tolist():
        heavy, light = (j, i) if numbers[i] == 1 else (i, j)
        if numbers[light] != 1 or numbers[heavy] == 1 or water[light]:
            continue
        masses[heavy] -= hydrogen_mass - masses[light]
        masses[light] = hydrogen_mass
    light = np.flatnonzero((masses <= 0) & (topology.masses > 0))
    if not hydrogen_mass > 0 or len(light):
        where = (
            f" {topology.describe_atom(int(light[0]))} would have no mass left;"
            if len(light)
            else ""
        )
        raise InputError(f"hydrogens of {hydrogen_mass:g} Da cannot be:{where} choose 1.5 to 4 Da")
    for atom, mass in enumerate(masses.tolist()):
        system.setParticleMass(atom, mass)
