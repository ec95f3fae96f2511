"""Which distances to hydrogen are held fixed, and at what length: where the force field rests.

All bonds to hydrogen are held, and water is rigid: its hydrogens are held apart at the distance
that belongs to the lengths of its bonds and its resting angle.
"""

from collections.abc import Callable, Mapping
from typing import Final

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from isthmus.chemistry.topology import Topology
from isthmus.errors import InputError
from isthmus.forcefield.potential import Potential
from isthmus.parameters.parameterization import Constraints, Parameterization
from isthmus.simulate.water import water_molecules
from isthmus.terms.bound import BoundCoordinate, BoundTerm, lay_out

__all__ = ["hydrogen_constraints", "resting_angles", "resting_lengths"]

RANGE: Final = (0.05, 0.25)
"""Where the length of a bond to hydrogen is looked for [nm]"""

ANGLES: Final = (1.2, 3.1)
"""Where the angle of water is looked for [rad]"""

POINTS: Final = 201
"""Lengths or angles tried to find the interval of the minimum."""

HALVINGS: Final = 50

LEAST_DEPTH: Final = 1e-6
"""By which a minimum lies below both ends, far above rounding [kJ/mol]"""

Rows = Int[np.ndarray, " found"]
Pick = Callable[[BoundTerm | BoundCoordinate], tuple[Rows, Int[np.ndarray, "found size"], Rows]]
"""Rows of a term that act within fragments, their atoms there, and the fragment of each"""


def hydrogen_constraints(
    topology: Topology, parameters: Parameterization | Potential
) -> Constraints:
    """All bonds to hydrogen and the hydrogens of water, at rest by the terms of the force field.

    Constraints that the force field brings along, such as rigid water, are kept as they are.

    Args:
        topology: of the whole system.
        parameters: of the same system.

    Raises:
        InputError: the two do not fit together; a bond to hydrogen has no term with a minimum
            between 0.05 and 0.25 nm, or the angle of a water none.
    """
    item = parameters.parameterization if isinstance(parameters, Potential) else parameters
    if topology.n_atoms != item.n_atoms:
        raise InputError(
            f"the topology has {topology.n_atoms} atoms and the force field is bound to "
            f"{item.n_atoms}: give the topology that it was bound to"
        )
    hydrogen = topology.atomic_numbers == 1
    bonds = np.asarray(topology.bonds)
    kept = item.constraints or Constraints(np.zeros((0, 2), dtype=np.int32), np.zeros(0))
    known = {
        (min(i, j), max(i, j)): length
        for (i, j), length in zip(kept.pairs.tolist(), kept.distances.tolist(), strict=True)
    }
    pairs = _others(bonds[hydrogen[bonds].any(axis=1)], known)
    lengths = resting_lengths(item, pairs)
    known |= {
        (min(i, j), max(i, j)): length
        for (i, j), length in zip(pairs.tolist(), lengths.tolist(), strict=True)
    }
    waters = water_molecules(topology)
    flexible = np.array([pair not in known for pair in map(tuple, waters[:, 1:].tolist())], bool)
    waters = waters[flexible.reshape(-1)]
    arms = np.array(
        [[known[min(o, h), max(o, h)] for h in (one, other)] for o, one, other in waters.tolist()]
    ).reshape(-1, 2)
    across = _across(arms, resting_angles(item, waters, arms))
    return Constraints(
        np.concatenate([kept.pairs, pairs, waters[:, 1:]]).astype(np.int32),
        np.concatenate([np.asarray(kept.distances), lengths, across]),
    )


def _others(
    pairs: Int[np.ndarray, "pairs 2"], known: Mapping[tuple[int, int], float]
) -> Int[np.ndarray, "others 2"]:
    """Pairs that are not known yet, in either order."""
    new = [(min(i, j), max(i, j)) not in known for i, j in pairs.tolist()]
    return pairs[np.array(new, dtype=bool)]


def _across(
    arms: Float[np.ndarray, "waters 2"], angles: Float[np.ndarray, " waters"]
) -> Float[np.ndarray, " waters"]:
    """Distance of the ends of two arms [nm] with an angle [rad] between them."""
    one, other = arms.T
    return np.sqrt(one**2 + other**2 - 2 * one * other * np.cos(angles))


