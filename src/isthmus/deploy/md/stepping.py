"""Steps in OpenMM, and what is seen after them, also where OpenMM refuses to go on."""

import math
import re
from typing import Any

import numpy as np

from isthmus.deploy.md.simulation import ALL_GROUPS, BrokenSimulationError, Record, Simulation
from isthmus.units import BOLTZMANN, GRAM_PER_CM3

__all__ = ["advance", "observe", "stopped", "where"]


def advance(simulation: Simulation, n_steps: int) -> None:
    """Take steps.

    OpenMM refuses some steps by itself: positions that are not numbers, a constraint that cannot
    be met. These are no accidents of the machine but of the physics, and the simulation is then
    broken as if its energy had not been finite.

    Raises:
        BrokenSimulationError: says what OpenMM said.
    """
    import openmm

    try:
        simulation.context.getIntegrator().step(n_steps)
    except openmm.OpenMMException as error:
        raise stopped(simulation, error) from None


def observe(simulation: Simulation, stage: str = "production") -> Record:
    """The simulation as it stands.

    Raises:
        BrokenSimulationError: OpenMM cannot evaluate its forces there; says what OpenMM said.
    """
    import openmm

    try:
        state = simulation.context.getState(energy=True, groups=ALL_GROUPS)
    except openmm.OpenMMException as error:
        raise stopped(simulation, error) from None
    kinetic = state.getKineticEnergy()._value
    return _record(simulation, state, stage, state.getPotentialEnergy()._value, kinetic)


def where(simulation: Simulation, stage: str = "production") -> Record:
    """The simulation as it stands, without its energies, which are given as not a number.

    No force is evaluated, so that a simulation that broke can be looked at.
    """
    state = simulation.context.getState(positions=True)
    return _record(simulation, state, stage, math.nan, math.nan)


def _record(
    simulation: Simulation, state: Any, stage: str, potential: float, kinetic: float
) -> Record:
    volume = density = box = None
    if simulation.prepared.box is not None:
        box = np.array(state.getPeriodicBoxVectors(asNumpy=True)._value)
        volume = float(np.linalg.det(box))
        density = 1000 * simulation.mass / volume / GRAM_PER_CM3
    return Record(
        state.getStepCount(),
        state.getTime()._value,
        potential,
        kinetic,
        2 * kinetic / (BOLTZMANN * max(simulation.degrees_of_freedom, 1)),
        volume,
        density,
        box,
        stage,
        simulation.context,
    )


def stopped(simulation: Simulation, error: Exception) -> BrokenSimulationError:
    """What OpenMM said, in one line, and where it was."""
    text = re.sub(r"\s*For more information, see \S+", "", " ".join(str(error).split()))
    said = text.rstrip(". ")
    return BrokenSimulationError(f"OpenMM stopped near step {simulation.step}: {said}")
