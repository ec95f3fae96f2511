"""Terms with their clusters and numbers, and what it takes to evaluate them.

`BoundTerm` and `BoundCoordinate` are plain data: the declaration, the atoms, the values. From
them `Evaluator` prepares everything that does not depend on positions, so that a step is left
with the geometry and the formulas.
"""

from collections.abc import Mapping, Sequence

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from isthmus.geometry.coordinates import CoordinatePlan, PlanBuilder, Redeem, Slot, unique_rows
from isthmus.geometry.gather import rows_of
from isthmus.terms.compiled import COS, SIN
from isthmus.terms.expression import GEOMETRY_FUNCTIONS
from isthmus.terms.formula import Coordinate, FormulaTerm

__all__ = [
    "BoundCoordinate",
    "BoundTerm",
    "Evaluator",
    "LaidOut",
    "Layout",
    "build_evaluator",
    "find_rows",
    "lay_out",
]

Clusters = Int[Array | np.ndarray, "_ _"]

Values = Mapping[str, Float[Array | np.ndarray, " _"] | Float[Array | np.ndarray, "types types"]]


class BoundCoordinate(eqx.Module):
    """A derived coordinate on its clusters. `values` has one number a cluster and parameter."""

    coordinate: Coordinate = eqx.field(static=True)
    atoms_idx: Int[Array | np.ndarray, "clusters size"]
    values: Values


class BoundTerm(eqx.Module):
    """A formula term on its clusters.

    Attributes:
        term: the declaration.
        atoms_idx: atoms of each cluster, in the order of the cluster kind.
        values: by parameter name, one number a cluster; per-atom parameters have one an atom
            of the whole system, (atoms,), tables over type pairs (types, types).
        periodic: whether displacements are taken to the nearest image.
        types: (atoms,) type of each atom, for tables over type pairs.
    """

    term: FormulaTerm = eqx.field(static=True)
    atoms_idx: Int[Array | np.ndarray, "clusters size"]
    values: Values
    periodic: bool = eqx.field(static=True, default=False)
    types: Int[Array | np.ndarray, " atoms"] | None = None

    @property
    def n_clusters(self) -> int:
        """Number of clusters."""
        return len(self.atoms_idx)

    def cluster_values(self) -> dict[str, Array | np.ndarray]:
        """Values by the name they have in the formula, one a cluster each."""
        result: dict[str, Array | np.ndarray] = {}
        for parameter in self.term.parameters:
            value = self.values[parameter.name]
            if parameter.per == "atom" and self.term.kind.n_atoms > 1:
                for a in range(self.term.kind.n_atoms):
                    result[f"{parameter.name}{a + 1}"] = value[self.atoms_idx[:, a]]
            elif parameter.per == "atom":
                result[parameter.name] = value[self.atoms_idx[:, 0]]
            elif parameter.per == "type_pair":
                assert self.types is not None
                kinds = self.types[self.atoms_idx]
                result[parameter.name] = value[kinds[:, 0], kinds[:, 1]]
            else:
                result[parameter.name] = value
        return result


class _Input(eqx.Module):
    """One geometric input of a compiled formula and where its values come from."""

    name: str = eqx.field(static=True)
    source: str = eqx.field(static=True)
    slots: tuple[Slot, ...]


class _Prepared(eqx.Module):
    """A formula ready to run: derived parameter arrays and inputs."""

    owner: FormulaTerm | Coordinate = eqx.field(static=True)
    n_clusters: int = eqx.field(static=True)
    derived: tuple[Array, ...]
    inputs: tuple[_Input, ...]

    def energies(
        self,
        coordinates: Mapping[str, Array],
        positions: Float[Array, "3 atoms *batch"],
        values: Mapping[str, Array],
    ) -> Float[Array, "clusters *batch"]:
        batch = (1,) * (positions.ndim - 2)
        derived = tuple(d.reshape(d.shape + batch) for d in self.derived)
        geometry = {i.name: _read(i, coordinates, positions, values) for i in self.inputs}
        energies = self.owner.compiled.energy(derived, geometry)
        # A formula without geometry, such as an energy per atom, has no conformers in it
        return jnp.broadcast_to(energies, (self.n_clusters, *positions.shape[2:]))


