"""Bond orders and formal charges from bare bonds and a total charge, through RDKit.

RDKit's rdDetermineBonds follows Y. Kim, W. Y. Kim, Bull. Korean Chem. Soc. 36, 1769 (2015).
Its charge-separated forms of hypervalent atoms are turned into the usual ones: S=O, P=O, Cl=O, and
the anion of a sulfonamide with its charge on nitrogen.
"""

import numpy as np
from jaxtyping import Float, Int
from rdkit import Chem, rdBase
from rdkit.Chem import rdDetermineBonds

from isthmus.chemistry.graph import connected_components
from isthmus.chemistry.missing_hydrogens import largest_lack, refuse_bare
from isthmus.chemistry.rdkit_bridge import stereo_from_positions, topology_from_rdkit
from isthmus.chemistry.topology import Topology
from isthmus.errors import InputError

__all__ = ["topology_from_bonds"]

_MAX_ITERATIONS = 200_000
"""Where RDKit gives up trying combinations of valences."""

_LARGEST_WHOLE = 100
"""Atoms up to which a molecule is tried as a whole: the combinations multiply with its size."""

_CHARGES = (0, 1, -1, 2, -2, 3, -3, 4, -4)
"""Charges that are tried for each group of atoms, in this order."""

_ION_CHARGES = {
    3: 1, 11: 1, 19: 1, 37: 1, 55: 1, 4: 2, 12: 2, 20: 2, 30: 2, 38: 2, 56: 2,
    9: -1, 17: -1, 35: -1, 53: -1,
}  # fmt: skip
_SATURATED = (6, 14)
_NEVER_ALONE = frozenset((5, 6, 7, 8, 14, 15, 16, 32, 33, 34, 52))
_HYPERVALENT = frozenset((15, 16, 17, 33, 34, 35, 53))


def topology_from_bonds(
    atomic_numbers: Int[np.ndarray, "atoms"],
    bonds: Int[np.ndarray, "bonds 2"],
    positions: Float[np.ndarray, "atoms 3"],
    *,
    total_charge: int,
    source: str,
) -> Topology:
    """Perceive orders, charges, aromaticity and stereo of atoms with known bonds.

    Each group of atoms between saturated carbons is given the smallest charge that its valences
    allow; if these do not add up, a small molecule is tried as a whole with the stated charge.

    Args:
        atomic_numbers: of the atoms.
        bonds: without orders.
        positions: [nm], for the stereo.
        total_charge: stated [e].
        source: named in messages, for example `frame 3 of scan.xyz`.

    Raises:
        InputError: no bond orders fit, or none that give the stated charge.
    """
    mol = Chem.RWMol()
    for number in atomic_numbers.tolist():
        mol.AddAtom(Chem.Atom(number))
    for i, j in bonds.tolist():
        mol.AddBond(i, j, Chem.BondType.SINGLE)
    unsolved = _solve_groups(mol, _groups(atomic_numbers, bonds))
    found = sum(atom.GetFormalCharge() for atom in mol.GetAtoms())
    if unsolved or found != total_charge:
        whole = _solve_whole(mol, total_charge)
        if whole is None:
            raise InputError(
                _no_orders(mol, unsolved, source)
                if unsolved
                else _wrong_charge(mol, source, found, total_charge)
            )
        mol = whole
    refuse_bare(mol, source)
    for atom in mol.GetAtoms():
        atom.SetNoImplicit(True)
    Chem.SanitizeMol(mol)
    return stereo_from_positions(topology_from_rdkit(mol), positions)


def _groups(
    atomic_numbers: Int[np.ndarray, "atoms"], bonds: Int[np.ndarray, "bonds 2"]
) -> list[list[int]]:
    """Connected groups of atoms that may carry multiple bonds or charges, with their hydrogens.

    Carbon and silicon with four neighbours can carry neither: they separate the groups, and
    drop out with the hydrogens on them. Each group is small even in a protein.
    """
    n_atoms = len(atomic_numbers)
    degrees = np.bincount(bonds.ravel(), minlength=n_atoms)
    saturated = np.isin(atomic_numbers, _SATURATED) & (degrees == 4)
    settled = saturated.copy()
    for atom, other in (bonds.T, bonds.T[::-1]):
        settled[atom[(atomic_numbers[atom] == 1) & saturated[other]]] = True
    inner = bonds[~saturated[bonds].any(axis=1)]
    labels = connected_components(inner, n_atoms=n_atoms)
    order = np.argsort(labels, kind="stable")
    order = order[~settled[order]]
    groups = np.split(order, np.flatnonzero(np.diff(labels[order])) + 1)
    return [group.tolist() for group in groups if len(group)]


