"""Which bonds to hydrogen are held fixed, and at what length: the one the force field rests at."""

from collections.abc import Callable, Mapping
from typing import Final

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from isthmus.chemistry.topology import Topology
from isthmus.errors import InputError
from isthmus.forcefield.potential import Potential
from isthmus.parameters.parameterization import Constraints, Parameterization
from isthmus.terms.bound import BoundCoordinate, BoundTerm, lay_out

__all__ = ["hydrogen_constraints", "resting_lengths"]

RANGE: Final = (0.05, 0.25)
"""Where the length of a bond to hydrogen is looked for [nm]"""

POINTS: Final = 201
"""Lengths tried to find the interval of the minimum."""

HALVINGS: Final = 50


def hydrogen_constraints(
    topology: Topology, parameters: Parameterization | Potential
) -> Constraints:
    """All bonds to hydrogen, at the lengths where the bond terms of the force field are lowest.

    Constraints that the force field brings along, such as rigid water, are kept as they are.

    Args:
        topology: of the whole system.
        parameters: of the same system.

    Raises:
        InputError: the two do not fit together, or a bond to hydrogen has no term with a
            minimum between 0.05 and 0.25 nm.
    """
    item = parameters.parameterization if isinstance(parameters, Potential) else parameters
    if topology.n_atoms != item.n_atoms:
        raise InputError(
            f"the topology has {topology.n_atoms} atoms and the force field is bound to "
            f"{item.n_atoms}: give the topology that it was bound to"
        )
    hydrogen = topology.atomic_numbers == 1
    bonds = np.asarray(topology.bonds)
    wanted = bonds[hydrogen[bonds].any(axis=1)]
    kept = item.constraints or Constraints(np.zeros((0, 2), dtype=np.int32), np.zeros(0))
    known = {tuple(sorted(pair)) for pair in np.asarray(kept.pairs).tolist()}
    new = np.array([pair not in known for pair in map(tuple, wanted.tolist())], dtype=bool)
    pairs = wanted[new]
    return Constraints(
        np.concatenate([np.asarray(kept.pairs, dtype=np.int32), pairs.astype(np.int32)]),
        np.concatenate([np.asarray(kept.distances), resting_lengths(item, pairs)]),
    )


def resting_lengths(
    parameterization: Parameterization, pairs: Int[np.ndarray, "bonds 2"]
) -> Float[np.ndarray, " bonds"]:
    """Length [nm] at which the bond terms of each pair are lowest, whatever their formula.

    Raises:
        InputError: a pair has no bond term, or no minimum between 0.05 and 0.25 nm.
    """
    if not len(pairs):
        return np.zeros(0)
    grid = np.tile(np.linspace(*RANGE, POINTS), (len(pairs), 1))
    with jax.enable_x64(True):
        slope = _slope(parameterization, pairs)
        energies, _ = slope(grid)
        best = np.argmin(np.asarray(energies), axis=1)
        step = (RANGE[1] - RANGE[0]) / (POINTS - 1)
        inside = (best > 0) & (best < POINTS - 1)
        low = RANGE[0] + step * (best - 1)
        high = low + 2 * step
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            rising = np.asarray(slope(middle[:, None])[1])[:, 0] > 0
            low, high = np.where(rising, low, middle), np.where(rising, middle, high)
    missing = np.flatnonzero(~inside)
    if len(missing):
        i, j = pairs[missing[0]].tolist()
        raise InputError(
            f"the force field has no bond term between atoms {i} and {j} with a minimum between "
            f"{RANGE[0]} and {RANGE[1]} nm, so the length of this bond to hydrogen is not known: "
            "give the constraints with their distances yourself"
        )
    return (low + high) / 2


def _slope(
    parameterization: Parameterization, pairs: Int[np.ndarray, "bonds 2"]
) -> Callable[[np.ndarray], tuple[Array, Array]]:
    """Energy [kJ/mol] and its derivative of lengths (bonds, trials) [nm], all bonds alone."""
    terms, owners, values = [], [], {}
    for bound in parameterization.terms:
        rows, bonds = _matches(bound, pairs)
        if len(rows):
            terms.append((bound.term, _alone(bonds)))
            owners.append(bonds)
            values[bound.term.name] = _picked(bound.cluster_values(), rows)
    names = {c.name for term, _ in terms for c, _ in term.coordinate_names.values()}
    coordinates = []
    for bound in parameterization.coordinates:
        if bound.coordinate.name in names:
            rows, bonds = _matches(bound, pairs)
            coordinates.append((bound.coordinate, _alone(bonds)))
            values[bound.coordinate.name] = _picked(bound.values, rows)
    n_atoms = 2 * len(pairs)
    layout = lay_out(terms, coordinates, n_atoms=n_atoms, periodic=False)
    evaluator = layout.evaluator(values, np.dtype("float64"))

    def total(lengths: Array) -> tuple[Array, Array]:
        x = jnp.zeros((n_atoms, lengths.shape[1])).at[1::2].set(lengths)
        each = evaluator.energies(jnp.stack([x, 0 * x, 0 * x]), None)
        energies = jnp.zeros_like(lengths)
        for (term, _), bonds in zip(terms, owners, strict=True):
            energies = energies.at[bonds].add(each[term.name])
        return jnp.sum(energies), energies

    compiled = jax.jit(jax.value_and_grad(total, has_aux=True))

    def slope(lengths: np.ndarray) -> tuple[Array, Array]:
        (_, energies), gradient = compiled(jnp.asarray(lengths))
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


def _alone(bonds: Int[np.ndarray, " found"]) -> Int[np.ndarray, "found 2"]:
    """Atoms of each bond in a system where bond n has the atoms 2n and 2n + 1."""
    return np.stack([2 * bonds, 2 * bonds + 1], axis=1).astype(np.int32)


def _picked(
    values: Mapping[str, Array | np.ndarray], rows: Int[np.ndarray, " found"]
) -> dict[str, np.ndarray]:
    """Values of some clusters."""
    return {name: np.asarray(value, dtype=np.float64)[rows] for name, value in values.items()}
