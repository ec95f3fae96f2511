"""Symmetry functions of ANI: a picture of the surroundings of an atom that does not turn with it.

Smith, Isayev and Roitberg, Chem. Sci. 8, 3192 (2017), equations 3 and 4, after Behler and
Parrinello, Phys. Rev. Lett. 98, 146401 (2007). For an atom i, with an envelope f:

    radial    G[s, r]       = ¼ Σ_j∈s exp(−η (d_ij − R_r)²) f(d_ij)
    angular   G[s ≤ t, a, z] = 2 Σ_{j∈s, k∈t} ((1 + cos(θ − θ_z)) / 2)^ζ
                               exp(−η ((d_ij + d_ik)/2 − R_a)²) f(d_ij) f(d_ik)

with every pair {j, k} once, cos θ 0.95 times the cosine of the angle at i, and the factor ¼ as in
torchani. θ itself is not needed: cos(θ − θ_z) = cos θ cos θ_z + sin θ sin θ_z.

The angular part costs by pairs of neighbours. So the few that are within its short cutoff are
first moved to the front of each row, by a product with a matrix of 0 and 1. How many fit is
fixed when a program is compiled; if an atom has more, a wider branch of the program runs.
"""

import math
from dataclasses import dataclass
from functools import partial
from typing import Final

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_batching import custom_vmap
from jaxtyping import Array, Bool, Float, Int

from isthmus.networks.blocks.envelopes import envelope
from isthmus.networks.neighbourhood import Neighbourhood

__all__ = ["AngularFunctions", "RadialFunctions", "n_pairs_of"]

_FACTOR: Final = 0.95  # on cos θ, so that sin θ never is 0
_EXACT: Final = jax.lax.Precision.HIGHEST
_AT_ONCE: Final = 1 << 26  # numbers in the largest array


def n_pairs_of(n_elements: int) -> int:
    """Number of unordered pairs of elements."""
    return n_elements * (n_elements + 1) // 2


@dataclass(frozen=True)
class RadialFunctions:
    """What an atom sees of each element by distance.

    Attributes:
        sharpness: η [1/nm²].
        centres: R [nm].
        cutoff: [nm].
        envelope: name of f.
    """

    sharpness: float
    centres: tuple[float, ...]
    cutoff: float
    envelope: str

    def __call__(
        self, around: Neighbourhood, elements: Float[Array, "atoms elements"]
    ) -> Float[Array, "atoms features"]:
        """Features, those of the first element first.

        Args:
            around: neighbours of each atom.
            elements: 1 at the element of each atom, 0 elsewhere.
        """
        d = around.distances
        weight = 0.25 * envelope(self.envelope, d, self.cutoff)
        shifted = d[..., None] - jnp.asarray(self.centres, d.dtype)
        functions = weight[..., None] * jnp.exp(-self.sharpness * shifted * shifted)
        sums = jnp.swapaxes(around.contract(functions, elements), 1, 2)
        return sums.reshape(sums.shape[0], -1)