def resting_angles(
    parameterization: Parameterization,
    waters: Int[np.ndarray, "waters 3"],
    arms: Float[np.ndarray, "waters 2"],
) -> Float[np.ndarray, " waters"]:
    """Angle [rad] at which the terms within each water are lowest, its bonds held.

    Args:
        parameterization: of the whole system.
        waters: oxygen, hydrogen, hydrogen.
        arms: lengths of the bonds to the hydrogens [nm].

    Raises:
        InputError: a water has no term with a minimum between 1.2 and 3.1 rad.
    """
    one, other = arms.T[:, :, None]

    def place(angles: Array) -> tuple[Array, Array]:
        x = jnp.zeros((3 * len(waters), angles.shape[1]))
        x = x.at[1::3].set(one).at[2::3].set(other * jnp.cos(angles))
        return x, jnp.zeros_like(x).at[2::3].set(other * jnp.sin(angles))

    size = parameterization.n_atoms
    fragment, place_in = np.full(size, -1), np.zeros(size, dtype=np.int64)
    fragment[waters] = np.arange(len(waters))[:, None]
    place_in[waters] = np.arange(3)

    def pick(bound: BoundTerm | BoundCoordinate) -> tuple[Rows, np.ndarray, Rows]:
        over = (bound.term if isinstance(bound, BoundTerm) else bound.coordinate).over
        table = np.asarray(bound.atoms_idx, dtype=np.int64)
        if over not in ("bond", "angle") or not len(table):
            return np.zeros(0, dtype=np.int64), np.zeros((0, 1), np.int64), np.zeros(0, np.int64)
        owner = fragment[table]
        rows = np.flatnonzero((owner == owner[:, :1]).all(axis=1) & (owner[:, 0] >= 0))
        return rows, 3 * owner[rows] + place_in[table[rows]], owner[rows, 0]

    found, inside = _lowest(parameterization, pick, place, len(waters), 3, ANGLES)
    missing = np.flatnonzero(~inside)
    if len(missing):
        raise InputError(
            f"the force field has no angle term at atom {int(waters[missing[0], 0])}, the oxygen "
            f"of a water, with a minimum between {ANGLES[0]} and {ANGLES[1]} rad, so this water "
            "cannot be made rigid: give the constraints with their distances yourself"
        )
    return found


def resting_lengths(
    parameterization: Parameterization, pairs: Int[np.ndarray, "bonds 2"]
) -> Float[np.ndarray, " bonds"]:
    """Length [nm] at which the bond terms of each pair are lowest, whatever their formula.

    Raises:
        InputError: a pair has no bond term, or no minimum between 0.05 and 0.25 nm.
    """

    def place(lengths: Array) -> tuple[Array, Array]:
        x = jnp.zeros((2 * len(pairs), lengths.shape[1])).at[1::2].set(lengths)
        return x, jnp.zeros_like(x)

    def pick(bound: BoundTerm | BoundCoordinate) -> tuple[Rows, np.ndarray, Rows]:
        rows, bonds = _matches(bound, pairs)
        return rows, np.stack([2 * bonds, 2 * bonds + 1], axis=1), bonds

    found, inside = _lowest(parameterization, pick, place, len(pairs), 2, RANGE)
    missing = np.flatnonzero(~inside)
    if len(missing):
        i, j = pairs[missing[0]].tolist()
        raise InputError(
            f"the force field has no bond term between atoms {i} and {j} with a minimum between "
            f"{RANGE[0]} and {RANGE[1]} nm, so the length of this bond to hydrogen is not known: "
            "give the constraints with their distances yourself"
        )
    return found


