"""Which atoms are what: water, ions, solute, and those that a model is to describe."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from jaxtyping import Bool, Int

from isthmus.chemistry.topology import Topology
from isthmus.errors import InputError
from isthmus.simulate.water import water_molecules

__all__ = ["chosen_atoms", "solute_atoms", "water_atoms", "whole_molecules"]

_MONATOMIC: Final = 1


def water_atoms(topology: Topology) -> Bool[np.ndarray, " atoms"]:
    """Atoms of water molecules, with the extra particles of their residues."""
    water = np.zeros(topology.n_atoms, dtype=bool)
    water[water_molecules(topology)] = True
    extra, residue = topology.atomic_numbers == 0, topology.residue_idx
    only = np.ones(topology.n_residues, dtype=bool)
    only[residue[~(water | extra)]] = False
    some = np.bincount(residue[water], minlength=topology.n_residues) > 0
    return water | (extra & (only & some)[residue])


def solute_atoms(topology: Topology) -> Int[np.ndarray, " solute"]:
    """Atoms that are neither water nor ions of one atom."""
    size = np.bincount(topology.components, minlength=topology.n_components)
    alone = size[topology.components] == _MONATOMIC
    return np.flatnonzero(~(water_atoms(topology) | alone))


def whole_molecules(
    topology: Topology, atoms: Int[np.ndarray, " atoms"]
) -> list[Int[np.ndarray, " _"]]:
    """The molecules that these atoms form, each with its atoms in ascending order.

    Raises:
        InputError: a molecule is in part among them.
    """
    inside = np.zeros(topology.n_atoms, dtype=bool)
    inside[atoms] = True
    found = []
    for label in np.unique(topology.components[atoms]):
        members = np.flatnonzero(topology.components == label)
        if not inside[members].all():
            missing = int(members[~inside[members]][0])
            raise InputError(
                f"what is to be ours is bonded to {topology.describe_atom(missing)}, which is not: "
                "choose whole molecules"
            )
        found.append(members)
    return found


def chosen_atoms(
    topology: Topology, ours: str | Sequence[int] | None, unknown: Int[np.ndarray, " residues"]
) -> Int[np.ndarray, " ours"]:
    """Atoms that the model describes, in a system with an environment.

    Args:
        topology: the whole.
        ours: residue names with commas, or atoms; None takes the molecules with residues that
            the environment does not know.
        unknown: residues without a template.

    Raises:
        InputError: no such residue or atom; nothing to choose.
    """
    if ours is None:
        labels = np.unique(topology.components[np.isin(topology.residue_idx, unknown)])
        atoms = np.flatnonzero(np.isin(topology.components, labels))
        if not len(atoms):
            raise InputError(
                "the environment has templates for everything in this structure: say which "
                "residues the model is to describe, or leave out the environment"
            )
        return atoms
    if isinstance(ours, str):
        names = [name.strip() for name in ours.split(",")]
        known = sorted(set(topology.residue_names.tolist()))
        for name in names:
            if name not in known:
                raise InputError(
                    f"no residue is called '{name}' here: there are {', '.join(known[:30])}"
                )
        residues = np.flatnonzero(np.isin(topology.residue_names, names))
        return np.flatnonzero(np.isin(topology.residue_idx, residues))
    atoms = np.unique(np.asarray(list(ours), dtype=np.int64))
    if len(atoms) and (atoms[0] < 0 or atoms[-1] >= topology.n_atoms):
        raise InputError(
            f"an atom that is to be ours is not from 0 to {topology.n_atoms - 1}, counted from 0"
        )
    return atoms
