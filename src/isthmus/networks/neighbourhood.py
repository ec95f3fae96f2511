"""Atoms and what is around them: all that a network sees of a system.

A `Neighbourhood` is a table with one row for each atom. It comes in two layouts that networks need
not tell apart:

- *dense*: column j of every row is atom j. Nothing is gathered or scattered, sums over neighbours
  are products of matrices. For molecules, where nearly all atoms are neighbours; memory is
  quadratic in atoms, by its meaning.
- *listed*: column k of row i is the atom `rows[i, k]`. The derivative of a gather is a sum along
  rows again, found through `back`, not a scatter. Memory is linear in atoms.

Distances of places that hold no neighbour are the cutoff, where every envelope vanishes with its
derivatives; `mask` says which places hold one.
"""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.custom_derivatives import linear_call
from jaxtyping import Array, Bool, Float, Int

from isthmus.geometry.box import minimum_image_xyz
from isthmus.geometry.gather import rows_of

__all__ = ["Atoms", "Neighbourhood", "dense_neighbourhood", "listed_neighbourhood"]


class Atoms(eqx.Module):
    """What does not change from step to step.

    Attributes:
        numbers: atomic numbers.
        species: place of the element of each atom in the list of elements of the network.
        charges: for each atom, the total charge of the molecule that it is part of [e].
        members: by species, the atoms of that species; filled up with any atom where several
            systems share a program.
        places: for each atom, where it stands in all `members` behind one another.
    """

    numbers: Int[Array | np.ndarray, " atoms"]
    species: Int[Array | np.ndarray, " atoms"]
    charges: Float[Array | np.ndarray, " atoms"]
    members: tuple[Int[Array | np.ndarray, " _"], ...]
    places: Int[Array | np.ndarray, " atoms"]

    @property
    def n_atoms(self) -> int:
        """Number of atoms."""
        return self.species.shape[0]


class Neighbourhood(eqx.Module):
    """The neighbours of each atom.

    Attributes:
        vectors: from each atom to its neighbours, components first [nm]; 0 for no neighbour.
        distances: their lengths [nm]; the cutoff where there is no neighbour.
        mask: where there is a neighbour nearer than the cutoff.
        rows: atom in each place; None in the dense layout.
        back: for each place (i, k) with the atom j, the flat place of i in the row of j.
    """

    vectors: Float[Array, "3 atoms width"]
    distances: Float[Array, "atoms width"]
    mask: Bool[Array, "atoms width"]
    rows: Int[Array, "atoms width"] | None = None
    back: Int[Array, "atoms width"] | None = None

    @property
    def directions(self) -> Float[Array, "3 atoms width"]:
        """Unit vectors from each atom to its neighbours; 0 for no neighbour."""
        return self.vectors / self.distances

    def around(self, values: Float[Array, "atoms *features"]) -> Float[Array, "_ width *features"]:
        """Values of the neighbours of each atom; in the dense layout one row serves all atoms.

        What it gives where there is no neighbour means nothing: weigh it with an envelope.
        """
        if self.rows is None:
            return values[None]
        assert self.back is not None
        return _gathered(values, self.rows, self.back)

    def contract(
        self,
        weights: Float[Array, "atoms width weights"],
        values: Float[Array, "atoms channels"],
    ) -> Float[Array, "atoms weights channels"]:
        """Σ over the neighbours j of i of weights[i, j, k] values[j, c].

        Weights must vanish where there is no neighbour.
        """
        if self.rows is None:
            return jnp.einsum("ijk,jc->ikc", weights, values)
        return jnp.einsum("ijk,ijc->ikc", weights, self.around(values))


def dense_neighbourhood(
    positions: Float[Array, "3 atoms"],
    cutoff: float,
    *,
    real: Bool[Array | np.ndarray, " atoms"] | None = None,
) -> Neighbourhood:
    """Every atom against every other one of a system without a box.

    Args:
        positions: components first [nm].
        cutoff: [nm].
        real: which atoms exist; None for all.
    """
    n_atoms = positions.shape[1]
    steps = positions[:, None, :] - positions[:, :, None]
    wanted = ~np.eye(n_atoms, dtype=bool)
    if real is not None:
        wanted = wanted & jnp.asarray(real)[:, None] & jnp.asarray(real)[None, :]
    return _measured(steps, jnp.asarray(wanted), cutoff)


def listed_neighbourhood(
    positions: Float[Array, "3 atoms"],
    box: Float[Array, "3 3"] | None,
    rows: Int[Array, "atoms width"],
    back: Int[Array, "atoms width"],
    cutoff: float,
) -> Neighbourhood:
    """The neighbours that a list names.

    Args:
        positions: components first [nm].
        box: cell vectors as rows [nm]; None without.
        rows, back: of a `NeighbourList`.
        cutoff: [nm], at most that of the list.
    """
    first = jnp.arange(positions.shape[1], dtype=rows.dtype)[:, None]
    there = _gathered(positions.T, rows, back)
    steps = jnp.moveaxis(there, -1, 0) - positions[:, :, None]
    steps = jnp.stack(minimum_image_xyz(steps[0], steps[1], steps[2], box))
    found = _measured(steps, rows != first, cutoff)
    return Neighbourhood(found.vectors, found.distances, found.mask, rows, back)


def _measured(
    steps: Float[Array, "3 atoms width"], wanted: Bool[Array, "atoms width"], cutoff: float
) -> Neighbourhood:
    square = jnp.sum(steps * steps, axis=0)
    mask = wanted & (square < cutoff * cutoff)
    # Nothing of a place without a neighbour may reach a derivative
    distances = jnp.where(mask, jnp.sqrt(jnp.where(mask, square, 1.0)), cutoff)
    return Neighbourhood(jnp.where(mask, steps, 0.0), distances, mask)


def _gathered(
    values: Float[Array, "atoms *features"],
    rows: Int[Array, "atoms width"],
    back: Int[Array, "atoms width"],
) -> Float[Array, "atoms width *features"]:
    """values[rows], where each pair of atoms stands in both rows."""
    return linear_call(_gather, _gather_transposed, (rows, back), values)


def _gather(tables: tuple[Array, Array], values: Float[Array, "atoms *features"]) -> Array:
    rows, _ = tables
    return rows_of(values, rows)


def _gather_transposed(tables: tuple[Array, Array], slopes: Array) -> Array:
    """What atom i gave to its neighbours comes back from their rows; padding points to itself."""
    rows, back = tables
    flat = slopes.reshape(-1, *slopes.shape[2:])
    own = jnp.arange(rows.shape[0], dtype=rows.dtype)[:, None]
    real = (rows != own).reshape(rows.shape + (1,) * (slopes.ndim - 2))
    return jnp.sum(jnp.where(real, rows_of(flat, back), 0.0), axis=1)
