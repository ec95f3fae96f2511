"""The conditions of a simulation: temperature, pressure, time step, integrator, seed."""

import math
from dataclasses import dataclass
from typing import Any, Final

from isthmus.errors import InputError

__all__ = ["INTEGRATORS", "Conditions", "seed_of"]

INTEGRATORS: Final = ("langevin", "nose-hoover", "verlet")
"""`langevin` is OpenMM's LangevinMiddleIntegrator; `verlet` keeps the energy."""


@dataclass(frozen=True)
class Conditions:
    """How a system is propagated.

    Attributes:
        temperature: [K]; with `verlet`, of the first velocities.
        pressure: [bar], by OpenMM's MonteCarloBarostat; None keeps the volume.
        timestep: [ps].
        integrator: one of `INTEGRATORS`.
        friction: of `langevin`, and the frequency of the chain of `nose-hoover` [1/ps].
        barostat_every: steps between changes of volume that are tried.
        seed: of velocities, of the thermostat and of the barostat.
    """

    temperature: float = 300.0
    pressure: float | None = None
    timestep: float = 0.001
    integrator: str = "langevin"
    friction: float = 1.0
    barostat_every: int = 25
    seed: int = 0

    def __post_init__(self) -> None:
        if self.integrator not in INTEGRATORS:
            raise InputError(
                f"unknown integrator '{self.integrator}': choose one of {', '.join(INTEGRATORS)}"
            )
        positive = {"timestep": (self.timestep, "ps"), "friction": (self.friction, "1/ps")}
        positive["temperature"] = (self.temperature, "K")
        for name, (value, unit) in positive.items():
            if not (math.isfinite(value) and value > 0):
                raise InputError(f"the {name} is {value} {unit}: give a positive number")
        if self.pressure is not None and not math.isfinite(self.pressure):
            raise InputError(f"the pressure is {self.pressure} bar: give a number, or none")
        if self.pressure is not None and self.integrator == "verlet":
            raise InputError(
                "a pressure was given with the integrator verlet, which has no thermostat: choose "
                "langevin or nose-hoover, or leave out the pressure"
            )
        if self.barostat_every < 1:
            raise InputError(f"barostat_every is {self.barostat_every}: give a positive number")

    def make_integrator(self) -> Any:
        """A new OpenMM integrator."""
        import openmm

        if self.integrator == "verlet":
            return openmm.VerletIntegrator(self.timestep)
        if self.integrator == "nose-hoover":
            return openmm.NoseHooverIntegrator(self.temperature, self.friction, self.timestep)
        made = openmm.LangevinMiddleIntegrator(self.temperature, self.friction, self.timestep)
        made.setRandomNumberSeed(seed_of(self.seed, 1))
        return made

    def make_barostat(self, stage: int = 0) -> Any:
        """A new OpenMM barostat, whose random numbers begin at step `stage`."""
        import openmm

        made = openmm.MonteCarloBarostat(self.pressure, self.temperature, self.barostat_every)
        made.setRandomNumberSeed(self.barostat_seed(stage))
        return made

    def barostat_seed(self, stage: int) -> int:
        """Seed of a barostat whose random numbers begin at step `stage`."""
        return seed_of(self.seed, 2 + stage)


def seed_of(seed: int, purpose: int) -> int:
    """A seed for OpenMM, never 0, which would mean a random one; others for other purposes."""
    mixed = (seed * 2_654_435_761 + purpose * 40_503 + 12_345) % (2**31 - 1)
    return mixed or 1
