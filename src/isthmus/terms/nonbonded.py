"""Pair terms between all atoms that are not excluded: how far they reach, and how they are summed.

A `PairGroup` is a set of pair terms that share a cutoff method and exclusions. Each term stays
the formula that its design states; `isthmus.terms.nonbonded_method` says what the method makes of
it at long range.
"""

from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from isthmus.geometry.box import minimum_image_xyz
from isthmus.geometry.gather import rows_of
from isthmus.geometry.neighbours import NeighbourList
from isthmus.terms.ewald import (
    ewald_reciprocal_energy,
    excluded_coulomb,
    real_space_coulomb,
    self_energy,
)
from isthmus.terms.formula import FormulaTerm
from isthmus.terms.ljpme import (
    c6_coefficients,
    grid_dispersion,
    ljpme_reciprocal_energy,
    ljpme_self_energy,
)
from isthmus.terms.nonbonded_method import NonbondedMethod
from isthmus.terms.pme import pme_reciprocal_energy
from isthmus.units import COULOMB

__all__ = ["PairGroup", "PairTerm", "excluded_table"]

_BLOCK = 1 << 18  # pairs evaluated at once where memory must stay linear
_ROW_BLOCK = 1 << 15  # pairs of rows evaluated at once: what a core keeps in its cache


class PairTerm(eqx.Module):
    """A formula over pairs with its per-atom values.

    Attributes:
        term: the declaration.
        values: by parameter name, (atoms,); tables over type pairs (types, types).
        types: (atoms,) type of each atom, for tables over type pairs.
    """

    term: FormulaTerm = eqx.field(static=True)
    values: Mapping[
        str, Float[Array | np.ndarray, " atoms"] | Float[Array | np.ndarray, "types types"]
    ]
    types: Int[Array | np.ndarray, " atoms"] | None = None

    def energies(
        self,
        r: Float[Array, "*shape"],
        first: Int[Array | np.ndarray, "..."],
        second: Int[Array | np.ndarray, "..."],
    ) -> Float[Array, "*shape"]:
        """Energy of each pair [kJ/mol]."""
        values = {}
        for parameter in self.term.parameters:
            value = jnp.asarray(self.values[parameter.name], r.dtype)
            if parameter.per == "type_pair":
                values[parameter.name] = self._entries(value, first, second)
                continue
            values[f"{parameter.name}1"] = rows_of(value, first)
            values[f"{parameter.name}2"] = rows_of(value, second)
        compiled = self.term.compiled
        derived = compiled.prepare({name: values[name] for name in compiled.parameters})
        return compiled.energy(derived, {"r": r})

    def _entries(
        self,
        table: Float[Array, "types types"],
        first: Array | np.ndarray,
        second: Array | np.ndarray,
    ) -> Float[Array, "..."]:
        """Entry of each pair in a table over type pairs."""
        types = jnp.asarray(self.types)
        row = rows_of(types, first) * len(table)
        return rows_of(table.reshape(-1), row + rows_of(types, second))


