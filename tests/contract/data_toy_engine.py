"""An engine that costs nothing: atoms on springs to their places, in plain numpy."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from isthmus.chemistry.topology import Topology
from isthmus.deploy.openmm.topology import openmm_topology
from isthmus.simulate.record import Record
from isthmus.simulate.run import RunSettings, System

ETHANE = Topology.create(
    [6, 6, 1, 1, 1, 1, 1, 1], [(0, 1), (0, 2), (0, 3), (0, 4), (1, 5), (1, 6), (1, 7)]
)
PLACES = np.array(
    [
        [0.0, 0.0, 0.0],
        [0.153, 0.0, 0.0],
        [-0.04, 0.1, 0.0],
        [-0.04, -0.05, 0.087],
        [-0.04, -0.05, -0.087],
        [0.193, -0.1, 0.0],
        [0.193, 0.05, 0.087],
        [0.193, 0.05, -0.087],
    ]
)


def system() -> System:
    """Ethane."""
    return System(ETHANE, openmm_topology(ETHANE))


def settings(**changes: Any) -> RunSettings:
    """200 steps, 20 frames."""
    given = {
        "n_steps": 200,
        "timestep": 0.001,
        "report_every": 10,
        "temperature": 300.0,
        "checkpoint_seconds": 0.0,
    }
    return RunSettings(**(given | changes))


@dataclass
class ToyEngine:
    """Random motion around fixed places; `breaks_at` tears a hydrogen off."""

    replicas: int = 1
    grain: int = 4
    breaks_at: int = 10**9
    how: str = "bond"
    box: float | None = None
    step: int = 0
    failure: str | None = None
    positions: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.positions = np.repeat(PLACES[None], self.replicas, axis=0)

    def advance(self, n_steps: int) -> None:
        assert 0 < n_steps <= self.grain
        for _ in range(n_steps):
            noise = np.random.default_rng(self.step).normal(size=self.positions.shape)
            self.positions = PLACES + 0.9 * (self.positions - PLACES) + 0.001 * noise
            self.step += 1
            if self.step >= self.breaks_at and self.how != "hot":
                self.positions[-1, 7, 2] = np.nan if self.how == "nan" else -0.3

    def record(self) -> Record:
        ones = np.ones(self.replicas)
        apart = ((self.positions - PLACES) ** 2).sum(axis=(1, 2))
        hot = self.how == "hot" and self.step >= self.breaks_at
        velocities = np.zeros_like(self.positions)
        velocities[:, 5] = 1.0
        return Record(
            step=self.step,
            time=self.step * 0.001,
            potential=1e3 * apart,
            kinetic=2.0 * ones,
            temperature=(30_000.0 if hot else 300.0) * ones,
            conserved=None,
            volume=None if self.box is None else self.box**3 * ones,
            density=None if self.box is None else ones,
            positions=self.positions.copy(),
            velocities=velocities,
            box=None
            if self.box is None
            else np.repeat(self.box * np.eye(3)[None], self.replicas, axis=0),
        )

    def snapshot(self) -> Mapping[str, np.ndarray]:
        return {"step": np.array(self.step), "positions": self.positions.copy()}

    def restore(self, snapshot: Mapping[str, np.ndarray]) -> None:
        self.step = int(snapshot["step"])
        self.positions = snapshot["positions"].copy()

    def term_energies(self, positions: np.ndarray, box: np.ndarray | None) -> Mapping[str, float]:
        del box
        return {"bond": 1e3 * float(((positions - PLACES) ** 2).sum()), "angle": 1.0}
