"""Langevin dynamics: the canonical ensemble by friction and noise on every particle.

    dx = v dt,   m dv = F dt − γ m v dt + √(2 γ m kT) dW

is split into B (v + dt F/m), A (x + dt v) and O (friction and noise, exact):

    scheme     order                                   velocities that are seen
    "middle"   B(dt) A(dt/2) O(dt) A(dt/2)             half a kick behind the positions
    "baoab"    B(dt/2) A(dt/2) O(dt) A(dt/2) B(dt/2)   at the time of the positions

Both walk through the same positions, which for a harmonic oscillator have exactly the canonical
variance kT/k at every stable time step. They differ in the velocities between steps: those of
"middle" have exactly the variance kT/m in a harmonic well, those of "baoab" kT/m (1 − ω² dt²/4).
One evaluation of forces a step. With constraints, velocities are projected after each of A, O and
the last B.

    symbol  variable     unit
    dt      timestep     ps
    γ       friction     1/ps
    T       temperature  K

References: B. Leimkuhler, C. Matthews, Appl. Math. Res. Express 2013, 34 (BAOAB); Z. Zhang, X.
Liu, K. Yan, M. E. Tuckerman, J. Liu, J. Phys. Chem. A 123, 6056 (2019) (middle; OpenMM's
LangevinMiddleIntegrator); B. Leimkuhler, C. Matthews, Proc. R. Soc. A 472, 20160138 (2016)
(constraints).
"""

from typing import Literal

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, PRNGKeyArray, UInt32

from isthmus.errors import InputError
from isthmus.simulate.accumulation import checked_accumulation
from isthmus.simulate.integrators.operators import (
    Friction,
    as_number,
    as_temperature,
    begin,
    check_no_momentum,
    drift,
    ended,
    kick,
    phase_of,
    project,
)
from isthmus.simulate.mechanics import Mechanics
from isthmus.simulate.noise import random_words
from isthmus.simulate.state import DrawnIntegrator, Info, State
from isthmus.simulate.surface import Neighbours, Surface, evaluate

__all__ = ["Langevin"]

Words = UInt32[Array, "*replicas atoms 3"]


class Langevin(DrawnIntegrator):
    """Langevin dynamics; see the module.

    Attributes:
        surface: energies and forces.
        mechanics: masses and constraints; the momentum is not conserved.
        timestep: [ps].
        temperature: [K], one for all replicas or one for each.
        friction: [1/ps].
        ornstein: friction and noise of one step.
        scheme: "middle" or "baoab".
        accumulation: see `isthmus.simulate.accumulation`.
        follow_heat: whether the heat taken up from the bath is summed up, so that
            `Info.conserved` is the energy less this heat: its drift is the error of the time
            step (G. Bussi, M. Parrinello, Phys. Rev. E 75, 056707 (2007)).
    """

    surface: Surface
    mechanics: Mechanics
    timestep: Float[np.ndarray | Array, ""]
    temperature: Float[np.ndarray | Array, "*replicas"]
    friction: Float[np.ndarray | Array, ""]
    ornstein: Friction
    scheme: str = eqx.field(static=True)
    accumulation: str = eqx.field(static=True)
    follow_heat: bool = eqx.field(static=True)

    def __init__(
        self,
        surface: Surface,
        mechanics: Mechanics,
        *,
        timestep: float,
        temperature: ArrayLike,
        friction: float,
        scheme: Literal["middle", "baoab"] = "middle",
        accumulation: str | None = None,
        follow_heat: bool = False,
    ):
        """Check the numbers, and work out what each step needs.

        Raises:
            InputError: numbers out of range, an unknown scheme or accumulation, or mechanics
                that count on the momentum being conserved.
        """
        if scheme not in ("middle", "baoab"):
            raise InputError(f"unknown scheme '{scheme}': choose 'middle' or 'baoab'")
        check_no_momentum(mechanics)
        self.surface, self.mechanics, self.scheme = surface, mechanics, scheme
        self.timestep = as_number(timestep, "time step [ps]")
        self.temperature = as_temperature(temperature)
        self.friction = as_number(friction, "friction [1/ps]")
        self.ornstein = Friction.over(
            timestep, friction=friction, temperature=self.temperature, mechanics=mechanics
        )
        self.accumulation = checked_accumulation(accumulation, surface)
        self.follow_heat = follow_heat

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
        if not self.follow_heat:
            return state
        heat = jnp.zeros(state.energy.shape, state.positions.dtype)
        return eqx.tree_at(lambda s: s.extra, state, {**state.extra, "heat": heat})

    def draw(self, key: PRNGKeyArray, state: State) -> Words:
        """One word for each component of each velocity."""
        return random_words(key, state.positions.shape)

    def move(self, noise: Words, state: State, neighbours: Neighbours = None) -> State:
        """One step of the scheme."""
        mechanics, half = self.mechanics, 0.5 * self.timestep
        first = self.timestep if self.scheme == "middle" else half
        phase = kick(phase_of(state), state.forces, mechanics, first)
        phase = project(phase, mechanics)
        phase = project(drift(phase, mechanics, half), mechanics)
        cold = phase.velocities
        phase = project(self.ornstein.apply(phase, noise), mechanics)
        extra = self._heated(state, cold, phase.velocities)
        phase = project(drift(phase, mechanics, half), mechanics)
        found = evaluate(self.surface, phase.positions, state.box, neighbours)
        if self.scheme == "baoab":
            phase = project(kick(phase, found.forces, mechanics, half), mechanics)
        return ended(phase, found, state.box, extra)

    def observe(self, state: State) -> Info:
        """Energies; `conserved` where heat is followed."""
        kinetic = self.mechanics.kinetic_energy(state.velocities)
        conserved = None
        if self.follow_heat:
            conserved = state.energy + kinetic - state.extra["heat"]
        return Info(state.energy, kinetic, conserved)

    def _heated(
        self,
        state: State,
        cold: Float[Array, "*replicas atoms 3"],
        warm: Float[Array, "*replicas atoms 3"],
    ) -> dict[str, Float[Array, "*replicas"]]:
        """The heat taken up so far [kJ/mol], where it is followed."""
        if not self.follow_heat:
            return {}
        gained = self.mechanics.kinetic_energy(warm) - self.mechanics.kinetic_energy(cold)
        return {"heat": state.extra["heat"] + gained}
