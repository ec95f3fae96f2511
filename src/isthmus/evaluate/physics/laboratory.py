"""Runs that several checks share: each is made once, when the first check asks for it.

| run | what it is |
|---|---|
| `start` | the structure at its minimum; in a box, where no atoms clash |
| `canonical` | Langevin dynamics of replicas at all temperatures at once |
| `newton` | constant energy from where those at the first temperature ended |

Runs are made by our own engine, or by another one. Ours runs constant energy in float32 with
compensated sums. The energies that are then compared are those of the float64 surface at the same
positions: rounding of the energy itself is not dynamics.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from jaxtyping import Float

from isthmus.evaluate.physics.engine import Engine
from isthmus.evaluate.physics.motion import Motion, joined, run
from isthmus.evaluate.physics.settings import Settings
from isthmus.evaluate.physics.subject import Subject
from isthmus.simulate.integrators.langevin import Langevin
from isthmus.simulate.integrators.verlet import VelocityVerlet
from isthmus.simulate.minimise.minimise import minimise
from isthmus.units import BOLTZMANN

__all__ = ["Laboratory"]

FRICTION: Final = 5.0
"""[1/ps]"""

SAMPLING_STEP: Final = 0.001
"""Time step of Langevin dynamics [ps]"""

RECORD: Final = 0.1
"""Time between records of Langevin dynamics [ps]"""

_FEW: Final = 4
"""Replicas at each temperature of an engine that runs them one by one"""

_TOLERANCE: Final = 5.0
"""Longest force at a minimum [kJ/mol/nm]"""

_TOLERANCE_IN_BOX: Final = 50.0
"""Longest force from which dynamics in a box is started, as by `isthmus md` [kJ/mol/nm]"""


@dataclass(frozen=True, eq=False)
class Laboratory:
    """A subject, sizes, and the runs that checks share.

    Attributes:
        subject: what is checked.
        settings: sizes.
        heed: is told which share of a long run is done.
        engine: what moves the atoms; None for our own.
    """

    subject: Subject
    settings: Settings
    heed: Callable[[float], None] | None = None
    engine: Engine | None = None

    @cached_property
    def start(self) -> Float[np.ndarray, "atoms 3"]:
        """The structure, minimised in float64 [nm]; in a box only until it can be started from."""
        return self.minimum(self.subject.positions)

    def minimum(self, positions: Float[np.ndarray, "atoms 3"]) -> Float[np.ndarray, "atoms 3"]:
        """The minimum downhill from positions [nm], in float64; near it where there is a box."""
        subject, quick = self.subject, self.settings.quick
        crowded = subject.is_periodic
        found = minimise(
            subject.double,
            positions,
            box=subject.box if crowded else None,
            tolerance=_TOLERANCE_IN_BOX if crowded else _TOLERANCE,
            max_steps=(100 if quick else 500) if crowded else (1000 if quick else 5000),
            constraints=subject.constraints,
        )
        return np.asarray(found.positions)

    @property
    def n_replicas(self) -> int:
        """At each temperature."""
        most = self.settings.replicas(self.subject.n_atoms, batched=self.batched)
        return most if self.engine is None else min(most, _FEW)

    @property
    def batched(self) -> bool:
        """Whether replicas can be run together."""
        return not self.subject.single.needs_neighbours

    @property
    def arithmetic(self) -> str:
        """What moves the atoms at constant energy, in words."""
        return "float32 with compensated sums" if self.engine is None else self.engine.name

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
        if self.engine is not None:
            return joined([self._by_engine(t, n_steps // every, every) for t in self.temperatures])
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

    def _by_engine(self, temperature: float, n_records: int, every: int) -> Motion:
        """Langevin dynamics by another engine."""
        assert self.engine is not None
        return self.engine.move(
            np.repeat(self.start[None], self.n_replicas, axis=0),
            self.subject.mechanics(),
            temperature=temperature,
            friction=FRICTION,
            timestep=SAMPLING_STEP,
            n_records=n_records,
            every=every,
            seed=self.settings.seed + 3,
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
        if self.engine is not None:
            return self.engine.move(
                self.newton_starts,
                mechanics,
                temperature=self.settings.temperature,
                friction=None,
                timestep=timestep,
                n_records=n_records,
                every=every,
                seed=self.settings.seed + 4,
                heed=self.heed,
            )
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
