"""SAKE: spatial attention, norms of learned combinations of directions.

Wang and Chodera, ICLR (2023), arXiv:2301.08893, in a form that is local and smooth. Each atom has
features h in C channels. A layer embeds edges (equation 7; R_k the radial basis), weighs
neighbours with attention in heads a, and sums what they say and where they are:

    e_ij = MLP(h_i, h_j, R(r_ij) ∘ (h_i, h_j) F)
    α_ij^a = f(r_ij) w_ij^a / (1 + Σ_j f(r_ij) w_ij^a),  w = exp(3 tanh(L e / 3))
    s_i = Σ_j α_ij^a e_ij
    v_i^k = Σ_ac X_k,ac Σ_j α_ij^a e_ij,c r̂_ij        (spatial attention, equation 6)
    h_i ← h_i + MLP(h_i, s_i, MLP(|v_i|²))

and the energy of an atom is an MLP of its h. What differs from the paper: the attention to space
(a softmax of distances there) is the envelope f, and 1 in the denominator stands for no neighbour,
so that the last neighbour leaves as smoothly as any other; X is applied after the sum over
neighbours, which gives the same and costs one product of matrices an atom, not one an edge;
positions and velocities are not updated, since the cutoff is that of the true positions.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from isthmus.networks.blocks.envelopes import ENVELOPES, envelope
from isthmus.networks.blocks.layers import MLP, Linear, silu
from isthmus.networks.blocks.radial import exponential_basis
from isthmus.networks.blocks.settings import check_choice, check_sizes, filled
from isthmus.networks.neighbourhood import Atoms, Neighbourhood
from isthmus.networks.network import Network

__all__ = ["Sake", "SakeLayer", "SakeSettings"]


@dataclass(frozen=True)
class SakeSettings:
    """Sizes.

    Attributes:
        channels: C.
        layers: how often messages are passed.
        radial: number of radial functions.
        heads: of the attention.
        combinations: number of vectors v of an atom.
        envelope: "polynomial", "smooth" or "cosine".
    """

    channels: int = 32
    layers: int = 2
    radial: int = 8
    heads: int = 4
    combinations: int = 32
    envelope: str = "polynomial"

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> "SakeSettings":
        """What is said, and defaults for the rest.

        Raises:
            DesignError: unknown settings, or values out of range.
        """
        made = filled(cls(), settings)
        for name in ("channels", "layers", "heads", "combinations"):
            check_sizes(name, (getattr(made, name),))
        check_sizes("radial", (made.radial,), least=2)
        check_choice("envelope", made.envelope, ENVELOPES)
        return made


class SakeLayer(eqx.Module):
    """One round of messages.

    Attributes:
        ends: first layer of the MLP of e, of h_i and h_j.
        filters: F, of h_i and h_j.
        radial: first layer of the MLP of e, of what the radial basis filters.
        edge: second layer of the MLP of e.
        attention: L.
        combinations: X.
        norms: MLP of |v|².
        update: MLP of h.
    """

    ends: Linear
    filters: Linear
    radial: Linear
    edge: Linear
    attention: Linear
    combinations: Float[Array | np.ndarray, "heads_channels combinations"]
    norms: MLP
    update: MLP

    @classmethod
    def create(cls, random: np.random.Generator, settings: SakeSettings) -> "SakeLayer":
        """Weights that are not trained."""
        n, heads, n_vectors = settings.channels, settings.heads, settings.combinations
        scale = (heads * n) ** -0.5
        combinations = random.normal(scale=scale, size=(heads * n, n_vectors))
        return cls(
            ends=Linear.create(random, n, 2 * n),
            filters=Linear.create(random, n, 2 * settings.radial),
            radial=Linear.create(random, settings.radial, n, bias=False),
            edge=Linear.create(random, n, n),
            attention=Linear.create(random, n, heads),
            combinations=combinations.astype(np.float32),
            norms=MLP.create(random, (n_vectors, n, n)),
            update=MLP.create(random, ((heads + 2) * n, n, n)),
        )

    def __call__(
        self,
        features: Float[Array, "atoms channels"],
        basis: Float[Array, "atoms width radial"],
        shape: Float[Array, "atoms width"],
        around: Neighbourhood,
    ) -> Float[Array, "atoms channels"]:
        """Features after the layer; `shape` is the envelope, 0 where there is no neighbour."""
        n_atoms = features.shape[0]
        here, there = jnp.split(self.ends(features), 2, axis=1)
        own, other = jnp.split(self.filters(features), 2, axis=1)
        filtered = basis * (own[:, None] + around.around(other))
        edges = here[:, None] + around.around(there) + self.radial(filtered)
        edges = self.edge(silu(edges))
        wanted = 3.0 * jnp.tanh(self.attention(edges) / 3.0)
        weights = shape[..., None] * jnp.exp(wanted)
        weights = weights / (1.0 + jnp.sum(weights, axis=1, keepdims=True))

        sides = jnp.concatenate([jnp.ones_like(shape)[None], around.directions])
        outer = jnp.moveaxis(sides, 0, 1)[:, :, None] * jnp.moveaxis(weights, 2, 1)[:, None]
        outer = outer.reshape(n_atoms, -1, outer.shape[-1])
        sums = jnp.einsum("ixj,ijc->ixc", outer, edges).reshape(n_atoms, 4, -1)
        vectors = sums[:, 1:] @ jnp.asarray(self.combinations, features.dtype)
        squares = jnp.sum(vectors * vectors, axis=1)
        given = [features, sums[:, 0], silu(self.norms(squares))]
        return features + self.update(jnp.concatenate(given, axis=1))


class Sake(Network):
    """Layers of messages, and a readout.

    Attributes:
        cutoff: how far an atom sees [nm].
        settings: sizes.
        embedding: features of each element.
        charge: weight of the charge of the molecule in the features [1/e].
        layers: in order.
        readout: energy of an atom from its features.
    """

    cutoff: float = eqx.field(static=True)
    settings: SakeSettings = eqx.field(static=True)
    embedding: Float[Array | np.ndarray, "elements channels"]
    charge: Float[Array | np.ndarray, " channels"]
    layers: tuple[SakeLayer, ...]
    readout: MLP

    @classmethod
    def create(
        cls,
        settings: Mapping[str, Any],
        *,
        cutoff: float,
        elements: tuple[int, ...],
        random: np.random.Generator,
    ) -> "Sake":
        """See `Network.create`; settings are those of `SakeSettings`."""
        made = SakeSettings.of(settings)
        n = made.channels
        embedding = random.normal(size=(len(elements), n)).astype(np.float32)
        layers = tuple(SakeLayer.create(random, made) for _ in range(made.layers))
        readout = MLP.create(random, (n, n, 1), last_scale=0.1)
        return cls(cutoff, made, embedding, np.zeros(n, np.float32), layers, readout)

    def energies(self, atoms: Atoms, around: Neighbourhood) -> Float[Array, " atoms"]:
        """See `Network.energies`."""
        dtype = around.distances.dtype
        features = jnp.asarray(self.embedding, dtype)[jnp.asarray(atoms.species)]
        features += jnp.asarray(atoms.charges, dtype)[:, None] * jnp.asarray(self.charge, dtype)
        basis = exponential_basis(around.distances, self.cutoff, self.settings.radial)
        shape = envelope(self.settings.envelope, around.distances, self.cutoff)
        shape = jnp.where(around.mask, shape, 0.0)
        for layer in self.layers:
            # Of a long list of edges, no more is kept for the derivative than what goes in
            apply = layer if around.rows is None else eqx.filter_checkpoint(layer)
            features = apply(features, basis, shape, around)
        return self.readout(features)[:, 0]
