"""Force fields: a design and the source of its numbers."""

import equinox as eqx
from jaxtyping import ArrayLike

from isthmus.chemistry.topology import Topology
from isthmus.designs.design import Design
from isthmus.designs.schema import find_design, preset
from isthmus.errors import InputError
from isthmus.forcefield.binding import bind_parameterization
from isthmus.forcefield.potential import Potential
from isthmus.parameters.free import initial_values, random_values
from isthmus.parameters.graph.source import GraphSettings, GraphSource
from isthmus.parameters.mmff_source import MMFFSource
from isthmus.parameters.parameterization import Parameterization
from isthmus.parameters.source import FreeSource, Source
from isthmus.terms.nonbonded_method import NonbondedMethod

__all__ = ["NO_CUTOFF", "ForceField", "check_topology"]

NO_CUTOFF = NonbondedMethod()


class ForceField(eqx.Module):
    """A design with the source of its numbers.

    Attributes:
        design: the terms.
        source: where their parameters come from.
    """

    design: Design = eqx.field(static=True)
    source: Source

    def __repr__(self) -> str:
        terms = ", ".join(term.name for term in self.design.terms)
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
        if random_seed is None:
            return cls(design, FreeSource(initial_values(design, topology), topology.digest))
        values = random_values(design, topology, seed=random_seed)
        return cls(design, FreeSource(values, topology.digest))

    @classmethod
    def graph(
        cls, design: Design | str, *, seed: int = 0, settings: GraphSettings | None = None
    ) -> "ForceField":
        """Parameters from a network on the molecular graph, for any molecule; not trained.

        Before training, every parameter is at its default or prior.

        Args:
            design: a design, the name of a preset, or the path of a TOML file.
            seed: of the random weights.
            settings: sizes of the network.

        Raises:
            DesignError, FormulaError: the design is wrong, or has parameters that no network on
                the graph can say.
        """
        if isinstance(design, str):
            design = find_design(design)
        return cls(design, GraphSource.create(design, seed=seed, settings=settings))

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
        return self.source.parameterise(self.design, topology, nonbonded)

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


def check_topology(topology: object) -> None:
    """A molecule in place of its topology is the commonest slip.

    Raises:
        InputError: what came is no topology.
    """
    if not isinstance(topology, Topology):
        hint = ": pass molecule.topology" if hasattr(topology, "topology") else ""
        raise InputError(f"a Topology was wanted, a {type(topology).__name__} came{hint}")
