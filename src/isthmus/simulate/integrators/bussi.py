"""Stochastic velocity rescaling: the canonical ensemble by one random factor on all velocities.

Around a step of velocity Verlet the kinetic energy K is taken to what canonical dynamics of it
alone would make of it in the time dt, exactly; velocities are scaled by α = √(K'/K):

    K' = c K + (1 − c) K̄/f Σᵢ Rᵢ² + 2 R₁ √(c (1 − c) K K̄/f),   c = exp(−dt/τ),  K̄ = f kT/2

with f normal deviates R₁…R_f; the sign of α is that of R₁ + √(c f K / ((1 − c) K̄)). Trajectories
are little disturbed: the centre of mass stays where it is, and diffusion is nearly that of
constant energy. `Info.conserved` is the energy less the heat taken up.

    symbol  variable                unit
    dt      timestep                ps
    τ       relaxation_time         ps
    f       degrees_of_freedom      1
    T       temperature             K

The thermostat acts for dt after the step, so that a step is reversible up to the noise. Reference:
G. Bussi, D. Donadio, M. Parrinello, J. Chem. Phys. 126, 014101 (2007), equations A7 and A8.
"""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, PRNGKeyArray, UInt32

from isthmus.simulate.accumulation import Phase, checked_accumulation
from isthmus.simulate.integrators.operators import (
    as_number,
    as_temperature,
    begin,
    drift,
    ended,
    kick,
    phase_of,
    project,
)
from isthmus.simulate.mechanics import Mechanics
from isthmus.simulate.noise import normal_deviates, random_words
from isthmus.simulate.state import DrawnIntegrator, Info, State
from isthmus.simulate.surface import Neighbours, Surface, evaluate
from isthmus.units import BOLTZMANN

__all__ = ["Bussi"]

Words = UInt32[Array, "*replicas degrees"]


class Bussi(DrawnIntegrator):
    """Velocity Verlet with stochastic velocity rescaling; see the module.

    Attributes:
        surface: energies and forces.
        mechanics: masses and constraints.
        timestep: [ps].
        temperature: [K], one for all replicas or one for each.
        relaxation_time: of the kinetic energy [ps].
        accumulation: see `isthmus.simulate.accumulation`.
    """

    surface: Surface
    mechanics: Mechanics
    timestep: Float[np.ndarray | Array, ""]
    temperature: Float[np.ndarray | Array, "*replicas"]
    relaxation_time: Float[np.ndarray | Array, ""]
    accumulation: str = eqx.field(static=True)

    def __init__(
        self,
        surface: Surface,
        mechanics: Mechanics,
        *,
        timestep: float,
        temperature: ArrayLike,
        relaxation_time: float = 0.1,
        accumulation: str | None = None,
    ):
        """Check the numbers.

        Raises:
            InputError: numbers out of range, or an unknown accumulation.
        """
        self.surface, self.mechanics = surface, mechanics
        self.timestep = as_number(timestep, "time step [ps]")
        self.temperature = as_temperature(temperature)
        self.relaxation_time = as_number(relaxation_time, "relaxation time [ps]")
        self.accumulation = checked_accumulation(accumulation, surface)

    def init(
        self,
        key: PRNGKeyArray,
        positions: Float[Array | np.ndarray, "*replicas atoms 3"],
        velocities: Float[Array | np.ndarray, "*replicas atoms 3"],
        box: Float[Array | np.ndarray, "*cells 3 3"] | None = None,
        neighbours: Neighbours = None,
    ) -> State:
        """A state; no random numbers are needed for it."""
        del key
        state = begin(
            self.surface,
            self.mechanics,
            positions,
            velocities,
            box,
            neighbours,
            accumulation=self.accumulation,
        )
        heat = jnp.zeros(state.energy.shape, state.positions.dtype)
        return eqx.tree_at(lambda s: s.extra, state, {**state.extra, "heat": heat})

    def draw(self, key: PRNGKeyArray, state: State) -> Words:
        """One word for each degree of freedom."""
        shape = (*state.energy.shape, self.mechanics.degrees_of_freedom)
        return random_words(key, shape)

    def move(self, noise: Words, state: State, neighbours: Neighbours = None) -> State:
        """One step of velocity Verlet, then the thermostat."""
        half = 0.5 * self.timestep
        phase = kick(phase_of(state), state.forces, self.mechanics, half)
        phase = drift(phase, self.mechanics, self.timestep)
        found = evaluate(self.surface, phase.positions, state.box, neighbours)
        phase = project(kick(phase, found.forces, self.mechanics, half), self.mechanics)
        phase, gained = self._rescaled(phase, noise)
        return ended(phase, found, state.box, {"heat": state.extra["heat"] + gained})

    def observe(self, state: State) -> Info:
        """Energies; what is conserved is the energy less the heat taken up."""
        kinetic = self.mechanics.kinetic_energy(state.velocities)
        return Info(state.energy, kinetic, state.energy + kinetic - state.extra["heat"])

    def _rescaled(self, phase: Phase, noise: Words) -> tuple[Phase, Float[Array, "*replicas"]]:
        """Scaled velocities, and the kinetic energy that this gave [kJ/mol]."""
        dtype = phase.velocities.dtype
        kinetic = self.mechanics.kinetic_energy(phase.velocities)
        ratio = jnp.asarray(self.timestep / self.relaxation_time, dtype)
        kept, given = jnp.exp(-ratio), -jnp.expm1(-ratio)
        share = jnp.asarray(0.5 * BOLTZMANN * self.temperature, dtype)  # K̄/f
        deviates = normal_deviates(noise, dtype)
        first = deviates[..., 0]
        # (√(c K) + √((1 − c) K̄/f) R₁)² + (1 − c) K̄/f Σᵢ>₁ Rᵢ² is K' without a difference
        along = jnp.sqrt(kept * kinetic) + jnp.sqrt(given * share) * first
        others = jnp.sum(deviates[..., 1:] ** 2, axis=-1)
        wanted = along**2 + given * share * others
        scale = jnp.sqrt(wanted / jnp.where(kinetic > 0, kinetic, 1.0))
        scale = jnp.where(along < 0, -scale, scale)
        change = jnp.where(kinetic > 0, scale - 1, 0.0)[..., None, None]
        gained = jnp.where(kinetic > 0, wanted - kinetic, 0.0)
        return phase.pushed(change * phase.velocities), gained
