"""Internal coordinates of many clusters at once, each computed only once.

Terms share most of their geometry: the same bond is part of many angles, the same angle of many
torsions. A `CoordinatePlan` collects what all terms ask for, drops duplicates, and evaluates the
rest in a few wide elementwise loops. Positions come as (3, atoms, *batch): components first, so
that a loop reads contiguous memory, and conformers last, so that a gather moves whole rows.
"""

from typing import Final

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from isthmus.geometry.box import minimum_image_xyz
from isthmus.geometry.gather import rows_of
from isthmus.geometry.internal import (
    Vectors,
    angle,
    dihedral,
    dot,
    height,
    length_and_direction,
    wilson_angle,
)

__all__ = ["CoordinatePlan", "PlanBuilder", "Redeem", "Slot", "unique_rows"]

N_ATOMS: Final = {"distance": 2, "angle": 3, "dihedral": 4, "height": 4, "wilson": 4}
"""Primitives that a plan knows, and how many atoms each takes."""

Indices = Int[Array | np.ndarray, "clusters steps"]
Signs = Float[Array | np.ndarray, "clusters steps"]
Coordinates = dict[str, Float[Array, "rows *batch"]]


class Slot(eqx.Module):
    """Where the values of one requested coordinate stand in the arrays of a plan."""

    primitive: str = eqx.field(static=True)
    rows: Int[Array | np.ndarray, " clusters"]
    sign: Float[Array | np.ndarray, " clusters"] | None


class CoordinatePlan(eqx.Module):
    """Unique vectors, angles, dihedrals and out-of-plane coordinates, as index arrays.

    `edges` are atom pairs (first < second); `angles`, `dihedrals` and `fans` index edges, and
    the `*_sign` arrays say along which of them a coordinate runs against its edge.
    """

    edges: Int[Array | np.ndarray, "edges 2"]
    angles: Int[Array | np.ndarray, "angles 2"]
    angle_signs: Float[Array | np.ndarray, "angles 2"]
    dihedrals: Int[Array | np.ndarray, "dihedrals 3"]
    dihedral_signs: Float[Array | np.ndarray, "dihedrals 3"]
    heights: Int[Array | np.ndarray, "heights 3"]
    height_signs: Float[Array | np.ndarray, "heights 3"]
    wilsons: Int[Array | np.ndarray, "wilsons 3"]
    wilson_signs: Float[Array | np.ndarray, "wilsons 3"]
    periodic: bool = eqx.field(static=True)

    def evaluate(
        self, positions: Float[Array, "3 atoms *batch"], box: Float[Array, "3 3"] | None
    ) -> Coordinates:
        """All coordinates: distances [nm], angles [rad], cosines and sines.

        Keys: "distance", "angle", "cosangle", "cosdihedral", "sindihedral", "height", "wilson".
        """
        vectors = self._vectors(positions, box)
        distances, directions = length_and_direction(vectors)
        batch = (1,) * (positions.ndim - 2)
        result = {"distance": distances}

        def legs(of: Vectors, edges: Indices, signs: Signs) -> list[Vectors]:
            sign = jnp.asarray(signs, distances.dtype).reshape(signs.shape + batch)
            return [
                Vectors(*(rows_of(component, edges[:, c]) * sign[:, c] for component in of))
                for c in range(edges.shape[1])
            ]

        if len(self.angles):
            u, v = legs(directions, self.angles, self.angle_signs)
            result["angle"], result["cosangle"] = angle(u, v), dot(u, v)
        if len(self.dihedrals):
            cosine, sine = dihedral(*legs(directions, self.dihedrals, self.dihedral_signs))
            result["cosdihedral"], result["sindihedral"] = cosine, sine
        if len(self.heights):
            result["height"] = height(*legs(vectors, self.heights, self.height_signs))
        if len(self.wilsons):
            result["wilson"] = wilson_angle(*legs(directions, self.wilsons, self.wilson_signs))
        return result

    def _vectors(
        self, positions: Float[Array, "3 atoms *batch"], box: Float[Array, "3 3"] | None
    ) -> Vectors:
        """Displacements along the edges, to the nearest image if periodic."""
        components = [jnp.squeeze(c, 0) for c in jnp.split(positions, 3)]
        first, second = self.edges[:, 0], self.edges[:, 1]
        steps = Vectors(*(rows_of(c, second) - rows_of(c, first) for c in components))
        if self.periodic and box is not None:
            return Vectors(*minimum_image_xyz(*steps, box))
        return steps


