"""Ring membership: which atoms lie in rings of 3 to 8 atoms."""

from collections import deque

import numpy as np
from jaxtyping import Bool, Int
from rdkit import Chem

__all__ = ["MAX_RING_SIZE", "RING_SIZES", "bonds_in_rings", "ring_membership"]

MAX_RING_SIZE = 8
"""Larger rings count as open chains."""

RING_SIZES = np.arange(3, MAX_RING_SIZE + 1)
"""Sizes that the columns of `ring_membership` stand for."""
RING_SIZES.flags.writeable = False


def ring_membership(
    bonds: Int[np.ndarray, "bonds 2"], *, n_atoms: int
) -> Bool[np.ndarray, "atoms sizes"]:
    """Whether each atom is in a ring of 3, 4, ..., 8 atoms of the symmetrised smallest set.

    Bonds that lie on no cycle of up to 8 are stripped first, which leaves those rings as they
    are (a smallest ring is no sum of shorter ones, and all shorter ones keep their bonds); RDKit
    then sees small separate ring systems even where bridges close a macrocycle of a protein.
    """
    member = np.zeros((n_atoms, len(RING_SIZES)), dtype=bool)
    core = _short_cycle_bonds(_without_chains(bonds, n_atoms=n_atoms))
    if not core:
        return member
    atoms = sorted({atom for bond in core for atom in bond})
    local = {atom: index for index, atom in enumerate(atoms)}
    mol = Chem.RWMol()
    for _ in atoms:
        mol.AddAtom(Chem.Atom(0))
    for i, j in core:
        mol.AddBond(local[i], local[j], Chem.BondType.SINGLE)
    for ring in Chem.GetSymmSSSR(mol):
        if len(ring) <= MAX_RING_SIZE:
            member[[atoms[index] for index in ring], len(ring) - RING_SIZES[0]] = True
    return member


def bonds_in_rings(bonds: Int[np.ndarray, "bonds 2"], *, n_atoms: int) -> Bool[np.ndarray, "bonds"]:
    """Whether each bond lies on some cycle of at most 8 atoms."""
    core = np.array(_short_cycle_bonds(_without_chains(bonds, n_atoms=n_atoms)), dtype=np.int64)
    low, high = core.reshape(-1, 2).T
    return np.isin(bonds[:, 0].astype(np.int64) * n_atoms + bonds[:, 1], low * n_atoms + high)


def _without_chains(
    bonds: Int[np.ndarray, "bonds 2"], *, n_atoms: int
) -> Int[np.ndarray, "core_bonds 2"]:
    """Bonds left when atoms of one bond are taken off again and again (the 2-core)."""
    degree = np.bincount(bonds.ravel(), minlength=n_atoms)
    rows: list[list[int]] = [[] for _ in range(n_atoms)]
    for index, (i, j) in enumerate(bonds.tolist()):
        rows[i].append(index)
        rows[j].append(index)
    alive = np.ones(len(bonds), dtype=bool)
    queue = deque(np.flatnonzero(degree == 1).tolist())
    while queue:
        atom = queue.popleft()
        for index in rows[atom]:
            if alive[index]:
                alive[index] = False
                other = int(bonds[index].sum()) - atom
                degree[other] -= 1
                if degree[other] == 1:
                    queue.append(other)
    return bonds[alive]


def _short_cycle_bonds(bonds: Int[np.ndarray, "bonds 2"]) -> list[tuple[int, int]]:
    """Bonds that lie on some cycle of at most `MAX_RING_SIZE` atoms."""
    rows: dict[int, list[int]] = {}
    for i, j in bonds.tolist():
        rows.setdefault(i, []).append(j)
        rows.setdefault(j, []).append(i)
    return [(i, j) for i, j in bonds.tolist() if _reaches(rows, i, j)]


def _reaches(rows: dict[int, list[int]], start: int, goal: int) -> bool:
    """Whether a path of at most `MAX_RING_SIZE - 1` bonds leads around the bond start-goal."""
    seen = {start}
    front = [start]
    for step in range(MAX_RING_SIZE - 1):
        following = []
        for atom in front:
            for other in rows[atom]:
                if other == goal and (step > 0 or atom != start):
                    return True
                if other not in seen and other != goal:
                    seen.add(other)
                    following.append(other)
        front = following
    return False