def _lowest(
    parameterization: Parameterization,
    pick: Pick,
    place: Callable[[Array], tuple[Array, Array]],
    count: int,
    size: int,
    between: tuple[float, float],
) -> tuple[Float[np.ndarray, " fragments"], Bool[np.ndarray, " fragments"]]:
    """The value in an interval at which each fragment is lowest, and whether there is one inside.

    Args:
        parameterization: whose terms are taken.
        pick: which of them act within a fragment.
        place: x and y of all atoms from values (fragments, trials).
        count, size: number of fragments, and of atoms in each.
        between: the interval.
    """
    if not count:
        return np.zeros(0), np.zeros(0, dtype=bool)
    grid = np.tile(np.linspace(*between, POINTS), (count, 1))
    with jax.enable_x64(True):
        slope = _slope(parameterization, pick, place, count * size)
        energies = np.asarray(slope(grid)[0])
        best = np.argmin(energies, axis=1)
        depth = energies[:, [0, -1]].min(axis=1) - energies.min(axis=1)
        step = (between[1] - between[0]) / (POINTS - 1)
        low = between[0] + step * (best - 1)
        high = low + 2 * step
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            rising = np.asarray(slope(middle[:, None])[1])[:, 0] > 0
            low, high = np.where(rising, low, middle), np.where(rising, middle, high)
    return (low + high) / 2, depth > LEAST_DEPTH


def _slope(
    parameterization: Parameterization,
    pick: Pick,
    place: Callable[[Array], tuple[Array, Array]],
    n_atoms: int,
) -> Callable[[np.ndarray], tuple[Array, Array]]:
    """Energy [kJ/mol] and its derivative of values (fragments, trials), all fragments alone."""
    terms, owners, values = [], [], {}
    for bound in parameterization.terms:
        rows, atoms, owner = pick(bound)
        if len(rows):
            terms.append((bound.term, atoms.astype(np.int32)))
            owners.append(owner)
            values[bound.term.name] = _picked(bound.cluster_values(), rows)
    names = {c.name for term, _ in terms for c, _ in term.coordinate_names.values()}
    coordinates = []
    for bound in parameterization.coordinates:
        if bound.coordinate.name in names:
            rows, atoms, _ = pick(bound)
            coordinates.append((bound.coordinate, atoms.astype(np.int32)))
            values[bound.coordinate.name] = _picked(bound.values, rows)
    layout = lay_out(terms, coordinates, n_atoms=n_atoms, periodic=False)
    evaluator = layout.evaluator(values, np.dtype("float64"))

    def total(given: Array) -> tuple[Array, Array]:
        x, y = place(given)
        each = evaluator.energies(jnp.stack([x, y, 0 * x]), None)
        energies = jnp.zeros_like(given)
        for (term, _), owner in zip(terms, owners, strict=True):
            energies = energies.at[owner].add(each[term.name])
        return jnp.sum(energies), energies

    compiled = jax.jit(jax.value_and_grad(total, has_aux=True))

    def slope(given: np.ndarray) -> tuple[Array, Array]:
        (_, energies), gradient = compiled(jnp.asarray(given))
        return energies, gradient

    return slope


def _matches(
    bound: BoundTerm | BoundCoordinate, pairs: Int[np.ndarray, "bonds 2"]
) -> tuple[Int[np.ndarray, " found"], Int[np.ndarray, " found"]]:
    """Rows of a term over bonds that act on the pairs, and on which pair each of them does."""
    owner = bound.term if isinstance(bound, BoundTerm) else bound.coordinate
    table = np.asarray(bound.atoms_idx, dtype=np.int64)
    if owner.over != "bond" or not len(table):
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    size = int(max(table.max(), pairs.max())) + 1
    ranked = np.sort(pairs.astype(np.int64), axis=1) @ np.array([size, 1])
    keys = np.sort(table, axis=1) @ np.array([size, 1])
    order = np.argsort(ranked)
    place = order[np.minimum(np.searchsorted(ranked[order], keys), len(ranked) - 1)]
    rows = np.flatnonzero(ranked[place] == keys)
    return rows, place[rows]


def _picked(
    values: Mapping[str, Array | np.ndarray], rows: Int[np.ndarray, " found"]
) -> dict[str, np.ndarray]:
    """Values of some clusters."""
    return {name: np.asarray(value, dtype=np.float64)[rows] for name, value in values.items()}
