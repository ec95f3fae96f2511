"""A barostat between the steps of an integrator; together they are an integrator again.

A barostat proposes how to scale the box and the centres of the molecules. What then has to be
made new, forces above all, the integrator knows: its `init` evaluates them.
"""

import abc
from typing import Any, Final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from isthmus.errors import InputError
from isthmus.simulate.barostats.molecules import Molecules
from isthmus.simulate.mechanics import Mechanics
from isthmus.simulate.state import DrawnIntegrator, Info, State
from isthmus.simulate.surface import Neighbours, Surface

__all__ = ["Barostat", "Context", "Pressured", "box_volume"]

_FORCES: Final = ("inner", "outer")
"""Entries of `State.extra` that are forces, and new after a change of the box"""


class Context(eqx.Module):
    """What a barostat may use: surface, mechanics and lists, and `renewed`."""

    integrator: Any
    neighbours: Neighbours

    @property
    def surface(self) -> Surface:
        """All forces."""
        return self.integrator.surface

    @property
    def mechanics(self) -> Mechanics:
        """Masses."""
        return self.integrator.mechanics

    def renewed(
        self,
        state: State,
        positions: Float[Array, "atoms 3"],
        velocities: Float[Array, "atoms 3"],
        box: Float[Array, "3 3"],
    ) -> State:
        """The state elsewhere, with energy and forces of there; thermostats go on as they were."""
        fresh = self.integrator.init(jax.random.key(0), positions, velocities, box, self.neighbours)
        extra = {
            name: fresh.extra[name] if name in _FORCES else value
            for name, value in state.extra.items()
        }
        return State(positions, velocities, fresh.forces, fresh.energy, box, extra)


class Barostat(eqx.Module):
    """Changes the box of a state now and then."""

    molecules: eqx.AbstractVar[Molecules]

    @abc.abstractmethod
    def begin(self, state: State) -> dict[str, Array]:
        """What it has to remember, at the start of a run."""

    @abc.abstractmethod
    def change(
        self, key: PRNGKeyArray, state: State, memory: dict[str, Array], context: Context
    ) -> tuple[State, dict[str, Array]]:
        """One change of the box, or none; pure."""


class Pressured(DrawnIntegrator):
    """An integrator with a barostat after every `every` of its steps; one system at a time.

    Attributes:
        integrator: what moves the atoms.
        barostat: what changes the box.
        every: steps between changes.
        timestep: of the integrator [ps].
        surface: of the integrator.
        mechanics: of the integrator.
        accumulation: of the integrator.
    """

    integrator: DrawnIntegrator
    barostat: Barostat
    every: int = eqx.field(static=True)

    def __init__(self, integrator: DrawnIntegrator, barostat: Barostat, *, every: int = 25):
        """Put them together.

        Raises:
            InputError: no positive number of steps, or molecules of another system.
        """
        if every != int(every) or every < 1:
            raise InputError(f"a barostat every {every} steps came: 1 or more steps are wanted")
        if len(barostat.molecules.labels) != integrator.surface.n_atoms:
            raise InputError(
                f"the molecules of the barostat have {len(barostat.molecules.labels)} atoms, and "
                f"the surface {integrator.surface.n_atoms}: give those of the same system"
            )
        self.integrator, self.barostat, self.every = integrator, barostat, int(every)

    @property
    def timestep(self) -> Any:
        """Of the integrator [ps]."""
        return self.integrator.timestep

    @property
    def surface(self) -> Any:
        """Of the integrator."""
        return self.integrator.surface

    @property
    def mechanics(self) -> Mechanics:
        """Of the integrator."""
        return self.integrator.mechanics  # pyright: ignore[reportAttributeAccessIssue]

    @property
    def accumulation(self) -> str | None:
        """Of the integrator."""
        return getattr(self.integrator, "accumulation", None)

    def init(
        self,
        key: PRNGKeyArray,
        positions: Float[Array | np.ndarray, "atoms 3"],
        velocities: Float[Array | np.ndarray, "atoms 3"],
        box: Float[Array | np.ndarray, "3 3"] | None = None,
        neighbours: Neighbours = None,
    ) -> State:
        """A state; raises `InputError` without a box, or for several replicas."""
        if box is None:
            raise InputError("a barostat needs a box: give one, or leave the barostat out")
        if jnp.ndim(positions) != 2:
            raise InputError("a barostat takes one system at a time: run replicas one by one")
        arrays = (jnp.asarray(positions), jnp.asarray(velocities), jnp.asarray(box))
        state = self.integrator.init(key, *arrays, neighbours)
        return self._wrapped(state, jnp.zeros((), jnp.int32), self.barostat.begin(state))

    def draw(self, key: PRNGKeyArray, state: State) -> tuple[Any, Array]:
        """Random numbers of the integrator, and the key of the barostat as words."""
        first, second = jax.random.split(key)
        return self.integrator.draw(first, self._inner(state)), jax.random.key_data(second)

    def move(self, noise: tuple[Any, Array], state: State, neighbours: Neighbours = None) -> State:
        """One step, and a change of the box where it is due."""
        moved = self.integrator.move(noise[0], self._inner(state), neighbours)
        count = state.extra["steps"] + 1
        wrapped = self._wrapped(moved, count, state.extra["barostat"])
        key = jax.random.wrap_key_data(noise[1])
        return jax.lax.cond(
            count % self.every == 0,
            lambda s: self.changed(key, s, neighbours),
            lambda s: s,
            wrapped,
        )

    def observe(self, state: State) -> Info:
        """Energies; nothing is conserved."""
        info = self.integrator.observe(self._inner(state))
        return Info(info.potential_energy, info.kinetic_energy)

    def changed(self, key: PRNGKeyArray, state: State, neighbours: Neighbours = None) -> State:
        """The barostat alone, at once."""
        context, memory = Context(self.integrator, neighbours), state.extra["barostat"]
        inner, memory = self.barostat.change(key, self._inner(state), memory, context)
        return self._wrapped(inner, state.extra["steps"], memory)

    def _inner(self, state: State) -> State:
        """The state as the integrator knows it."""
        return _with_extra(state, state.extra["integrator"])

    def _wrapped(self, state: State, steps: Array, memory: dict[str, Array]) -> State:
        extra = {"integrator": state.extra, "steps": steps, "barostat": memory}
        return _with_extra(state, extra)


def box_volume(box: Float[Array, "3 3"]) -> Float[Array, ""]:
    """Volume of a reduced box [nm³]."""
    return box[0, 0] * box[1, 1] * box[2, 2]


def _with_extra(state: State, extra: dict[str, Any]) -> State:
    return State(state.positions, state.velocities, state.forces, state.energy, state.box, extra)
