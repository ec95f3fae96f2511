"""A molecule as tables of integers: all that a design needs to know of it, for any numbers.

Several molecules are put behind one another by adding to each integer the number of rows that
stand before in the table that it points into. So a molecule is prepared once, and batches of any
composition are made by concatenation.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Int

from isthmus.chemistry.topology import Topology
from isthmus.designs.design import Design
from isthmus.errors import DesignError
from isthmus.geometry.coordinates import Slot
from isthmus.geometry.neighbours import all_pairs
from isthmus.parameters.graph.molecular_graph import MolecularGraph, clusters_key, molecular_graph
from isthmus.parameters.instantiate import clusters_of
from isthmus.terms.bound import LaidOut, Layout, find_rows, lay_out
from isthmus.terms.formula import Coordinate, FormulaTerm

__all__ = ["Address", "Gather", "Rows", "Structure", "addresses", "structure_of", "table_of"]

Owner = FormulaTerm | Coordinate
Rows = Int[Array | np.ndarray, " _"]

ATOM, BOND, EDGE, PAIR, MOLECULE = "atom", "bond", "edge", "pair", "molecule"


class Gather(eqx.Module):
    """Where a name in a formula takes its numbers from: rows of a parameter, None for all."""

    owner: str = eqx.field(static=True)
    parameter: str = eqx.field(static=True)
    rows: Rows | None


class Structure(eqx.Module):
    """One molecule, or several behind one another, for one design.

    Attributes:
        graph: what a network sees.
        layout: the geometry that the terms need.
        gathers: by term or coordinate, then by the name in its formula.
        members: by table, the molecule that each row belongs to.
    """

    graph: MolecularGraph
    layout: Layout
    gathers: Mapping[str, Mapping[str, Gather]]
    members: Mapping[str, Rows]


@dataclass(frozen=True)
class Address:
    """Where an array of a structure stands.

    Attributes:
        table: whose rows are its own.
        into: the table whose rows its numbers count; None for features and signs.
        apart: whether rows that are added to fill a batch must be connected to nothing.
    """

    table: str
    into: str | None = None
    apart: bool = False


def structure_of(design: Design, topology: Topology) -> Structure:
    """The structure of one molecule.

    Raises:
        DesignError: the design has parameters that belong to pairs.
    """
    clusters = {name: _clusters(owner, topology) for name, owner in design.owners.items()}
    layout = lay_out(
        [(term, clusters[term.name]) for term in design.terms],
        [(coordinate, clusters[coordinate.name]) for coordinate in design.coordinates],
        n_atoms=topology.n_atoms,
        periodic=False,
    )
    gathers = {
        name: dict(_gathers(design, owner, clusters)) for name, owner in design.owners.items()
    }
    members = {
        table_of(owner): np.zeros(len(clusters[name]), np.int32)
        for name, owner in design.owners.items()
    }
    members[ATOM] = np.zeros(topology.n_atoms, np.int32)
    graph = molecular_graph(design, topology)
    return Structure(graph, _uniform(layout), gathers, members)


def table_of(owner: Owner) -> str:
    """Name of the table of the clusters of a term or coordinate."""
    return PAIR if owner.over == PAIR else clusters_key(owner)


def addresses(design: Design, structure: Structure) -> list[Address]:
    """The address of every array, in the order of `jax.tree.leaves`."""
    graph, plan = structure.graph, structure.layout.plan
    known = {
        id(graph.atoms): Address(ATOM),
        id(graph.bonds): Address(BOND, ATOM, apart=True),
        id(graph.bond_features): Address(BOND),
        id(graph.components): Address(ATOM, ATOM, apart=True),
        id(plan.edges): Address(EDGE, ATOM),
    }
    for key, clusters in graph.clusters.items():
        known.setdefault(id(clusters.atoms), Address(key, ATOM))
        known[id(clusters.bonds)] = Address(key, BOND)
    for name, priors in graph.priors.items():
        for owner, parameter in design.own_parameters():
            if owner.name == name and parameter.name in priors:
                table = ATOM if parameter.per == "atom" else table_of(owner)
                known[id(priors[parameter.name])] = Address(table)
    for primitive in ("angle", "dihedral", "height", "wilson"):
        known[id(getattr(plan, f"{primitive}s"))] = Address(f"{primitive} in space", EDGE)
        known[id(getattr(plan, f"{primitive}_signs"))] = Address(f"{primitive} in space")
    for item in (*structure.layout.coordinates, *structure.layout.terms):
        table = table_of(item.owner)
        for one in item.inputs:
            for slot in one.slots:
                known[id(slot.rows)] = Address(table, _pointed_at(design, slot))
                known[id(slot.sign)] = Address(table)
        for name, gather in structure.gathers[item.owner.name].items():
            if gather.rows is not None:
                source = design.owners[gather.owner]
                per = next(p.per for p in source.parameters if p.name == gather.parameter)
                into = ATOM if per == "atom" else table_of(source)
                known[id(structure.gathers[item.owner.name][name].rows)] = Address(table, into)
    for table, rows in structure.members.items():
        known[id(rows)] = Address(table, MOLECULE)
    return [known[id(leaf)] for leaf in jax.tree.leaves(structure)]


def _clusters(owner: Owner, topology: Topology) -> Int[np.ndarray, "clusters size"]:
    if owner.over != PAIR:
        return np.asarray(clusters_of(owner, topology), dtype=np.int32)
    return all_pairs(topology.n_atoms, topology.clusters.excluded_pairs)


def _gathers(
    design: Design, owner: Owner, clusters: Mapping[str, np.ndarray]
) -> Iterator[tuple[str, Gather]]:
    atoms = clusters[owner.name]
    for parameter in owner.parameters:
        reference = parameter.reference
        source = owner.name if reference is None else reference.owner
        name = parameter.name if reference is None else reference.parameter
        if parameter.per == "atom" and owner.kind.n_atoms > 1:
            for place in range(owner.kind.n_atoms):
                rows = np.array(atoms[:, place], np.int32)
                yield f"{parameter.name}{place + 1}", Gather(source, name, rows)
        elif parameter.per == "atom" or reference is None:
            yield parameter.name, Gather(source, name, None)
        else:
            wanted = atoms[:, [a - 1 for a in reference.at]]
            try:
                rows = find_rows(clusters[source], wanted)
            except LookupError:
                raise DesignError(
                    f"{owner.where}, parameter '{parameter.name}': '{source}' leaves out clusters "
                    "that this term needs; give both the same coordination"
                ) from None
            yield parameter.name, Gather(source, name, rows)


def _uniform(layout: Layout) -> Layout:
    """Without sizes, and with all signs written out: alike for all molecules."""

    def slot(old: Slot) -> Slot:
        signed = old.primitive in ("height", "wilson")
        sign = np.ones(len(old.rows)) if old.sign is None and signed else old.sign
        return Slot(old.primitive, np.array(old.rows, np.int32), sign)

    def item(old: LaidOut) -> LaidOut:
        inputs = tuple(
            type(one)(one.name, one.source, tuple(map(slot, one.slots))) for one in old.inputs
        )
        return LaidOut(old.owner, 0, inputs)

    plan = jax.tree.map(np.array, layout.plan)
    return Layout(plan, tuple(map(item, layout.coordinates)), tuple(map(item, layout.terms)))


def _pointed_at(design: Design, slot: Slot) -> str:
    if slot.primitive in design.owners:
        return table_of(design.owners[slot.primitive])
    if slot.primitive in ("x", "y", "z"):
        return ATOM
    return EDGE if slot.primitive == "distance" else f"{slot.primitive} in space"
