"""The layer of MACE: messages of spherical tensors, and products of their sums; see `mace`."""

import itertools
import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from isthmus.networks.blocks.channels import in_channel_blocks
from isthmus.networks.blocks.layers import silu
from isthmus.networks.neighbourhood import Neighbourhood
from isthmus.networks.tensor_products import Polynomial, coupling, evaluate, polynomials

__all__ = ["Features", "MaceLayer", "Path", "coupled", "paths"]

Path = tuple[int, int, int]
Features = tuple[Float[Array, "_ atoms channels"], ...]
Harmonics = tuple[Float[Array, "_ atoms width"], ...]


def paths(order: int, l_max: int) -> tuple[Path, ...]:
    """All (l1, l2, l) with l1 ≤ order, l2, l ≤ l_max and the parity of spherical harmonics."""
    return tuple(
        (l1, l2, l)
        for l in range(l_max + 1)
        for l1 in range(order + 1)
        for l2 in range(abs(l1 - l), min(l1 + l, l_max) + 1)
        if (l1 + l2 + l) % 2 == 0
    )


class MaceLayer(eqx.Module):
    """One round of messages and products.

    Attributes:
        paths: k, in the order of l.
        correlation: highest degree of the products.
        up: U, by l1.
        radial: all layers of the radial network but the last.
        filters: its last layer, by path.
        mixing: W, by l; the paths to l behind one another.
        products: w, by l; by element and polynomial.
        down: V, by l.
        skip: S, by l and element.
    """

    paths: tuple[Path, ...] = eqx.field(static=True)
    correlation: int = eqx.field(static=True)
    up: tuple[Float[Array | np.ndarray, "channels channels"], ...]
    radial: tuple[Float[Array | np.ndarray, "_ _"], ...]
    filters: Float[Array | np.ndarray, "hidden paths channels"]
    mixing: tuple[Float[Array | np.ndarray, "_ channels"], ...]
    products: tuple[Float[Array | np.ndarray, "elements _ channels"], ...]
    down: tuple[Float[Array | np.ndarray, "channels channels"], ...]
    skip: tuple[Float[Array | np.ndarray, "elements channels channels"], ...]

    @classmethod
    def create(
        cls,
        random: np.random.Generator,
        n_channels: int,
        n_elements: int,
        *,
        widths: tuple[int, ...],
        l_max: int,
        correlation: int,
        given: int,
        wanted: int,
    ) -> "MaceLayer":
        """Weights that are not trained.

        Args:
            random: of the weights.
            n_channels: number of channels.
            n_elements: number of elements.
            widths: of the radial network: number of radial functions, of hidden units.
            l_max: of the spherical harmonics.
            correlation: highest degree of the products.
            given: highest order of the features that come.
            wanted: highest order of those that are made.
        """
        n, known = n_channels, paths(given, l_max)

        def normal(n_in: int, *shape: int) -> np.ndarray:
            return random.normal(scale=n_in**-0.5, size=shape).astype(np.float32)

        ways = [sum(path[2] == l for path in known) for l in range(l_max + 1)]
        counts = [len(_products(l_max, l, correlation)) for l in range(wanted + 1)]
        return cls(
            paths=known,
            correlation=correlation,
            up=tuple(normal(n, n, n) for _ in range(given + 1)),
            radial=tuple(normal(i, i, o) for i, o in itertools.pairwise(widths)),
            filters=normal(widths[-1], widths[-1], len(known), n),
            mixing=tuple(normal(way * n, way * n, n) for way in ways),
            products=tuple(normal(count, n_elements, count, n) for count in counts),
            down=tuple(normal(n, n, n) for _ in range(wanted + 1)),
            skip=tuple(normal(n, n_elements, n, n) for _ in range(min(given, wanted) + 1)),
        )

    def __call__(
        self,
        features: Features,
        kinds: Float[Array, "atoms elements"],
        basis: Float[Array, "atoms width radial"],
        harmonics: Harmonics,
        around: Neighbourhood,
        crowd: float,
    ) -> Features:
        """Features that the layer makes.

        Args:
            features: by l.
            kinds: 1 where an atom is of the element.
            basis: radial functions times envelope.
            harmonics: by l, components before atoms and width.
            around: what is near.
            crowd: n.
        """
        summed = self.message(features, basis, harmonics, around)
        tensors = tuple(
            crowd**-0.5 * _linear(each, mixing)
            for each, mixing in zip(summed, self.mixing, strict=True)
        )
        made = self.contracted(tensors, kinds)
        made = [_linear(each, down) for each, down in zip(made, self.down, strict=True)]
        for l, skip in enumerate(self.skip):
            made[l] = made[l] + _by_element(features[l], skip, kinds)
        return tuple(made)

    def message(
        self,
        features: Features,
        basis: Float[Array, "atoms width radial"],
        harmonics: Harmonics,
        around: Neighbourhood,
    ) -> tuple[Float[Array, "_ atoms _"], ...]:
        """Sums over neighbours, by l; the paths to l behind one another in the channels."""
        hidden = basis
        for weight in self.radial:
            hidden = silu(hidden @ jnp.asarray(weight, hidden.dtype))
        n = self.filters.shape[-1]
        given = (
            jnp.asarray(self.filters, hidden.dtype),
            tuple(_linear(each, up) for each, up in zip(features, self.up, strict=True)),
        )
        couplings = [coupled(path, harmonics) for path in self.paths]

        def message(given: tuple[Array, Features]) -> list[Array]:
            filters, values = given
            there = [[around.around(part) for part in jnp.unstack(each)] for each in values]
            wide = hidden @ filters.reshape(filters.shape[0], -1)
            sums = []
            each_path = jax.lax.split(wide, filters.shape[1] * (filters.shape[2],), axis=2)
            for k, own in enumerate(each_path):
                l1 = self.paths[k][0]
                parts = [
                    jnp.einsum("imj,ijc->imc", weights, own * part)
                    for weights, part in zip(couplings[k], there[l1], strict=True)
                ]
                sums.append(sum(parts[1:], parts[0]))
            return sums

        sums = in_channel_blocks(message, given, n, around)
        found = []
        for l in range(self.paths[-1][2] + 1):
            own = [each for each, path in zip(sums, self.paths, strict=True) if path[2] == l]
            found.append(jnp.moveaxis(jnp.concatenate(own, axis=-1), 1, 0))
        return tuple(found)

    def contracted(self, tensors: Features, kinds: Float[Array, "atoms elements"]) -> list[Array]:
        """B from A, by l."""
        parts = {
            (l, m): part
            for l, tensor in enumerate(tensors)
            for m, part in enumerate(jnp.unstack(tensor))
        }
        found = []
        for l, weights in enumerate(self.products):
            own = jnp.einsum("iz,zpc->pic", kinds, jnp.asarray(weights, kinds.dtype))
            known = _products(len(tensors) - 1, l, self.correlation)
            total: list[Any] = [0.0] * (2 * l + 1)
            for factor, polynomial in zip(own, known, strict=True):
                values = evaluate(polynomial, parts)
                total = [old + factor * new for old, new in zip(total, values, strict=True)]
            found.append(jnp.stack(total))
        return found


