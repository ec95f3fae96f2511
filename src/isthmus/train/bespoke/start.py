"""Where a bespoke fit starts, and what its regularisation pulls towards.

Priors from the elements, with three improvements that the frames and the molecule allow: lengths
and angles are the means over the frames, charges are Gasteiger's instead of the formal ones (at 0
a product of charges has no slope), and the Lennard-Jones wells of the prior, made for atoms of
different molecules, are shallower.
"""

import numpy as np
from jaxtyping import Float, Int

from isthmus.chemistry.rdkit_bridge import rdkit_from_topology
from isthmus.chemistry.topology import Topology
from isthmus.designs.design import Design
from isthmus.parameters.free import initial_values
from isthmus.parameters.instantiate import clusters_of

__all__ = ["gasteiger_charges", "starting_values"]

Table = dict[str, dict[str, Float[np.ndarray, " _"]]]
_LINEAR = -1.0


def starting_values(
    design: Design, topology: Topology, positions: Float[np.ndarray, "frames atoms 3"]
) -> Table:
    """Every parameter before the fit, for `isthmus.parameters.instantiate`."""
    table = initial_values(design, topology)
    for owner, parameter in design.own_parameters():
        prior, atoms = parameter.default, clusters_of(owner, topology)
        if not isinstance(prior, str) or not len(atoms):
            continue
        value = table[owner.name][parameter.name]
        if prior == "bond_length":
            value = _lengths(positions, atoms).mean(axis=0)
        elif prior == "angle":
            value = np.arccos(np.clip(_cosines(positions, atoms), -1, 1)).mean(axis=0)
        elif prior == "cos_angle":
            mean = _cosines(positions, atoms).mean(axis=0)
            value = np.where(value < _LINEAR, value, mean)
        elif prior == "charge":
            value = gasteiger_charges(topology)
        table[owner.name][parameter.name] = np.clip(value, parameter.minimum, parameter.maximum)
    return table


def gasteiger_charges(topology: Topology) -> Float[np.ndarray, " atoms"]:
    """Charges of Gasteiger and Marsili [e]; formal charges where they have no parameters.

    J. Gasteiger and M. Marsili, Tetrahedron 36, 3219 (1980), as RDKit computes them.
    """
    from rdkit.Chem import rdPartialCharges

    formal = topology.formal_charges.astype(np.float64)
    molecule = rdkit_from_topology(topology)
    rdPartialCharges.ComputeGasteigerCharges(molecule)
    charges = np.array([atom.GetDoubleProp("_GasteigerCharge") for atom in molecule.GetAtoms()])
    if not np.isfinite(charges).all():
        return formal
    lack = np.bincount(topology.components, weights=formal - charges)
    return charges + (lack / np.bincount(topology.components))[topology.components]


def _lengths(
    positions: Float[np.ndarray, "frames atoms 3"], atoms: Int[np.ndarray, "bonds 2"]
) -> Float[np.ndarray, "frames bonds"]:
    return np.linalg.norm(positions[:, atoms[:, 0]] - positions[:, atoms[:, 1]], axis=-1)


def _cosines(
    positions: Float[np.ndarray, "frames atoms 3"], atoms: Int[np.ndarray, "angles 3"]
) -> Float[np.ndarray, "frames angles"]:
    one = positions[:, atoms[:, 0]] - positions[:, atoms[:, 1]]
    two = positions[:, atoms[:, 2]] - positions[:, atoms[:, 1]]
    norms = np.linalg.norm(one, axis=-1) * np.linalg.norm(two, axis=-1)
    return (one * two).sum(axis=-1) / norms
