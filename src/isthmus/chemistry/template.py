"""Match atoms with coordinates to a molecule that is already known, in any order of atoms."""

import numpy as np
from jaxtyping import Float, Int
from rdkit import Chem

from isthmus.chemistry.elements import element_symbols
from isthmus.chemistry.rdkit_bridge import rdkit_from_topology, stereo_from_positions
from isthmus.chemistry.topology import Topology
from isthmus.errors import InputError

__all__ = ["match_template"]


def match_template(
    template: Topology,
    atomic_numbers: Int[np.ndarray, "atoms"],
    bonds: Int[np.ndarray, "bonds 2"],
    positions: Float[np.ndarray, "atoms 3"],
    *,
    source: str,
) -> Topology:
    """The template's bond orders, charges and stereo on atoms in the order of the coordinates.

    Stereo that the template leaves open is taken from the coordinates.

    Args:
        template: the molecule that the atoms are said to be.
        atomic_numbers: of the atoms.
        bonds: perceived between them.
        positions: [nm].
        source: named in messages.

    Raises:
        InputError: other atoms, other bonds or other stereo than the template's.
    """
    _check_composition(template, atomic_numbers, source)
    found = _bare(atomic_numbers, bonds)
    wanted = _bare(template.atomic_numbers, template.bonds)
    match = found.GetSubstructMatch(wanted) if len(bonds) == template.n_bonds else ()
    if len(match) != template.n_atoms:
        raise InputError(
            f"{source}: its atoms are those of the given molecule, but {len(bonds)} bonds were "
            f"found between them in another arrangement than the {template.n_bonds} bonds of the "
            "molecule; check that the right molecule was given and that no bond is broken"
        )
    matched = stereo_from_positions(template.subset(np.argsort(match)), positions)
    if not rdkit_from_topology(matched).HasSubstructMatch(
        rdkit_from_topology(template), useChirality=True
    ):
        raise InputError(
            f"{source}: the coordinates show another stereoisomer than the given molecule; give "
            "the molecule without stereo marks to take them from the coordinates, or correct it"
        )
    return matched


def _check_composition(
    template: Topology, atomic_numbers: Int[np.ndarray, "atoms"], source: str
) -> None:
    elements = set(template.atomic_numbers.tolist()) | set(atomic_numbers.tolist())
    for number in sorted(elements, reverse=True):
        wanted = int((template.atomic_numbers == number).sum())
        found = int((atomic_numbers == number).sum())
        if wanted != found:
            symbol = element_symbols(np.array([number]))[0]
            missing = "; hydrogens are missing, add them" if number == 1 and found < wanted else ""
            raise InputError(
                f"{source}: it has {found} atoms of {symbol}, the given molecule has {wanted}"
                f"{missing or '; check that the right molecule was given'}"
            )


def _bare(atomic_numbers: Int[np.ndarray, "atoms"], bonds: Int[np.ndarray, "bonds 2"]) -> Chem.Mol:
    """Elements and single bonds only."""
    mol = Chem.RWMol()
    for number in atomic_numbers.tolist():
        atom = Chem.Atom(number)
        atom.SetNoImplicit(True)
        mol.AddAtom(atom)
    for i, j in bonds.tolist():
        mol.AddBond(i, j, Chem.BondType.SINGLE)
    return mol.GetMol()
