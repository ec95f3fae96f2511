"""Environments of atoms by name, and the set of those that some data hold: the domain.

The environment of radius 0 of an atom is its label: element, number of neighbours and of
hydrogens among them, size of its smallest ring, charge of its conjugated group. That of radius r
is its environment of radius r - 1 with the sorted ones of its neighbours, hashed (refinement of
colours: B. Weisfeiler, A. Leman, Nauchno-Technicheskaya Informatsia 2(9), 12 (1968)).

No label depends on the order of the atoms or on bond orders. Formal charges, which move between
resonance forms, are summed over the atoms among which they may move; what the sum hides, the
numbers of neighbours and hydrogens tell.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from jaxtyping import Int

from isthmus.chemistry.graph import connected_components
from isthmus.chemistry.topology import Topology
from isthmus.errors import InputError

__all__ = ["DOMAIN_FORMAT", "EDGE", "MAX_RADIUS", "Domain", "Verdict", "atom_environments"]

DOMAIN_FORMAT: Final = "isthmus domain 1"
"""Of the labels and of the JSON; changes when either changes its meaning"""

MAX_RADIUS: Final = 2
"""Radius up to which a domain knows environments"""

EDGE: Final = 2
"""Radius from which on a new environment leaves a molecule inside: nearly every molecule that is
not a copy has one"""

_LENGTH: Final = 12
"""Hexadecimal digits of a name: 48 bits, so a million environments hardly ever share one"""

_MOST_NEIGHBOURS: Final = {5: 3, 6: 3, 7: 3, 8: 2}
"""Neighbours up to which an atom can take part in conjugation; from silicon on, any number"""

_SILICON: Final = 14


def atom_environments(topology: Topology, radius: int = MAX_RADIUS) -> tuple[str, ...]:
    """The name of the environment of every atom: equal names, equal environments.

    Args:
        topology: one molecule or several.
        radius: in bonds, 0 or more.

    Raises:
        InputError: a negative radius.
    """
    if radius < 0:
        raise InputError(f"a radius of {radius} bonds: wanted 0 or more")
    return _environments(topology, radius)[-1]


def _environments(topology: Topology, radius: int) -> tuple[tuple[str, ...], ...]:
    """Names of the environments of radius 0, 1, ..., `radius`."""
    names = [_labels(topology)]
    near = topology.neighbours
    for _ in range(radius):
        known = names[-1]
        around = (sorted(known[k] for k in near.of(atom)) for atom in range(topology.n_atoms))
        names.append(tuple(_name(own, *others) for own, others in zip(known, around, strict=True)))
    return tuple(names)


def _labels(topology: Topology) -> tuple[str, ...]:
    numbers, bonds = topology.atomic_numbers, topology.bonds
    hydrogens = np.bincount(
        bonds.ravel(), weights=(numbers[bonds[:, ::-1]] == 1).ravel(), minlength=topology.n_atoms
    )
    columns = (
        numbers,
        topology.neighbours.degrees,
        hydrogens.astype(np.int64),
        topology.smallest_ring,
        _group_charges(topology),
    )
    return tuple(_name(*map(str, row)) for row in np.stack(columns, axis=1).tolist())


def _group_charges(topology: Topology) -> Int[np.ndarray, "atoms"]:
    """Sum of the formal charges of the conjugated group of each atom, which may be it alone [e]."""
    numbers, degrees = topology.atomic_numbers, topology.neighbours.degrees
    limit = np.array([_MOST_NEIGHBOURS.get(z, 99 if z >= _SILICON else 0) for z in numbers])
    takes_part = degrees <= limit
    within = topology.bonds[takes_part[topology.bonds].all(axis=1)]
    group = connected_components(within, n_atoms=topology.n_atoms)
    sums = np.bincount(group, weights=topology.formal_charges, minlength=topology.n_atoms)
    return sums[group].astype(np.int64)


def _name(*parts: str) -> str:
    return hashlib.sha256(",".join(parts).encode()).hexdigest()[:_LENGTH]


@dataclass(frozen=True)
class Verdict:
    """Whether a molecule lies in a domain.

    Attributes:
        unseen: atoms with an environment that the domain lacks, each with the smallest radius
            at which it does.
        elements: symbols of elements that the domain lacks.
        text: the same in words.
    """

    unseen: tuple[tuple[int, int], ...]
    elements: tuple[str, ...]
    text: str

    @property
    def inside(self) -> bool:
        """Whether every environment was seen up to radius 1, a bonded neighbourhood."""
        return self.radius is None or self.radius >= EDGE

    @property
    def radius(self) -> int | None:
        """Smallest radius at which an environment is new; None where none is.

        0 is the strangest; from `EDGE` on, the molecule is inside, at the edge.
        """
        return min((radius for _, radius in self.unseen), default=None)


@dataclass(frozen=True)
class Domain:
    """The environments of atoms that some molecules hold.

    Attributes:
        environments: for radius 0, 1, 2: number of atoms by name of their environment.
        elements: symbols, sorted.
        n_molecules: how many molecules it was made of.
    """

    environments: tuple[Mapping[str, int], ...]
    elements: tuple[str, ...]
    n_molecules: int

    @classmethod
    def of(cls, topologies: Iterable[Topology]) -> "Domain":
        """The domain of some molecules."""
        counts: list[Counter[str]] = [Counter() for _ in range(MAX_RADIUS + 1)]
        elements: set[str] = set()
        n_molecules = 0
        for topology in topologies:
            n_molecules += 1
            elements.update(topology.elements)
            for counter, names in zip(counts, _environments(topology, MAX_RADIUS), strict=True):
                counter.update(names)
        return cls(
            tuple(dict(sorted(counter.items())) for counter in counts),
            tuple(sorted(elements)),
            n_molecules,
        )

    def outside(self, topology: Topology) -> Int[np.ndarray, "atoms"]:
        """For each atom the smallest radius at which its environment was never seen; -1: seen."""
        smallest = np.full(topology.n_atoms, -1)
        found = _environments(topology, len(self.environments) - 1)
        for radius in reversed(range(len(found))):
            known = self.environments[radius]
            smallest[[name not in known for name in found[radius]]] = radius
        return smallest

    def verdict(self, topology: Topology) -> Verdict:
        """Whether all environments of a molecule were seen, and which were not."""
        radii = self.outside(topology)
        new = tuple(sorted(set(topology.elements) - set(self.elements)))
        unseen = tuple((int(a), int(radii[a])) for a in np.flatnonzero(radii >= 0))
        if not unseen:
            return Verdict((), new, "inside")
        if new:
            return Verdict(unseen, new, f"new element {', '.join(new)}")
        atom, radius = min(unseen, key=lambda pair: pair[1])
        more = f", and of {len(unseen) - 1} more atoms" if len(unseen) > 1 else ""
        place = topology.describe_atom(atom)
        edge = "inside, at the edge: " if radius >= EDGE else ""
        return Verdict(unseen, new, f"{edge}new environment of {place} at radius {radius}{more}")

    def as_json(self) -> dict[str, Any]:
        """Plain values, for a file."""
        return {
            "format": DOMAIN_FORMAT,
            "n_molecules": self.n_molecules,
            "elements": list(self.elements),
            "environments": [dict(counts) for counts in self.environments],
        }

    @classmethod
    def from_json(cls, content: object) -> "Domain":
        """The domain that `as_json` wrote.

        Raises:
            InputError: something else, or of another version.
        """
        if not isinstance(content, dict) or content.get("format") != DOMAIN_FORMAT:
            found = content.get("format") if isinstance(content, dict) else type(content).__name__
            raise InputError(
                f"a domain of the format '{DOMAIN_FORMAT}' was wanted, got {found!r}: make it anew "
                "with Domain.of(topologies).as_json()"
            )
        try:
            counts = tuple(
                {str(name): int(n) for name, n in table.items()}
                for table in content["environments"]
            )
            elements = tuple(str(symbol) for symbol in content["elements"])
            n_molecules = int(content["n_molecules"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(
                f"this domain is damaged ({type(error).__name__}: {error}): make it anew with "
                "Domain.of(topologies).as_json()"
            ) from None
        if len(counts) != MAX_RADIUS + 1:
            raise InputError(
                f"this domain has {len(counts)} tables of environments, wanted {MAX_RADIUS + 1}: "
                "make it anew with Domain.of(topologies).as_json()"
            )
        return cls(counts, elements, n_molecules)
