"""An OpenMM System with forces that cannot be imported, as OpenMM itself evaluates it."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from jaxtyping import Float

from isthmus.data.entry import Entry
from isthmus.race.rivals.caller import RivalError

if TYPE_CHECKING:
    import openmm

__all__ = ["SystemCaller"]

_TIMESTEP: Final = 0.0005
"""[ps]"""


class SystemCaller:
    """A `Caller` that asks a Context; its time is that of steps of Langevin dynamics."""

    engine = "openmm"

    def __init__(self, path: str) -> None:
        """Read the System.

        Raises:
            InputError: the file cannot be read.
        """
        from isthmus.deploy.openmm.importing import read_system_xml

        self._name, self._system = Path(path).name, read_system_xml(path)
        self._context: openmm.Context | None = None

    @property
    def versions(self) -> Mapping[str, str]:
        """See `Caller`."""
        import openmm

        return {"openmm": openmm.__version__}

    @property
    def description(self) -> str:
        """See `Caller`."""
        return f"OpenMM System {self._name}, evaluated by OpenMM {self.versions['openmm']}"

    def evaluate(
        self, entry: Entry, positions: Float[np.ndarray, "frames atoms 3"]
    ) -> tuple[Float[np.ndarray, "frames"], Float[np.ndarray, "frames atoms 3"]]:
        """See `Caller`."""
        context = self._ready(entry)
        energies, forces = [], []
        for frame in positions:
            context.setPositions(frame)
            state: Any = context.getState(energy=True, forces=True)
            energies.append(state.getPotentialEnergy()._value)
            forces.append(state.getForces(asNumpy=True)._value)
        if not (np.isfinite(energies).all() and np.isfinite(forces).all()):
            raise RivalError(f"{self._name}: an energy or a force is not finite")
        return np.array(energies, dtype=np.float64), np.array(forces, dtype=np.float64)

    def seconds(
        self, entry: Entry, positions: Float[np.ndarray, "frames atoms 3"], calls: int
    ) -> float:
        """See `Caller`; a call is a step."""
        import openmm

        context = self._ready(entry)
        context.setPositions(positions[0])
        context.setVelocitiesToTemperature(300.0, 0)
        begin = time.perf_counter()
        try:
            context.getIntegrator().step(calls)
            context.getState(positions=True)
        except openmm.OpenMMException as error:
            raise RivalError(f"{self._name}: {' '.join(str(error).split())}") from None
        return time.perf_counter() - begin

    def close(self) -> None:
        """See `Caller`."""
        self._context = None

    def _ready(self, entry: Entry) -> "openmm.Context":
        import openmm

        from isthmus.deploy.md.platforms import choose_platform

        n_atoms = self._system.getNumParticles()
        if entry.box is not None or self._system.usesPeriodicBoundaryConditions():
            raise RivalError("it or the frames are in a box, in which such rivals do not race")
        if n_atoms != entry.n_atoms:
            raise RivalError(
                f"{self._name} has {n_atoms} particles, '{entry.name}' {entry.n_atoms}"
            )
        if self._context is None:
            platform = choose_platform(n_atoms, periodic=False)
            integrator = openmm.LangevinMiddleIntegrator(300.0, 1.0, _TIMESTEP)
            self._context = openmm.Context(
                self._system, integrator, platform.handle(), platform.properties
            )
        return self._context
