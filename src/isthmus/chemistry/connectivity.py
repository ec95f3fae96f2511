"""Which atoms are bonded, from coordinates alone, in linear time.

Two atoms are bonded if their distance is below 1.25 times the sum of their covalent radii
(B. Cordero et al., Dalton Trans. 2832 (2008)), or 1.8 times if one is a hydrogen, as far as their
valences allow: candidates are accepted from the relatively shortest upwards until an atom is
full, so a hydrogen between two atoms belongs to the nearer one. The generous limit for hydrogen
is safe, since it takes one neighbour only, and needed: X-H bonds stretch most in hot frames.
Metals and noble gases get no bonds: their contacts are ionic.
"""

import numpy as np
from jaxtyping import Float, Int

from isthmus.chemistry.elements import covalent_radii

__all__ = ["BOND_FACTOR", "bonding_change", "close_pairs", "perceived_bonds"]

BOND_FACTOR = 1.25
"""Largest length of a perceived bond, relative to the sum of covalent radii."""

_HYDROGEN_FACTOR = 1.8
"""The same for bonds of hydrogen."""

_STRETCH_FACTOR = 1.6
"""A bond longer than this, relative to the sum of covalent radii, counts as broken."""

_HYDROGEN_STRETCH_FACTOR = 1.9
"""The same for bonds of hydrogen."""

_CONTACT_FACTOR = 1.1
"""Atoms that are not bonded and closer than this count as newly bonded."""

_HALOGENS = (17, 35, 53)

# Most neighbours an element can have; elements that are not listed are taken as ions.
_MOST_NEIGHBOURS = {
    1: 1, 5: 4, 6: 4, 7: 4, 8: 3, 9: 1, 14: 6, 15: 6, 16: 6, 17: 4, 32: 4, 33: 6, 34: 6, 35: 4,
    52: 6, 53: 6,
}  # fmt: skip


def close_pairs(
    positions: Float[np.ndarray, "atoms 3"],
    cutoff: float,
    *,
    box: Float[np.ndarray, "3 3"] | None = None,
) -> tuple[Int[np.ndarray, "pairs 2"], Float[np.ndarray, "pairs"]]:
    """All pairs i < j closer than the cutoff [nm], with their distances [nm], in linear time.

    With a box, images in other cells count; a pair is given once, at its shortest distance.
    """
    from vesin import NeighborList

    finder = NeighborList(cutoff=cutoff, full_list=False)
    cell = np.zeros((3, 3)) if box is None else box
    i, j, distance = finder.compute(
        points=positions, box=cell, periodic=box is not None, quantities="ijd"
    )
    low, high = np.minimum(i, j).astype(np.int64), np.maximum(i, j).astype(np.int64)
    keys = low * len(positions) + high
    order = np.lexsort((distance, keys))
    order = order[np.concatenate([[True], np.diff(keys[order]) > 0])] if len(order) else order
    order = order[low[order] != high[order]]
    return np.column_stack([low[order], high[order]]), distance[order]