class PlanBuilder:
    """Collects requests for coordinates and makes the plan that serves them all."""

    def __init__(self, n_atoms: int):
        self._n_atoms = n_atoms
        self._requests: dict[str, list[np.ndarray]] = {name: [] for name in N_ATOMS}
        self._counts = dict.fromkeys(N_ATOMS, 0)

    def request(
        self, primitive: str, atoms: Int[np.ndarray, "clusters size"]
    ) -> tuple[str, int, int]:
        """Ask for one coordinate of many clusters; the ticket is redeemed by `build`."""
        assert atoms.shape[1] == N_ATOMS[primitive]
        start = self._counts[primitive]
        self._requests[primitive].append(np.asarray(atoms, dtype=np.int64))
        self._counts[primitive] += len(atoms)
        return primitive, start, start + len(atoms)

    def build(self, *, periodic: bool) -> tuple[CoordinatePlan, "Redeem"]:
        """The plan, and the function that turns tickets into slots."""
        unique, rows, signs = {}, {}, {}
        for primitive, size in N_ATOMS.items():
            asked = self._requests[primitive]
            atoms = np.concatenate(asked) if asked else np.empty((0, size), dtype=np.int64)
            atoms, sign = _canonical(primitive, atoms)
            unique[primitive], rows[primitive] = unique_rows(atoms, self._n_atoms)
            signs[primitive] = sign
        steps = {
            "angle": _steps(unique["angle"], ((1, 0), (1, 2))),
            "dihedral": _steps(unique["dihedral"], ((0, 1), (1, 2), (2, 3))),
            "height": _steps(unique["height"], ((0, 1), (0, 2), (0, 3))),
            "wilson": _steps(unique["wilson"], ((0, 1), (0, 2), (0, 3))),
        }
        pairs = np.concatenate([unique["distance"], *(s.reshape(-1, 2) for s in steps.values())])
        edges, edge_rows = unique_rows(np.sort(pairs, axis=1), self._n_atoms)
        directions = np.where(pairs[:, 0] < pairs[:, 1], 1.0, -1.0)
        parts, start = {}, len(unique["distance"])
        for primitive, pair_array in steps.items():
            stop = start + pair_array.shape[0] * pair_array.shape[1]
            shape = pair_array.shape[:2]
            parts[primitive] = (
                edge_rows[start:stop].reshape(shape).astype(np.int32),
                directions[start:stop].reshape(shape),
            )
            start = stop
        distance_rows = edge_rows[: len(unique["distance"])]
        plan = CoordinatePlan(
            edges.astype(np.int32),
            *parts["angle"],
            *parts["dihedral"],
            *parts["height"],
            *parts["wilson"],
            periodic=periodic,
        )
        rows["distance"] = distance_rows[rows["distance"]]
        return plan, Redeem(rows, signs)


class Redeem:
    """Turns the tickets of a builder into slots of its plan."""

    def __init__(self, rows: dict[str, np.ndarray], signs: dict[str, np.ndarray | None]):
        self._rows = rows
        self._signs = signs

    def __call__(self, ticket: tuple[str, int, int]) -> Slot:
        primitive, start, stop = ticket
        signs = self._signs[primitive]
        sign = None if signs is None else signs[start:stop]
        if sign is not None and np.all(sign == 1.0):
            sign = None
        return Slot(primitive, self._rows[primitive][start:stop].astype(np.int32), sign)


def _canonical(primitive: str, atoms: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """One spelling for each coordinate, and the sign by which the value changes."""
    if primitive in ("distance", "angle", "dihedral"):
        flip = atoms[:, 0] > atoms[:, -1]
        return np.where(flip[:, None], atoms[:, ::-1], atoms), None
    centre, rest = atoms[:, :-3], atoms[:, -3:]
    if primitive == "wilson":
        flip = rest[:, 1] > rest[:, 2]
        swapped = np.where(flip[:, None], rest[:, [0, 2, 1]], rest)
        return np.concatenate([centre, swapped], axis=1), np.where(flip, -1.0, 1.0)
    order = np.argsort(rest, axis=1)
    even = (order[:, 1] - order[:, 0]) % 3 == 1
    ordered = np.take_along_axis(rest, order, axis=1)
    return np.concatenate([centre, ordered], axis=1), np.where(even, 1.0, -1.0)


def _steps(atoms: np.ndarray, ends: tuple[tuple[int, int], ...]) -> np.ndarray:
    """Atom pairs (clusters, steps, 2) of the displacements that a coordinate needs."""
    return np.stack([atoms[:, list(pair)] for pair in ends], axis=1)


def unique_rows(
    rows: Int[np.ndarray, "rows size"], n_atoms: int
) -> tuple[Int[np.ndarray, "unique size"], Int[np.ndarray, " rows"]]:
    """Unique rows of atom indices below `n_atoms`, and where each given row stands among them."""
    if not len(rows):
        return rows, np.empty(0, dtype=np.int64)
    if rows.shape[1] * np.log2(max(n_atoms, 2)) < 62:
        keys = rows @ (n_atoms ** np.arange(rows.shape[1] - 1, -1, -1, dtype=np.int64))
        _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
        return rows[first], inverse
    unique, inverse = np.unique(rows, axis=0, return_inverse=True)
    return unique, inverse.reshape(-1)
