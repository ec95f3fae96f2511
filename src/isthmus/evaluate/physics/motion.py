"""What replicas did: records of a run, made by our own engine."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from jaxtyping import Bool, Float

from isthmus.evaluate.physics.subject import evaluate_frames
from isthmus.simulate.jax_engine import JaxEngine
from isthmus.simulate.mechanics import Mechanics
from isthmus.simulate.state import Integrator
from isthmus.simulate.surface import Surface

__all__ = ["Motion", "conserved_energies", "joined", "run"]


@dataclass(frozen=True, eq=False)
class Motion:
    """Records of a run.

    Attributes:
        times: [ps].
        potential, kinetic: energies [kJ/mol], as the run itself has them.
        positions: [nm].
        velocities: [nm/ps].
        mechanics: of the run.
        timestep: of the run [ps].
        box: cell vectors [nm], or None.
    """

    times: Float[np.ndarray, " records"]
    potential: Float[np.ndarray, "records replicas"]
    kinetic: Float[np.ndarray, "records replicas"]
    positions: Float[np.ndarray, "records replicas atoms 3"]
    velocities: Float[np.ndarray, "records replicas atoms 3"]
    mechanics: Mechanics
    timestep: float
    box: Float[np.ndarray, "3 3"] | None

    @property
    def finite(self) -> Bool[np.ndarray, " replicas"]:
        """Replicas whose numbers stayed finite."""
        sound: Any = np.isfinite(self.positions).all(axis=(0, 2, 3))
        return sound & np.isfinite(self.potential + self.kinetic).all(axis=0)

    def of(self, replicas: slice | Bool[np.ndarray, " replicas"]) -> "Motion":
        """The motion of some replicas."""
        return replace(self, **{name: getattr(self, name)[:, replicas] for name in _ARRAYS})

    def records(self, chosen: slice) -> "Motion":
        """Some records of all replicas."""
        arrays = {name: getattr(self, name)[chosen] for name in _ARRAYS}
        return replace(self, times=self.times[chosen], **arrays)


_ARRAYS: Final = ("potential", "kinetic", "positions", "velocities")


def joined(motions: Sequence[Motion]) -> Motion:
    """The replicas of several runs, which are alike but for their temperatures."""
    arrays = {
        name: np.concatenate([getattr(motion, name) for motion in motions], axis=1)
        for name in _ARRAYS
    }
    return replace(motions[0], **arrays)


def run(
    integrator: Integrator,
    mechanics: Mechanics,
    positions: Float[np.ndarray, "replicas atoms 3"],
    *,
    temperature: float,
    n_records: int,
    every: int,
    seed: int,
    box: Float[np.ndarray, "3 3"] | None = None,
    heed: Callable[[float], None] | None = None,
) -> Motion:
    """Move replicas on, and keep what they did.

    Args:
        integrator: what moves them.
        mechanics: its masses and constraints.
        positions: where to start [nm].
        temperature: of the first velocities [K].
        n_records: how many are kept, the start not among them.
        every: steps between records.
        seed: of all random numbers.
        box: cell vectors [nm], or None.
        heed: is told which share of the run is done.
    """
    engine = JaxEngine(
        integrator, mechanics, positions, temperature=temperature, seed=seed, box=box
    )
    records = []
    for number in range(n_records):
        engine.advance(every)
        records.append(engine.record())
        if heed is not None:
            heed((number + 1) / n_records)
    return Motion(
        np.array([record.time for record in records]),
        np.array([record.potential for record in records]),
        np.array([record.kinetic for record in records]),
        np.array([record.positions for record in records], dtype=np.float64),
        np.array([record.velocities for record in records], dtype=np.float64),
        mechanics,
        float(np.asarray(integrator.timestep)),
        box,
    )


def conserved_energies(surface: Surface, motion: Motion) -> Float[np.ndarray, "records replicas"]:
    """Total energy of each record [kJ/mol], the potential energy from another surface.

    Args:
        surface: of the same particles, in float64.
        motion: at constant energy, all of it finite.
    """
    shape = motion.potential.shape
    frames = motion.positions.reshape(-1, *motion.positions.shape[2:])
    energies, _ = evaluate_frames(surface, frames, motion.box)
    masses = np.asarray(motion.mechanics.masses)[:, None]
    kinetic = 0.5 * (masses * motion.velocities**2).sum(axis=(2, 3))
    return energies.reshape(shape) + kinetic
