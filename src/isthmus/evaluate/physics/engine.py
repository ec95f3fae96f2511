"""Another engine that runs the same model: its forces, and what moves atoms in its place."""

from collections.abc import Callable, Iterator
from typing import Final, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from isthmus.evaluate.physics.check import Check, Line, Panel, judged
from isthmus.evaluate.physics.gradient import GROUP, shaken
from isthmus.evaluate.physics.motion import Motion
from isthmus.evaluate.physics.settings import Settings
from isthmus.evaluate.physics.subject import Subject, evaluate_frames
from isthmus.simulate.mechanics import Mechanics

__all__ = ["NAME", "Engine", "check_engine_forces"]

NAME: Final = "force, engine against float64"
_THRESHOLD: Final = 1e-4
_GOAL: Final = 2e-5
_SOURCE: Final = "OpenMM vs GROMACS 7e-5"


@runtime_checkable
class Engine(Protocol):
    """An engine with one system; where this has a box, it is that of the structure."""

    @property
    def name(self) -> str:
        """What it is, and how it has the model."""
        ...

    def forces(self, positions: Float[np.ndarray, "atoms 3"]) -> Float[np.ndarray, "atoms 3"]:
        """Forces [kJ/mol/nm] at positions [nm]."""
        ...

    def move(
        self,
        positions: Float[np.ndarray, "replicas atoms 3"],
        mechanics: Mechanics,
        *,
        temperature: float,
        friction: float | None,
        timestep: float,
        n_records: int,
        every: int,
        seed: int,
        heed: Callable[[float], None] | None = None,
    ) -> Motion:
        """Run replicas, each with velocities of its own.

        Records have the positions and velocities of the same time, and after a run has broken
        they are not finite. The same seed draws the same velocities, whatever the time step.

        Args:
            positions: where to start [nm].
            mechanics: masses and constraints, which are also those of the system.
            temperature: of the velocities, and of the bath [K].
            friction: of Langevin dynamics [1/ps]; None: constant energy, by Verlet's method.
            timestep: [ps].
            n_records: how many are kept, the start not among them.
            every: steps between records.
            seed: of all random numbers.
            heed: is told which share of the run is done.
        """
        ...


def check_engine_forces(subject: Subject, settings: Settings, engine: Engine) -> Iterator[Check]:
    """Forces of the engine against ours in float64, at positions off the minimum."""
    x = shaken(subject, settings.seed)
    _, (ours,) = evaluate_frames(subject.double, x[None], subject.box)
    chosen = subject.solid
    ours, theirs = ours[chosen], engine.forces(x)[chosen]
    size = float(np.sqrt(np.mean(ours**2)))
    apart = np.abs(theirs - ours) / size
    worst = int(np.argmax(apart.max(axis=1)))
    panel = Panel(
        f"Forces of {engine.name} against float64",
        "force component [kJ/mol/nm]",
        "difference over root mean square of the forces",
        (Line(ours.reshape(-1), np.maximum(apart, 1e-16).reshape(-1), engine.name, points=True),),
        log_y=True,
        level=_THRESHOLD,
    )
    yield judged(
        GROUP,
        NAME,
        float(np.sqrt(np.mean(apart**2))),
        threshold=_THRESHOLD,
        goal=_GOAL,
        source=_SOURCE,
        note=f"{engine.name}; root mean square of {apart.size} components, largest "
        f"{float(apart.max()):.2g} at atom {int(chosen[worst]) + 1}",
        panels=(panel,),
    )
