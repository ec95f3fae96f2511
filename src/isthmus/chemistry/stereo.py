"""Tetrahedral and double-bond stereo in a form that depends on nothing but atom indices.

Chirality refers to the neighbours of a centre in ascending order, double-bond stereo to the
neighbour with the lowest index at either end (see `Topology`). RDKit's tags refer to its own
order of bonds; a permutation of neighbours changes the sign as often as its parity says.
"""

import numpy as np
from jaxtyping import Float, Int
from rdkit import Chem
from rdkit.Chem import BondStereo, ChiralType

from isthmus.chemistry.graph import Neighbours
from isthmus.chemistry.images import nearest_image
from isthmus.errors import InputError

__all__ = [
    "bond_stereo_after_renumbering",
    "bond_stereo_from_rdkit",
    "chirality_after_renumbering",
    "chirality_from_positions",
    "chirality_from_rdkit",
    "set_rdkit_stereo",
]


def chirality_from_rdkit(mol: Chem.Mol) -> Int[np.ndarray, "atoms"]:
    """Chirality of each atom (see `Topology.chirality`) from RDKit's tags.

    Raises:
        InputError: stereo of a geometry other than tetrahedral.
    """
    signs = {ChiralType.CHI_TETRAHEDRAL_CW: 1, ChiralType.CHI_TETRAHEDRAL_CCW: -1}
    chirality = np.zeros(mol.GetNumAtoms(), dtype=np.int32)
    for atom in mol.GetAtoms():
        tag = atom.GetChiralTag()
        if tag == ChiralType.CHI_UNSPECIFIED:
            continue
        if tag not in signs:
            raise InputError(
                f"atom {atom.GetIdx()} ({atom.GetSymbol()}) has stereo of type {tag}; "
                "only tetrahedral stereo is understood, remove the mark"
            )
        order = [bond.GetOtherAtomIdx(atom.GetIdx()) for bond in atom.GetBonds()]
        chirality[atom.GetIdx()] = signs[tag] * _parity(order)
    return chirality


def bond_stereo_from_rdkit(
    mol: Chem.Mol, bonds: Int[np.ndarray, "bonds 2"]
) -> Int[np.ndarray, "bonds"]:
    """Stereo of each double bond (see `Topology.bond_stereo`), for bonds in RDKit's order."""
    signs = {
        BondStereo.STEREOZ: 1,
        BondStereo.STEREOCIS: 1,
        BondStereo.STEREOE: -1,
        BondStereo.STEREOTRANS: -1,
    }
    stereo = np.zeros(len(bonds), dtype=np.int32)
    for index, bond in enumerate(mol.GetBonds()):
        sign = signs.get(bond.GetStereo(), 0)
        if sign == 0:
            continue
        ends = bond.GetBeginAtom(), bond.GetEndAtom()
        for end, other, reference in zip(ends, ends[::-1], bond.GetStereoAtoms(), strict=True):
            if reference != _lowest_neighbour(end, other):
                sign = -sign
        stereo[index] = sign
    return stereo


def set_rdkit_stereo(
    mol: Chem.Mol,
    chirality: Int[np.ndarray, "atoms"],
    bond_stereo: Int[np.ndarray, "bonds"],
) -> None:
    """Write stereo into an RDKit molecule whose bonds are in a topology's order."""
    for index in np.flatnonzero(chirality).tolist():
        # RDKit keeps bonds in the order of insertion: sorted bonds give ascending neighbours.
        clockwise = chirality[index] > 0
        mol.GetAtomWithIdx(index).SetChiralTag(
            ChiralType.CHI_TETRAHEDRAL_CW if clockwise else ChiralType.CHI_TETRAHEDRAL_CCW
        )
    if bond_stereo.any():
        _set_rdkit_bond_stereo(mol, bond_stereo)
    Chem.AssignStereochemistry(mol, cleanIt=True, force=True)


