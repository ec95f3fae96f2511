"""What is trained of a force field: weights of networks, on the graph and over neighbours."""

import equinox as eqx

from isthmus.designs.design import Design
from isthmus.errors import InputError
from isthmus.forcefield.forcefield import ForceField
from isthmus.networks.trained import TrainedNetwork
from isthmus.parameters.graph.molecular_graph import MolecularGraph
from isthmus.parameters.graph.source import GraphSource
from isthmus.parameters.source import NoParameters
from isthmus.train.static_loss import Values

__all__ = ["Trainable"]


class Trainable(eqx.Module):
    """Weights of a force field.

    Attributes:
        source: a network on the graph, or nothing for a design of networks alone.
        networks: over atoms and their neighbours.
    """

    source: GraphSource | NoParameters
    networks: tuple[TrainedNetwork, ...]

    @classmethod
    def of(cls, force_field: ForceField) -> "Trainable":
        """The weights of a force field.

        Raises:
            InputError: it has none.
        """
        source = force_field.source
        if not isinstance(source, (GraphSource, NoParameters)):
            raise InputError(
                "only parameters from the graph are trained here, and these come from a "
                f"{type(source).__name__}: start from ForceField.graph(design)"
            )
        return cls(source, force_field.networks)

    def values(self, design: Design, graph: MolecularGraph) -> Values:
        """Every parameter of the formulas of a design."""
        return {} if isinstance(self.source, NoParameters) else self.source.values(design, graph)

    def force_field(self, design: Design) -> ForceField:
        """The force field with these weights."""
        return ForceField(design, self.source, self.networks)
