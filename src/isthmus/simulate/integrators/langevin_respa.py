"""RESPA with Langevin dynamics inside: friction and noise damp what resonance feeds.

    v ← v + Δt/2 m⁻¹ F_out
    n times B(δt/2) A(δt/2) O(δt) A(δt/2) B(δt/2) with F_in and δt = Δt/n
    v ← v + Δt/2 m⁻¹ F_out

B, A and O as in `langevin`. With n = 1 it is BAOAB. For harmonic forces the positions keep
Gaussian statistics; their variance has an error of the order Δt² from the outer kicks. The outer
step can come nearer to half of the fastest period than that of `respa`, the more so the higher
the friction, but not beyond it without error: for that there is `isokinetic_respa`.

    symbol  variable     unit
    Δt      timestep     ps
    n       ratio        1
    γ       friction     1/ps
    T       temperature  K

References: B. Leimkuhler, C. Matthews, Molecular Dynamics (Springer 2015), section 7.7; L.
Lagardère, F. Aviat, J.-P. Piquemal, J. Phys. Chem. Lett. 10, 2593 (2019) (BAOAB-RESPA).
"""

from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, ArrayLike, Float, PRNGKeyArray, UInt32

from isthmus.simulate.accumulation import Phase, checked_accumulation
from isthmus.simulate.integrators.operators import (
    Friction,
    as_number,
    as_temperature,
    check_no_momentum,
    drift,
    kick,
    phase_of,
    project,
)
from isthmus.simulate.integrators.respa import (
    begin_split,
    checked_ratio,
    ended_split,
    lists_of,
)
from isthmus.simulate.mechanics import Mechanics
from isthmus.simulate.noise import random_words
from isthmus.simulate.state import DrawnIntegrator, Info, State
from isthmus.simulate.surface import Neighbours, Sum, Surface, evaluate

__all__ = ["LangevinRespa"]

Words = UInt32[Array, "inner *replicas atoms 3"]


class LangevinRespa(DrawnIntegrator):
    """Canonical dynamics with two time steps; see the module.

    Attributes:
        surface: the sum of the inner and the outer surface, which neighbour lists are made for.
        mechanics: masses and constraints; the momentum is not conserved.
        timestep: outer one [ps].
        temperature: [K], one for all replicas or one for each.
        friction: [1/ps].
        ornstein: friction and noise of one inner step.
        ratio: inner steps in an outer one.
        accumulation: see `isthmus.simulate.accumulation`.
    """

    surface: Sum
    mechanics: Mechanics
    timestep: Float[np.ndarray | Array, ""]
    temperature: Float[np.ndarray | Array, "*replicas"]
    friction: Float[np.ndarray | Array, ""]
    ornstein: Friction
    ratio: int = eqx.field(static=True)
    accumulation: str = eqx.field(static=True)

    def __init__(
        self,
        inner: Surface,
        outer: Surface,
        mechanics: Mechanics,
        *,
        timestep: float,
        ratio: int,
        temperature: ArrayLike,
        friction: float,
        accumulation: str | None = None,
    ):
        """Put two surfaces together; `inner` is evaluated `ratio` times a step, `outer` once.

        Raises:
            InputError: numbers out of range, surfaces that do not fit together, or mechanics
                that count on the momentum being conserved.
        """
        check_no_momentum(mechanics)
        self.surface, self.mechanics = Sum((inner, outer)), mechanics
        self.timestep = as_number(timestep, "time step [ps]")
        self.ratio = checked_ratio(ratio)
        self.temperature = as_temperature(temperature)
        self.friction = as_number(friction, "friction [1/ps]")
        self.ornstein = Friction.over(
            timestep / self.ratio,
            friction=friction,
            temperature=self.temperature,
            mechanics=mechanics,
        )
        self.accumulation = checked_accumulation(accumulation, self.surface)

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
        return begin_split(
            self.surface,
            self.mechanics,
            positions,
            velocities,
            box,
            neighbours,
            accumulation=self.accumulation,
        )

    def draw(self, key: PRNGKeyArray, state: State) -> Words:
        """One word for each component of each velocity and inner step."""
        return random_words(key, (self.ratio, *state.positions.shape))

    def move(self, noise: Words, state: State, neighbours: Neighbours = None) -> State:
        """One outer step."""
        mechanics, (inner, _) = self.mechanics, self.surface.surfaces
        lists, _ = lists_of(neighbours)
        half = 0.5 * self.timestep / self.ratio

        def baoab(index: Any, carry: tuple[Phase, Array]) -> tuple[Phase, Array]:
            phase, forces = carry
            words = jax.lax.dynamic_index_in_dim(noise, index, keepdims=False)
            phase = project(kick(phase, forces, mechanics, half), mechanics)
            phase = project(drift(phase, mechanics, half), mechanics)
            phase = project(self.ornstein.apply(phase, words), mechanics)
            phase = project(drift(phase, mechanics, half), mechanics)
            forces = evaluate(inner, phase.positions, state.box, lists).forces
            return project(kick(phase, forces, mechanics, half), mechanics), forces

        outer_half = 0.5 * self.timestep
        phase = kick(phase_of(state), state.extra["outer"], mechanics, outer_half)
        start = (project(phase, mechanics), state.extra["inner"])
        phase, forces = jax.lax.fori_loop(0, self.ratio, baoab, start)
        return ended_split(
            self.surface, mechanics, phase, forces, state.box, neighbours, last_kick=outer_half
        )

    def observe(self, state: State) -> Info:
        """Energies; nothing is conserved."""
        return Info(state.energy, self.mechanics.kinetic_energy(state.velocities))
