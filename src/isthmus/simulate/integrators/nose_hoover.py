"""Nosé–Hoover chains: the canonical ensemble by deterministic dynamics.

The velocities are coupled to the first of a chain of M thermostats, each coupled to the next:

    dv/dt  = F/m − w₁ v
    dw₁/dt = (2 K − f kT)/Q₁ − w₁ w₂
    dw_j/dt = (Q_{j−1} w_{j−1}² − kT)/Q_j − w_j w_{j+1},    dη_j/dt = w_j
    Q₁ = f kT τ²,   Q_j = kT τ²

The propagator is chain(dt/2), velocity Verlet(dt), chain(dt/2); the chain's is split further, with
the weights of Suzuki and Yoshida of fourth order, n times in half a step. Conserved is

    H + Σ_j Q_j w_j²/2 + f kT η₁ + kT Σ_{j>1} η_j

    symbol  variable            unit
    dt      timestep            ps
    τ       relaxation_time     ps
    f       degrees_of_freedom  1
    w, η    chain velocities and positions   1/ps, 1

Small and stiff systems are not ergodic with one chain for all particles; use Langevin dynamics
there. Reference: G. J. Martyna, M. E. Tuckerman, D. J. Tobias, M. L. Klein, Mol. Phys. 87, 1117
(1996), equations 27 to 31.
"""

from typing import Final

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, PRNGKeyArray

from isthmus.errors import InputError
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
from isthmus.simulate.state import DrawnIntegrator, Info, State
from isthmus.simulate.surface import Neighbours, Surface, evaluate
from isthmus.units import BOLTZMANN

__all__ = ["SUZUKI_YOSHIDA", "NoseHoover"]

_THIRD = 1 / (2 - 2 ** (1 / 3))
SUZUKI_YOSHIDA: Final = (_THIRD, 1 - 2 * _THIRD, _THIRD)
"""Weights of three parts of a step that make a splitting of second order one of fourth [1]"""

Chain = Float[Array, "*replicas links"]


