"""Many steps at once, compiled: the inner loop of every simulation.

Each step has its own key, made from the key of the run and the number of the step. So a
trajectory does not depend on how the steps are divided into calls: in pieces of any size, or
resumed, it is the same bit by bit. Random numbers are drawn for several steps together, outside
of the loop that uses them, which costs much less.

A step that would use up the skin of a neighbour list, so that the list may miss a pair, is not
taken: the call ends before it, and the caller goes on from there with new lists. No step is done
twice, and where lists are made anew depends on the trajectory alone.
"""

from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, Int, PRNGKeyArray

from isthmus.errors import InputError
from isthmus.geometry.box import inverse_box
from isthmus.geometry.neighbours import NeighbourList
from isthmus.simulate.noise import step_key
from isthmus.simulate.state import DrawnIntegrator, Info, Integrator, State
from isthmus.simulate.surface import Neighbours, evaluate

__all__ = ["Chunk", "advance", "on_device", "skin_used", "start", "works_in_float64"]

_WORDS = 1 << 18
"""Random numbers that may be drawn together"""

_MOST_STEPS = 16
"""Steps for which random numbers are drawn together at most"""


class Chunk(eqx.Module):
    """What comes out of `advance`.

    Attributes:
        state: after the last step.
        infos: after every `every` steps, (records, *replicas).
        steps: how many were taken; fewer than were asked for where the next one would use up the
            skin of a neighbour list.
        finite_steps: steps after which all positions were finite numbers; fewer than `steps`
            where the run has broken.
    """

    state: State
    infos: Info
    steps: Int[Array, ""]
    finite_steps: Int[Array, ""]


def works_in_float64(integrator: Integrator) -> bool:
    """Whether anything of an integrator is in float64, so that JAX must trace in 64 bits."""
    surface = getattr(integrator, "surface", None)
    found = (getattr(integrator, "accumulation", None), getattr(surface, "precision", None))
    return "float64" in found


def on_device(integrator: Integrator) -> Integrator:
    """The same integrator with its arrays on the device: calls of `advance` start faster."""
    with jax.enable_x64(works_in_float64(integrator)):
        return jax.tree.map(lambda a: jnp.asarray(a) if eqx.is_array(a) else a, integrator)


def start(
    integrator: Integrator,
    key: PRNGKeyArray,
    positions: ArrayLike,
    velocities: ArrayLike,
    box: ArrayLike | None = None,
    neighbours: Neighbours = None,
) -> State:
    """The first state, compiled and in the right precision.

    Args:
        integrator: what will move it.
        key: of the run.
        positions: (atoms, 3) or (replicas, atoms, 3) [nm].
        velocities: the same shape [nm/ps].
        box: cell vectors [nm], or None.
        neighbours: from `surface.neighbours`, where the surface needs them.

    Raises:
        InputError: positions and velocities of different shapes.
    """
    if np.shape(positions) != np.shape(velocities):
        raise InputError(
            f"positions of shape {np.shape(positions)} and velocities of shape "
            f"{np.shape(velocities)} came: both must have the same"
        )
    with jax.enable_x64(works_in_float64(integrator)):
        cell = None if box is None else jnp.asarray(box)
        x, v = jnp.asarray(positions), jnp.asarray(velocities)
        return _start(integrator, key, x, v, cell, neighbours)


def advance(
    integrator: Integrator,
    key: PRNGKeyArray,
    state: State,
    neighbours: Neighbours = None,
    *,
    first_step: int,
    n_steps: int,
    every: int | None = None,
) -> Chunk:
    """Move a state on by `n_steps` steps.

    Another `n_steps` compiles nothing new; another number of records does.

    Args:
        integrator: what moves it; see `on_device`.
        key: of the run, the same for all of its steps.
        state: where to start.
        neighbours: of the surface.
        first_step: steps of the run before this call.
        n_steps: how many steps.
        every: steps between records; None for one record, at the end.

    Raises:
        InputError: no steps, or a number of steps that is no multiple of `every`.
    """
    interval = n_steps if every is None else every
    if n_steps < 1 or interval < 1 or n_steps % interval:
        raise InputError(
            f"{n_steps} steps with a record every {interval} came: wanted is a multiple of it, "
            "of at least one step"
        )
    if first_step < 0:
        raise InputError(f"first_step={first_step} came: steps are counted from 0")
    with jax.enable_x64(works_in_float64(integrator)):
        number = np.asarray([first_step >> 32, first_step & 0xFFFFFFFF], dtype=np.uint32)
        return _advance(
            integrator,
            key,
            state,
            neighbours,
            number,
            np.int32(interval),
            n_steps // interval,
            _drawn_together(state),
        )


def skin_used(
    neighbours: Neighbours, positions: Float[Array, "atoms 3"], box: Float[Array, "3 3"] | None
) -> Float[Array, ""]:
    """The largest share of the skin that atoms have used up since the lists were built [1].

    As `neighbours.is_stale`, with S = box0⁻¹ box: (2 max |x − x0 S| + |S − 1| (cutoff + skin)) /
    skin. Positions [nm] must not be wrapped into the box in between.
    """
    lists = jax.tree.leaves(neighbours, is_leaf=lambda x: isinstance(x, NeighbourList))
    shares = [_share(one, positions, box) for one in lists]
    return jnp.max(jnp.stack(shares)) if shares else jnp.zeros((), jnp.float32)


