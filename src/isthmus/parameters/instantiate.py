"""Put numbers into a design: clusters of a topology, values, references, pair groups."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Array, Int

from isthmus.chemistry.topology import Topology
from isthmus.designs.design import Design
from isthmus.errors import DesignError, InputError
from isthmus.parameters.parameterization import Parameterization
from isthmus.terms.bound import BoundCoordinate, BoundTerm, find_rows
from isthmus.terms.formula import Coordinate, FormulaTerm
from isthmus.terms.nonbonded import PairGroup, PairTerm, excluded_table
from isthmus.terms.nonbonded_method import NonbondedMethod
from isthmus.terms.parameter import Parameter

__all__ = ["Values", "clusters_of", "instantiate"]

Values = Mapping[str, Mapping[str, Array | np.ndarray]]
"""Numbers by name of the term or coordinate, then by name of the parameter."""

NO_METHOD = NonbondedMethod()


def clusters_of(
    owner: FormulaTerm | Coordinate, topology: Topology
) -> Int[np.ndarray, "clusters size"]:
    """The clusters of a topology that a term or coordinate acts on; for pairs, the atoms."""
    clusters = topology.clusters
    if owner.over in ("pair", "atom"):
        return np.arange(topology.n_atoms, dtype=np.int32)[:, None]
    table = {
        "bond": lambda: topology.bonds,
        "angle": lambda: clusters.angles,
        "torsion": lambda: clusters.torsions,
        "branch": lambda: clusters.branches,
        "path5": lambda: clusters.paths5,
        "pair14": lambda: clusters.pairs14,
    }
    found = table[owner.over]()
    coordination = getattr(owner, "coordination", None)
    if coordination is not None:
        found = found[topology.neighbours.degrees[found[:, 0]] == coordination]
    return found


def instantiate(
    design: Design,
    topology: Topology,
    values: Values,
    *,
    method: NonbondedMethod = NO_METHOD,
    pairs: Int[np.ndarray, "pairs 2"] | None = None,
) -> Parameterization:
    """Terms with their clusters and values.

    Args:
        design: the terms.
        topology: the system.
        values: numbers for every parameter that is no reference; per-atom ones (atoms,).
        method: how pair terms are summed.
        pairs: explicit list for pair terms whose parameters belong to pairs, not to atoms.

    Raises:
        DesignError: a reference leads to a cluster that its owner leaves out, or a term was
            imported with a list of its clusters.
        InputError: values are missing or have the wrong length.
    """
    for term in design.terms:
        if term.imported:
            raise DesignError(
                f"{term.where} was imported with a list of its clusters, which cannot be found "
                "from a topology: bind the force field that it came with, or write a design with "
                "terms of your own"
            )
    tables = {name: clusters_of(owner, topology) for name, owner in design.owners.items()}
    terms, pair_terms = [], []
    for term in design.terms:
        numbers = {
            parameter.name: _value(parameter, term, topology, tables, values, design, pairs)
            for parameter in term.parameters
        }
        explicit = any(p.per == "cluster" for p in term.parameters)
        if term.over != "pair":
            terms.append(BoundTerm(term, tables[term.name], numbers))
        elif not explicit:
            pair_terms.append(PairTerm(term, numbers))
        elif pairs is None:
            raise DesignError(
                f"{term.where}: its parameters belong to pairs, and pairs have no table here; "
                'write per = "atom" and combine them in the formula'
            )
        else:
            terms.append(BoundTerm(term, pairs, numbers))
    coordinates = tuple(
        BoundCoordinate(
            c,
            tables[c.name],
            {p.name: _value(p, c, topology, tables, values, design, pairs) for p in c.parameters},
        )
        for c in design.coordinates
    )
    groups = ()
    if pair_terms:
        exclusions = topology.clusters.excluded_pairs
        table = excluded_table(exclusions, topology.n_atoms)
        periodic = method.method != "none"
        groups = (PairGroup(tuple(pair_terms), exclusions, table, method, periodic),)
    return Parameterization(topology.masses, tuple(terms), coordinates, groups)


def _value(
    parameter: Parameter,
    owner: FormulaTerm | Coordinate,
    topology: Topology,
    tables: Mapping[str, np.ndarray],
    values: Values,
    design: Design,
    pairs: np.ndarray | None,
) -> Array | np.ndarray:
    reference = parameter.reference
    if reference is None:
        n_clusters = len(tables[owner.name])
        if owner.over == "pair" and parameter.per == "cluster":
            n_clusters = 0 if pairs is None else len(pairs)
        n_wanted = topology.n_atoms if parameter.per == "atom" else n_clusters
        return _checked(values, owner.name, parameter.name, n_wanted)
    source = design.owners[reference.owner]
    n_wanted = topology.n_atoms if parameter.per == "atom" else len(tables[source.name])
    value = _checked(values, source.name, reference.parameter, n_wanted)
    if parameter.per == "atom":
        return value
    wanted = tables[owner.name][:, [a - 1 for a in reference.at]]
    try:
        return value[find_rows(tables[source.name], wanted)]
    except LookupError:
        raise DesignError(
            f"{owner.where}, parameter '{parameter.name}': '{source.name}' leaves out clusters "
            "that this term needs; give both the same coordination"
        ) from None


def _checked(values: Values, owner: str, parameter: str, n_wanted: int) -> Array | np.ndarray:
    try:
        value = values[owner][parameter]
    except KeyError:
        raise InputError(f"values for '{owner}.{parameter}' are missing") from None
    if value.shape != (n_wanted,):
        raise InputError(
            f"values for '{owner}.{parameter}' have the shape {value.shape}, wanted is "
            f"({n_wanted},): they belong to another molecule"
        )
    return value