class PairGroup(eqx.Module):
    """Pair terms with one method and one list of exclusions.

    Attributes:
        terms: the pair terms.
        exclusions: pairs i < j that do not interact through this group.
        excluded_table: (atoms, n) partners excluded for each atom, padded with the atom itself.
        method: how to sum.
        periodic: whether displacements are taken to the nearest image.
        excluded_periodic: the same for excluded pairs, whose share of an Ewald sum is taken out
            again; makes a difference only where a molecule is cut apart by the boundary.
    """

    terms: tuple[PairTerm, ...]
    exclusions: Int[Array | np.ndarray, "exclusions 2"]
    excluded_table: Int[Array | np.ndarray, "atoms partners"]
    method: NonbondedMethod = eqx.field(static=True)
    periodic: bool = eqx.field(static=True)
    excluded_periodic: bool = eqx.field(static=True, default=True)

    @property
    def needs_neighbours(self) -> bool:
        """Whether a neighbour list must be given."""
        return self.method.method != "none"

    @property
    def cutoff(self) -> float:
        """How far pairs reach [nm]; 0 without a cutoff."""
        return self.method.cutoff or 0.0

    def energies(
        self,
        positions: Float[Array, "3 atoms"],
        box: Float[Array, "3 3"] | None,
        neighbours: NeighbourList | None,
    ) -> dict[str, Float[Array, ""]]:
        """Total energy of each term [kJ/mol]."""
        if not self.needs_neighbours:
            return self._all_pairs(positions, box)
        assert neighbours is not None
        result = self._listed_pairs(positions, box, neighbours.rows)
        for name, energy in self.reciprocal_energies(positions, box).items():
            result[name] += energy
        return result

    def reciprocal_energies(
        self, positions: Float[Array, "3 atoms"], box: Float[Array, "3 3"] | None
    ) -> dict[str, Float[Array, ""]]:
        """What the terms have beyond the pairs of a list: sums over the reciprocal lattice."""
        result: dict[str, Array] = {}
        if not self.method.is_ewald:
            return result
        assert box is not None
        for pair_term in self.terms:
            name, kind = pair_term.term.name, pair_term.term.long_range
            if kind == "coulomb":
                result[name] = self._reciprocal_coulomb(pair_term, positions, box)
            if kind == "dispersion" and self.method.method == "ljpme":
                result[name] = self._reciprocal_dispersion(pair_term, positions, box)
        return result

    def _pair_energies(
        self,
        pair_term: PairTerm,
        r: Float[Array, "*shape"],
        first: Int[Array, "..."],
        second: Int[Array, "..."],
    ) -> Float[Array, "*shape"]:
        """Energy of pairs inside the cutoff, with what the method makes of the formula."""
        method, kind = self.method, pair_term.term.long_range
        if kind == "coulomb" and method.method != "none":
            charge = jnp.asarray(pair_term.values["charge"], r.dtype)
            product = COULOMB * rows_of(charge, first) * rows_of(charge, second)
            if method.is_ewald:
                return product * real_space_coulomb(r, method.coulomb_sum[0])
            eps, cutoff = method.dielectric, method.reach
            k = (eps - 1) / ((2 * eps + 1) * cutoff**3)
            return product * (1 / r + k * r * r - 3 * eps / ((2 * eps + 1) * cutoff))
        energies = pair_term.energies(r, first, second)
        if kind == "dispersion" and method.method == "ljpme":
            return energies + self._grid_part(pair_term, r, first, second)
        if method.switch is not None:
            x = jnp.clip((r - method.switch) / (method.reach - method.switch), 0, 1)
            energies = energies * (1 - x**3 * (10 - x * (15 - 6 * x)))
        return energies

    def _grid_part(
        self, pair_term: PairTerm, r: Array, first: Array, second: Array
    ) -> Float[Array, "*shape"]:
        """What "ljpme" adds to a pair: the grid's share, and the shift to zero at the cutoff."""
        alpha, _ = self.method.dispersion_sum
        c6 = self._c6(pair_term, r.dtype)
        product = rows_of(c6, first) * rows_of(c6, second)
        edge = jnp.full_like(r, self.method.reach)
        shift = product * grid_dispersion(edge**2, alpha)
        shift += pair_term.energies(edge, first, second)
        return product * grid_dispersion(r * r, alpha) - shift

    def _c6(self, pair_term: PairTerm, dtype: np.dtype) -> Float[Array, " atoms"]:
        sigma = jnp.asarray(pair_term.values["sigma"], dtype)
        return c6_coefficients(sigma, jnp.asarray(pair_term.values["epsilon"], dtype))

    def _listed_pairs(
        self,
        positions: Float[Array, "3 atoms"],
        box: Float[Array, "3 3"] | None,
        rows: Int[Array, "atoms width"],
    ) -> dict[str, Float[Array, ""]]:
        """Sum over a neighbour list in blocks of rows, recomputed for the gradient."""

        def one(block: tuple[Array, Array]) -> dict[str, Array]:
            first, second, _, square, inside = self._block(positions, box, *block)
            energies = self._masked(square, inside, first, second)
            return {name: 0.5 * energy for name, energy in energies.items()}

        return _sum_blocks(one, _row_blocks(rows))

    def listed_energy_and_gradient(
        self,
        positions: Float[Array, "3 atoms"],
        box: Float[Array, "3 3"] | None,
        neighbours: NeighbourList,
    ) -> tuple[Float[Array, ""], Float[Array, "3 atoms"]]:
        """Energy of all terms over a neighbour list [kJ/mol], and its gradient [kJ/mol/nm].

        What differentiating the energy gives too, but without a scatter: the derivative of each
        pair by its squared distance is propagated forwards, and summed along the row of each atom.
        """

        def one(block: tuple[Array, Array]) -> tuple[Array, Array]:
            first, second, steps, square, inside = self._block(positions, box, *block)

            def energies(square: Array) -> Array:
                r = jnp.sqrt(square)
                return sum(
                    (self._pair_energies(t, r, first, second) for t in self.terms),
                    jnp.zeros_like(r),
                )

            safe = jnp.where(inside, square, 1.0)
            energy, slope = jax.jvp(energies, (safe,), (jnp.ones_like(safe),))
            energy = 0.5 * jnp.sum(jnp.where(inside, energy, 0.0))
            slope = jnp.where(inside, -2 * slope, 0.0)
            return energy, jnp.stack([jnp.sum(slope * step, axis=1) for step in steps])

        energies, gradients = jax.lax.map(one, _row_blocks(neighbours.rows))
        gradient = jnp.moveaxis(gradients, 1, 0).reshape(3, -1)[:, : positions.shape[1]]
        return jnp.sum(energies), gradient

    def _block(
        self, positions: Array, box: Array | None, atoms: Array, second: Array
    ) -> tuple[Array, Array, tuple[Array, ...], Array, Array]:
        """Some rows of a list: both atoms, displacement, its square, whether it counts."""
        first = atoms[:, None]
        steps = self._steps(positions, box, first, second)
        square = steps[0] * steps[0] + steps[1] * steps[1] + steps[2] * steps[2]
        return first, second, steps, square, (first != second) & (square < self.method.reach**2)

    def _all_pairs(
        self, positions: Float[Array, "3 atoms"], box: Float[Array, "3 3"] | None
    ) -> dict[str, Float[Array, ""]]:
        """Every pair without a list: rows against all atoms, memory linear in atoms."""
        n_atoms = positions.shape[1]
        size = max(1, min(n_atoms, _BLOCK // max(n_atoms, 1)))
        n_blocks = -(-n_atoms // size)
        rows = np.minimum(np.arange(n_blocks * size), n_atoms).reshape(n_blocks, size)
        padded = jnp.concatenate(
            [jnp.asarray(self.excluded_table), jnp.zeros_like(self.excluded_table[:1])]
        )

        def one(row: Int[Array, " rows"]) -> dict[str, Array]:
            atoms = jnp.arange(n_atoms, dtype=row.dtype)
            first, second = jnp.broadcast_arrays(row[:, None], atoms[None, :])
            inside = (first < n_atoms) & (second > first)
            partners = rows_of(padded, row)
            inside &= ~jnp.any(partners[:, None, :] == atoms[None, :, None], axis=-1)
            first = jnp.minimum(first, n_atoms - 1)
            return self._masked(self._square(positions, box, first, second), inside, first, second)

        return _sum_blocks(one, jnp.asarray(rows, jnp.int32))

    def _steps(
        self, positions: Array, box: Array | None, first: Array, second: Array
    ) -> tuple[Float[Array, "*shape"], ...]:
        """Displacements from the first to the second atom [nm]."""
        dx, dy, dz = (rows_of(x, second) - rows_of(x, first) for x in positions)
        return minimum_image_xyz(dx, dy, dz, box if self.periodic else None)

    def _square(
        self, positions: Array, box: Array | None, first: Array, second: Array
    ) -> Float[Array, "*shape"]:
        """Squared distances [nm²]."""
        dx, dy, dz = self._steps(positions, box, first, second)
        return dx * dx + dy * dy + dz * dz

    def _masked(
        self,
        square: Float[Array, "*shape"],
        inside: Bool[Array, "*shape"],
        first: Int[Array, "..."],
        second: Int[Array, "..."],
    ) -> dict[str, Float[Array, ""]]:
        r = jnp.sqrt(jnp.where(inside, square, 1.0))
        return {
            t.term.name: jnp.sum(jnp.where(inside, self._pair_energies(t, r, first, second), 0.0))
            for t in self.terms
        }

    def _excluded_sum(
        self, positions: Array, box: Array | None, weight: Array, kernel: Callable[[Array], Array]
    ) -> Float[Array, ""]:
        """Σ w1 w2 kernel(r²) over the excluded pairs."""
        first, second = jnp.asarray(self.exclusions).T
        square = self._square(positions, box if self.excluded_periodic else None, first, second)
        return jnp.sum(rows_of(weight, first) * rows_of(weight, second) * kernel(square))

    def _reciprocal_coulomb(
        self, pair_term: PairTerm, positions: Array, box: Array
    ) -> Float[Array, ""]:
        alpha, grid = self.method.coulomb_sum
        charge = jnp.asarray(pair_term.values["charge"], positions.dtype)
        if self.method.method == "ewald":
            total = ewald_reciprocal_energy(positions.T, charge, box, alpha=alpha, k_max=grid)
        else:
            total = pme_reciprocal_energy(positions.T, charge, box, alpha=alpha, grid=grid)
        total += self_energy(charge, box, alpha=alpha)
        return total + COULOMB * self._excluded_sum(
            positions, box, charge, lambda square: excluded_coulomb(square, alpha)
        )

    def _reciprocal_dispersion(
        self, pair_term: PairTerm, positions: Array, box: Array
    ) -> Float[Array, ""]:
        alpha, grid = self.method.dispersion_sum
        c6 = self._c6(pair_term, positions.dtype)
        total = ljpme_reciprocal_energy(positions.T, c6, box, alpha=alpha, grid=grid)
        total += ljpme_self_energy(c6, alpha=alpha)
        return total + self._excluded_sum(
            positions, box, c6, lambda square: grid_dispersion(square, alpha)
        )


def _row_blocks(rows: Int[Array, "atoms width"]) -> tuple[Array, Array]:
    """Atoms (blocks, rows), their neighbours (blocks, rows, width); empty rows at the end."""
    n_atoms, width = rows.shape
    size = max(1, min(n_atoms, _ROW_BLOCK // max(width, 1)))
    n_blocks = -(-n_atoms // size)
    atoms = np.minimum(np.arange(n_blocks * size, dtype=np.int32), n_atoms - 1)
    # A padded row must be empty, not the last one again
    empty = jnp.full((n_blocks * size - n_atoms, width), n_atoms - 1, rows.dtype)
    table = jnp.concatenate([rows, empty]).reshape(n_blocks, size, width)
    return jnp.asarray(atoms.reshape(n_blocks, size)), table


def _sum_blocks(one: Callable[[Any], dict[str, Array]], blocks: Any) -> dict[str, Array]:
    """Σ one(block), keeping one block in memory at a time, in the gradient too."""
    first = jax.tree.map(lambda leaf: leaf[0], blocks)
    if len(jax.tree.leaves(blocks)[0]) == 1:
        return one(first)
    zero = jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), jax.eval_shape(one, first))
    step = jax.checkpoint(lambda total, block: (jax.tree.map(jnp.add, total, one(block)), None))
    return jax.lax.scan(step, zero, blocks)[0]


def excluded_table(exclusions: Int[np.ndarray, "pairs 2"], n_atoms: int) -> np.ndarray:
    """For each atom its excluded partners, padded with the atom itself, (atoms, most)."""
    both = np.concatenate([exclusions, exclusions[:, ::-1]]).astype(np.int64)
    both = both[np.argsort(both[:, 0], kind="stable")]
    counts = np.bincount(both[:, 0], minlength=n_atoms)
    starts = np.cumsum(counts) - counts
    table = np.tile(np.arange(n_atoms, dtype=np.int32)[:, None], (1, max(counts.max(initial=0), 1)))
    table[both[:, 0], np.arange(len(both)) - starts[both[:, 0]]] = both[:, 1]
    return table
