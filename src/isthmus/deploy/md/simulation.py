"""What a simulation in OpenMM is made of, and what is seen of it."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from jaxtyping import Float

from isthmus.deploy.md.conditions import Conditions
from isthmus.deploy.md.platforms import Platform
from isthmus.deploy.md.prepare import Prepared
from isthmus.deploy.md.python_force import UNEVALUATED_GROUP
from isthmus.deploy.openmm.reader_registry import number
from isthmus.errors import IsthmusError

if TYPE_CHECKING:
    import openmm

__all__ = ["ALL_GROUPS", "BrokenSimulationError", "Minimised", "Record", "Simulation"]

ALL_GROUPS: Final = (1 << UNEVALUATED_GROUP) - 1
"""Force groups that are evaluated: all but the one of bonds without energy"""


class BrokenSimulationError(IsthmusError):
    """A simulation that OpenMM cannot go on with."""


@dataclass(frozen=True)
class Simulation:
    """A system that is being simulated.

    Attributes:
        prepared: what it was made of.
        conditions: how it is propagated.
        platform: where.
        deterministic: whether a resumed run is the same bit for bit (see `checkpoint`).
        context: OpenMM's.
        degrees_of_freedom: of the atoms, less constraints and, where the total momentum is kept,
            the centre of mass.
        barostat: of the context, if it has one.
    """

    prepared: Prepared
    conditions: Conditions
    platform: Platform
    deterministic: bool
    context: "openmm.Context"
    degrees_of_freedom: int
    barostat: "openmm.MonteCarloBarostat | None" = None

    @cached_property
    def mass(self) -> float:
        """Of all particles [Da]."""
        system = self.context.getSystem()
        count = system.getNumParticles()
        return float(sum(number(system.getParticleMass(n)) for n in range(count)))

    @property
    def step(self) -> int:
        """Steps that were done."""
        return self.context.getStepCount()

    @property
    def time(self) -> float:
        """Simulated time [ps]."""
        return number(self.context.getTime())


@dataclass(frozen=True)
class Record:
    """A simulation at one step.

    Attributes:
        step, time: since the start of the simulation [1, ps].
        potential, kinetic: energies [kJ/mol].
        temperature: from the kinetic energy [K].
        volume: [nm³], None without a box.
        density: [kg/m³], None without a box.
        box: cell vectors [nm], None without.
        stage: `minimised`, `warm-up`, `equilibration` or `production`.
    """

    step: int
    time: float
    potential: float
    kinetic: float
    temperature: float
    volume: float | None
    density: float | None
    box: Float[np.ndarray, "3 3"] | None
    stage: str
    context: Any

    @property
    def total(self) -> float:
        """Potential and kinetic energy [kJ/mol]."""
        return self.potential + self.kinetic

    @property
    def is_finite(self) -> bool:
        """False once the simulation has broken."""
        return math.isfinite(self.potential) and math.isfinite(self.kinetic)

    def positions(self, *, whole: bool = False) -> Float[np.ndarray, "atoms 3"]:
        """Positions [nm], as they are now: ask before the next record.

        Args:
            whole: put whole molecules into the box.
        """
        state = self.context.getState(positions=True, enforcePeriodicBox=whole)
        return state.getPositions(asNumpy=True)._value

    def velocities(self) -> Float[np.ndarray, "atoms 3"]:
        """Velocities [nm/ps], as they are now."""
        return self.context.getState(velocities=True).getVelocities(asNumpy=True)._value

    def forces(self) -> Float[np.ndarray, "atoms 3"]:
        """Forces [kJ/mol/nm], as they are now."""
        state = self.context.getState(forces=True, groups=ALL_GROUPS)
        return state.getForces(asNumpy=True)._value


@dataclass(frozen=True)
class Minimised:
    """What a minimisation did: potential energy [kJ/mol] and largest force [kJ/mol/nm]."""

    before: float
    after: float
    largest_force: float
