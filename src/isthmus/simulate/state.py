"""What evolves in a simulation, and what makes it evolve.

An integrator is a pair of pure functions over an explicit state: `init` and
`step(key, state) -> (state, info)`. Both can be traced, and serve one system or a batch of
replicas, whose axis comes first.
"""

import abc
from typing import Any

import equinox as eqx
from jaxtyping import Array, Float, PRNGKeyArray

from isthmus.simulate.surface import Neighbours, Surface

__all__ = ["DrawnIntegrator", "Info", "Integrator", "State"]


class State(eqx.Module):
    """One system or a batch of replicas at one time.

    Attributes:
        positions: [nm]; virtual sites stand where they belong.
        velocities: [nm/ps]; 0 for particles without mass.
        forces: [kJ/mol/nm], at these positions.
        energy: potential energy [kJ/mol].
        box: cell vectors as rows [nm], of all replicas or one for each; None without.
        extra: what the integrator needs beside these, by name.
    """

    positions: Float[Array, "*replicas atoms 3"]
    velocities: Float[Array, "*replicas atoms 3"]
    forces: Float[Array, "*replicas atoms 3"]
    energy: Float[Array, "*replicas"]
    box: Float[Array, "*cells 3 3"] | None
    extra: dict[str, Any]


class Info(eqx.Module):
    """What is known of a state beside the coordinates.

    Attributes:
        potential_energy: [kJ/mol].
        kinetic_energy: [kJ/mol].
        conserved: what exact dynamics would keep [kJ/mol]; None where it is not followed.
    """

    potential_energy: Float[Array, "*replicas"]
    kinetic_energy: Float[Array, "*replicas"]
    conserved: Float[Array, "*replicas"] | None = None


class Integrator(eqx.Module):
    """Makes a state, and moves it on by one time step [ps]."""

    timestep: eqx.AbstractVar[Array]

    @abc.abstractmethod
    def init(
        self,
        key: PRNGKeyArray,
        positions: Float[Array, "*replicas atoms 3"],
        velocities: Float[Array, "*replicas atoms 3"],
        box: Float[Array, "*cells 3 3"] | None = None,
        neighbours: Neighbours = None,
    ) -> State:
        """A state that `step` can go on from; positions [nm], velocities [nm/ps], box [nm]."""

    @abc.abstractmethod
    def step(
        self, key: PRNGKeyArray, state: State, neighbours: Neighbours = None
    ) -> tuple[State, Info]:
        """One time step; the key must be another one in each step."""


class DrawnIntegrator(Integrator):
    """An integrator whose random numbers can be drawn for many steps ahead, which is cheaper.

    `step` is `observe(move(draw(key, state), state))`. `move` must not read `state.energy`:
    `advance` leaves it out between two looks at the state.
    """

    surface: eqx.AbstractVar[Surface]

    @abc.abstractmethod
    def draw(self, key: PRNGKeyArray, state: State) -> Any:
        """Random numbers of one step; of the state it may use shapes alone."""

    @abc.abstractmethod
    def move(self, noise: Any, state: State, neighbours: Neighbours = None) -> State:
        """One time step with these random numbers."""

    @abc.abstractmethod
    def observe(self, state: State) -> Info:
        """Energies of a state."""

    def step(
        self, key: PRNGKeyArray, state: State, neighbours: Neighbours = None
    ) -> tuple[State, Info]:
        """One time step; the key must be another one in each step."""
        moved = self.move(self.draw(key, state), state, neighbours)
        return moved, self.observe(moved)