def _read(
    item: _Input,
    coordinates: Mapping[str, Array],
    positions: Float[Array, "3 atoms *batch"],
    values: Mapping[str, Array],
) -> Array:
    slot = item.slots[0]
    if item.source == "derived":
        return rows_of(values[slot.primitive], slot.rows)
    if item.source in "xyz":
        return rows_of(positions["xyz".index(item.source)], slot.rows)
    if item.source == "phi":
        sine = rows_of(coordinates["sindihedral"], slot.rows)
        return jnp.arctan2(sine, rows_of(coordinates["cosdihedral"], slot.rows))
    parts = []
    for part in item.slots:
        value = rows_of(coordinates[item.source], part.rows)
        if part.sign is not None:
            value = value * part.sign.reshape(part.sign.shape + (1,) * (value.ndim - 1))
        parts.append(value)
    return sum(parts[1:], parts[0]) / len(parts) if len(parts) > 1 else parts[0]


class Evaluator(eqx.Module):
    """All cluster terms of one precision and one periodicity, ready to run."""

    plan: CoordinatePlan
    coordinates: tuple[_Prepared, ...]
    terms: tuple[_Prepared, ...]

    def energies(
        self, positions: Float[Array, "3 atoms *batch"], box: Float[Array, "3 3"] | None
    ) -> dict[str, Float[Array, "clusters *batch"]]:
        """Energy of each cluster of each term [kJ/mol]."""
        coordinates = self.plan.evaluate(positions, box)
        values: dict[str, Array] = {}
        for item in self.coordinates:
            values[item.owner.name] = item.energies(coordinates, positions, values)
        return {
            item.owner.name: item.energies(coordinates, positions, values) for item in self.terms
        }


class LaidOut(eqx.Module):
    """A term or coordinate with the places of its geometric inputs, without numbers yet."""

    owner: FormulaTerm | Coordinate = eqx.field(static=True)
    n_clusters: int = eqx.field(static=True)
    inputs: tuple[_Input, ...]

    def prepared(self, values: Values, dtype: np.dtype) -> _Prepared:
        """With numbers: all that depends on the parameters alone is computed here.

        Args:
            values: by the name in the formula, one number a cluster each.
            dtype: of the evaluation.
        """
        numbers = {name: jnp.asarray(v) for name, v in values.items()}
        derived = self.owner.compiled.prepare(numbers)
        arrays = tuple(jnp.asarray(d, dtype) for d in derived)
        return _Prepared(self.owner, self.n_clusters, arrays, self.inputs)


class Layout(eqx.Module):
    """What the evaluation of cluster terms needs to know of the topology: index arrays only."""

    plan: CoordinatePlan
    coordinates: tuple[LaidOut, ...]
    terms: tuple[LaidOut, ...]

    def evaluator(self, values: Mapping[str, Values], dtype: np.dtype) -> Evaluator:
        """Ready to run; `values` by term or coordinate, then by the name in its formula."""

        def prepared(items: tuple[LaidOut, ...]) -> tuple[_Prepared, ...]:
            return tuple(item.prepared(values[item.owner.name], dtype) for item in items)

        return Evaluator(self.plan, prepared(self.coordinates), prepared(self.terms))


def lay_out(
    terms: Sequence[tuple[FormulaTerm, Clusters]],
    coordinates: Sequence[tuple[Coordinate, Clusters]],
    *,
    n_atoms: int,
    periodic: bool,
) -> Layout:
    """Find the coordinates that terms on these clusters need, each of them once."""
    builder = PlanBuilder(n_atoms)
    tables = {coordinate.name: (coordinate, atoms) for coordinate, atoms in coordinates}
    asked = [
        [(owner, len(atoms), _ask(owner, np.asarray(atoms), seen, builder)) for owner, atoms in of]
        for of, seen in ((coordinates, {}), (terms, tables))
    ]
    plan, redeem = builder.build(periodic=periodic)
    laid = [
        tuple(LaidOut(owner, size, _inputs(found, redeem)) for owner, size, found in of)
        for of in asked
    ]
    return Layout(plan, *laid)


