"""Energies and forces of the clusters of one term, and their derivatives by its parameters.

Every cluster gets a copy of its atoms of its own, so that no two clusters share a coordinate or a
parameter. One Jacobian-vector product a *name* of a parameter then gives the derivatives of all
clusters at once, and it is known where in the molecule and among the values each belongs.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from isthmus.chemistry.topology import Topology
from isthmus.designs.design import Design
from isthmus.errors import DesignError
from isthmus.geometry.neighbours import all_pairs
from isthmus.parameters.instantiate import clusters_of
from isthmus.terms.bound import BoundCoordinate, BoundTerm, build_evaluator, find_rows
from isthmus.terms.expression import names_in
from isthmus.terms.formula import Coordinate, FormulaTerm
from isthmus.terms.parameter import Parameter

__all__ = ["Derivatives", "TermBlock", "term_blocks"]

Name = tuple[str, str]


@dataclass(frozen=True)
class Derivatives:
    """Of the clusters of one term, for some frames; axis `own` counts clusters · atoms of each.

    Attributes:
        energies: [kJ/mol].
        forces: [kJ/mol/nm].
        energies_by: derivative of the energies by each local parameter.
        forces_by: derivative of the forces by each local parameter.
    """

    energies: Float[np.ndarray, "clusters frames"]
    forces: Float[np.ndarray, "3 own frames"]
    energies_by: Float[np.ndarray, "local clusters frames"]
    forces_by: Float[np.ndarray, "local 3 own frames"]


@dataclass(frozen=True)
class _Column:
    """A parameter as a cluster sees it: its own, of one of its atoms, or of a smaller cluster.

    `group` says which array of the exploded term it goes into, `rows` where its values stand
    among those of all parameters, one a cluster.
    """

    group: tuple[str, ...]
    rows: Int[np.ndarray, " clusters"]


@dataclass(frozen=True)
class TermBlock:
    """A term whose clusters have been taken apart; made by `term_blocks`.

    Attributes:
        term: the declaration.
        atoms_idx: atoms of the molecule.
        columns: the parameters that a cluster sees.
        tables: derived coordinates and their clusters among the copies of atoms.
    """

    term: FormulaTerm
    atoms_idx: Int[np.ndarray, "clusters size"]
    columns: tuple[_Column, ...]
    tables: tuple[tuple[Coordinate, Int[np.ndarray, "_ _"]], ...]

    @cached_property
    def rows(self) -> Int[np.ndarray, "local clusters"]:
        """Where the values of each column stand among all values."""
        return np.stack([column.rows for column in self.columns])

    def derivatives(
        self,
        values: Float[np.ndarray, " values"],
        positions: Float[np.ndarray, "frames atoms 3"],
    ) -> Derivatives:
        """Energies, forces and their derivatives, in float64."""
        with jax.enable_x64(True):
            own = jnp.asarray(positions.T[:, self.atoms_idx.reshape(-1)])
            found = self._compiled(jnp.asarray(values[self.rows]), own)
            return Derivatives(*(np.asarray(array) for array in found))

    @cached_property
    def _compiled(self):
        # Run some ten times only: compiling faster is worth more than running faster
        return jax.jit(self._derivatives, compiler_options={"xla_backend_optimization_level": "0"})

    def _derivatives(
        self, local: Float[Array, "local clusters"], positions: Float[Array, "3 own frames"]
    ) -> tuple[Array, ...]:
        def energies_and_forces(local: Array) -> tuple[Array, Array]:
            energies, pull = jax.vjp(lambda x: self._energies(local, x), positions)
            return energies, -pull(jnp.ones_like(energies))[0]

        (energies, forces), change = jax.linearize(energies_and_forces, local)
        basis = jnp.eye(len(self.columns), dtype=local.dtype)
        directions = jnp.broadcast_to(basis[:, :, None], (*basis.shape, local.shape[1]))
        return energies, forces, *jax.vmap(change)(directions)

    def _energies(
        self, local: Float[Array, "local clusters"], positions: Float[Array, "3 own frames"]
    ) -> Float[Array, "clusters frames"]:
        groups: dict[tuple[str, ...], list[Array]] = {}
        for column, value in zip(self.columns, local, strict=True):
            groups.setdefault(column.group, []).append(value)
        n_clusters, size = self.atoms_idx.shape
        per_atom = {p.name for p in self.term.parameters if p.per == "atom"}
        values = {
            p.name: jnp.stack(groups[p.name,], axis=-1).reshape(-1)
            if p.name in per_atom
            else groups[p.name,][0]
            for p in self.term.parameters
        }
        coordinates = [
            BoundCoordinate(
                coordinate,
                table,
                {
                    p.name: jnp.concatenate(groups[coordinate.name, p.name])
                    for p in coordinate.parameters
                },
            )
            for coordinate, table in self.tables
        ]
        own = np.arange(n_clusters * size, dtype=np.int32).reshape(n_clusters, size)
        evaluator = build_evaluator(
            [BoundTerm(self.term, own, values)],
            coordinates,
            n_atoms=n_clusters * size,
            periodic=False,
            dtype=np.dtype(np.float64),
        )
        return evaluator.energies(positions, None)[self.term.name]


def term_blocks(
    design: Design, topology: Topology, places: Mapping[Name, slice]
) -> tuple[TermBlock, ...]:
    """All terms of a design that have clusters in a molecule.

    Args:
        design: the terms.
        topology: the molecule.
        places: where the values of each (owner, parameter) stand among all values.

    Raises:
        DesignError: parameters that belong to pairs or to pairs of types.
    """
    blocks = (_term_block(term, design, topology, places) for term in design.terms)
    return tuple(block for block in blocks if len(block.atoms_idx))


def _term_block(
    term: FormulaTerm, design: Design, topology: Topology, places: Mapping[Name, slice]
) -> TermBlock:
    atoms_idx = clusters_of(term, topology)
    if term.over == "pair":
        atoms_idx = all_pairs(topology.n_atoms, topology.clusters.excluded_pairs)
    columns = [
        _Column((p.name,), rows)
        for p in term.parameters
        for rows in _rows(p, term, atoms_idx, design, topology, places)
    ]
    own = np.arange(atoms_idx.size, dtype=np.int32).reshape(atoms_idx.shape)
    tables: dict[Coordinate, list[np.ndarray]] = {}
    for base in sorted(names_in(term.expression.value) & set(term.coordinate_names)):
        coordinate, local = term.coordinate_names[base]
        places_of = [a - 1 for a in local]
        table = clusters_of(coordinate, topology)
        rows = find_rows(table, atoms_idx[:, places_of])
        turned = table[rows][:, 0] != atoms_idx[:, places_of[0]]
        copies = own[:, places_of]
        copies = np.where(turned[:, None], copies[:, ::-1], copies)
        tables.setdefault(coordinate, []).append(copies)
        columns += [
            _Column((coordinate.name, p.name), places[coordinate.name, p.name].start + rows)
            for p in coordinate.parameters
        ]
    copied = tuple((item, np.concatenate(copies)) for item, copies in tables.items())
    return TermBlock(term, atoms_idx, tuple(columns), copied)


def _rows(
    parameter: Parameter,
    term: FormulaTerm,
    atoms_idx: Int[np.ndarray, "clusters size"],
    design: Design,
    topology: Topology,
    places: Mapping[Name, slice],
) -> Iterator[Int[np.ndarray, " clusters"]]:
    """Where the values of a parameter stand, one array for each of its names in the formula."""
    reference = parameter.reference
    owner = (term.name, parameter.name)
    if reference is not None:
        owner = (reference.owner, reference.parameter)
    start = places[owner].start
    if parameter.per == "atom":
        for a in range(term.kind.n_atoms):
            yield start + atoms_idx[:, a]
    elif parameter.per != "cluster" or term.over == "pair":
        raise DesignError(
            f"{term.where}, parameter '{parameter.name}': belongs to pairs, which have no table "
            'here; write per = "atom" and combine them in the formula'
        )
    elif reference is None:
        yield start + np.arange(len(atoms_idx))
    else:
        table = clusters_of(design.owners[reference.owner], topology)
        yield start + find_rows(table, atoms_idx[:, [a - 1 for a in reference.at]])
