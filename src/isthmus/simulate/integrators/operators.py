"""The steps that integrators are made of: kick, drift, friction with noise, projection.

    kick     v ← v + dt m⁻¹ F
    drift    x ← x + dt v; with constraints x ← x + s, v ← v + s/dt, s the shift of SHAKE
    friction v ← c v + √(1 − c²) √(kT/m) R,  c = exp(−γ dt), R normal deviates
    project  v ← v less its part along the constraints

x [nm], v [nm/ps], F [kJ/mol/nm], m [Da], γ [1/ps], dt [ps], kT [kJ/mol].
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, UInt32

from isthmus.errors import InputError
from isthmus.simulate.accumulation import Phase, begin_phase
from isthmus.simulate.mechanics import Mechanics
from isthmus.simulate.noise import normal_deviates
from isthmus.simulate.state import State
from isthmus.simulate.surface import Evaluation, Neighbours, Surface, evaluate
from isthmus.units import BOLTZMANN

__all__ = [
    "Friction",
    "as_number",
    "as_temperature",
    "begin",
    "check_no_momentum",
    "drift",
    "ended",
    "kick",
    "phase_of",
    "project",
]

Vectors = Float[Array, "*replicas atoms 3"]
Number = Float[np.ndarray | Array, ""]


def as_number(value: ArrayLike, name: str, *, least: float = 0.0) -> Float[np.ndarray, ""]:
    """A positive number as an array, so that another value compiles nothing.

    Raises:
        InputError: not finite, or not above `least`.
    """
    number = np.asarray(value, dtype=np.float64)
    if number.shape != () or not (np.isfinite(number) and number > least):
        raise InputError(f"a {name} of {value} came: wanted is one number above {least:g}")
    return number


def as_temperature(value: ArrayLike) -> Float[np.ndarray, "*replicas"]:
    """Temperatures [K], one for all replicas or one for each.

    Raises:
        InputError: one that is negative or not finite.
    """
    number = np.asarray(value, dtype=np.float64)
    if not (np.all(np.isfinite(number)) and np.all(number >= 0)):
        raise InputError(f"a temperature of {value} K came: wanted are numbers from 0 on")
    return number


def check_no_momentum(mechanics: Mechanics) -> None:
    """Refuse mechanics whose centre of mass must not move, where noise moves it.

    Raises:
        InputError: they count on the momentum being conserved.
    """
    if mechanics.conserves_momentum:
        raise InputError(
            "mechanics with conserves_momentum=True came for a thermostat that acts on every "
            "particle: it moves the centre of mass; make them with conserves_momentum=False"
        )


def begin(
    surface: Surface,
    mechanics: Mechanics,
    positions: ArrayLike,
    velocities: ArrayLike,
    box: ArrayLike | None,
    neighbours: Neighbours,
    *,
    accumulation: str,
) -> State:
    """The first state, with the low parts of its sums as its only extra."""
    phase = begin_phase(positions, velocities, accumulation)
    phase = phase.placed(mechanics.place(phase.positions))
    cell = None if box is None else jnp.asarray(box, phase.positions.dtype)
    found = evaluate(surface, phase.positions, cell, neighbours)
    return ended(phase, found, cell, {})


def phase_of(state: State) -> Phase:
    """Positions and velocities of a state, with the low parts of their sums."""
    return Phase(state.positions, state.velocities, state.extra["low"])


def ended(phase: Phase, found: Evaluation, box: jax.Array | None, extra: dict[str, Any]) -> State:
    """The state at the end of a step; `extra` is what the integrator itself keeps."""
    return State(
        phase.positions,
        phase.velocities,
        found.forces,
        found.energy,
        box,
        {"low": phase.low, **extra},
    )


def kick(phase: Phase, forces: Vectors, mechanics: Mechanics, timestep: ArrayLike) -> Phase:
    """Velocities changed by forces [kJ/mol/nm] over a time [ps]."""
    dtype = phase.velocities.dtype
    factor = jnp.asarray(timestep, dtype) * jnp.asarray(mechanics.inverse_masses, dtype)
    return phase.pushed(factor * forces.astype(dtype))


def drift(phase: Phase, mechanics: Mechanics, timestep: ArrayLike) -> Phase:
    """Positions moved along the velocities over a time [ps], constraints kept, sites placed."""
    before, dt = phase.positions, jnp.asarray(timestep, phase.positions.dtype)
    phase = phase.shifted(dt * phase.velocities)
    if mechanics.constraints is not None:
        shift = mechanics.constraints.position_shift(phase.positions, before)
        phase = phase.shifted(shift).pushed(shift / dt)
    if mechanics.virtual_sites is not None:
        phase = phase.placed(mechanics.place(phase.positions))
    return phase


def project(phase: Phase, mechanics: Mechanics) -> Phase:
    """Velocities without their parts along the constraints."""
    if mechanics.constraints is None:
        return phase
    return phase.pushed(mechanics.constraints.velocity_shift(phase.velocities, phase.positions))


class Friction(eqx.Module):
    """Friction and noise over one time step, solved exactly (Ornstein–Uhlenbeck).

    Attributes:
        loss: c − 1 = exp(−γ dt) − 1 [1].
        spread: √(1 − c²) √(kT/m), the deviation of the noise [nm/ps].
    """

    loss: Number
    spread: Float[np.ndarray | Array, "*replicas atoms 1"]

    @classmethod
    def over(
        cls,
        time: float,
        *,
        friction: float,
        temperature: Float[np.ndarray, "*replicas"],
        mechanics: Mechanics,
    ) -> "Friction":
        """Over a time [ps], with friction [1/ps] at a temperature [K]."""
        thermal = BOLTZMANN * temperature[..., None, None] * np.asarray(mechanics.inverse_masses)
        spread = np.sqrt(-np.expm1(-2 * friction * time) * thermal)
        return cls(np.asarray(np.expm1(-friction * time)), spread)

    def apply(self, phase: Phase, words: UInt32[Array, "*replicas atoms 3"]) -> Phase:
        """Velocities after friction and noise from random words."""
        dtype = phase.velocities.dtype
        noise = jnp.asarray(self.spread, dtype) * normal_deviates(words, dtype)
        return phase.pushed(jnp.asarray(self.loss, dtype) * phase.velocities + noise)