def build_evaluator(
    terms: Sequence[BoundTerm],
    coordinates: Sequence[BoundCoordinate],
    *,
    n_atoms: int,
    periodic: bool,
    dtype: np.dtype,
) -> Evaluator:
    """Prepare terms and the coordinates that they use."""
    layout = lay_out(
        [(item.term, item.atoms_idx) for item in terms],
        [(item.coordinate, item.atoms_idx) for item in coordinates],
        n_atoms=n_atoms,
        periodic=periodic,
    )
    given = [
        item.prepared(dict(c.values), dtype)
        for item, c in zip(layout.coordinates, coordinates, strict=True)
    ]
    made = [
        item.prepared(t.cluster_values(), dtype)
        for item, t in zip(layout.terms, terms, strict=True)
    ]
    return Evaluator(layout.plan, tuple(given), tuple(made))


def _inputs(asked: list[tuple], redeem: Redeem) -> tuple[_Input, ...]:
    return tuple(
        _Input(name, source, tuple(t if isinstance(t, Slot) else redeem(t) for t in tickets))
        for name, source, tickets in asked
    )


def _ask(
    owner: FormulaTerm | Coordinate,
    atoms_idx: Int[np.ndarray, "clusters size"],
    tables: Mapping[str, tuple[Coordinate, Clusters]],
    builder: PlanBuilder,
) -> list[tuple]:
    """Request the inputs of a formula: (name in the formula, source, tickets or slots)."""
    asked, kind = [], owner.kind
    for name in owner.compiled.inputs:
        base = name.removeprefix(COS).removeprefix(SIN)
        if isinstance(owner, FormulaTerm) and base in owner.coordinate_names:
            coordinate, local = owner.coordinate_names[base]
            _, table = tables[coordinate.name]
            rows = find_rows(table, atoms_idx[:, [a - 1 for a in local]])
            asked.append((name, "derived", [Slot(coordinate.name, rows, None)]))
            continue
        if base in kind.variables:
            primitive, local = kind.variables[base].primitive, kind.variables[base].atoms
        else:
            primitive, local = owner.expression.geometry[base]
        assert primitive in GEOMETRY_FUNCTIONS or base in kind.variables
        columns = atoms_idx[:, [a - 1 for a in local]]
        asked.append((name, *_tickets(name, primitive, columns, builder)))
    return asked


def _tickets(
    name: str, primitive: str, atoms: Int[np.ndarray, "clusters size"], builder: PlanBuilder
) -> tuple[str, list]:
    if primitive in ("x", "y", "z"):
        return primitive, [Slot(primitive, atoms[:, 0].astype(np.int32), None)]
    if primitive == "meanwilson":
        turns = ([0, 1, 2, 3], [0, 2, 3, 1], [0, 3, 1, 2])
        return "wilson", [builder.request("wilson", atoms[:, turn]) for turn in turns]
    ticket = builder.request(primitive, atoms)
    if primitive == "dihedral":
        source = {COS: "cosdihedral", SIN: "sindihedral"}.get(name[: len(COS)], "phi")
        return source, [ticket]
    if primitive == "angle" and name.startswith(COS):
        return "cosangle", [ticket]
    return primitive, [ticket]


def find_rows(
    table: Int[Array | np.ndarray, "rows size"], wanted: Int[Array | np.ndarray, "clusters size"]
) -> Int[np.ndarray, " clusters"]:
    """Where each wanted cluster stands in a table, read in either direction.

    Raises:
        LookupError: a wanted cluster is not in the table.
    """
    table, wanted = np.asarray(table), np.asarray(wanted)

    def canonical(atoms: np.ndarray) -> np.ndarray:
        flip = atoms[:, 0] > atoms[:, -1]
        return np.where(flip[:, None], atoms[:, ::-1], atoms).astype(np.int64)

    rows = np.concatenate([canonical(table), canonical(wanted)])
    _, inverse = unique_rows(rows, n_atoms=int(rows.max(initial=0)) + 1)
    keys, asked = inverse[: len(table)], inverse[len(table) :]
    order = np.argsort(keys)
    place = np.minimum(np.searchsorted(keys[order], asked), max(len(keys) - 1, 0))
    found = order[place] if len(keys) else np.empty(0, dtype=np.int64)
    if len(asked) and (not len(keys) or not np.array_equal(keys[found], asked)):
        raise LookupError("a cluster refers to a smaller one that is not in its table")
    return found.astype(np.int32)
