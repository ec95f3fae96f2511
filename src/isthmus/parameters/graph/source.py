"""The source `graph`: every parameter of a design from a network on the molecular graph.

One network makes embeddings of the atoms; each kind of cluster has a head that turns them into
the parameters of all terms and coordinates over it, and each term with parameters of atoms has
one for these. Before any training the heads answer 0, and every parameter is at its default or
prior, so that an untrained force field already holds molecules together.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from isthmus.chemistry.topology import Topology
from isthmus.designs.design import Design
from isthmus.errors import DesignError, InputError
from isthmus.parameters.graph.bounds import bounded_values
from isthmus.parameters.graph.charges import conserved, equilibrated_charges
from isthmus.parameters.graph.features import FEATURES_VERSION
from isthmus.parameters.graph.heads import ClusterHead, Embeddings
from isthmus.parameters.graph.layers import MLP
from isthmus.parameters.graph.molecular_graph import (
    MolecularGraph,
    clusters_key,
    molecular_graph,
)
from isthmus.parameters.graph.network import GraphNetwork
from isthmus.parameters.graph.symmetry import symmetry_images
from isthmus.parameters.instantiate import clusters_of, instantiate
from isthmus.parameters.parameterization import Parameterization
from isthmus.parameters.source import Source
from isthmus.terms.formula import Coordinate, FormulaTerm
from isthmus.terms.nonbonded_method import NonbondedMethod
from isthmus.terms.parameter import Parameter

__all__ = ["GraphSettings", "GraphSource", "is_charge"]

Owner = FormulaTerm | Coordinate
Values = dict[str, dict[str, Array]]


@dataclass(frozen=True)
class GraphSettings:
    """Sizes of a network.

    Attributes:
        width: of the embedding of an atom.
        depth: rounds of messages, which is how many bonds an atom sees.
        head_width: of the hidden layers of the heads.
        features_version: of the features and priors that the weights were made for.
    """

    width: int = 96
    depth: int = 3
    head_width: int = 96
    features_version: int = FEATURES_VERSION

    def __post_init__(self) -> None:
        if min(self.width, self.depth, self.head_width) < 1:
            raise InputError(
                f"a network with width {self.width}, depth {self.depth} and head_width "
                f"{self.head_width}: all must be 1 or more"
            )


class GraphSource(Source):
    """A network on the molecular graph; made by `GraphSource.create`.

    Attributes:
        network: from the graph to embeddings of atoms.
        heads: by `clusters_key`, for parameters of clusters.
        atom_heads: by term or coordinate, for parameters of atoms.
        settings: sizes of all these.
    """

    network: GraphNetwork
    heads: Mapping[str, ClusterHead]
    atom_heads: Mapping[str, MLP]
    settings: GraphSettings = eqx.field(static=True)

    @classmethod
    def create(
        cls, design: Design, *, seed: int = 0, settings: GraphSettings | None = None
    ) -> "GraphSource":
        """A network for the parameters of a design, not trained.

        Args:
            design: any of our own; not one with imported terms.
            seed: of the random weights; equal seeds give equal weights on every machine.
            settings: sizes.

        Raises:
            DesignError: the design has parameters that no network on the graph can say.
        """
        settings = settings or GraphSettings()
        random = np.random.default_rng(seed)
        width, hidden = settings.width, settings.head_width
        network = GraphNetwork.create(random, width=width, depth=settings.depth)
        heads, atom_heads = {}, {}
        for key, owners in _heads(design).items():
            n_outputs = sum(len(_by_cluster(owner)) for owner in owners)
            heads[key] = ClusterHead.create(
                random, owners[0].kind, width=width, hidden=hidden, n_outputs=n_outputs
            )
        for name, owner in design.owners.items():
            _check(owner)
            if atoms := _by_atom(owner):
                sizes = (width, hidden, _n_atom_outputs(atoms))
                atom_heads[name] = MLP.create(random, sizes, zero_last=True)
        return cls(network, heads, atom_heads, settings)

    def graph(self, design: Design, topology: Topology, *, padded: bool = False) -> MolecularGraph:
        """What `values` takes; see `isthmus.parameters.graph.molecular_graph`."""
        return molecular_graph(design, topology, padded=padded)

    def values(self, design: Design, graph: MolecularGraph) -> Values:
        """Every parameter, for `isthmus.parameters.instantiate`: float32, one a cluster or atom.

        A pure function of the weights: it may be compiled and differentiated.

        Raises:
            InputError: the weights were made for another design, or for other features or priors.
        """
        self._check_fit(design)
        h = self.network(graph.atoms, graph.bonds, graph.bond_features)
        seen = Embeddings(h, graph.bond_features)
        values: Values = {}
        for key, owners in _heads(design).items():
            groups = {owner.where: _by_cluster(owner) for owner in owners}
            table = graph.clusters[key]
            images = symmetry_images(owners[0].kind, groups)
            raw = self.heads[key](seen, table.atoms, table.bonds, images)
            column = 0
            for owner in owners:
                parameters = _by_cluster(owner)
                own = raw[:, column : column + len(parameters)]
                bounded = bounded_values(parameters, _priors(graph, owner, parameters), own)
                values[owner.name] = {p.name: bounded[:, c] for c, p in enumerate(parameters)}
                column += len(parameters)
        for name, owner in design.owners.items():
            if parameters := _by_atom(owner):
                raw = self.atom_heads[name](h)
                found = _atom_values(graph, owner, parameters, raw)
                values[name] = values.get(name, {}) | found
        return values

    def parameterise(
        self, design: Design, topology: Topology, method: NonbondedMethod
    ) -> Parameterization:
        """See `Source.parameterise`; molecules of about one size share compiled code."""
        graph = self.graph(design, topology, padded=True)
        padded = _compiled_values(self, design, graph)
        values = _on_host(design, topology, padded)
        return instantiate(design, topology, values, method=method)

    def _check_fit(self, design: Design) -> None:
        if self.settings.features_version != FEATURES_VERSION:
            raise InputError(
                f"this network was made for version {self.settings.features_version} of the "
                "features and priors of molecules, and its numbers would be wrong with version "
                f"{FEATURES_VERSION} of this Isthmus: train it again, or use the version of "
                "Isthmus that trained it"
            )
        wanted = {
            key: sum(len(_by_cluster(owner)) for owner in owners)
            for key, owners in _heads(design).items()
        }
        wanted |= {
            name: _n_atom_outputs(_by_atom(owner))
            for name, owner in design.owners.items()
            if _by_atom(owner)
        }
        layers = {key: head.rest for key, head in self.heads.items()} | dict(self.atom_heads)
        found = {key: len(mlp.layers[-1].bias) for key, mlp in layers.items()}
        for key in sorted(wanted.keys() | found.keys()):
            if wanted.get(key) != found.get(key):
                raise InputError(
                    f"this network has {found.get(key, 0)} outputs for '{key}', the design "
                    f"'{design.name}' needs {wanted.get(key, 0)}: use the design that it was made "
                    "for"
                )


_compiled_values = jax.jit(
    lambda source, design, graph: source.values(design, graph), static_argnums=1
)


def _heads(design: Design) -> dict[str, list[Owner]]:
    """Terms and coordinates with parameters of clusters, by the clusters that they act on."""
    table: dict[str, list[Owner]] = {}
    for owner in design.owners.values():
        if owner.over != "pair" and _by_cluster(owner):
            table.setdefault(clusters_key(owner), []).append(owner)
    return table


def _by_cluster(owner: Owner) -> tuple[Parameter, ...]:
    return tuple(p for p in owner.parameters if p.reference is None and p.per == "cluster")


def _by_atom(owner: Owner) -> tuple[Parameter, ...]:
    return tuple(p for p in owner.parameters if p.reference is None and p.per == "atom")


def is_charge(parameter: Parameter) -> bool:
    """Whether a parameter is a charge, whose sum over a molecule is kept."""
    return parameter.unit == "e" and parameter.default == "charge"


def _n_atom_outputs(parameters: tuple[Parameter, ...]) -> int:
    """Charges take two outputs: electronegativity and hardness."""
    return sum(2 if is_charge(parameter) else 1 for parameter in parameters)


def _check(owner: Owner) -> None:
    """Whether all parameters are of a kind that heads can say, and symmetric."""
    for parameter in owner.parameters:
        if parameter.reference is None and (
            parameter.per == "type_pair" or (owner.over == "pair" and parameter.per == "cluster")
        ):
            raise DesignError(
                f"{owner.where}, parameter '{parameter.name}': belongs to pairs, which a network "
                'on the graph does not list; write per = "atom" and combine them in the formula'
            )
    symmetry_images(owner.kind, {owner.where: _by_cluster(owner)})


def _priors(
    graph: MolecularGraph, owner: Owner, parameters: tuple[Parameter, ...]
) -> Float[Array | np.ndarray, "*rows parameters"]:
    columns = [_prior(graph, owner, parameter) for parameter in parameters]
    if all(isinstance(column, np.ndarray) for column in columns):
        return np.stack(np.broadcast_arrays(*columns), axis=-1)
    return jnp.stack(jnp.broadcast_arrays(*columns), axis=-1)


def _prior(
    graph: MolecularGraph, owner: Owner, parameter: Parameter
) -> Float[Array | np.ndarray, "..."]:
    if isinstance(parameter.default, str):
        return graph.priors[owner.name][parameter.name]
    return np.array(np.clip(parameter.default, parameter.minimum, parameter.maximum))


def _atom_values(
    graph: MolecularGraph,
    owner: Owner,
    parameters: tuple[Parameter, ...],
    raw: Float[Array, "atoms outputs"],
) -> dict[str, Array]:
    values: dict[str, Array] = {}
    column = 0
    for parameter in parameters:
        prior = _prior(graph, owner, parameter)
        if is_charge(parameter):
            pair = raw[:, column : column + 2]
            values[parameter.name] = equilibrated_charges(
                prior, pair, graph.components, scale=parameter.scale
            )
        else:
            one = bounded_values((parameter,), prior[..., None], raw[:, column : column + 1])
            values[parameter.name] = one[:, 0]
        column += 2 if is_charge(parameter) else 1
    return values


def _on_host(
    design: Design, topology: Topology, padded: Mapping[str, Mapping[str, Array]]
) -> dict[str, dict[str, Float[np.ndarray, " _"]]]:
    """Without padding, in float64, with bounds and sums of charges exact to that precision."""
    result: dict[str, dict[str, np.ndarray]] = {}
    for owner, parameter in design.own_parameters():
        by_atom = parameter.per == "atom"
        n_rows = topology.n_atoms if by_atom else len(clusters_of(owner, topology))
        found = np.asarray(padded[owner.name][parameter.name])[:n_rows].astype(np.float64)
        if by_atom and is_charge(parameter):
            formal = topology.formal_charges.astype(np.float64)
            value = conserved(found, formal, topology.components)
        else:
            value = np.clip(found, parameter.minimum, parameter.maximum)
        result.setdefault(owner.name, {})[parameter.name] = value
    return result
