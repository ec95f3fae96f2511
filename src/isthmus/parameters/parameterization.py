"""A force field's numbers for one system: the result of the verb *parameterise*.

Every source of parameters, be it a table, a fit or a network, ends in a `Parameterization`:
terms with their clusters and values, ready to be bound to a precision and evaluated, or to be
written out for another engine.
"""

import equinox as eqx
import numpy as np
from jaxtyping import Float, Int

from isthmus.networks.bound import BoundNetwork
from isthmus.parameters.origin import Origin
from isthmus.terms.bound import BoundCoordinate, BoundTerm
from isthmus.terms.nonbonded import PairGroup
from isthmus.terms.special import Special
from isthmus.terms.virtual_sites import VirtualSites

__all__ = ["Constraints", "Parameterization"]


class Constraints(eqx.Module):
    """Distances that a simulation holds fixed. They carry no energy.

    Attributes:
        pairs: atoms (constraints, 2).
        distances: [nm].
    """

    pairs: Int[np.ndarray, "constraints 2"]
    distances: Float[np.ndarray, " constraints"]


class Parameterization(eqx.Module):
    """All terms of a system with their clusters and values.

    Attributes:
        masses: (atoms,) [Da]; 0 for virtual sites and fixed particles.
        terms: formula terms over clusters.
        coordinates: derived coordinates that the terms use.
        pair_groups: pair terms over all pairs that are not excluded.
        specials: energies with code of their own.
        virtual_sites: particles whose positions follow from others.
        constraints: fixed distances; recorded, not part of the energy.
        box: default cell vectors [nm], or None.
        networks: energies that networks over atoms and their neighbours give.
        origin: which force of another engine each term came from; None for designs of our own.
    """

    masses: Float[np.ndarray, " atoms"]
    terms: tuple[BoundTerm, ...] = ()
    coordinates: tuple[BoundCoordinate, ...] = ()
    pair_groups: tuple[PairGroup, ...] = ()
    specials: tuple[Special, ...] = ()
    virtual_sites: VirtualSites | None = None
    constraints: Constraints | None = None
    box: Float[np.ndarray, "3 3"] | None = None
    networks: tuple[BoundNetwork, ...] = ()
    origin: Origin | None = eqx.field(static=True, default=None)

    def __repr__(self) -> str:
        return f"Parameterization({self.n_atoms} atoms: {', '.join(self.term_names)})"

    @property
    def n_atoms(self) -> int:
        """Number of particles."""
        return len(self.masses)

    @property
    def term_names(self) -> tuple[str, ...]:
        """Names of everything that has an energy, in order of evaluation."""
        return (
            *(t.term.name for t in self.terms),
            *(t.term.name for group in self.pair_groups for t in group.terms),
            *(s.name for s in self.specials),
            *(n.name for n in self.networks),
        )
