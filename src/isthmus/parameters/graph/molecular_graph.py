"""A topology as the network takes it: features, clusters and priors as plain arrays.

Making it is work for the host, done once a topology. A network turns it into parameters inside
`jax.jit`, as often as its weights change.
"""

from collections.abc import Mapping

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float, Int

from isthmus.chemistry.topology import Topology
from isthmus.designs.design import Design
from isthmus.parameters.graph.features import GraphFeatures, graph_features
from isthmus.parameters.graph.symmetry import member_bonds
from isthmus.parameters.instantiate import clusters_of
from isthmus.parameters.prior import bond_charges, initial_value
from isthmus.terms.bound import find_rows
from isthmus.terms.formula import Coordinate, FormulaTerm
from isthmus.terms.parameter import Parameter

__all__ = ["ClusterTable", "MolecularGraph", "clusters_key", "molecular_graph", "prior_values"]

Priors = Mapping[str, Mapping[str, Float[Array | np.ndarray, " _"]]]


class ClusterTable(eqx.Module):
    """Clusters of one kind: their atoms, and the rows of the bonds between them."""

    atoms: Int[Array | np.ndarray, "clusters size"]
    bonds: Int[Array | np.ndarray, "clusters members"]


class MolecularGraph(eqx.Module):
    """One topology, or several concatenated, for one design.

    Attributes:
        atoms, bond_features: what the network sees (`isthmus.parameters.graph.features`).
        bonds: pairs of atoms.
        components: label of the connected component of each atom.
        clusters: by `clusters_key`.
        priors: by term or coordinate and parameter, where the design names a prior.
    """

    atoms: Float[Array | np.ndarray, "atoms features"]
    bonds: Int[Array | np.ndarray, "bonds 2"]
    bond_features: Float[Array | np.ndarray, "bonds bond_features"]
    components: Int[Array | np.ndarray, " atoms"]
    clusters: Mapping[str, ClusterTable]
    priors: Priors


def molecular_graph(design: Design, topology: Topology, *, padded: bool = False) -> MolecularGraph:
    """The graph of a topology, for a design.

    Args:
        design: says which clusters and priors are needed.
        topology: one molecule, or many (`isthmus.chemistry.topology.concatenate`).
        padded: lengthen all arrays to one of few sizes, so that molecules of about one size
            share compiled code; what is added is connected to nothing, and comes last.

    Raises:
        DesignError: a default names a prior that does not exist.
    """
    features = graph_features(topology)
    bonds = np.asarray(topology.bonds, dtype=np.int32)
    tables = {}
    for owner, parameter in design.own_parameters():
        key = clusters_key(owner)
        if key not in tables and parameter.per == "cluster":
            atoms = np.asarray(clusters_of(owner, topology), dtype=np.int32)
            rows = [find_rows(bonds, atoms[:, pair]) for pair in member_bonds(owner.kind)]
            members = np.stack(rows, axis=1) if rows else np.zeros((len(atoms), 0), np.int32)
            tables[key] = ClusterTable(atoms, members)
    graph = MolecularGraph(
        features.atoms,
        bonds,
        features.bonds,
        np.asarray(topology.components, dtype=np.int32),
        tables,
        _named_priors(design, topology, features),
    )
    return _padded(graph) if padded else graph


def clusters_key(owner: FormulaTerm | Coordinate) -> str:
    """Name of the clusters that a term or coordinate acts on."""
    return f"{owner.over} {getattr(owner, 'coordination', None) or ''}".strip()


def prior_values(
    design: Design, topology: Topology
) -> dict[str, dict[str, Float[np.ndarray, " _"]]]:
    """What a network that was never trained says: defaults and priors, the same for every
    resonance form.

    Raises:
        DesignError: a default names a prior that does not exist.
    """
    features = graph_features(topology)
    table: dict[str, dict[str, np.ndarray]] = {}
    for owner, parameter in design.own_parameters():
        table.setdefault(owner.name, {})[parameter.name] = _prior(
            owner, parameter, topology, features
        )
    return table


def _named_priors(design: Design, topology: Topology, features: GraphFeatures) -> Priors:
    table: dict[str, dict[str, np.ndarray]] = {}
    for owner, parameter in design.own_parameters():
        if isinstance(parameter.default, str):
            value = _prior(owner, parameter, topology, features)
            table.setdefault(owner.name, {})[parameter.name] = value.astype(np.float32)
    return table


def _prior(
    owner: FormulaTerm | Coordinate,
    parameter: Parameter,
    topology: Topology,
    features: GraphFeatures,
) -> Float[np.ndarray, " _"]:
    """Value before training; the formal charges are those shared between resonance forms."""
    if parameter.default == "charge" and parameter.per == "atom":
        return features.charges + bond_charges(features.averaged)
    atoms = np.arange(topology.n_atoms)[:, None]
    clusters = atoms if parameter.per == "atom" else clusters_of(owner, topology)
    value = initial_value(parameter.default, features.averaged, clusters)
    return np.clip(value, parameter.minimum, parameter.maximum)


def _padded(graph: MolecularGraph) -> MolecularGraph:
    """All arrays longer; new bonds and clusters are on a new atom, which is the last."""
    n_atoms = _bucket(len(graph.atoms) + 1)
    last = n_atoms - 1
    n_bonds = _bucket(len(graph.bonds) + 1)

    def lengthened(array: np.ndarray, n_rows: int, fill: int = 0) -> np.ndarray:
        extra = np.full((n_rows - len(array), *array.shape[1:]), fill, array.dtype)
        return np.concatenate([array, extra])

    return MolecularGraph(
        lengthened(np.asarray(graph.atoms), n_atoms),
        lengthened(np.asarray(graph.bonds), n_bonds, last),
        lengthened(np.asarray(graph.bond_features), n_bonds),
        lengthened(np.asarray(graph.components), n_atoms, last),
        {
            key: ClusterTable(
                lengthened(np.asarray(table.atoms), _bucket(len(table.atoms) + 1), last),
                lengthened(np.asarray(table.bonds), _bucket(len(table.atoms) + 1), n_bonds - 1),
            )
            for key, table in graph.clusters.items()
        },
        {
            owner: {
                name: lengthened(np.asarray(v), _bucket(len(v) + 1)) for name, v in values.items()
            }
            for owner, values in graph.priors.items()
        },
    )


def _bucket(n: int) -> int:
    """The smallest allowed length of at least n; there are eight to a doubling."""
    step = 1 << max((n - 1).bit_length() - 4, 3)
    return -(-n // step) * step
