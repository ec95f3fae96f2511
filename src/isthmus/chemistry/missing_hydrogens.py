"""Signs that a structure was given without its hydrogens."""

from collections.abc import Iterable
from typing import Final

from rdkit import Chem

from isthmus.errors import InputError

__all__ = ["largest_lack", "refuse_bare"]

_SMALLEST_ALKYNE: Final = 8
"""Atoms of the smallest ring that can be kept with a triple bond in it: cyclooctyne"""


def largest_lack(mol: Chem.Mol, atoms: Iterable[int]) -> tuple[int, str]:
    """The atom that has the fewest of its bonds: how many it lacks, and that in words.

    Nothing is missing where any atom has more neighbours than it can bind.
    """
    table = Chem.GetPeriodicTable()
    worst = (0, "")
    for atom in map(mol.GetAtomWithIdx, atoms):
        degree, number = atom.GetDegree(), atom.GetAtomicNum()
        if degree > max(table.GetValenceList(number)) >= 0:
            return 0, ""
        wanted = table.GetDefaultValence(number)
        if wanted - degree > worst[0]:
            words = f"atom {atom.GetIdx()} ({atom.GetSymbol()}) has {degree} of {wanted} bonds"
            worst = (wanted - degree, words)
    return worst


def refuse_bare(mol: Chem.Mol, source: str) -> None:
    """Refuse bond orders that only carbon without its hydrogens is given.

    Raises:
        InputError: there are no hydrogens, but a carbon with fewer than four bonds, a quadruple
            bond, or a triple bond in a small ring.
    """
    if any(atom.GetAtomicNum() == 1 for atom in mol.GetAtoms()):
        return
    Chem.FastFindRings(mol)
    rings = mol.GetRingInfo()
    wrong = [a.GetIdx() for a in mol.GetAtoms() if a.GetAtomicNum() == 6 and _electrons_left(a)]
    for bond in mol.GetBonds():
        order = bond.GetBondTypeAsDouble()
        small = any(rings.IsBondInRingOfSize(bond.GetIdx(), n) for n in range(3, _SMALLEST_ALKYNE))
        if order > 3 or (order == 3 and small):
            wrong += [bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()]
    if wrong:
        raise InputError(
            f"{source}: hydrogens are probably missing: there are none, and "
            f"{largest_lack(mol, wrong)[1]}; add them, or state the molecule by its SMILES"
        )


def _electrons_left(carbon: Chem.Atom) -> bool:
    """Whether a carbon has fewer than four bonds, and no charge instead."""
    orders = sum(bond.GetBondTypeAsDouble() for bond in carbon.GetBonds())
    return orders + abs(carbon.GetFormalCharge()) < 4
