"""PaiNN: messages of scalars and vectors, with Cartesian vectors as equivariant features.

Schütt, Unke and Gastegger, ICML (2021), arXiv:2102.03150, in the form of SchNetPack 2. Each atom
has scalars s and vectors v in C channels. With filters W(r) = Σ_k R_k(r) w_k, R the radial basis
and 1, both times the envelope, and φ = MLP(s):

    s_i ← s_i + Σ_j W⁰_ij φ⁰_j
    v_i ← v_i + Σ_j W¹_ij φ¹_j r̂_ij + Σ_j W²_ij φ²_j v_j

and on each atom, with (a, b) = v A, n = √(|a|² + ε) and y = MLP(s, n):

    s ← s + y⁰ + y² a·b
    v ← v + y¹ b

The energy of an atom is an MLP of its s.

Filters may be applied in two ways. Written out for each edge they cost 3·2K products an edge and
channel, and the sums over neighbours 14; contracted with the basis first, Σ_j R_ijk φ_jc, the sums
cost 7·2K (scalars K, directions and vectors 3K each) and filters nothing. With K = 20 that is 134
against 280, with K = 8 62 against 112, and the same ratio backward: filters are written out. Sums
with directions are products of matrices.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from isthmus.errors import DesignError
from isthmus.networks.blocks.channels import in_channel_blocks
from isthmus.networks.blocks.envelopes import ENVELOPES, envelope
from isthmus.networks.blocks.layers import MLP
from isthmus.networks.blocks.radial import bessel_basis, gaussian_basis
from isthmus.networks.blocks.settings import check_choice, check_sizes, filled
from isthmus.networks.neighbourhood import Atoms, Neighbourhood
from isthmus.networks.network import Network

__all__ = ["PaiNN", "PaiNNLayer", "PaiNNSettings"]

ANGSTROM: Final = 0.1
"""Bessel functions are sin(kπr/c) · 0.1 nm / r, so that weights made for Å fit [nm]"""

CROWD: Final = 15.0
"""From so many neighbours, weights that are not trained make a sum of size 1"""


@dataclass(frozen=True)
class PaiNNSettings:
    """Sizes.

    Attributes:
        channels: C.
        layers: how often messages are passed.
        radial: number of radial functions.
        basis: "bessel" or "gaussian".
        envelope: "polynomial", "smooth" or "cosine".
        epsilon: ε: the smaller, the sharper the norm is where vectors vanish.
    """

    channels: int = 64
    layers: int = 2
    radial: int = 8
    basis: str = "bessel"
    envelope: str = "polynomial"
    epsilon: float = 1e-4

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> "PaiNNSettings":
        """What is said, and defaults for the rest.

        Raises:
            DesignError: unknown settings, or values out of range.
        """
        made = filled(cls(), settings)
        check_sizes("channels", (made.channels,), least=2)
        check_sizes("layers", (made.layers,))
        check_sizes("radial", (made.radial,), least=2)
        check_choice("basis", made.basis, ("bessel", "gaussian"))
        check_choice("envelope", made.envelope, ENVELOPES)
        if not made.epsilon > 0:
            raise DesignError(f"epsilon = {made.epsilon}: wanted is a number above 0")
        return made


class PaiNNLayer(eqx.Module):
    """One round of messages, and what each atom makes of them.

    Attributes:
        filters: weights of W⁰, W¹, W² over the radial basis; the last row is that of 1.
        context: MLP that gives φ.
        mixing: A.
        update: MLP that gives y.
    """

    filters: Float[Array | np.ndarray, "bases 3 channels"]
    context: MLP
    mixing: Float[Array | np.ndarray, "channels 2*channels"]
    update: MLP

    @classmethod
    def create(cls, random: np.random.Generator, n_channels: int, n_bases: int) -> "PaiNNLayer":
        """Weights that are not trained."""
        scale = 1.0 / np.sqrt(n_bases * CROWD)
        filters = random.normal(scale=scale, size=(n_bases, 3, n_channels))
        context = MLP.create(random, (n_channels, n_channels, 3 * n_channels))
        mixing = random.normal(scale=n_channels**-0.5, size=(n_channels, 2 * n_channels))
        update = MLP.create(random, (2 * n_channels, n_channels, 3 * n_channels))
        return cls(filters.astype(np.float32), context, mixing.astype(np.float32), update)

    def message(
        self,
        scalars: Float[Array, "atoms channels"],
        vectors: Float[Array, "3 atoms channels"] | None,
        basis: Float[Array, "atoms width bases"],
        around: Neighbourhood,
    ) -> tuple[Float[Array, "atoms channels"], Float[Array, "3 atoms channels"]]:
        """What is added to the scalars and the vectors; vectors are 0 if None."""
        n = scalars.shape[1]
        to_scalars, to_vectors, carried = jax.lax.split(self.context(scalars), (n, n, n), axis=1)
        filters = jnp.asarray(self.filters, scalars.dtype)
        if vectors is None:
            given = (filters[:, :2], to_scalars, to_vectors)
        else:
            given = (filters, to_scalars, to_vectors, carried * vectors)
        directions = jnp.moveaxis(around.directions, 0, 1)

        def message(given: tuple[Array, ...]) -> tuple[Array, Array]:
            return _message(given, basis, directions, around)

        return in_channel_blocks(message, given, n, around)

    def mixed(
        self,
        scalars: Float[Array, "atoms channels"],
        vectors: Float[Array, "3 atoms channels"],
        epsilon: float,
    ) -> tuple[Float[Array, "atoms channels"], Float[Array, "3 atoms channels"]]:
        """Scalars and vectors after the exchange between them on each atom."""
        n_channels = scalars.shape[1]
        both = vectors @ jnp.asarray(self.mixing, scalars.dtype)
        a, b = jax.lax.split(both, (n_channels, n_channels), axis=2)
        norm = jnp.sqrt(_dot(a, a) + epsilon)
        y = self.update(jnp.concatenate([scalars, norm], axis=1))
        shift, along, product = jax.lax.split(y, 3 * (n_channels,), axis=1)
        return scalars + shift + product * _dot(a, b), vectors + along * b


class PaiNN(Network):
    """Layers of messages, and a readout.

    Attributes:
        cutoff: how far an atom sees [nm].
        settings: sizes.
        embedding: scalars of each element.
        charge: weight of the charge of the molecule in the scalars [1/e].
        layers: in order.
        readout: energy of an atom from its scalars.
    """

    cutoff: float = eqx.field(static=True)
    settings: PaiNNSettings = eqx.field(static=True)
    embedding: Float[Array | np.ndarray, "elements channels"]
    charge: Float[Array | np.ndarray, " channels"]
    layers: tuple[PaiNNLayer, ...]
    readout: MLP

    @classmethod
    def create(
        cls,
        settings: Mapping[str, Any],
        *,
        cutoff: float,
        elements: tuple[int, ...],
        random: np.random.Generator,
    ) -> "PaiNN":
        """See `Network.create`; settings are those of `PaiNNSettings`."""
        made = PaiNNSettings.of(settings)
        n_channels = made.channels
        embedding = random.normal(size=(len(elements), n_channels)).astype(np.float32)
        layers = tuple(
            PaiNNLayer.create(random, n_channels, made.radial + 1) for _ in range(made.layers)
        )
        readout = MLP.create(random, (n_channels, max(1, n_channels // 2), 1), last_scale=0.1)
        charge = np.zeros(n_channels, np.float32)
        return cls(cutoff, made, embedding, charge, layers, readout)

    def energies(self, atoms: Atoms, around: Neighbourhood) -> Float[Array, " atoms"]:
        """See `Network.energies`."""
        scalars, _ = self.features(atoms, around)
        return self.readout(scalars)[:, 0]

    def features(
        self, atoms: Atoms, around: Neighbourhood
    ) -> tuple[Float[Array, "atoms channels"], Float[Array, "3 atoms channels"]]:
        """Scalars and vectors of the atoms after the last layer."""
        dtype = around.distances.dtype
        basis = self._basis(around)
        scalars = jnp.asarray(self.embedding, dtype)[jnp.asarray(atoms.species)]
        scalars += jnp.asarray(atoms.charges, dtype)[:, None] * jnp.asarray(self.charge, dtype)
        vectors = None
        for layer in self.layers:
            to_scalars, to_vectors = layer.message(scalars, vectors, basis, around)
            vectors = to_vectors if vectors is None else vectors + to_vectors
            scalars, vectors = layer.mixed(scalars + to_scalars, vectors, self.settings.epsilon)
        assert vectors is not None
        return scalars, vectors

    def _basis(self, around: Neighbourhood) -> Float[Array, "atoms width bases"]:
        """The radial functions and 1, all times the envelope; 0 where there is no neighbour."""
        distances, n = around.distances, self.settings.radial
        if self.settings.basis == "bessel":
            unit = ANGSTROM * (self.cutoff / 2.0) ** 0.5
            functions = unit * bessel_basis(distances, self.cutoff, n)
        else:
            functions = gaussian_basis(distances, 0.0, self.cutoff, n)
        all_of_them = jnp.concatenate([functions, jnp.ones_like(distances)[..., None]], axis=-1)
        shape = envelope(self.settings.envelope, distances, self.cutoff)
        return all_of_them * jnp.where(around.mask, shape, 0.0)[..., None]


def _message(
    given: tuple[Array, ...],
    basis: Float[Array, "atoms width bases"],
    directions: Float[Array, "atoms 3 width"],
    around: Neighbourhood,
) -> tuple[Float[Array, "atoms channels"], Float[Array, "3 atoms channels"]]:
    """The sums over neighbours.

    Args:
        given: filters "bases 3 channels", φ⁰ and φ¹ "atoms channels", φ² v "3 atoms channels";
            without the last, two filters are enough.
        basis: radial functions and 1.
        directions: r̂.
        around: what is near.
    """
    filters, to_scalars, to_vectors, *carried = given
    n = filters.shape[-1]
    wide = basis @ filters.reshape(filters.shape[0], -1)
    first, second, *third = jax.lax.split(wide, filters.shape[1] * (n,), axis=2)
    scalars = jnp.sum(first * around.around(to_scalars), axis=1)
    pushed = second * around.around(to_vectors)
    vectors = jnp.moveaxis(jnp.einsum("ixj,ijc->ixc", directions, pushed), 1, 0)
    for own, values in zip(third, carried, strict=True):
        parts = [own * around.around(part) for part in jnp.unstack(values)]
        vectors += jnp.stack([jnp.sum(part, axis=1) for part in parts])
    return scalars, vectors


def _dot(
    a: Float[Array, "3 atoms channels"], b: Float[Array, "3 atoms channels"]
) -> Float[Array, "atoms channels"]:
    x, y, z = jnp.unstack(a * b)
    return x + y + z
