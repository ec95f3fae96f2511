"""MACE: equivariant messages of high body order from products of one-particle sums.

Batatia, Kovács, Simm, Ortner and Csányi, NeurIPS (2022), arXiv:2206.07697. Each atom has features
h_l in C channels, l = 0..L. A layer gives, for atom i of element z, with k a path (l1, l2) → l:

    R_k(r) = MLP(Bessel functions × envelope), without biases, so that it vanishes at the cutoff
    A_l = Σ_k W_k Σ_j R_k(r_ij) [C Y_l2(r̂_ij) ⊗ (U h_l1)_j] / √n
    B_l = Σ_p w_zp P_p(A), P_p all equivariant polynomials up to the correlation order
    h_l ← V_l B_l + S_zl h_l

and an energy for each atom: linear in h_0, after the last layer an MLP of it, for which only l = 0
is made. `tensor_products` says what the P_p are: the symmetric contraction of the paper in a basis
that is not redundant. All couplings are sums of few terms and are written out.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from isthmus.errors import DesignError
from isthmus.networks.blocks.envelopes import ENVELOPES, envelope
from isthmus.networks.blocks.layers import MLP
from isthmus.networks.blocks.radial import bessel_basis
from isthmus.networks.blocks.settings import check_choice, check_sizes, filled
from isthmus.networks.mace_layer import Features, MaceLayer
from isthmus.networks.neighbourhood import Atoms, Neighbourhood
from isthmus.networks.network import Network
from isthmus.networks.spherical import HIGHEST, real_harmonics

__all__ = ["Mace", "MaceSettings"]

ANGSTROM: Final = 0.1
"""Bessel functions are in units of it [nm]"""


@dataclass(frozen=True)
class MaceSettings:
    """Sizes.

    Attributes:
        channels: C.
        layers: how often messages are passed.
        order: L, of the features that are passed on: 0 or 1.
        l_max: of the spherical harmonics, 1 to 3.
        correlation: highest degree of the products, 1 to 3; body order minus 1.
        radial: number of Bessel functions.
        hidden: units of the hidden layers of the radial network.
        envelope: "polynomial", "smooth" or "cosine".
        crowd: n, about the number of neighbours of an atom.
        readout: hidden units of the last readout.
    """

    channels: int = 32
    layers: int = 2
    order: int = 0
    l_max: int = 2
    correlation: int = 3
    radial: int = 8
    hidden: tuple[float, ...] = (32.0,)
    envelope: str = "polynomial"
    crowd: float = 12.0
    readout: int = 16

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> "MaceSettings":
        """What is said, and defaults for the rest.

        Raises:
            DesignError: unknown settings, or values out of range.
        """
        made = filled(cls(), settings)
        for name in ("channels", "layers", "radial", "readout"):
            check_sizes(name, (getattr(made, name),))
        check_sizes("hidden", made.hidden)
        check_choice("envelope", made.envelope, ENVELOPES)
        bounds = {"order": (0, 1), "l_max": (1, HIGHEST), "correlation": (1, 3)}
        for name, (least, most) in bounds.items():
            if not least <= getattr(made, name) <= most:
                raise DesignError(
                    f"{name} = {getattr(made, name)}: wanted is a whole number from {least} to "
                    f"{most}"
                )
        if not made.hidden:
            raise DesignError("hidden is empty: give at least one hidden layer")
        if not made.crowd > 0:
            raise DesignError(f"crowd = {made.crowd}: wanted is a number above 0")
        return made


class Mace(Network):
    """Layers of messages and products, and a readout after each.

    Attributes:
        cutoff: how far an atom sees [nm].
        settings: sizes.
        embedding: features of each element.
        charge: weight of the charge of the molecule in the features [1/e].
        layers: in order.
        readouts: weights of the energies after all layers but the last.
        readout: energy after the last.
    """

    cutoff: float = eqx.field(static=True)
    settings: MaceSettings = eqx.field(static=True)
    embedding: Float[Array | np.ndarray, "elements channels"]
    charge: Float[Array | np.ndarray, " channels"]
    layers: tuple[MaceLayer, ...]
    readouts: tuple[Float[Array | np.ndarray, " channels"], ...]
    readout: MLP

    @classmethod
    def create(
        cls,
        settings: Mapping[str, Any],
        *,
        cutoff: float,
        elements: tuple[int, ...],
        random: np.random.Generator,
    ) -> "Mace":
        """See `Network.create`; settings are those of `MaceSettings`."""
        made = MaceSettings.of(settings)
        n, last = made.channels, made.layers - 1
        embedding = random.normal(size=(len(elements), n)).astype(np.float32)
        layers = tuple(
            MaceLayer.create(
                random,
                n,
                len(elements),
                widths=(made.radial, *(int(width) for width in made.hidden)),
                l_max=made.l_max,
                correlation=made.correlation,
                given=0 if k == 0 else made.order,
                wanted=0 if k == last else made.order,
            )
            for k in range(made.layers)
        )
        scale = 0.1 / math.sqrt(n)
        readouts = tuple(random.normal(scale=scale, size=n).astype(np.float32) for _ in range(last))
        readout = MLP.create(random, (n, made.readout, 1), last_scale=0.1, bias=False)
        return cls(cutoff, made, embedding, np.zeros(n, np.float32), layers, readouts, readout)

    def energies(self, atoms: Atoms, around: Neighbourhood) -> Float[Array, " atoms"]:
        """See `Network.energies`."""
        all_features = self.features(atoms, around)
        energies = self.readout(all_features[-1][0][0])[:, 0]
        for features, weight in zip(all_features, self.readouts, strict=False):
            energies += features[0][0] @ jnp.asarray(weight, energies.dtype)
        return energies

    def features(self, atoms: Atoms, around: Neighbourhood) -> list[Features]:
        """Features after each layer, by l, components first."""
        dtype, made = around.distances.dtype, self.settings
        kinds = jax.nn.one_hot(jnp.asarray(atoms.species), len(self.embedding), dtype=dtype)
        scalars = kinds @ jnp.asarray(self.embedding, dtype)
        scalars += jnp.asarray(atoms.charges, dtype)[:, None] * jnp.asarray(self.charge, dtype)
        shape = envelope(made.envelope, around.distances, self.cutoff)
        shape = ANGSTROM * math.sqrt(self.cutoff) * jnp.where(around.mask, shape, 0.0)
        basis = shape[..., None] * bessel_basis(around.distances, self.cutoff, made.radial)
        harmonics = real_harmonics(around.directions, made.l_max)
        features, found = (scalars[None],), []
        for layer in self.layers:
            features = layer(features, kinds, basis, harmonics, around, made.crowd)
            found.append(features)
        return found
