"""What does not depend on the resonance form in which a molecule was written.

Charges travel along alternating bonds: X(-)-A=Y is X=A-Y(-), and X-A=Y(+) is X(+)=A-Y where X
has a lone pair. Every charged atom is followed along such paths. The atoms that it can reach are
the same from whichever form one starts, and so is the sum of the orders of the bonds on the way;
so the charge is shared by the heteroatoms among them (the carbons, if there is none), and the
bonds share their mean order. Aromatic bonds count as single and as double.

Only charged atoms are followed, so the work is linear in the number of atoms.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Int

from isthmus.chemistry.topology import Topology

__all__ = ["ResonanceAverage", "resonance_average"]

_CARBON: Final = 6
_NITROGEN: Final = 7
_TWO_BONDED_DONORS: Final = (8, 16, 34)
_HYPERVALENT: Final = (15, 16, 17, 33, 34, 35, 53)
DELOCALISED: Final = 1.5


@dataclass(frozen=True)
class ResonanceAverage:
    """Averages over resonance forms.

    Attributes:
        charges: formal charge of each atom, shared with the equivalent ones [e].
        orders: order of each bond, 1 to 3; between whole numbers where it is delocalised.
        aromatic: atoms of aromatic rings, without those through which a charge may travel.
        delocalised: atoms of groups through which a charge travels.
    """

    charges: Float[np.ndarray, "atoms"]
    orders: Float[np.ndarray, "bonds"]
    aromatic: Bool[np.ndarray, "atoms"]
    delocalised: Bool[np.ndarray, "atoms"]


@dataclass
class _Group:
    """Where charges of one sign travel: where from, who may carry them, along which bonds."""

    starts: set[int]
    carriers: set[int]
    bonds: set[int] = field(default_factory=set)


def resonance_average(topology: Topology) -> ResonanceAverage:
    """Charges, bond orders and aromaticity that are the same for every resonance form."""
    form = _Form(topology)
    form.use_common_forms()
    groups = [g for g in form.groups() if len(g.carriers) > 1 and g.bonds]
    charges = form.charges.astype(np.float64)
    for sign in (-1, 1):
        same_sign = [g for g in groups if form.charges[next(iter(g.starts))] * sign > 0]
        for group in _merged(same_sign):
            starts = sorted(group.starts)
            hetero = [a for a in group.carriers if topology.atomic_numbers[a] != _CARBON]
            carriers = sorted(hetero or group.carriers)
            total = charges[starts].sum()
            charges[starts] = 0.0
            charges[carriers] += total / len(carriers)
    orders = form.orders.copy()
    aromatic, delocalised = topology.aromatic_atoms.copy(), np.zeros(topology.n_atoms, dtype=bool)
    ring = topology.smallest_ring
    for group in _merged(groups):
        bonds = np.array(sorted(group.bonds))
        members = topology.bonds[bonds]
        in_ring = (ring[members] > 0).all(axis=1)
        orders[bonds] = DELOCALISED if in_ring.any() else form.orders[bonds].mean()
        delocalised[members] = True
        # Such a ring may be written as a quinoid one
        carbons = (topology.atomic_numbers[members] == _CARBON).all(axis=1)
        if (carbons & in_ring).any():
            aromatic[members] = False
    return ResonanceAverage(charges, orders, aromatic, delocalised)


def _merged(groups: list[_Group]) -> list[_Group]:
    """Groups that share a bond as one."""
    owner: dict[int, _Group] = {}
    for given in groups:
        group = _Group(set(given.starts), set(given.carriers), set(given.bonds))
        for other in {id(owner[b]): owner[b] for b in given.bonds if b in owner}.values():
            group.starts |= other.starts
            group.carriers |= other.carriers
            group.bonds |= other.bonds
        owner |= dict.fromkeys(group.bonds, group)
    return list({id(group): group for group in owner.values()}.values())


def _leading_to(goals: set[int], steps: list[tuple[int, int, set[int]]]) -> set[int]:
    """Bonds of those steps (from, to, bonds) that lead to a goal, at once or by further steps."""
    useful, n_before = set(goals), -1
    while len(useful) > n_before:
        n_before = len(useful)
        useful |= {source for source, target, _ in reversed(steps) if target in useful}
    return {bond for _, target, bonds in steps if target in useful for bond in bonds}


class _Form:
    """One resonance form, as it was given."""

    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        self.charges: Int[np.ndarray, "atoms"] = np.array(topology.formal_charges, dtype=np.int64)
        self.orders: Float[np.ndarray, "bonds"] = np.array(topology.bond_orders, dtype=np.float64)
        self.numbers = topology.atomic_numbers
        self.degrees = topology.neighbours.degrees

    def near(self, atom: int) -> Iterator[tuple[int, int]]:
        """Neighbours and the bonds to them."""
        rows = self.topology.neighbours
        span = slice(rows.indptr[atom], rows.indptr[atom + 1])
        yield from zip(rows.indices[span].tolist(), rows.bond_idx[span].tolist(), strict=True)

    def use_common_forms(self) -> None:
        """S(+)-O(-) becomes S=O, C(+)-N becomes C=N(+), N(=O)=O becomes N(+)(=O)-O(-)."""
        ends = self.topology.bonds
        sums = np.bincount(ends.ravel(), np.repeat(self.orders, 2), minlength=len(self.numbers))
        for atom in np.flatnonzero(
            (self.numbers == _NITROGEN) & (self.charges == 0) & (sums == 5)
        ).tolist():
            multiple = [(o, b) for o, b in self.near(atom) if self.orders[b] >= 2]
            terminal = [(o, b) for o, b in multiple if self.degrees[o] == 1] or multiple
            other, bond = max(terminal, key=lambda pair: (self.orders[pair[1]], pair[0]))
            self._shift(bond, gives=other, takes=atom, by=-1)
        for atom in np.flatnonzero(self.charges > 0).tolist():
            for other, bond in self.near(atom):
                if self.charges[atom] <= 0:
                    break
                dative = self.numbers[atom] in _HYPERVALENT and self.charges[other] == -1
                dative = dative and self.orders[bond] <= 2
                carbocation = self.numbers[atom] == _CARBON
                if dative or (carbocation and self._is_donor(other, bond)):
                    self._shift(bond, gives=other, takes=atom, by=1)

    def _shift(self, bond: int, *, gives: int, takes: int, by: int) -> None:
        """A lone pair of `gives` becomes a bond to `takes`, or back."""
        self.orders[bond] += by
        self.charges[gives] += by
        self.charges[takes] -= by

    def groups(self) -> Iterator[_Group]:
        """Where each charge can go."""
        for atom in np.flatnonzero((self.charges != 0) & (self.degrees > 0)).tolist():
            yield self._of_anion(atom) if self.charges[atom] < 0 else self._of_cation(atom)

    def _of_anion(self, start: int) -> _Group:
        group, queue = _Group({start}, {start}), [start]
        while queue:
            for middle, first in self.near(site := queue.pop()):
                if self.orders[first] >= 3:
                    continue
                for end, second in self.near(middle):
                    if end == site or self.orders[second] < DELOCALISED or self.charges[end] > 0:
                        continue
                    group.bonds |= {first, second}
                    if end not in group.carriers:
                        group.carriers.add(end)
                        queue.append(end)
        return group

    def _of_cation(self, start: int) -> _Group:
        """Sites are carbons that lack two electrons; a neighbour with a lone pair fills them."""
        carbocation = self.numbers[start] == _CARBON
        sites: dict[int, None] = {start: None} if carbocation else {}
        steps: list[tuple[int, int, set[int]]] = []
        if not carbocation:
            for atom, bond in self._multiple(start):
                if self._is_neutral_carbon(atom):
                    steps.append((start, atom, {bond}))
                    sites[atom] = None
        carriers, queue = {start}, list(sites)
        while queue:
            for other, bond in self.near(site := queue.pop()):
                if other == start:
                    continue
                if self._is_donor(other, bond) or self._is_onium(other, bond):
                    steps.append((site, other, {bond}))
                    carriers.add(other)
                    continue
                for end, second in self._multiple(other):
                    if end != site and self._is_neutral_carbon(end):
                        steps.append((site, end, {bond, second}))
                        if end not in sites:
                            sites[end] = None
                            queue.append(end)
        if carbocation:
            carriers |= set(sites)
        return _Group({start}, carriers, _leading_to(carriers - {start}, steps))

    def _multiple(self, atom: int) -> list[tuple[int, int]]:
        return [(o, b) for o, b in self.near(atom) if self.orders[b] >= DELOCALISED]

    def _is_neutral_carbon(self, atom: int) -> bool:
        return bool(self.numbers[atom] == _CARBON and self.charges[atom] == 0)

    def _is_donor(self, atom: int, bond: int) -> bool:
        """Whether the atom has a lone pair for the other end of the bond."""
        if self.charges[atom] != 0 or self.orders[bond] > DELOCALISED:
            return False
        return bool(
            (self.numbers[atom] == _NITROGEN and self.degrees[atom] == 3)
            or (self.numbers[atom] in _TWO_BONDED_DONORS and self.degrees[atom] == 2)
        )

    def _is_onium(self, atom: int, bond: int) -> bool:
        """Whether the atom has already given its lone pair to this bond."""
        return bool(
            self.charges[atom] == 1
            and self.numbers[atom] != _CARBON
            and self.orders[bond] >= DELOCALISED
        )
