"""Velocity Verlet: Newton's equations, reversible in time and symplectic.

    v ← v + dt/2 m⁻¹ F(x),   x ← x + dt v,   v ← v + dt/2 m⁻¹ F(x)

With constraints this is RATTLE: positions are brought back after the drift, velocities after the
second kick. `Info.conserved` is the total energy; its fluctuation goes with dt², and so does the
distance of the energy that is kept exactly from it.

    symbol  variable  unit
    dt      timestep  ps

References: W. C. Swope, H. C. Andersen, P. H. Berens, K. R. Wilson, J. Chem. Phys. 76, 637
(1982); H. C. Andersen, J. Comput. Phys. 52, 24 (1983) (RATTLE).
"""

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from isthmus.simulate.accumulation import checked_accumulation
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
from isthmus.simulate.surface import Neighbours, Surface, evaluate

__all__ = ["VelocityVerlet"]


class VelocityVerlet(DrawnIntegrator):
    """Constant energy; see the module.

    Attributes:
        surface: energies and forces.
        mechanics: masses and constraints.
        timestep: [ps].
        accumulation: see `isthmus.simulate.accumulation`.
    """

    surface: Surface
    mechanics: Mechanics
    timestep: Float[np.ndarray | Array, ""]
    accumulation: str = eqx.field(static=True)

    def __init__(
        self,
        surface: Surface,
        mechanics: Mechanics,
        *,
        timestep: float,
        accumulation: str | None = None,
    ):
        """Check the numbers.

        Raises:
            InputError: a time step out of range, or an unknown accumulation.
        """
        self.surface, self.mechanics = surface, mechanics
        self.timestep = as_number(timestep, "time step [ps]")
        self.accumulation = checked_accumulation(accumulation, surface)

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
        return begin(
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
        """One step."""
        del noise
        half = 0.5 * self.timestep
        phase = kick(phase_of(state), state.forces, self.mechanics, half)
        phase = drift(phase, self.mechanics, self.timestep)
        found = evaluate(self.surface, phase.positions, state.box, neighbours)
        phase = project(kick(phase, found.forces, self.mechanics, half), self.mechanics)
        return ended(phase, found, state.box, {})

    def observe(self, state: State) -> Info:
        """Energies; the total energy is conserved."""
        kinetic = self.mechanics.kinetic_energy(state.velocities)
        return Info(state.energy, kinetic, state.energy + kinetic)