def _solve_groups(mol: Chem.RWMol, groups: list[list[int]]) -> list[int]:
    """Write the orders and charges of each group into the molecule.

    Returns:
        The atoms of the first group that nothing fits, or nothing.
    """
    kinds: dict[tuple, Chem.Mol | None] = {}
    for atoms in groups:
        fragment = _fragment(mol, atoms)
        key = _fragment_key(fragment)
        if key not in kinds:
            kinds[key] = next(
                (m for q in _CHARGES if (m := _with_orders(fragment, q)) is not None), None
            )
        solved = kinds[key]
        if solved is None:
            return atoms
        _copy_orders(solved, mol, atoms)
    return []


def _solve_whole(mol: Chem.RWMol, total_charge: int) -> Chem.RWMol | None:
    """All atoms at once with the stated charge: for groups that have an unusual charge."""
    if len(Chem.GetMolFrags(mol)) > 1 or mol.GetNumAtoms() > _LARGEST_WHOLE:
        return None
    atoms = list(range(mol.GetNumAtoms()))
    bare = _fragment(mol, atoms)
    solved = _with_orders(bare, total_charge)
    if solved is None:
        return None
    _copy_orders(solved, bare, atoms)
    return bare


def _fragment(mol: Chem.Mol, atoms: list[int]) -> Chem.RWMol:
    """These atoms with single bonds; bonds to others are replaced by hydrogens at the end."""
    local = {atom: index for index, atom in enumerate(atoms)}
    fragment = Chem.RWMol()
    for atom in atoms:
        fragment.AddAtom(Chem.Atom(mol.GetAtomWithIdx(atom).GetAtomicNum()))
    for atom in atoms:
        for bond in mol.GetAtomWithIdx(atom).GetBonds():
            other = bond.GetOtherAtomIdx(atom)
            if other not in local:
                cap = fragment.AddAtom(Chem.Atom(1))
                fragment.AddBond(local[atom], cap, Chem.BondType.SINGLE)
            elif local[atom] < local[other]:
                fragment.AddBond(local[atom], local[other], Chem.BondType.SINGLE)
    return fragment


