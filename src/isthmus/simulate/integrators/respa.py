"""RESPA: forces that change slowly are evaluated less often; velocity Verlet inside.

For an energy U = U_in + U_out of two surfaces, with the outer step Δt = n δt:

    v ← v + Δt/2 m⁻¹ F_out
    n times velocity Verlet with F_in and δt
    v ← v + Δt/2 m⁻¹ F_out

The surfaces may be any: two parts of a potential (`surface.divide`), or a cheap surface inside
and `Difference(dear, cheap)` outside. The map is reversible and symplectic. It resonates: whatever
the slow forces are, energy flows without bound where Δt comes near half a period of the fastest
motion or a multiple of it, for bonds to hydrogen near 5 fs. The stochastic kinds in
`langevin_respa` and `isokinetic_respa` bear larger outer steps.

    symbol  variable  unit
    Δt      timestep  ps
    n       ratio     1

References: M. Tuckerman, B. J. Berne, G. J. Martyna, J. Chem. Phys. 97, 1990 (1992); J. J.
Biesiadecki, R. D. Skeel, J. Comput. Phys. 109, 318 (1993) (resonance).
"""

from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from isthmus.errors import InputError
from isthmus.simulate.accumulation import Phase, checked_accumulation
from isthmus.simulate.integrators.operators import (
    as_number,
    begin,
    drift,
    ended,
    kick,
    phase_of,
    project,
)
from isthmus.simulate.mechanics import Mechanics
from isthmus.simulate.state import DrawnIntegrator, Info, State
from isthmus.simulate.surface import Neighbours, Sum, Surface, evaluate

__all__ = ["Respa", "begin_split", "checked_ratio", "ended_split", "lists_of"]


class Respa(DrawnIntegrator):
    """Constant energy with two time steps; see the module.

    Attributes:
        surface: the sum of the inner and the outer surface, which neighbour lists are made for.
        mechanics: masses and constraints.
        timestep: outer one [ps].
        ratio: inner steps in an outer one.
        accumulation: see `isthmus.simulate.accumulation`.
    """

    surface: Sum
    mechanics: Mechanics
    timestep: Float[np.ndarray | Array, ""]
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
        accumulation: str | None = None,
    ):
        """Put two surfaces together.

        Args:
            inner: fast forces, evaluated `ratio` times a step.
            outer: slow forces, evaluated once.
            mechanics: masses and constraints.
            timestep: outer one [ps].
            ratio: inner steps in an outer one.
            accumulation: see `isthmus.simulate.accumulation`.

        Raises:
            InputError: numbers out of range, or surfaces that do not fit together.
        """
        self.surface, self.mechanics = Sum((inner, outer)), mechanics
        self.timestep = as_number(timestep, "time step [ps]")
        self.ratio = checked_ratio(ratio)
        self.accumulation = checked_accumulation(accumulation, self.surface)

    def init(
        self,
        key: PRNGKeyArray,
        positions: Float[Array | np.ndarray, "*replicas atoms 3"],
        velocities: Float[Array | np.ndarray, "*replicas atoms 3"],
        box: Float[Array | np.ndarray, "*cells 3 3"] | None = None,
        neighbours: Neighbours = None,
    ) -> State:
        """A state; no random numbers are needed."""
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

    def draw(self, key: PRNGKeyArray, state: State) -> None:
        """Nothing is random."""
        del key, state

    def move(self, noise: None, state: State, neighbours: Neighbours = None) -> State:
        """One outer step."""
        del noise
        inner, _ = self.surface.surfaces
        lists, _ = lists_of(neighbours)
        step = self.timestep / self.ratio

        def verlet(_: Any, carry: tuple[Phase, Array]) -> tuple[Phase, Array]:
            phase, forces = carry
            phase = kick(phase, forces, self.mechanics, 0.5 * step)
            phase = drift(phase, self.mechanics, step)
            forces = evaluate(inner, phase.positions, state.box, lists).forces
            phase = kick(phase, forces, self.mechanics, 0.5 * step)
            return project(phase, self.mechanics), forces

        phase = kick(phase_of(state), state.extra["outer"], self.mechanics, 0.5 * self.timestep)
        phase = project(phase, self.mechanics)
        start = (phase, state.extra["inner"])
        phase, forces = jax.lax.fori_loop(0, self.ratio, verlet, start)
        return ended_split(
            self.surface,
            self.mechanics,
            phase,
            forces,
            state.box,
            neighbours,
            last_kick=0.5 * self.timestep,
        )

    def observe(self, state: State) -> Info:
        """Energies; the total energy is conserved."""
        kinetic = self.mechanics.kinetic_energy(state.velocities)
        return Info(state.energy, kinetic, state.energy + kinetic)


def checked_ratio(ratio: int) -> int:
    """A number of inner steps.

    Raises:
        InputError: it is not a whole number of at least 1.
    """
    if ratio != int(ratio) or ratio < 1:
        raise InputError(f"a ratio of {ratio} came: wanted is a whole number of inner steps")
    return int(ratio)


def lists_of(neighbours: Neighbours) -> tuple[Neighbours, Neighbours]:
    """Neighbour lists of the inner and of the outer surface."""
    if neighbours is None:
        return None, None
    inner, outer = neighbours
    return inner, outer


def begin_split(
    surface: Sum,
    mechanics: Mechanics,
    positions: Any,
    velocities: Any,
    box: Any,
    neighbours: Neighbours,
    *,
    accumulation: str,
) -> State:
    """The first state, with inner and outer forces as extra."""
    state = begin(
        surface, mechanics, positions, velocities, box, neighbours, accumulation=accumulation
    )
    lists = lists_of(neighbours)
    inner, outer = (
        evaluate(part, state.positions, state.box, some).forces
        for part, some in zip(surface.surfaces, lists, strict=True)
    )
    extra = {**state.extra, "inner": inner, "outer": outer}
    return eqx.tree_at(lambda s: s.extra, state, extra)


def ended_split(
    surface: Sum,
    mechanics: Mechanics,
    phase: Phase,
    inner_forces: Array,
    box: Array | None,
    neighbours: Neighbours,
    *,
    last_kick: Any,
) -> State:
    """The end of an outer step: slow forces, their kick over `last_kick` [ps], the state.

    The inner energy is evaluated apart from the inner forces, of which it is not known: it costs
    nothing where nobody reads it, as in `advance`.
    """
    inner, outer = surface.surfaces
    inner_lists, outer_lists = lists_of(neighbours)
    slow = evaluate(outer, phase.positions, box, outer_lists)
    phase = project(kick(phase, slow.forces, mechanics, last_kick), mechanics)
    fast = evaluate(inner, phase.positions, box, inner_lists)
    found = eqx.tree_at(
        lambda f: (f.energy, f.forces),
        slow,
        (fast.energy + slow.energy, inner_forces + slow.forces),
    )
    return ended(phase, found, box, {"inner": inner_forces, "outer": slow.forces})