def _products(l_max: int, l_out: int, correlation: int) -> tuple[Polynomial, ...]:
    """Polynomials of all degrees up to the correlation order."""
    degrees = range(1, correlation + 1)
    return sum((polynomials(l_max, l_out, degree) for degree in degrees), ())


def coupled(path: Path, harmonics: Harmonics) -> list[Float[Array, "atoms components width"]]:
    """For each component of l1: Σ_m2 C_m1,m2,m Y_l2,m2, in component normalisation."""
    l1, l2, l = path
    factors = math.sqrt(2 * l + 1) * coupling(l1, l2, l)
    if l1 == 0:
        factors = np.eye(2 * l + 1)[None]
    found = []
    for factor in factors:
        rows = []
        for column in factor.T:
            terms = [float(column[m]) * harmonics[l2][m] for m in np.flatnonzero(column)]
            rows.append(sum(terms[1:], terms[0]) if terms else jnp.zeros_like(harmonics[0][0]))
        found.append(jnp.stack(rows, axis=1))
    return found


def _linear(
    values: Float[Array, "components atoms n_in"], weights: Array | np.ndarray
) -> Float[Array, "components atoms n_out"]:
    return values @ jnp.asarray(weights, values.dtype)


def _by_element(
    values: Float[Array, "components atoms n_in"],
    weights: Array | np.ndarray,
    kinds: Float[Array, "atoms elements"],
) -> Float[Array, "components atoms n_out"]:
    """values times the weights of the element of each atom; all elements, then the right one."""
    both = jnp.moveaxis(jnp.asarray(weights, values.dtype), 0, 1)
    n_in, n_elements, n_out = both.shape
    every = (values @ both.reshape(n_in, -1)).reshape(*values.shape[:2], n_elements, n_out)
    return jnp.sum(kinds[None, :, :, None] * every, axis=2)
