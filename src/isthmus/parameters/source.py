"""Sources: where a force field's numbers come from.

A source turns a design and a topology into a `Parameterization`. There is one class a source;
all of them are plain records.
"""

import abc
from collections.abc import Mapping

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float
from numpy import ndarray

from isthmus.chemistry.elements import element_symbols, elements_of_masses
from isthmus.chemistry.topology import Topology
from isthmus.designs.design import Design
from isthmus.errors import InputError
from isthmus.parameters.instantiate import instantiate
from isthmus.parameters.parameterization import Parameterization
from isthmus.terms.nonbonded_method import NonbondedMethod

__all__ = ["FreeSource", "NoParameters", "Source", "TableSource"]


class Source(eqx.Module):
    """Where numbers come from."""

    @abc.abstractmethod
    def parameterise(
        self, design: Design, topology: Topology, method: NonbondedMethod
    ) -> Parameterization:
        """Terms of `design` with their clusters and values on `topology`.

        Raises:
            InputError: the source has no numbers for this topology.
        """


class NoParameters(Source):
    """For designs whose energies are networks alone."""

    def parameterise(
        self, design: Design, topology: Topology, method: NonbondedMethod
    ) -> Parameterization:
        """See `Source.parameterise`."""
        return instantiate(design, topology, {}, method=method)


class FreeSource(Source):
    """One number for every cluster of one molecule, e.g. a bespoke fit.

    Attributes:
        values: by term or coordinate, then by parameter: (clusters,), per-atom ones (atoms,).
        digest: of the topology that the numbers belong to.
    """

    values: Mapping[str, Mapping[str, Float[Array | ndarray, " _"]]]
    digest: str = eqx.field(static=True)

    def parameterise(
        self, design: Design, topology: Topology, method: NonbondedMethod
    ) -> Parameterization:
        """See `Source.parameterise`."""
        if topology.digest != self.digest:
            raise InputError(
                "these parameters were made for another molecule (or another order of its atoms): "
                "bind them to the topology that they were fitted for"
            )
        return instantiate(design, topology, self.values, method=method)


class TableSource(Source):
    """A parameterization that came ready-made, e.g. from an OpenMM System.

    It knows its own cutoff method; asking for another one is an error.
    """

    parameterization: Parameterization

    def parameterise(
        self, design: Design, topology: Topology, method: NonbondedMethod
    ) -> Parameterization:
        """See `Source.parameterise`."""
        if topology.n_atoms != self.parameterization.n_atoms:
            raise InputError(
                f"this force field was imported for {self.parameterization.n_atoms} particles, "
                f"the topology has {topology.n_atoms} atoms: give the structure that belongs to it"
            )
        self._check_elements(topology)
        if method != NonbondedMethod():
            raise InputError(
                "an imported force field keeps the cutoff method of its System: leave "
                "`nonbonded` out, or import a System that was made with the method you want"
            )
        return self.parameterization

    def _check_elements(self, topology: Topology) -> None:
        """Refuse other elements, or another order of them, where masses tell elements apart."""
        found = elements_of_masses(self.parameterization.masses)
        if found is None:
            return
        wanted = topology.atomic_numbers
        wrong = np.flatnonzero((found != wanted) & (found > 0) & (wanted > 0))
        if len(wrong):
            atom = int(wrong[0])
            (symbol,) = element_symbols(found[[atom]])
            raise InputError(
                f"this force field was imported for another molecule, or another order of its "
                f"atoms: its particle {atom} is {symbol}, and in the topology that is "
                f"{topology.describe_atom(atom)}; give the structure that belongs to it"
            )
