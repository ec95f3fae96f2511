"""Moments: what is around an atom as products of sums over its neighbours, and a network of them.

A strictly local atomic cluster expansion with a nonlinear readout, after moment tensor potentials
(Shapeev, Multiscale Model. Simul. 14, 1153 (2016)) and ACE (Drautz, Phys. Rev. B 99, 014104
(2019)). Sums over pairs and triples of neighbours become products of sums over single ones, so a
step costs as the number of neighbours, and is a handful of products of matrices:

1. moments   M[i, lm, nk] = Σ_j Y_lm(r̂_ij) B_n(d_ij) f(d_ij) h_jk
2. channels  A[i, lm, c] = Σ_nk M[i, lm, nk] W_l[nk, c]
3. invariants, for each channel: A_0; |A_l|², l ≥ 1 (two neighbours at once);
   vᵀQv, det Q (three); |Qv|² (four), with v = A_1 and Q the matrix of A_2
4. h'_i = network of the element of i (invariants and charge), and the energy a linear function
   of the hidden layer.

Y_lm: spherical harmonics, B_n: radial basis, f: envelope. h_jk is a vector that belongs to
the element of j. With `layers = 2`, steps 1 to 4 follow once more, with h_j now learned from what
is around j: the atom sees twice as far, as in message passing with scalar messages, and the cost
is twice as high.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from isthmus.errors import DesignError
from isthmus.networks.blocks.envelopes import ENVELOPES, envelope
from isthmus.networks.blocks.harmonics import as_matrix, harmonics
from isthmus.networks.blocks.layers import Linear
from isthmus.networks.blocks.per_element import PerElement, by_element, in_order_of_atoms
from isthmus.networks.blocks.radial import bessel_basis, exponential_basis
from isthmus.networks.blocks.settings import check_choice, check_sizes, filled
from isthmus.networks.neighbourhood import Atoms, Neighbourhood
from isthmus.networks.network import Network

__all__ = ["Moments", "MomentsSettings"]

# With these, invariants of organic molecules begin at a size of about 1
_TURNED_SCALE: Final = 1.6
_BESSEL: Final = 0.15
_LAST_SCALE: Final = 0.1
_DECAY: Final = 10.0  # of the exponential basis [1/nm]


@dataclass(frozen=True)
class MomentsSettings:
    """Sizes.

    Attributes:
        channels: C, number of learned combinations of moments.
        degree: highest l, from 0 to 3.
        radial: number of radial functions.
        basis: "exponential", dense where atoms are close, or "bessel".
        mixed: length of h.
        hidden: units of the hidden layers of the networks of the elements.
        layers: 1 is strictly local.
        envelope: "polynomial", "smooth" or "cosine".
    """

    channels: int = 32
    degree: int = 2
    radial: int = 8
    basis: str = "exponential"
    mixed: int = 4
    hidden: tuple[int, ...] = (48, 32)
    layers: int = 1
    envelope: str = "polynomial"

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> "MomentsSettings":
        """What is said, and defaults for the rest.

        Raises:
            DesignError: unknown settings, or values out of range.
        """
        made = filled(cls(), settings)
        for name in ("channels", "radial", "mixed", "layers"):
            check_sizes(name, (getattr(made, name),))
        check_sizes("hidden", made.hidden)
        check_choice("basis", made.basis, ("exponential", "bessel"))
        check_choice("envelope", made.envelope, ENVELOPES)
        if not 0 <= made.degree <= 3 or not made.hidden:
            raise DesignError(
                f"degree = {made.degree}, hidden = {made.hidden}: wanted are a degree from 0 to 3 "
                "and at least one hidden layer"
            )
        return made

    @property
    def n_invariants(self) -> int:
        """Number of invariants of an atom."""
        each = 1 + self.degree + (3 if self.degree >= 2 else 0)
        return self.channels * each


class Layer(eqx.Module):
    """Steps 2 to 4.

    Attributes:
        mixing: W_l by degree.
        inner: hidden layers of the networks of the elements.
        charge: weight of the charge of the molecule in each unit of the first one [1/e].
        energy: last layer.
    """

    mixing: tuple[Linear, ...]
    inner: tuple[PerElement, ...]
    charge: Float[Array | np.ndarray, " hidden"]
    energy: PerElement

    @classmethod
    def create(
        cls, settings: MomentsSettings, n_elements: int, random: np.random.Generator
    ) -> "Layer":
        """Random weights."""
        inputs = settings.radial * settings.mixed
        mixing = tuple(
            Linear.create(random, inputs, settings.channels, scale=scale, bias=False)
            for scale in [1.0] + [_TURNED_SCALE] * settings.degree
        )
        widths = [settings.n_invariants, *settings.hidden]
        inner = tuple(
            PerElement.create(random, n_elements, n_in, n_out) for n_in, n_out in pairwise(widths)
        )
        energy = PerElement.create(random, n_elements, widths[-1], 1, scale=_LAST_SCALE)
        return cls(mixing, inner, np.zeros(widths[1], np.float32), energy)

    def __call__(
        self, atoms: Atoms, charges: Float[Array, " rows"], moments: list[Array]
    ) -> tuple[Float[Array, "rows hidden"], Float[Array, " rows"]]:
        """Hidden layer and energy of each row; rows are in the order of the elements.

        Args:
            atoms: that the rows belong to.
            charges: of the molecule of each row [e].
            moments: M by degree, (rows, components, radial × mixed).
        """
        channels = [mix(m) for mix, m in zip(self.mixing, moments, strict=True)]
        rows = invariants(channels)
        rows = self.inner[0](atoms, rows)
        rows = jax.nn.silu(rows + charges[:, None] * jnp.asarray(self.charge, rows.dtype))
        for layer in self.inner[1:]:
            rows = jax.nn.silu(layer(atoms, rows))
        return rows, self.energy.single(atoms, rows)


class Moments(Network):
    """Moments, their invariants, and networks of the elements.

    Attributes:
        cutoff: how far an atom sees in one layer [nm].
        settings: sizes.
        kinds: h of each element.
        mixed: from hidden layers to h of the next layer.
        layers: one after another.
    """

    cutoff: float = eqx.field(static=True)
    settings: MomentsSettings = eqx.field(static=True)
    kinds: Float[Array | np.ndarray, "elements mixed"]
    mixed: tuple[Linear, ...]
    layers: tuple[Layer, ...]

    @classmethod
    def create(
        cls,
        settings: Mapping[str, Any],
        *,
        cutoff: float,
        elements: tuple[int, ...],
        random: np.random.Generator,
    ) -> "Moments":
        """A network that is not trained; `settings` as in `MomentsSettings`."""
        made = MomentsSettings.of(settings)
        n = len(elements)
        # Elements are told apart from the start: rows at right angles as far as they fit
        size = max(n, made.mixed)
        turned = np.linalg.qr(random.normal(size=(size, size)))[0]
        kinds = turned[:n, : made.mixed] * math.sqrt(size / made.mixed)
        layers = tuple(Layer.create(made, n, random) for _ in range(made.layers))
        mixed = tuple(
            Linear.create(random, made.hidden[-1], made.mixed, scale=2.0, bias=False)
            for _ in range(made.layers - 1)
        )
        return cls(cutoff, made, kinds.astype(np.float32), mixed, layers)

    def energies(self, atoms: Atoms, around: Neighbourhood) -> Float[Array, " atoms"]:
        """Energy of each atom, without unit."""
        d = around.distances
        basis = self._basis(d) * envelope(self.settings.envelope, d, self.cutoff)[..., None]
        angular = harmonics(around.directions, self.settings.degree)
        angular = jnp.moveaxis(jnp.concatenate(angular), 0, 2)
        charges = by_element(atoms, jnp.asarray(atoms.charges, d.dtype))
        h = jnp.asarray(self.kinds, d.dtype)[jnp.asarray(atoms.species)]
        energies = jnp.zeros_like(charges)
        for number, layer in enumerate(self.layers):
            moments = by_element(atoms, self._moments(around, basis, angular, h))
            hidden, energy = layer(atoms, charges, self._by_degree(moments))
            energies += energy
            if number < len(self.mixed):
                h += in_order_of_atoms(atoms, self.mixed[number](hidden))
        return in_order_of_atoms(atoms, energies)

    def _basis(self, d: Float[Array, "atoms width"]) -> Float[Array, "atoms width radial"]:
        if self.settings.basis == "bessel":
            return _BESSEL * self.cutoff * bessel_basis(d, self.cutoff, self.settings.radial)
        return exponential_basis(d, self.cutoff, self.settings.radial, decay=_DECAY)

    def _moments(
        self,
        around: Neighbourhood,
        basis: Float[Array, "atoms width radial"],
        angular: Float[Array, "atoms width components"],
        h: Float[Array, "atoms mixed"],
    ) -> Float[Array, "atoms components inputs"]:
        """M of each atom."""
        values = basis[..., None] * around.around(h)[:, :, None, :]
        values = values.reshape(*basis.shape[:2], -1)
        return jnp.einsum("ijm,ijx->imx", angular, values)

    def _by_degree(self, moments: Float[Array, "rows components inputs"]) -> list[Array]:
        starts = [degree * degree for degree in range(self.settings.degree + 2)]
        return [moments[:, a:b] for a, b in pairwise(starts)]


def invariants(channels: list[Array]) -> Float[Array, "rows invariants"]:
    """What of the moments does not turn.

    Args:
        channels: A by degree, (rows, components, channels).
    """
    found = [channels[0][:, 0]]
    found += [jnp.sum(a * a, axis=1) for a in channels[1:]]
    if len(channels) > 2:
        x, y, z = (channels[1][:, m] for m in range(3))
        xx, yy, zz, xy, xz, yz = as_matrix(jnp.moveaxis(channels[2], 1, 0))
        px, py, pz = xx * x + xy * y + xz * z, xy * x + yy * y + yz * z, xz * x + yz * y + zz * z
        determinant = xx * (yy * zz - yz * yz) - xy * (xy * zz - yz * xz)
        determinant += xz * (xy * yz - yy * xz)
        found += [x * px + y * py + z * pz, px * px + py * py + pz * pz, determinant]
    return jnp.concatenate(found, axis=1)
