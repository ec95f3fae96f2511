"""SchNet: messages through filters that are continuous functions of distance.

Schütt, Sauceda, Kindermans, Tkatchenko and Müller, J. Chem. Phys. 148, 241722 (2018), in the form
of SchNetPack 2. Each atom has a vector x of C channels, at first that of its element. In each layer

    x_i ← x_i + MLP(Σ_j W(d_ij) ∘ (x_j A)),   W(d) = MLP(Gaussians of d) f(d)

with shifted softplus between linear layers and f the envelope. The energy of an atom is an MLP of
its x.

A filter is nonlinear in the radial basis, so it has to be made for each edge, which is most of
the cost: (n C + C²) products for an edge and layer.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from isthmus.networks.blocks.envelopes import ENVELOPES, envelope
from isthmus.networks.blocks.layers import MLP, Linear
from isthmus.networks.blocks.radial import gaussian_basis
from isthmus.networks.blocks.settings import check_choice, check_sizes, filled
from isthmus.networks.neighbourhood import Atoms, Neighbourhood
from isthmus.networks.network import Network

__all__ = ["SchNet", "SchNetLayer", "SchNetSettings"]


@dataclass(frozen=True)
class SchNetSettings:
    """Sizes.

    Attributes:
        channels: C.
        layers: how often messages are passed.
        radial: number of Gaussians.
        envelope: "polynomial", "smooth" or "cosine".
    """

    channels: int = 64
    layers: int = 3
    radial: int = 20
    envelope: str = "polynomial"

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> "SchNetSettings":
        """What is said, and defaults for the rest.

        Raises:
            DesignError: unknown settings, or values out of range.
        """
        made = filled(cls(), settings)
        check_sizes("layers", (made.layers,))
        for name in ("channels", "radial"):
            check_sizes(name, (getattr(made, name),), least=2)
        check_choice("envelope", made.envelope, ENVELOPES)
        return made


class SchNetLayer(eqx.Module):
    """One interaction.

    Attributes:
        inner: A.
        filters: from Gaussians to W.
        outer: of the sum over neighbours.
    """

    inner: Linear
    filters: MLP
    outer: MLP

    @classmethod
    def create(cls, settings: SchNetSettings, random: np.random.Generator) -> "SchNetLayer":
        """Random weights."""
        n = settings.channels
        return cls(
            Linear.create(random, n, n, bias=False),
            MLP.create(random, (settings.radial, n, n), activation="softplus"),
            MLP.create(random, (n, n, n), activation="softplus"),
        )

    def __call__(
        self,
        x: Float[Array, "atoms channels"],
        around: Neighbourhood,
        basis: Float[Array, "atoms width radial"],
        weight: Float[Array, "atoms width"],
    ) -> Float[Array, "atoms channels"]:
        """What is added to x."""
        filters = self.filters(basis) * weight[..., None]
        messages = jnp.sum(filters * around.around(self.inner(x)), axis=1)
        return self.outer(messages)


class SchNet(Network):
    """Layers of filters, and a readout.

    Attributes:
        cutoff: how far an atom sees in one layer [nm].
        settings: sizes.
        embedding: x of each element.
        charge: weight of the charge of the molecule in x [1/e].
        layers: one after another.
        readout: energy from x.
    """

    cutoff: float = eqx.field(static=True)
    settings: SchNetSettings = eqx.field(static=True)
    embedding: Float[Array | np.ndarray, "elements channels"]
    charge: Float[Array | np.ndarray, " channels"]
    layers: tuple[SchNetLayer, ...]
    readout: MLP

    @classmethod
    def create(
        cls,
        settings: Mapping[str, Any],
        *,
        cutoff: float,
        elements: tuple[int, ...],
        random: np.random.Generator,
    ) -> "SchNet":
        """A network that is not trained; `settings` as in `SchNetSettings`."""
        made = SchNetSettings.of(settings)
        n = made.channels
        embedding = random.normal(size=(len(elements), n)).astype(np.float32)
        layers = tuple(SchNetLayer.create(made, random) for _ in range(made.layers))
        readout = MLP.create(random, (n, n // 2, 1), last_scale=0.1)
        return cls(cutoff, made, embedding, np.zeros(n, np.float32), layers, readout)

    def energies(self, atoms: Atoms, around: Neighbourhood) -> Float[Array, " atoms"]:
        """Energy of each atom, without unit."""
        d = around.distances
        basis = gaussian_basis(d, 0.0, self.cutoff, self.settings.radial)
        weight = envelope(self.settings.envelope, d, self.cutoff)
        x = jnp.asarray(self.embedding, d.dtype)[jnp.asarray(atoms.species)]
        charges = jnp.asarray(atoms.charges, d.dtype)
        x += charges[:, None] * jnp.asarray(self.charge, d.dtype)
        for layer in self.layers:
            if around.rows is None:
                x += layer(x, around, basis, weight)
            else:
                x += _made_again_backwards(layer, x, around, basis, weight)
        return self.readout(x)[:, 0]


@jax.checkpoint
def _made_again_backwards(
    layer: SchNetLayer, x: Array, around: Neighbourhood, basis: Array, weight: Array
) -> Array:
    """The layer, without keeping the filters of all edges for the derivative."""
    return layer(x, around, basis, weight)