@dataclass(frozen=True)
class AngularFunctions:
    """What an atom sees of each pair of elements by mean distance and angle.

    Attributes:
        sharpness: η [1/nm²].
        centres: R [nm].
        power: ζ.
        angles: θ_z [rad].
        cutoff: [nm], at most that of the neighbourhood.
        envelope: name of f.
        crowd: how many neighbours the fastest branch has places for.
    """

    sharpness: float
    centres: tuple[float, ...]
    power: float
    angles: tuple[float, ...]
    cutoff: float
    envelope: str
    crowd: int

    def __call__(
        self, around: Neighbourhood, elements: Float[Array, "atoms elements"]
    ) -> Float[Array, "atoms features"]:
        """Features by pair of elements (0 0, 0 1, ... 1 1, ...), centre, angle.

        Args:
            around: neighbours of each atom.
            elements: 1 at the element of each atom, 0 elsewhere.
        """
        width = around.distances.shape[1]
        near = around.mask & (around.distances < self.cutoff)
        codes = elements @ jnp.asarray(2.0 ** np.arange(elements.shape[1]), elements.dtype)
        directions = around.vectors / around.distances
        measures = jnp.concatenate([directions, (around.distances - self.cutoff)[None]])
        measures = jnp.where(near, measures, 0.0)
        n_elements = elements.shape[1]

        def with_places(n: int) -> Array:
            return self._moved(n, near, measures, around, codes, n_elements)

        def with_all() -> Array:
            full = jnp.where(near, around.around(codes), 0.0)
            return self._sums(measures, full, n_elements)

        widths = [w for w in (self.crowd, 2 * self.crowd) if w < width]
        if not widths:
            return with_all()
        # What only other branches keep for the derivative, the first would have to fill with 0
        branches = [partial(with_places, widths[0])]
        branches += [jax.checkpoint(partial(with_places, w)) for w in widths[1:]]
        branches += [jax.checkpoint(with_all)]
        most = _largest(jnp.max(jnp.sum(near, axis=1, dtype=jnp.int32)))
        branch = sum((most > w).astype(jnp.int32) for w in widths)
        return jax.lax.switch(branch, branches)

    def _moved(
        self,
        n_places: int,
        near: Bool[Array, "atoms width"],
        measures: Float[Array, "4 atoms width"],
        around: Neighbourhood,
        codes: Float[Array, " atoms"],
        n_elements: int,
    ) -> Float[Array, "atoms features"]:
        """With the near neighbours in the first of so many places."""
        place = jnp.where(near, jnp.cumsum(near, axis=1, dtype=jnp.int32) - 1, -1)
        chosen = (place[..., None] == jnp.arange(n_places, dtype=jnp.int32)).astype(measures.dtype)
        moved = jnp.einsum("ijk,xij->xik", chosen, measures, precision=_EXACT)
        kinds = around.contract(chosen, codes[:, None])[..., 0]
        return self._sums(moved, kinds, n_elements)

    def _sums(
        self,
        measures: Float[Array, "4 atoms places"],
        codes: Float[Array, "atoms places"],
        n_elements: int,
    ) -> Float[Array, "atoms features"]:
        """Sums over pairs of places; of some atoms at a time where there are many.

        Args:
            measures: direction, and distance less the cutoff; 0 without neighbour.
            codes: 2^element; 0 without neighbour.
            n_elements: how many elements there are.
        """
        n_atoms, n_places = codes.shape
        size = n_places * n_places // 2 * len(self.centres) * len(self.angles)
        if n_atoms * size <= _AT_ONCE:
            return self._sums_at_once(measures, codes, n_elements)
        some = jax.checkpoint(
            lambda row: self._sums_at_once(row[0][:, None], row[1][None], n_elements)[0]
        )
        rows = (jnp.moveaxis(measures, 1, 0), codes)
        return jax.lax.map(some, rows, batch_size=max(1, _AT_ONCE // (4 * size)))

    def _sums_at_once(
        self,
        measures: Float[Array, "4 atoms places"],
        codes: Float[Array, "atoms places"],
        n_elements: int,
    ) -> Float[Array, "atoms features"]:
        n_atoms, n_places = codes.shape
        first, second = np.triu_indices(n_places, 1)
        n_pairs = len(first)
        # Both places of each pair, again by a product with 0 and 1: no gather, and no scatter back
        select = np.eye(n_places)[np.concatenate([first, second])].T
        rows = jnp.concatenate([measures, codes[None]]).reshape(-1, n_places)
        both = jnp.matmul(rows, jnp.asarray(select, rows.dtype), precision=_EXACT)
        both = both.reshape(5, n_atoms, 2 * n_pairs)
        distances = both[3] + self.cutoff
        weights = envelope(self.envelope, distances, self.cutoff)
        cosines = jnp.sum(both[:3, :, :n_pairs] * both[:3, :, n_pairs:], axis=0)
        radial = self._radial(
            0.5 * (distances[:, :n_pairs] + distances[:, n_pairs:]),
            weights[:, :n_pairs] * weights[:, n_pairs:],
        )
        products = radial[:, :, None] * self._angular(cosines)[:, None]
        sum_of_codes = both[4, :, :n_pairs] + both[4, :, n_pairs:]
        ends = np.triu_indices(n_elements)
        types = jnp.asarray(2.0 ** ends[0] + 2.0 ** ends[1], rows.dtype)
        kinds = (sum_of_codes[:, None] == types[:, None]).astype(rows.dtype)
        sums = jnp.einsum("itp,iazp->itaz", kinds, products)
        return sums.reshape(n_atoms, -1)

    def _radial(
        self, mean: Float[Array, "atoms pairs"], weight: Float[Array, "atoms pairs"]
    ) -> Float[Array, "atoms centres pairs"]:
        shifted = mean[:, None] - jnp.asarray(self.centres, mean.dtype)[:, None]
        return 2.0 * weight[:, None] * jnp.exp(-self.sharpness * shifted * shifted)

    def _angular(self, cosine: Float[Array, "atoms pairs"]) -> Float[Array, "atoms angles pairs"]:
        cosine = _FACTOR * cosine[:, None]
        sine = jnp.sqrt(1.0 - cosine * cosine)
        along = jnp.asarray([0.5 * math.cos(z) for z in self.angles], cosine.dtype)
        across = jnp.asarray([0.5 * math.sin(z) for z in self.angles], cosine.dtype)
        base = 0.5 + along[:, None] * cosine + across[:, None] * sine
        if self.power == int(self.power):
            return jax.lax.integer_pow(base, int(self.power))
        return jnp.exp(self.power * jnp.log(jnp.maximum(base, 1e-6)))


@custom_vmap
def _largest(count: Int[Array, ""]) -> Int[Array, ""]:
    """The number itself; of several systems at once the largest, so that all take one branch."""
    return count


@_largest.def_vmap
def _(size: int, batched: list[bool], counts: Int[Array, " systems"]) -> tuple[Array, bool]:
    del size
    return (jnp.max(counts) if batched[0] else counts), False
