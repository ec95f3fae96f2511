"""Free parameters: one number for every cluster of one molecule, to be fitted."""

from collections.abc import Iterator

import numpy as np

from isthmus.chemistry.topology import Topology
from isthmus.designs.design import Design
from isthmus.parameters.instantiate import Values, clusters_of
from isthmus.parameters.prior import initial_value
from isthmus.terms.formula import Coordinate, FormulaTerm
from isthmus.terms.parameter import Parameter

__all__ = ["initial_values", "random_values"]

Table = dict[str, dict[str, np.ndarray]]


def initial_values(design: Design, topology: Topology) -> Table:
    """Every parameter at its default or prior: the start of a fit.

    Raises:
        DesignError: a default names a prior that does not exist.
    """
    table: Table = {}
    for owner, parameter in design.own_parameters():
        atoms = np.arange(topology.n_atoms)[:, None]
        clusters = atoms if parameter.per == "atom" else clusters_of(owner, topology)
        value = initial_value(parameter.default, topology, clusters)
        table.setdefault(owner.name, {})[parameter.name] = value
    return table


def random_values(design: Design, topology: Topology, *, seed: int) -> Values:
    """Parameters drawn around their defaults, each by its scale and within its bounds.

    For tests and benchmarks: no two clusters are alike, and nothing is zero by accident.
    """
    random = np.random.default_rng(seed)
    table = initial_values(design, topology)
    for owner, parameter in _sorted_parameters(design):
        value = table[owner.name][parameter.name]
        drawn = value + 0.5 * parameter.scale * random.uniform(-1, 1, value.shape)
        table[owner.name][parameter.name] = np.clip(drawn, parameter.minimum, parameter.maximum)
    return table


def _sorted_parameters(design: Design) -> Iterator[tuple[FormulaTerm | Coordinate, Parameter]]:
    yield from sorted(design.own_parameters(), key=lambda pair: (pair[0].name, pair[1].name))
