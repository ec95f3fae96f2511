"""Runs that several checks share: each is made once, when the first check asks for it.

| run | what it is |
|---|---|
| `start` | the structure at its minimum |
| `canonical` | Langevin dynamics of replicas at all temperatures at once |
| `newton` | constant energy from where those at the first temperature ended |

Constant energy is run in float32 with compensated sums. The energies that are then compared are
those of the float64 surface at the same positions: rounding of the energy itself is not dynamics.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

import numpy as np
from jaxtyping import Bool, Float

from isthmus.evaluate.physics.settings import Settings
from isthmus.evaluate.physics.subject import Subject, evaluate_frames
from isthmus.simulate.integrators.langevin import Langevin
from isthmus.simulate.integrators.verlet import VelocityVerlet
from isthmus.simulate.jax_engine import JaxEngine
from isthmus.simulate.mechanics import Mechanics
from isthmus.simulate.minimise.minimise import minimise
from isthmus.simulate.state import Integrator
from isthmus.simulate.surface import Surface
from isthmus.units import BOLTZMANN

__all__ = ["Laboratory", "Motion", "conserved_energies", "run"]

FRICTION: Final = 5.0
"""[1/ps]"""

SAMPLING_STEP: Final = 0.001
"""Time step of Langevin dynamics [ps]"""

RECORD: Final = 0.1
"""Time between records of Langevin dynamics [ps]"""

_TOLERANCE: Final = 5.0


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
        arrays = ("potential", "kinetic", "positions", "velocities")
        return replace(self, **{name: getattr(self, name)[:, replicas] for name in arrays})


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


@dataclass(frozen=True, eq=False)
class Laboratory:
    """A subject, sizes, and the runs that checks share.

    Attributes:
        subject: what is checked.
        settings: sizes.
        heed: is told which share of a long run is done.
    """

    subject: Subject
    settings: Settings
    heed: Callable[[float], None] | None = None

    @cached_property
    def start(self) -> Float[np.ndarray, "atoms 3"]:
        """The structure, minimised in float64 [nm]; as given where there is a box."""
        subject = self.subject
        return subject.positions if subject.is_periodic else self.minimum(subject.positions)

    def minimum(self, positions: Float[np.ndarray, "atoms 3"]) -> Float[np.ndarray, "atoms 3"]:
        """The minimum downhill from positions [nm], in float64."""
        found = minimise(
            self.subject.double,
            positions,
            tolerance=_TOLERANCE,
            max_steps=1000 if self.settings.quick else 5000,
            constraints=self.subject.constraints,
        )
        return np.asarray(found.positions)

    @property
    def n_replicas(self) -> int:
        """At each temperature."""
        return self.settings.replicas(self.subject.n_atoms, batched=self.batched)

    @property
    def batched(self) -> bool:
        """Whether replicas can be run together."""
        return not self.subject.single.needs_neighbours

    @cached_property
    def temperatures(self) -> tuple[float, ...]:
        """Of the groups of replicas of `canonical` [K]: those asked for, then the partner.

        The partner of the first is so much hotter that the energies overlap well: by 1.5 of
        their standard deviations, k T √(f/2) with f degrees of freedom.
        """
        if self.n_replicas == 1:
            return self.settings.temperatures[:1]
        first = self.settings.temperature
        spread = np.sqrt(self.subject.mechanics().degrees_of_freedom / 2)
        return (*self.settings.temperatures, float(first * (1 + min(0.5, 1.5 / spread))))

    @cached_property
    def canonical(self) -> Motion:
        """Langevin dynamics; replicas are in groups, one a temperature."""
        subject, settings, n = self.subject, self.settings, self.n_replicas
        every = round(RECORD / SAMPLING_STEP)
        total = n * len(self.temperatures)
        # At half of the replicas' hundred ps each: 3.2 ns at each temperature in all
        n_steps = settings.steps(
            8_000 if settings.quick else 100_000,
            subject.n_atoms,
            total,
            grain=every,
            least=4,
            batched=self.batched,
        )
        each = np.repeat(self.temperatures, n)
        integrator = Langevin(
            subject.single,
            subject.mechanics(),
            timestep=SAMPLING_STEP,
            temperature=each if total > 1 else each[0],
            friction=FRICTION,
            accumulation="compensated",
        )
        return run(
            integrator,
            integrator.mechanics,
            np.repeat(self.start[None], total, axis=0),
            temperature=settings.temperature,
            n_records=n_steps // every,
            every=every,
            seed=settings.seed + 3,
            box=subject.box if subject.is_periodic else None,
            heed=self.heed,
        )

    def group(self, values: np.ndarray, number: int) -> np.ndarray:
        """Replicas of one temperature, from an array (records, replicas, ...)."""
        n = self.n_replicas
        return values[:, number * n : (number + 1) * n]

    @property
    def settled(self) -> slice:
        """Records of `canonical` after the start has been forgotten."""
        return slice(max(1, min(100, round(0.3 * len(self.canonical.times)))), None)

    @cached_property
    def thermal(self) -> Float[np.ndarray, "replicas atoms 3"]:
        """Where replicas of the first temperature ended, of those that did not break [nm]."""
        motion = self.canonical
        ends = self.group(motion.positions, 0)[-1]
        return ends[motion.finite[: self.n_replicas]]

    @property
    def newton_starts(self) -> Float[np.ndarray, "replicas atoms 3"]:
        """Each of `thermal` twice [nm], for with other velocities it is another trajectory."""
        return self.thermal if self.n_replicas == 1 else np.tile(self.thermal, (2, 1, 1))

    def newton(self, timestep: float, *, n_records: int, every: int) -> Motion:
        """Constant energy from `thermal`; every call starts from the same velocities.

        Args:
            timestep: [ps].
            n_records: how many are kept.
            every: steps between records.
        """
        subject = self.subject
        mechanics = subject.mechanics(conserves_momentum=True)
        integrator = VelocityVerlet(
            subject.single, mechanics, timestep=timestep, accumulation="compensated"
        )
        return run(
            integrator,
            mechanics,
            self.newton_starts,
            temperature=self.settings.temperature,
            n_records=n_records,
            every=every,
            seed=self.settings.seed + 4,
            box=subject.box if subject.is_periodic else None,
            heed=self.heed,
        )

    @property
    def per_degree(self) -> float:
        """k T times the degrees of freedom [kJ/mol]: the unit of drifts."""
        degrees = self.subject.mechanics(conserves_momentum=True).degrees_of_freedom
        return BOLTZMANN * self.settings.temperature * degrees
