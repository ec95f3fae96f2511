"""L-BFGS with a limit on the step in place of a line search: one evaluation a step.

The direction comes from the last pairs of steps and changes of the gradient (Liu and Nocedal,
Math. Program. 45, 503 (1989)). A step is taken if the energy falls enough, or, where rounding
hides the change of the energy, if the slope along the step says the same (the approximate Wolfe
conditions of Hager and Zhang, SIAM J. Optim. 16, 170 (2005)). Otherwise the step is shortened and
tried again from the same point.
"""

from typing import Final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from isthmus.simulate.minimise.problem import Point, Problem, dot, largest

__all__ = ["LBFGS", "LBFGSState"]

MEMORY: Final = 10
"""Pairs of steps and changes of the gradient that are kept."""

FIRST_STEP: Final = 0.002
"""Longest step of an atom before anything is known of the curvature [nm]"""

STEP_LIMIT: Final = 0.02
"""Longest step of an atom [nm]"""

PATIENCE: Final = 12
"""Refusals in a row after which there is nothing more to gain: the step is 4^12 times shorter"""

SUFFICIENT: Final = 0.1
"""Part of the fall of the energy that the slope promises, and that a step must bring"""

ROUNDING: Final = 1e-6
"""Rise of the energy, relative to it, that may be rounding of its terms"""

Vectors = Float[Array, "*replicas atoms 3"]
Scalars = Float[Array, "*replicas"]
History = Float[Array, "*replicas memory atoms 3"]


class LBFGSState(eqx.Module):
    """Where L-BFGS stands.

    Attributes:
        point: last point that was accepted.
        steps: last accepted steps [nm], the newest first.
        changes: of the gradient along them [kJ/mol/nm].
        inverse: 1 / (step · change) of each pair; 0 for pairs that do not count.
        limit: on the step of an atom [nm].
        failures: steps refused since the last that was taken.
    """

    point: Point
    steps: History
    changes: History
    inverse: Float[Array, "*replicas memory"]
    limit: Scalars
    failures: Int[Array, "*replicas"]

    @property
    def stuck(self) -> Bool[Array, "*replicas"]:
        """Whether steps have become too short to matter."""
        return self.failures >= PATIENCE


class LBFGS(eqx.Module):
    """The method; `step_limit` is the longest step of an atom [nm]."""

    step_limit: float = eqx.field(static=True, default=STEP_LIMIT)

    def init(self, point: Point) -> LBFGSState:
        """Without any history."""
        x, batch = point.positions, point.energy.shape
        history = jnp.zeros((*batch, MEMORY, *x.shape[-2:]), x.dtype)
        limit = jnp.full(batch, FIRST_STEP, x.dtype)
        inverse = jnp.zeros((*batch, MEMORY), x.dtype)
        return LBFGSState(point, history, history, inverse, limit, jnp.zeros(batch, jnp.int32))

    def step(self, problem: Problem, state: LBFGSState) -> LBFGSState:
        """One trial step; one evaluation of the surface."""
        old = state.point
        plain = jnp.all(state.inverse == 0, axis=-1)
        wanted = problem.projected(_direction(state), old.positions)
        plain = plain | ~(dot(wanted, old.forces) > 0)
        wanted = _where(plain, old.forces, wanted)
        longest = largest(wanted)
        limit = jnp.where(plain, jnp.minimum(state.limit, FIRST_STEP), state.limit)
        # Along the bare force any length is a guess; otherwise the full step is the good one
        scale = limit / jnp.where(longest > 0, longest, 1)
        scale = jnp.where(plain, scale, jnp.minimum(scale, 1))
        step = wanted * scale[..., None, None]
        new = problem.at(problem.moved(old.positions, step))
        taken = _accepted(old, new, step)

        moved, change = new.positions - old.positions, old.forces - new.forces
        curvature = dot(moved, change)
        tiny = 1e-6 * jnp.sqrt(dot(moved, moved)) * jnp.sqrt(dot(change, change))
        convex = taken & (curvature > tiny)
        inverse = jnp.where(convex, 1 / jnp.where(convex, curvature, 1), 0)
        length = scale * longest
        # After two refusals in a row the history has misled: start again without it
        forget = ~taken & (state.failures == 1)
        limit = jnp.where(taken, jnp.minimum(2 * limit, self.step_limit), 0.25 * length)
        return LBFGSState(
            Point(
                _where(taken, new.positions, old.positions),
                jnp.where(taken, new.energy, old.energy),
                _where(taken, new.forces, old.forces),
            ),
            _pushed(convex, moved, state.steps),
            _pushed(convex, change, state.changes),
            jnp.where(forget[..., None], 0, _pushed(convex, inverse, state.inverse)),
            limit,
            jnp.where(taken, 0, state.failures + 1),
        )


def _accepted(old: Point, new: Point, step: Vectors) -> Bool[Array, "*replicas"]:
    """Whether the energy falls enough, by itself or by its slopes [kJ/mol]."""
    promised, left = dot(old.forces, step), dot(new.forces, step)
    fall = old.energy - new.energy
    noise = ROUNDING * (jnp.abs(old.energy) + 1)
    by_slope = (fall >= -noise) & (-left <= (1 - 2 * SUFFICIENT) * promised)
    finite = jnp.isfinite(new.energy) & jnp.all(jnp.isfinite(new.forces), axis=(-2, -1))
    return finite & ((fall >= SUFFICIENT * promised) | by_slope)


def _direction(state: LBFGSState) -> Vectors:
    """H F with the inverse Hessian H of the history: the two-loop recursion."""
    newest = state.inverse[..., 0]
    change = state.changes[..., 0, :, :]
    square = dot(change, change)
    known = (newest > 0) & (square > 0)
    gamma = jnp.where(known, 1 / jnp.where(known, newest * square, 1), 1)
    axis = state.limit.ndim
    pairs = tuple(jnp.moveaxis(h, axis, 0) for h in (state.inverse, state.steps, state.changes))

    def down(result: Vectors, pair: tuple[Array, ...]) -> tuple[Vectors, Scalars]:
        inverse, step, change = pair
        part = inverse * dot(step, result)
        return result - part[..., None, None] * change, part

    def up(result: Vectors, item: tuple[tuple[Array, ...], Scalars]) -> tuple[Vectors, None]:
        (inverse, step, change), part = item
        rest = part - inverse * dot(change, result)
        return result + rest[..., None, None] * step, None

    result, parts = jax.lax.scan(down, state.point.forces, pairs)
    result = gamma[..., None, None] * result
    return jax.lax.scan(up, result, (pairs, parts), reverse=True)[0]


def _pushed(which: Bool[Array, "*replicas"], value: Array, history: Array) -> Array:
    """The history with a value in front and the oldest dropped, where asked for."""
    axis = which.ndim
    older = jnp.take(history, jnp.arange(MEMORY - 1), axis=axis)
    longer = jnp.concatenate([jnp.expand_dims(value, axis), older], axis=axis)
    return jnp.where(which.reshape(which.shape + (1,) * (history.ndim - axis)), longer, history)


def _where(which: Bool[Array, "*replicas"], first: Vectors, second: Vectors) -> Vectors:
    return jnp.where(which[..., None, None], first, second)
