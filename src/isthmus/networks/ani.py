"""ANI: symmetry functions, and a network for each element.

Smith, Isayev and Roitberg, Chem. Sci. 8, 3192 (2017); Devereux et al., J. Chem. Theory Comput. 16,
4192 (2020) for ANI-2x. The energy of atom i of element s is N_s(G_i), with G_i the symmetry
functions of `blocks.symmetry_functions`, and a weight for the charge of the molecule beside them.

With `form = "ani1x"` or `"ani2x"`, sizes and constants are those of the published models, cutoffs
included (0.52 nm or 0.51 nm, and 0.35 nm for angles), and the envelope is their cosine, with which
curvature is not continuous at the cutoffs; nor is it across a kink of their activation, CELU. The
default is smaller, and smooth.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from isthmus.errors import DesignError
from isthmus.networks.blocks.envelopes import ENVELOPES
from isthmus.networks.blocks.layers import ACTIVATIONS, activate
from isthmus.networks.blocks.per_element import PerElement, by_element, in_order_of_atoms
from isthmus.networks.blocks.settings import check_choice, check_sizes, filled
from isthmus.networks.blocks.symmetry_functions import (
    AngularFunctions,
    RadialFunctions,
    n_pairs_of,
)
from isthmus.networks.neighbourhood import Atoms, Neighbourhood
from isthmus.networks.network import Network

__all__ = ["Ani", "AniSettings", "symmetry_functions"]

_FIRST_SCALE: Final = 4.0  # features are sums of few numbers below 1
_LAST_SCALE: Final = 0.1


@dataclass(frozen=True)
class AniSettings:
    """Sizes and constants.

    Attributes:
        form: "small", "ani1x" or "ani2x": where the other defaults come from.
        radial: number of radial functions for each element.
        radial_sharpness: η of the radial functions [1/nm²].
        angular: number of centres of the angular functions.
        angular_sharpness: η of the angular functions [1/nm²].
        angles: number of angles.
        power: ζ; a power of 2 is fastest.
        start: first centre [nm]; the others are evenly spaced up to the cutoff.
        angular_cutoff: how far the angular functions see [nm].
        envelope: "polynomial", "smooth" or "cosine".
        hidden: units of the hidden layers.
        activation: between layers.
        crowd: how many neighbours within the angular cutoff are fast; changes no number.
    """

    form: str = "small"
    radial: int = 16
    radial_sharpness: float = 1600.0
    angular: int = 4
    angular_sharpness: float = 800.0
    angles: int = 4
    power: float = 8.0
    start: float = 0.08
    angular_cutoff: float = 0.35
    envelope: str = "polynomial"
    hidden: tuple[int, ...] = (64, 48, 32)
    activation: str = "silu"
    crowd: int = 16

    @classmethod
    def of(cls, settings: Mapping[str, Any], cutoff: float) -> "AniSettings":
        """What is said, and defaults for the rest.

        Raises:
            DesignError: unknown settings, or values out of range.
        """
        form = settings.get("form", "small")
        check_choice("form", form, tuple(_FORMS))
        made = filled(_FORMS[form], settings)
        check_choice("envelope", made.envelope, ENVELOPES)
        check_choice("activation", made.activation, ACTIVATIONS)
        for name in ("radial", "angular", "angles", "crowd"):
            check_sizes(name, (getattr(made, name),))
        check_sizes("hidden", made.hidden)
        for name in ("radial_sharpness", "angular_sharpness", "power"):
            if not getattr(made, name) > 0:
                raise DesignError(f"{name} = {getattr(made, name)}: wanted is a number above 0")
        shorter = min(cutoff, made.angular_cutoff)
        if not 0 <= made.start < shorter or made.angular_cutoff > cutoff:
            raise DesignError(
                f"start = {made.start} nm, angular_cutoff = {made.angular_cutoff} nm, cutoff = "
                f"{cutoff} nm: wanted is start < angular_cutoff ≤ cutoff"
            )
        return made


_FORMS: Final = {
    "small": AniSettings(),
    "ani1x": AniSettings(
        form="ani1x",
        radial_sharpness=1600.0,
        angular=4,
        angular_sharpness=800.0,
        angles=8,
        power=32.0,
        start=0.09,
        envelope="cosine",
        hidden=(144, 112, 96),
        activation="celu",
    ),
    "ani2x": AniSettings(
        form="ani2x",
        radial_sharpness=1970.0,
        angular=8,
        angular_sharpness=1250.0,
        angles=4,
        power=14.1,
        start=0.08,
        envelope="cosine",
        hidden=(224, 192, 160),
        activation="celu",
    ),
}
"""Published constants; hidden layers are those of carbon for all elements."""


class Ani(Network):
    """Symmetry functions and networks of the elements.

    Attributes:
        cutoff: how far an atom sees [nm].
        settings: sizes and constants.
        layers: of the networks.
        charge: weight of the charge of the molecule in each unit of the first layer [1/e].
    """

    cutoff: float = eqx.field(static=True)
    settings: AniSettings = eqx.field(static=True)
    layers: tuple[PerElement, ...]
    charge: Float[Array | np.ndarray, " hidden"]

    @classmethod
    def create(
        cls,
        settings: Mapping[str, Any],
        *,
        cutoff: float,
        elements: tuple[int, ...],
        random: np.random.Generator,
    ) -> "Ani":
        """A network that is not trained; `settings` as in `AniSettings`."""
        made = AniSettings.of(settings, cutoff)
        n = len(elements)
        features = n * made.radial + n_pairs_of(n) * made.angular * made.angles
        widths = [features, *made.hidden, 1]
        scales = [_FIRST_SCALE] + [1.0] * (len(widths) - 3) + [_LAST_SCALE]
        layers = tuple(
            PerElement.create(random, n, n_in, n_out, scale=scale)
            for n_in, n_out, scale in zip(widths[:-1], widths[1:], scales, strict=True)
        )
        return cls(cutoff, made, layers, np.zeros(widths[1], np.float32))

    def energies(self, atoms: Atoms, around: Neighbourhood) -> Float[Array, " atoms"]:
        """Energy of each atom, without unit."""
        features = symmetry_functions(
            self.settings, self.cutoff, self.layers[0].weights.shape[0], atoms, around
        )
        rows = self.layers[0](atoms, by_element(atoms, features))
        charges = by_element(atoms, jnp.asarray(atoms.charges, rows.dtype))
        rows += charges[:, None] * jnp.asarray(self.charge, rows.dtype)
        rows = activate(self.settings.activation, rows)
        for layer in self.layers[1:-1]:
            rows = activate(self.settings.activation, layer(atoms, rows))
        return in_order_of_atoms(atoms, self.layers[-1].single(atoms, rows))


def symmetry_functions(
    settings: AniSettings, cutoff: float, n_elements: int, atoms: Atoms, around: Neighbourhood
) -> Float[Array, "atoms features"]:
    """Radial and angular functions of each atom, in the order of torchani.

    Args:
        settings: of the functions.
        cutoff: of the radial functions and of `around` [nm].
        n_elements: how many elements there are.
        atoms: with their species.
        around: neighbours of each atom.
    """
    species = jnp.asarray(atoms.species)[:, None]
    elements = (species == jnp.arange(n_elements)).astype(around.distances.dtype)
    radial = RadialFunctions(
        settings.radial_sharpness,
        _evenly(settings.start, cutoff, settings.radial),
        cutoff,
        settings.envelope,
    )
    half = math.pi / settings.angles / 2
    angular = AngularFunctions(
        settings.angular_sharpness,
        _evenly(settings.start, settings.angular_cutoff, settings.angular),
        settings.power,
        _evenly(half, math.pi + half, settings.angles),
        settings.angular_cutoff,
        settings.envelope,
        settings.crowd,
    )
    parts = [radial(around, elements), angular(around, elements)]
    return jnp.concatenate(parts, axis=1)


def _evenly(start: float, stop: float, n: int) -> tuple[float, ...]:
    """n numbers from the first on, the last left out."""
    return tuple(start + (stop - start) * k / n for k in range(n))