def _fragment_key(fragment: Chem.Mol) -> tuple:
    numbers = tuple(atom.GetAtomicNum() for atom in fragment.GetAtoms())
    bonds = tuple((b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in fragment.GetBonds())
    return numbers, bonds


def _with_orders(fragment: Chem.RWMol, charge: int) -> Chem.Mol | None:
    """The fragment with orders and charges in a Kekulé form; None if nothing fits."""
    if fragment.GetNumAtoms() == 1:
        return _as_ion(fragment, charge)
    mol = Chem.RWMol(fragment)
    try:
        with rdBase.BlockLogs():
            rdDetermineBonds.DetermineBondOrders(
                mol, charge=charge, embedChiral=False, maxIterations=_MAX_ITERATIONS
            )
            Chem.SanitizeMol(mol)
            Chem.Kekulize(mol, clearAromaticFlags=True)
    except (ValueError, RuntimeError, Chem.MolSanitizeException):
        return None
    if any(atom.GetNumRadicalElectrons() for atom in mol.GetAtoms()):
        return None
    _use_common_forms(mol)
    return mol


def _as_ion(fragment: Chem.RWMol, charge: int) -> Chem.Mol | None:
    """A single atom: an ion or a noble gas; None for a nonmetal whose bonds are missing."""
    number = fragment.GetAtomWithIdx(0).GetAtomicNum()
    if number in _NEVER_ALONE or charge != _ION_CHARGES.get(number, charge):
        return None
    ion = Chem.RWMol(fragment)
    ion.GetAtomWithIdx(0).SetFormalCharge(charge)
    ion.GetAtomWithIdx(0).SetNoImplicit(True)
    Chem.SanitizeMol(ion)
    return None if ion.GetAtomWithIdx(0).GetNumRadicalElectrons() else ion


def _use_common_forms(mol: Chem.RWMol) -> None:
    """Usual forms of hypervalent X, with terminal A = O or S.

    X(+)-A(-) becomes X=A; Y(+)=X-A(-) becomes Y-X=A; N=S-O(-) becomes N(-)-S=O.
    """
    for bond in mol.GetBonds():
        for centre, end in (
            (bond.GetBeginAtom(), bond.GetEndAtom()),
            (bond.GetEndAtom(), bond.GetBeginAtom()),
        ):
            anion = end.GetAtomicNum() in (8, 16) and end.GetFormalCharge() == -1
            if not anion or centre.GetAtomicNum() not in _HYPERVALENT:
                continue
            donor = centre if centre.GetFormalCharge() > 0 else _donor(centre, end)
            if donor is not None:
                if donor.GetIdx() != centre.GetIdx():
                    joint = mol.GetBondBetweenAtoms(centre.GetIdx(), donor.GetIdx())
                    joint.SetBondType(Chem.BondType.SINGLE)
                bond.SetBondType(Chem.BondType.DOUBLE)
                end.SetFormalCharge(0)
                donor.SetFormalCharge(donor.GetFormalCharge() - 1)


def _donor(centre: Chem.Atom, end: Chem.Atom) -> Chem.Atom | None:
    """The neighbour that should take the electrons of its double bond to the centre, if any."""
    for bond in centre.GetBonds():
        other = bond.GetOtherAtom(centre)
        if bond.GetBondTypeAsDouble() != 2:
            continue
        imide = (centre.GetAtomicNum(), other.GetAtomicNum(), end.GetAtomicNum()) == (16, 7, 8)
        if other.GetFormalCharge() == 1 or (imide and other.GetFormalCharge() == 0):
            return other
    return None


def _copy_orders(solved: Chem.Mol, mol: Chem.RWMol, atoms: list[int]) -> None:
    """Write what was solved for a group; the hydrogens that replaced others are left out."""
    for index, atom in enumerate(atoms):
        mol.GetAtomWithIdx(atom).SetFormalCharge(solved.GetAtomWithIdx(index).GetFormalCharge())
    for bond in solved.GetBonds():
        ends = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
        if max(ends) < len(atoms):
            target = mol.GetBondBetweenAtoms(atoms[ends[0]], atoms[ends[1]])
            target.SetBondType(bond.GetBondType())


def _no_orders(mol: Chem.Mol, atoms: list[int], source: str) -> str:
    shown = " ".join(f"{mol.GetAtomWithIdx(atom).GetSymbol()}{atom}" for atom in atoms[:12])
    more = " ..." if len(atoms) > 12 else ""
    n_missing, lack = largest_lack(mol, atoms)
    what = f"hydrogens are probably missing ({lack})" if n_missing else "an atom has too many bonds"
    return (
        f"{source}: no bond orders fit the bonds between atoms {shown}{more} (counted from 0) with "
        f"any charge from -4 to +4: {what}; add hydrogens that are missing, check that no bond is "
        "broken, or state the molecule by its SMILES"
    )


def _wrong_charge(mol: Chem.Mol, source: str, found: int, stated: int) -> str:
    lack = largest_lack(mol, range(mol.GetNumAtoms()))
    bare = not any(atom.GetAtomicNum() == 1 for atom in mol.GetAtoms())
    hint = f"; hydrogens are probably missing: there are none, and {lack[1]}"
    shown = [f"{charge:+d}" if charge else "0" for charge in (found, stated)]
    return (
        f"{source}: wrong total charge: the atoms and bonds give {shown[0]}, {shown[1]} was "
        "stated; correct the stated charge, or add the atoms that are missing"
        + (hint if bare and lack[0] > 1 else "")
    )