class NoseHoover(DrawnIntegrator):
    """Velocity Verlet with a chain of thermostats; see the module.

    Attributes:
        surface: energies and forces.
        mechanics: masses and constraints.
        timestep: [ps].
        temperature: [K], one for all replicas or one for each.
        relaxation_time: of the thermostats [ps].
        accumulation: see `isthmus.simulate.accumulation`.
        links: length M of the chain.
        repeats: n, how often the chain's step is divided.
    """

    surface: Surface
    mechanics: Mechanics
    timestep: Float[np.ndarray | Array, ""]
    temperature: Float[np.ndarray | Array, "*replicas"]
    relaxation_time: Float[np.ndarray | Array, ""]
    accumulation: str = eqx.field(static=True)
    links: int = eqx.field(static=True)
    repeats: int = eqx.field(static=True)

    def __init__(
        self,
        surface: Surface,
        mechanics: Mechanics,
        *,
        timestep: float,
        temperature: ArrayLike,
        relaxation_time: float = 0.1,
        links: int = 3,
        repeats: int = 1,
        accumulation: str | None = None,
    ):
        """Check the numbers.

        Raises:
            InputError: numbers out of range, or an unknown accumulation.
        """
        if links < 1 or repeats < 1:
            raise InputError(f"{links} links, divided {repeats} times: both must be 1 or more")
        self.surface, self.mechanics = surface, mechanics
        self.timestep = as_number(timestep, "time step [ps]")
        self.temperature = as_temperature(temperature)
        if not np.all(self.temperature > 0):
            raise InputError("a Nosé–Hoover thermostat needs a temperature above 0 K")
        self.relaxation_time = as_number(relaxation_time, "relaxation time [ps]")
        self.accumulation = checked_accumulation(accumulation, surface)
        self.links, self.repeats = links, repeats

    def init(
        self,
        key: PRNGKeyArray,
        positions: Float[Array | np.ndarray, "*replicas atoms 3"],
        velocities: Float[Array | np.ndarray, "*replicas atoms 3"],
        box: Float[Array | np.ndarray, "*cells 3 3"] | None = None,
        neighbours: Neighbours = None,
    ) -> State:
        """A state with a chain at rest."""
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
        rest = jnp.zeros((*state.energy.shape, self.links), state.positions.dtype)
        extra = {**state.extra, "chain_positions": rest, "chain_velocities": rest}
        return eqx.tree_at(lambda s: s.extra, state, extra)

    def draw(self, key: PRNGKeyArray, state: State) -> None:
        """Nothing is random."""
        del key, state

    def move(self, noise: None, state: State, neighbours: Neighbours = None) -> State:
        """One step."""
        del noise
        half = 0.5 * self.timestep
        chain = (state.extra["chain_positions"], state.extra["chain_velocities"])
        phase, chain = self._thermostat(phase_of(state), chain)
        phase = kick(phase, state.forces, self.mechanics, half)
        phase = drift(phase, self.mechanics, self.timestep)
        found = evaluate(self.surface, phase.positions, state.box, neighbours)
        phase = project(kick(phase, found.forces, self.mechanics, half), self.mechanics)
        phase, chain = self._thermostat(phase, chain)
        extra = {"chain_positions": chain[0], "chain_velocities": chain[1]}
        return ended(phase, found, state.box, extra)

    def observe(self, state: State) -> Info:
        """Energies; what is conserved counts those of the chain."""
        kinetic = self.mechanics.kinetic_energy(state.velocities)
        thermal, masses, degrees = self._scales(state.positions.dtype)
        place, speed = state.extra["chain_positions"], state.extra["chain_velocities"]
        weights = jnp.ones(self.links, kinetic.dtype).at[0].set(degrees)
        chain = jnp.sum(0.5 * masses * speed**2 + thermal[..., None] * weights * place, axis=-1)
        return Info(state.energy, kinetic, state.energy + kinetic + chain)

    def _scales(self, dtype: np.dtype) -> tuple[Array, Array, int]:
        """kT [kJ/mol], Q [kJ/mol ps²] of each link, degrees of freedom."""
        degrees = self.mechanics.degrees_of_freedom
        thermal = jnp.asarray(BOLTZMANN * self.temperature, dtype)
        counts = np.ones(self.links)
        counts[0] = degrees
        square = jnp.asarray(self.relaxation_time, dtype) ** 2
        return thermal, thermal[..., None] * jnp.asarray(counts, dtype) * square, degrees

    def _thermostat(
        self, phase: Phase, chain: tuple[Chain, Chain]
    ) -> tuple[Phase, tuple[Chain, Chain]]:
        """Half a time step of the chain; velocities are scaled once, at the end."""
        dtype = phase.velocities.dtype
        thermal, masses, degrees = self._scales(dtype)
        doubled = 2 * self.mechanics.kinetic_energy(phase.velocities)
        places, speeds = ([part[..., j] for j in range(self.links)] for part in chain)
        exponent = jnp.zeros_like(doubled)
        for _ in range(self.repeats):
            for weight in SUZUKI_YOSHIDA:
                dt = jnp.asarray(self.timestep, dtype) * (0.5 * weight / self.repeats)

                def force(j: int, square: Array) -> Array:
                    pushed = (
                        square - degrees * thermal
                        if j == 0
                        else masses[..., j - 1] * speeds[j - 1] ** 2 - thermal
                    )
                    return pushed / masses[..., j]

                square = doubled * jnp.exp(2 * exponent)
                for j in reversed(range(self.links)):
                    speeds[j] = self._pulled(speeds, j, force(j, square), dt)
                exponent = exponent - dt * speeds[0]
                places = [p + dt * s for p, s in zip(places, speeds, strict=True)]
                square = doubled * jnp.exp(2 * exponent)
                for j in range(self.links):
                    speeds[j] = self._pulled(speeds, j, force(j, square), dt)
        scaled = phase.pushed(jnp.expm1(exponent)[..., None, None] * phase.velocities)
        return scaled, (jnp.stack(places, axis=-1), jnp.stack(speeds, axis=-1))

    def _pulled(self, speeds: list[Array], j: int, force: Array, dt: Array) -> Array:
        """A link's velocity after dt/2 of its force, between two quarters of the next link's."""
        if j == self.links - 1:
            return speeds[j] + 0.5 * dt * force
        loss = jnp.exp(-0.25 * dt * speeds[j + 1])
        return (speeds[j] * loss + 0.5 * dt * force) * loss
