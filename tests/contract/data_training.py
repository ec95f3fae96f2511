"""What a small run of training needs: designs that compile in seconds, short settings."""

from typing import Any

from isthmus.designs.schema import parse_design
from isthmus.forcefield.forcefield import ForceField
from isthmus.parameters.graph.source import GraphSettings, GraphSource
from isthmus.train.settings import TrainSettings
from isthmus.train.trainable import Trainable

__all__ = ["NETWORK", "SPRING", "SPRINGS", "TINY", "network", "short", "start", "weights_of"]

SPRINGS = """
name = "springs"
[[term]]
name = "bond"
over = "bond"
energy = "k/2*(r-r0)^2"
parameters.k = { unit = "kJ/mol/nm^2", default = 2e5, min = 0, scale = 1e5 }
parameters.r0 = { unit = "nm", default = "bond_length", min = 0.05, max = 0.4, scale = 0.01 }
[[term]]
name = "coulomb"
over = "pair"
form = "coulomb"
"""
_MORE = """
[[term]]
name = "angle"
over = "angle"
energy = "k/2*(theta-theta0)^2"
parameters.k = { unit = "kJ/mol/rad^2", default = 400, min = 0, scale = 150 }
parameters.theta0 = { unit = "rad", default = "angle", min = 0.5, max = 3.14, scale = 0.1 }
[[term]]
name = "torsion"
over = "torsion"
energy = "k2*(1+cos(2*phi)) + k3*(1+cos(3*phi))"
parameters.k2 = { unit = "kJ/mol", scale = 2 }
parameters.k3 = { unit = "kJ/mol", default = 0.6, scale = 1 }
"""
SPRING = parse_design(SPRINGS)
TINY = parse_design(SPRINGS.replace("springs", "tiny") + _MORE)
NETWORK = GraphSettings(width=8, depth=2, head_width=8)


def start(seed: int = 0) -> ForceField:
    """Springs with a network that was never trained."""
    return ForceField.graph(SPRING, seed=seed, settings=NETWORK)


def network(force_field: ForceField) -> GraphSource:
    """The network of a force field."""
    assert isinstance(force_field.source, GraphSource)
    return force_field.source


def weights_of(source: GraphSource) -> Trainable:
    """All that is trained of a force field without networks over neighbours."""
    return Trainable(source, ())


def short(**changes: Any) -> TrainSettings:
    """Settings of a run of a few steps."""
    usual: dict[str, Any] = {"epochs": 10, "molecules": 2, "frames": 4, "validations": 5}
    return TrainSettings(**(usual | changes))
