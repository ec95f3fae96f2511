"""Force fields: a design and the source of its numbers."""

import dataclasses
from collections.abc import Iterable
from typing import Final

import equinox as eqx
from jaxtyping import ArrayLike

from isthmus.chemistry.topology import Topology
from isthmus.designs.design import Design
from isthmus.designs.schema import find_design, preset
from isthmus.errors import InputError
from isthmus.forcefield.binding import bind_parameterization
from isthmus.forcefield.potential import Potential
from isthmus.networks.bound import BoundNetwork
from isthmus.networks.trained import TrainedNetwork, atoms_of, molecular_charges
from isthmus.parameters.free import initial_values, random_values
from isthmus.parameters.graph.source import GraphSettings, GraphSource
from isthmus.parameters.mmff_source import MMFFSource
from isthmus.parameters.parameterization import Parameterization
from isthmus.parameters.source import FreeSource, NoParameters, Source
from isthmus.terms.nonbonded_method import NonbondedMethod

__all__ = ["NO_CUTOFF", "ORGANIC", "ForceField", "check_topology"]

ORGANIC: Final = (1, 6, 7, 8, 9, 15, 16, 17, 35, 53)
"""Elements of most organic molecules"""

NO_CUTOFF = NonbondedMethod()


class ForceField(eqx.Module):
    """A design with the source of its numbers.

    Attributes:
        design: the terms.
        source: where their parameters come from.
        networks: one for each network of the design, in that order.
    """

    design: Design = eqx.field(static=True)
    source: Source
    networks: tuple[TrainedNetwork, ...] = ()

    def __repr__(self) -> str:
        terms = ", ".join(term.name for term in (*self.design.terms, *self.design.networks))
        return f"ForceField({self.design.name!r}, {type(self.source).__name__}: {terms})"

    @classmethod
    def free(
        cls, design: Design | str, topology: Topology, *, random_seed: int | None = None
    ) -> "ForceField":
        """Free parameters for one molecule, at their priors: the start of a bespoke fit.

        Args:
            design: a design, the name of a preset, or the path of a TOML file.
            topology: the molecule.
            random_seed: draw around the priors instead, for tests and benchmarks.

        Raises:
            DesignError, FormulaError: the design is wrong.
        """
        check_topology(topology)
        if isinstance(design, str):
            design = find_design(design)
        elements = tuple(topology.atomic_numbers.tolist())
        networks = _networks(design, elements, random_seed or 0)
        if random_seed is None:
            values = initial_values(design, topology)
        else:
            values = random_values(design, topology, seed=random_seed)
        return cls(design, FreeSource(values, topology.digest), networks)

    @classmethod
    def graph(
        cls,
        design: Design | str,
        *,
        seed: int = 0,
        settings: GraphSettings | None = None,
        elements: Iterable[int] = ORGANIC,
    ) -> "ForceField":
        """Parameters from a network on the molecular graph, for any molecule; not trained.

        Before training, every parameter is at its default or prior, and networks over atoms and
        their neighbours give energies near 0.

        Args:
            design: a design, the name of a preset, or the path of a TOML file.
            seed: of the random weights.
            settings: sizes of the network on the graph.
            elements: atomic numbers that networks over atoms and their neighbours know.

        Raises:
            DesignError, FormulaError: the design is wrong, or has parameters that no network on
                the graph can say.
        """
        if isinstance(design, str):
            design = find_design(design)
        source = NoParameters()
        if design.terms:
            source = GraphSource.create(design, seed=seed, settings=settings)
        return cls(design, source, _networks(design, tuple(elements), seed))

    @classmethod
    def mmff(cls, variant: str = "MMFF94") -> "ForceField":
        """MMFF94 or MMFF94s with RDKit's parameters, for any molecule that it can type."""
        return cls(preset("mmff"), MMFFSource(variant))

    def parameterise(
        self, topology: Topology, *, nonbonded: NonbondedMethod = NO_CUTOFF
    ) -> Parameterization:
        """All numbers for one system; the design's network or table is read once, here.

        Raises:
            InputError: the source has no numbers for this topology.
        """
        check_topology(topology)
        found = self.source.parameterise(self.design, topology, nonbonded)
        if not self.networks:
            return found
        charges = molecular_charges(topology)
        bound = tuple(
            BoundNetwork(one, atoms_of(one.elements, topology.atomic_numbers, charges))
            for one in self.networks
        )
        return dataclasses.replace(found, networks=bound)

    def bind(
        self,
        topology: Topology,
        *,
        precision: str = "float32",
        nonbonded: NonbondedMethod = NO_CUTOFF,
        box: ArrayLike | None = None,
    ) -> Potential:
        """The potential of one system: energies and forces as functions of positions.

        Args:
            topology: the system.
            precision: "float32" to simulate, "float64" to fit, compare and export.
            nonbonded: cutoff method; without one, all pairs interact.
            box: default cell vectors [nm].

        Raises:
            InputError: the source has no numbers for this topology, or the method needs a box.
        """
        parameterization = self.parameterise(topology, nonbonded=nonbonded)
        return bind_parameterization(parameterization, precision=precision, box=box)


def _networks(design: Design, elements: tuple[int, ...], seed: int) -> tuple[TrainedNetwork, ...]:
    return tuple(TrainedNetwork.create(term, elements, seed=seed) for term in design.networks)


def check_topology(topology: object) -> None:
    """A molecule in place of its topology is the commonest slip.

    Raises:
        InputError: what came is no topology.
    """
    if not isinstance(topology, Topology):
        hint = ": pass molecule.topology" if hasattr(topology, "topology") else ""
        raise InputError(f"a Topology was wanted, a {type(topology).__name__} came{hint}")
