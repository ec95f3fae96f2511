"""FIRE: minimisation as damped dynamics that only ever goes downhill.

The second version of Guénolé et al., Comput. Mater. Sci. 175, 109584 (2020), with semi-implicit
Euler steps, their parameters, masses of 1 Da, and two limits that let it start from clashes: on
the force of an atom and on its step.
"""

from typing import Final

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from isthmus.simulate.minimise.problem import Point, Problem, dot, shortened

__all__ = ["FIRE", "FireState"]

FIRST_TIMESTEP: Final = 1e-4
"""[ps]; ten of it are what the stiffest bonds allow when all masses are 1 Da. Beyond, bonds make
the energy rise, and each time they do, the motion along soft directions is lost"""

LONGEST: Final = 10.0
SHORTEST: Final = 0.02
"""Limits of the time step, in units of the first"""

DELAY: Final = 20
FASTER: Final = 1.1
SLOWER: Final = 0.5
MIXING: Final = 0.25
MIXING_DECAY: Final = 0.99

FORCE_LIMIT: Final = 1e5
"""Longer forces of an atom are shortened to this [kJ/mol/nm]"""

STEP_LIMIT: Final = 0.01
"""Longest step of an atom [nm]"""

Vectors = Float[Array, "*replicas atoms 3"]
Scalars = Float[Array, "*replicas"]


class FireState(eqx.Module):
    """Where FIRE stands: `uphill` and `downhill` count steps since the direction turned."""

    point: Point
    velocities: Vectors
    timestep: Scalars
    mixing: Scalars
    downhill: Int[Array, "*replicas"]
    count: Int[Array, "*replicas"]

    @property
    def stuck(self) -> Bool[Array, "*replicas"]:
        """Whether no further step makes sense: never."""
        return jnp.zeros(self.timestep.shape, bool)


class FIRE(eqx.Module):
    """The method; `step_limit` is the longest step of an atom [nm]."""

    step_limit: float = eqx.field(static=True, default=STEP_LIMIT)

    def init(self, point: Point) -> FireState:
        """At rest at a point."""
        like = point.energy
        dtype = point.positions.dtype
        zero = jnp.zeros(like.shape, jnp.int32)
        timestep = jnp.full(like.shape, FIRST_TIMESTEP, dtype)
        mixing = jnp.full(like.shape, MIXING, dtype)
        return FireState(point, jnp.zeros_like(point.positions), timestep, mixing, zero, zero)

    def step(self, problem: Problem, state: FireState) -> FireState:
        """One step; one evaluation of the surface."""
        forces = shortened(state.point.forces, FORCE_LIMIT)
        down = dot(forces, state.velocities) > 0
        downhill = jnp.where(down, state.downhill + 1, 0)
        late = down & (downhill > DELAY)
        # In the first steps the velocity is still made up, so the time step is left alone
        slower = ~down & (state.count >= DELAY)
        longer = jnp.minimum(state.timestep * FASTER, FIRST_TIMESTEP * LONGEST)
        shorter = jnp.maximum(state.timestep * SLOWER, FIRST_TIMESTEP * SHORTEST)
        timestep = jnp.where(late, longer, jnp.where(slower, shorter, state.timestep))
        mixing = jnp.where(late, state.mixing * MIXING_DECAY, state.mixing)
        mixing = jnp.where(slower, MIXING, mixing)

        dt, alpha, kept = timestep[..., None, None], mixing[..., None, None], down[..., None, None]
        back = jnp.where(kept, 0, -0.5 * dt * state.velocities)
        velocities = jnp.where(kept, state.velocities, 0) + dt * forces
        turn = jnp.sqrt(dot(velocities, velocities) / jnp.maximum(dot(forces, forces), 1e-30))
        velocities = (1 - alpha) * velocities + alpha * turn[..., None, None] * forces
        velocities = shortened(velocities, self.step_limit / dt)
        step = shortened(back + dt * velocities, self.step_limit)
        point = problem.at(problem.moved(state.point.positions, step))
        velocities = problem.projected(velocities, point.positions)
        return FireState(point, velocities, timestep, mixing, downhill, state.count + 1)
