"""Surfaces with closed-form motion, to test dynamics on: not force fields, just formulas."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from isthmus.forcefield.potential import EnergyAndForces

__all__ = ["Model", "double_well", "field", "kepler", "spring"]


class Model(eqx.Module):
    """An energy that is a function of positions, (…, atoms, 3) → (…)."""

    function: Callable[[Any], Any] = eqx.field(static=True)
    n_atoms: int = eqx.field(static=True, default=1)
    precision: str = eqx.field(static=True, default="float64")
    needs_neighbours: bool = eqx.field(static=True, default=False)

    def neighbours(self, positions, box=None, *, skin=0.1):
        del positions, box, skin
        return ()

    def energy_and_forces(self, positions, box=None, neighbours=None):
        del box, neighbours
        energy, pull = jax.vjp(self.function, jnp.asarray(positions))
        (gradient,) = pull(jnp.ones_like(energy))
        return EnergyAndForces(energy, -gradient)

    def virial(self, positions, box=None, neighbours=None):
        del box, neighbours
        gradient = jax.grad(lambda x: jnp.sum(self.function(x)))(jnp.asarray(positions))
        return jnp.einsum("...ai,...aj->...ij", gradient, positions)


def spring(constant: Any = 1.0, **kwargs: Any) -> Model:
    """k x²/2 on every component; k [kJ/mol/nm²], one number or one for each particle."""
    weight = np.asarray(constant, dtype=float)
    return Model(lambda x: 0.5 * jnp.sum(jnp.asarray(weight, x.dtype) * x * x, (-1, -2)), **kwargs)


def field(strength: float = 1.0, **kwargs: Any) -> Model:
    """A uniform field along z: energy g z [kJ/mol]."""
    return Model(lambda x: strength * jnp.sum(x[..., 2], -1), **kwargs)


def kepler(strength: float = 1.0, **kwargs: Any) -> Model:
    """−κ/r between each particle and the origin."""
    return Model(lambda x: -strength * jnp.sum(1 / jnp.sqrt(jnp.sum(x * x, -1)), -1), **kwargs)


def double_well(scale: float = 1.0, **kwargs: Any) -> Model:
    """Springs between all particles that stiffen, and a quartic well: chaotic and bound."""

    def energy(x: Any) -> Any:
        apart = x[..., :, None, :] - x[..., None, :, :]
        square = jnp.sum(apart * apart, -1)
        pairs = 0.25 * jnp.sum(square * (1 + square), (-1, -2))
        return scale * (pairs + jnp.sum(jnp.sum(x * x, -1) ** 2, -1))

    return Model(energy, **kwargs)