def perceived_bonds(
    atomic_numbers: Int[np.ndarray, "atoms"],
    positions: Float[np.ndarray, "atoms 3"],
    *,
    box: Float[np.ndarray, "3 3"] | None = None,
    factor: float = BOND_FACTOR,
    known: tuple[Int[np.ndarray, "known_atoms"], Int[np.ndarray, "known_bonds 2"]] | None = None,
) -> Int[np.ndarray, "bonds 2"]:
    """Bonds i < j, sorted, that the distances between atoms suggest.

    Args:
        atomic_numbers: of the atoms.
        positions: [nm].
        box: [nm].
        factor: largest length of a bond between heavy atoms, relative to their covalent radii.
        known: atomic numbers and bonds of the molecule that it should be, in any order of atoms.
            Its number of bonds and its numbers of neighbours then set the limits instead of the
            distance, up to that of a broken bond, so that strongly distorted frames are understood.
    """
    most, n_most = _MOST_NEIGHBOURS, None
    if known is not None:
        most, n_most, factor = _most_neighbours(*known), len(known[1]), _STRETCH_FACTOR
    room = np.array([most.get(z, 0) for z in atomic_numbers.tolist()], dtype=int)
    bonding = np.flatnonzero(room)
    if len(bonding) < 2:
        return np.zeros((0, 2), dtype=np.int64)
    radii = covalent_radii(atomic_numbers)
    cutoff = 2 * max(factor, _HYDROGEN_FACTOR) * float(radii[bonding].max())
    pairs, distance = close_pairs(positions[bonding], cutoff, box=box)
    pairs = bonding[pairs]
    relative = distance / radii[pairs].sum(axis=1)
    with_hydrogen = (atomic_numbers[pairs] == 1).any(axis=1)
    near = relative < np.where(with_hydrogen, _HYDROGEN_FACTOR, factor)
    pairs, relative = pairs[near], relative[near]
    bonds: list[tuple[int, int]] = []
    halogen = set(np.flatnonzero(np.isin(atomic_numbers, _HALOGENS)).tolist())
    # A halogen that has a bond forms more only to oxygen and fluorine (perchlorate, IF5).
    hypervalent = np.any(np.isin(atomic_numbers[pairs], (8, 9)), axis=1)
    order = np.argsort(relative, kind="stable")
    for index in order.tolist():
        i, j = pairs[index].tolist()
        if room[i] and room[j] and len(bonds) != n_most:
            room[[i, j]] -= 1
            bonds.append((i, j))
            if known is None and not hypervalent[index]:
                room[[atom for atom in (i, j) if atom in halogen]] = 0
    return np.array(sorted(bonds), dtype=np.int64).reshape(-1, 2)


def _most_neighbours(
    atomic_numbers: Int[np.ndarray, "atoms"], bonds: Int[np.ndarray, "bonds 2"]
) -> dict[int, int]:
    """Largest number of neighbours of each element in a molecule."""
    degrees = np.bincount(bonds.ravel(), minlength=len(atomic_numbers))
    return {
        int(number): int(degrees[atomic_numbers == number].max())
        for number in np.unique(atomic_numbers)
    }


def bonding_change(
    atomic_numbers: Int[np.ndarray, "atoms"],
    bonds: Int[np.ndarray, "bonds 2"],
    separated: Int[np.ndarray, "pairs 2"],
    positions: Float[np.ndarray, "atoms 3"],
    *,
    box: Float[np.ndarray, "3 3"] | None = None,
) -> tuple[tuple[int, int], str] | None:
    """The first sign that positions [nm] belong to other bonds than these, or None.

    More tolerant than perception, so that a hot frame passes: a bond is broken beyond 1.6 times
    the sum of covalent radii (1.9 with hydrogen), atoms are newly bonded within 1.1 times.

    Args:
        atomic_numbers: of the atoms.
        bonds: that should be there.
        separated: pairs within two bonds, which are close by necessity.
        positions: [nm].
        box: [nm].

    Returns:
        The pair of atoms, and what happened to it in words.
    """
    radii = covalent_radii(atomic_numbers)
    real = np.flatnonzero(atomic_numbers > 0)
    cutoff = max(2 * _HYDROGEN_STRETCH_FACTOR * float(radii[real].max(initial=0)), 0.1)
    pairs, distance = close_pairs(positions[real], cutoff, box=box)
    pairs = real[pairs]
    relative = distance / radii[pairs].sum(axis=1)
    n_atoms = len(atomic_numbers)

    def keys(some: np.ndarray) -> np.ndarray:
        return some[:, 0].astype(np.int64) * n_atoms + some[:, 1]

    with_hydrogen = (atomic_numbers[pairs] == 1).any(axis=1)
    limit = np.where(with_hydrogen, _HYDROGEN_STRETCH_FACTOR, _STRETCH_FACTOR)
    intact = np.isin(keys(bonds), keys(pairs[relative < limit]))
    if not intact.all():
        i, j = bonds[int(np.argmin(intact))].tolist()
        return (i, j), "is broken"
    bonding = np.isin(atomic_numbers, list(_MOST_NEIGHBOURS))
    touching = (relative < _CONTACT_FACTOR) & bonding[pairs].all(axis=1)
    touching &= ~np.isin(keys(pairs), keys(separated))
    if touching.any():
        i, j = pairs[int(touching.argmax())].tolist()
        return (i, j), "is new"
    return None
