"""A simulation in OpenMM as an engine of runs: moves atoms, says where they are, takes snapshots.

Where OpenMM refuses to go on, it says why in an exception, and its forces can then no longer be
evaluated. The engine keeps what was said (`failure`); its record has the coordinates as they are
then, and energies that are not numbers, from which a run knows that it broke.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from jaxtyping import Float

from isthmus.deploy.md.checkpoint import checkpoint
from isthmus.deploy.md.simulation import BrokenSimulationError, Simulation
from isthmus.deploy.md.stepping import advance, observe, where
from isthmus.deploy.openmm.evaluating import evaluate_openmm
from isthmus.errors import InputError
from isthmus.simulate.record import Record

if TYPE_CHECKING:
    from isthmus.deploy.md.simulation import Record as Seen

__all__ = ["OpenMMEngine"]

_WORK: Final = 2_000_000
"""Atoms times steps of one call, about"""
_MOST_STEPS: Final = 1000
_FEWEST_STEPS: Final = 20
_FEWEST_FENCED: Final = 200
"""Where a snapshot makes the context anew, which costs as much as ten steps"""


class OpenMMEngine:
    """A simulation in OpenMM as an `Engine` of `isthmus.simulate.record`.

    Attributes:
        failure: what OpenMM said when it stopped; None while it goes on.
    """

    def __init__(self, simulation: Simulation, restored: Callable[[bytes], Simulation]) -> None:
        """Stand where the simulation stands.

        Args:
            simulation: at step 0.
            restored: makes one from what `isthmus.deploy.md.checkpoint.checkpoint` gave.
        """
        self._simulation = simulation
        self._restored = restored
        self._late = 0
        self.failure: str | None = None

    @property
    def grain(self) -> int:
        """Steps of one call; see `Engine`."""
        fewest = _FEWEST_FENCED if self._simulation.deterministic else _FEWEST_STEPS
        n_atoms = self._simulation.prepared.system.getNumParticles()
        # By the system alone: snapshots must be taken at the same steps in every run
        return min(_MOST_STEPS, max(fewest, _WORK // n_atoms))

    def advance(self, n_steps: int) -> None:
        """Move on; see `Engine`."""
        try:
            advance(self._simulation, n_steps)
        except BrokenSimulationError as error:
            # It is the next step that could not be done
            self._late, self.failure = 1, str(error)

    def record(self) -> Record:
        """Where the atoms stand; see `Engine`."""
        if self.failure is None:
            try:
                return self._record(observe(self._simulation))
            except BrokenSimulationError as error:
                self.failure = str(error)
        return self._record(where(self._simulation), late=self._late)

    def _record(self, seen: "Seen", *, late: int = 0) -> Record:
        step = seen.step + late
        return Record(
            step=step,
            time=step * self._simulation.conditions.timestep,
            potential=np.array([seen.potential]),
            kinetic=np.array([seen.kinetic]),
            temperature=np.array([seen.temperature]),
            conserved=None,
            volume=None if seen.volume is None else np.array([seen.volume]),
            density=None if seen.density is None else np.array([seen.density]) / 1000,
            positions=np.array(seen.positions())[None],
            velocities=np.array(seen.velocities())[None],
            box=None if seen.box is None else seen.box[None],
        )

    def snapshot(self) -> Mapping[str, np.ndarray]:
        """OpenMM's checkpoint; see `Engine`."""
        if self._simulation.deterministic:
            data = checkpoint(self._simulation)
        else:
            data = self._simulation.context.createCheckpoint()
        return {"checkpoint": np.frombuffer(data, dtype=np.uint8).copy()}

    def restore(self, snapshot: Mapping[str, np.ndarray]) -> None:
        """Stand where a snapshot was taken; see `Engine`."""
        import openmm

        data = snapshot["checkpoint"].tobytes()
        self._late, self.failure = 0, None
        if self._simulation.deterministic:
            self._simulation = self._restored(data)
            return
        try:
            self._simulation.context.loadCheckpoint(data)
        except openmm.OpenMMException as error:
            raise InputError(
                f"OpenMM does not take its own checkpoint ({error}): go on with the same OpenMM on "
                "the same machine, or start anew with --overwrite"
            ) from None

    def term_energies(
        self, positions: Float[np.ndarray, "atoms 3"], box: Float[np.ndarray, "3 3"] | None
    ) -> Mapping[str, float]:
        """Energy of each force of OpenMM, by its name; see `Engine`."""
        import openmm

        if self._simulation.prepared.inner:
            return {}
        system: Any = self._simulation.prepared.system
        try:
            found = evaluate_openmm(system, positions, box=box)
        except openmm.OpenMMException:
            # Not even its forces can be evaluated there, such as in a box that became too small
            return {}
        return {name: float(energy) for name, energy in found.by_force.items()}