def _share(
    one: NeighbourList, positions: Float[Array, "atoms 3"], box: Float[Array, "3 3"] | None
) -> Float[Array, ""]:
    x = positions.astype(jnp.float32)
    reference = one.positions.astype(jnp.float32)
    lost = jnp.zeros((), jnp.float32)
    if box is not None and one.box is not None:
        cell = box.astype(jnp.float32)
        strain = jnp.matmul(inverse_box(one.box.astype(jnp.float32)), cell, precision="highest")
        reference = jnp.matmul(reference, strain, precision="highest")
        lost = jnp.linalg.norm(strain - jnp.eye(3, dtype=strain.dtype)) * (one.cutoff + one.skin)
    moved = jnp.sqrt(jnp.max(jnp.sum((x - reference) ** 2, axis=-1)))
    # A list without a skin serves only the positions that it was built for
    return (2 * moved + lost) / jnp.maximum(one.skin, 1e-12)


@eqx.filter_jit
def _start(integrator, key, positions, velocities, box, neighbours):
    return integrator.init(key, positions, velocities, box, neighbours)


@eqx.filter_jit
def _advance(integrator, key, state, neighbours, number, interval, n_records, together):
    walk = _drawn_walk if isinstance(integrator, DrawnIntegrator) else _plain_walk
    walk = partial(walk, integrator, key, neighbours, number, interval, together)

    def record(carry, index):
        return walk(carry, index * interval.astype(jnp.uint32))

    watched = _Watched(jnp.int32(0), jnp.int32(0), jnp.asarray(False))
    numbers = jnp.arange(n_records, dtype=jnp.uint32)
    (state, watched), infos = jax.lax.scan(record, (state, watched), numbers)
    return Chunk(state, infos, watched.steps, watched.finite_steps)


class _Watched(eqx.Module):
    """What is followed from step to step."""

    steps: Int[Array, ""]
    finite_steps: Int[Array, ""]
    worn: Bool[Array, ""]

    def after(self, before: Any, moved: Any, state: State, neighbours: Neighbours) -> Any:
        """What a step has led to, or what was before it where it went too far for the lists.

        Args:
            before: any tree, of which `moved` is what became of it.
            moved: the same after the step.
            state: after the step, a part of `moved`.
            neighbours: lists that were used.

        Returns:
            the tree, and what has been followed.
        """
        # A position that is not finite stays so, and x - x is 0 only for finite numbers
        finite = jnp.all(state.positions - state.positions == 0).astype(jnp.int32)
        if not jax.tree.leaves(neighbours):
            return moved, _Watched(self.steps + 1, self.finite_steps + finite, self.worn)
        # Not a number is no reason to make new lists
        worn = skin_used(neighbours, state.positions, state.box) > 1
        kept = jax.tree.map(lambda old, new: jnp.where(worn, old, new), before, moved)
        taken = 1 - worn.astype(jnp.int32)
        return kept, _Watched(self.steps + taken, self.finite_steps + taken * finite, worn)


def _step_keys(key, number, steps):
    """Keys of steps (counted from the start of the call)."""
    low = number[1] + steps
    high = number[0] + (low < number[1]).astype(jnp.uint32)
    return jax.vmap(lambda h, l: step_key(key, h, l))(high, low)


def _drawn_walk(integrator, key, neighbours, number, interval, together, carry, before):
    """`interval` steps, random numbers of `together` steps at once; energy only at the end."""

    def block(done, carry):
        steps = before + done.astype(jnp.uint32) + jnp.arange(together, dtype=jnp.uint32)
        keys = _step_keys(key, number, steps)
        noise = jax.vmap(lambda k: integrator.draw(k, carry[0]))(keys)

        def step(place, carry):
            state, watched = carry
            drawn = jax.tree.map(
                lambda a: jax.lax.dynamic_index_in_dim(a, place, keepdims=False), noise
            )
            moved = integrator.move(drawn, state, neighbours)
            moved = eqx.tree_at(lambda s: s.energy, moved, state.energy)
            return watched.after(state, moved, moved, neighbours)

        return _walk(jnp.minimum(together, interval - done), 1, step, carry)

    state, watched = _walk(interval, together, block, carry)
    energy = evaluate(integrator.surface, state.positions, state.box, neighbours).energy
    state = eqx.tree_at(lambda s: s.energy, state, energy)
    return (state, watched), integrator.observe(state)


def _plain_walk(integrator, key, neighbours, number, interval, together, carry, before):
    """`interval` steps of an integrator that takes keys."""
    del together

    def step(index, carry):
        (state, info), watched = carry
        (one,) = _step_keys(key, number, (before + index.astype(jnp.uint32))[None])
        moved = integrator.step(one, state, neighbours)
        return watched.after((state, info), moved, moved[0], neighbours)

    state, watched = carry
    shapes = jax.eval_shape(lambda: integrator.step(key, state, neighbours)[1])
    nothing = jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), shapes)
    (state, info), watched = _walk(interval, 1, step, ((state, nothing), watched))
    return (state, watched), info


def _walk(end, stride, body, carry):
    """carry = body(index, carry) for 0, stride, … below `end`, until lists are worn."""

    def unfinished(place):
        index, (_, watched) = place
        return (index < end) & ~watched.worn

    def onward(place):
        index, carry = place
        return index + stride, body(index, carry)

    return jax.lax.while_loop(unfinished, onward, (jnp.int32(0), carry))[1]


def _drawn_together(state: State) -> int:
    """For how many steps random numbers are drawn together; changes no result."""
    room = max(1, _WORDS // max(int(np.prod(state.positions.shape)), 1))
    return 1 << (min(room, _MOST_STEPS).bit_length() - 1)