def _set_rdkit_bond_stereo(mol: Chem.Mol, bond_stereo: Int[np.ndarray, "bonds"]) -> None:
    """Set double-bond stereo as RDKit's parser would: as directions of the bonds beside it.

    RDKit's perception starts from these directions and wipes stereo that has none. Only its
    SMILES parser sets them consistently in conjugated chains, so they come from a round trip.
    """
    with_stereo = Chem.Mol(mol)
    for index in np.flatnonzero(bond_stereo).tolist():
        bond = with_stereo.GetBondWithIdx(index)
        begin, end = bond.GetBeginAtom(), bond.GetEndAtom()
        bond.SetStereoAtoms(_lowest_neighbour(begin, end), _lowest_neighbour(end, begin))
        cis = bond_stereo[index] > 0
        bond.SetStereo(BondStereo.STEREOCIS if cis else BondStereo.STEREOTRANS)
    Chem.AssignStereochemistry(with_stereo, cleanIt=False, force=True)
    text = Chem.MolToSmiles(with_stereo)
    order = list(with_stereo.GetPropsAsDict(True, True)["_smilesAtomOutputOrder"])
    settings = Chem.SmilesParserParams()
    settings.removeHs = False
    settings.sanitize = False
    parsed = Chem.MolFromSmiles(text, settings)
    mirrored = {
        Chem.BondDir.ENDUPRIGHT: Chem.BondDir.ENDDOWNRIGHT,
        Chem.BondDir.ENDDOWNRIGHT: Chem.BondDir.ENDUPRIGHT,
    }
    for source in parsed.GetBonds():
        direction = source.GetBondDir()
        if direction in mirrored:
            begin, end = order[source.GetBeginAtomIdx()], order[source.GetEndAtomIdx()]
            bond = mol.GetBondBetweenAtoms(begin, end)
            same = bond.GetBeginAtomIdx() == begin
            bond.SetBondDir(direction if same else mirrored[direction])


def chirality_from_positions(
    centres: Int[np.ndarray, "centres"],
    neighbours: Neighbours,
    positions: Float[np.ndarray, "atoms 3"],
    *,
    box: Float[np.ndarray, "3 3"] | None = None,
) -> Int[np.ndarray, "centres"]:
    """Chirality that coordinates show at centres of four neighbours; 0 at any other centre.

    From the sign of the triple product of the vectors from the first neighbour's side: looking
    from the first neighbour, the other three run clockwise (+1) or counterclockwise (-1).
    """
    four = neighbours.degrees[centres] == 4
    chirality = np.zeros(len(centres), dtype=np.int32)
    rows = neighbours.indptr[centres[four]][:, None] + np.arange(4)
    arms = positions[neighbours.indices[rows]] - positions[centres[four]][:, None]
    arms = nearest_image(arms, box)
    first, second, third = (arms[:, k] - arms[:, 0] for k in (1, 2, 3))
    volume = np.einsum("ca,ca->c", first, np.cross(second, third))
    chirality[four] = np.sign(volume).astype(np.int32)
    return chirality


def chirality_after_renumbering(
    chirality: Int[np.ndarray, "atoms"],
    neighbours: Neighbours,
    new_idx: Int[np.ndarray, "atoms"],
) -> Int[np.ndarray, "atoms"]:
    """Chirality after atoms change their numbers (-1: left out), still in the old atom order.

    A centre that loses a neighbour loses its chirality.
    """
    changed = chirality.copy()
    for centre in np.flatnonzero(chirality).tolist():
        renumbered = new_idx[neighbours.of(centre)]
        changed[centre] *= 0 if (renumbered < 0).any() else _parity(renumbered.tolist())
    return changed


def bond_stereo_after_renumbering(
    bond_stereo: Int[np.ndarray, "bonds"],
    bonds: Int[np.ndarray, "bonds 2"],
    neighbours: Neighbours,
    new_idx: Int[np.ndarray, "atoms"],
) -> Int[np.ndarray, "bonds"]:
    """Double-bond stereo after atoms change their numbers (-1: left out), in the old bond order.

    A bond that loses all neighbours at one end loses its stereo.
    """
    changed = bond_stereo.copy()
    for index in np.flatnonzero(bond_stereo).tolist():
        ends = bonds[index].tolist()
        for end, other in (ends, ends[::-1]):
            arms = neighbours.of(end)
            arms = arms[arms != other]
            kept = arms[new_idx[arms] >= 0]
            if len(kept) == 0:
                changed[index] = 0
            elif kept[np.argmin(new_idx[kept])] != arms[0]:
                changed[index] *= -1
    return changed


def _lowest_neighbour(end: Chem.Atom, other: Chem.Atom) -> int:
    return min(a.GetIdx() for a in end.GetNeighbors() if a.GetIdx() != other.GetIdx())


def _parity(order: list[int]) -> int:
    """+1 if an even number of swaps sorts the list, -1 if an odd number does."""
    inversions = sum(a > b for index, a in enumerate(order) for b in order[index + 1 :])
    return -1 if inversions % 2 else 1
