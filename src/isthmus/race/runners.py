"""Entrants ready to be measured: force fields of our engines, and rivals that are called."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from isthmus.data.entry import Entry
from isthmus.evaluate.physics.subject import evaluate_frames
from isthmus.evaluate.predict import predict
from isthmus.forcefield.forcefield import ForceField
from isthmus.forcefield.potential import Potential
from isthmus.race.accuracy import called, errors_of, over_seeds
from isthmus.race.called_motion import called_stability
from isthmus.race.cost import Contender, by_calls, by_openmm, by_us
from isthmus.race.course import TestSet, coldest
from isthmus.race.motion import drift_of, stability_of
from isthmus.race.record import Errors, Estimate, Scan, Stability
from isthmus.race.rivals.caller import Caller, RivalError
from isthmus.race.settings import RaceSettings
from isthmus.race.smoothness import scanned

__all__ = ["CalledRunner", "OurRunner", "Runner"]

Heed = Callable[[float], None]


@dataclass(frozen=True, eq=False)
class OurRunner:
    """Force fields that our engines run: one for each seed; motion and cost are of the first."""

    force_fields: tuple[ForceField, ...]
    _bound: dict[tuple[str, str], Potential] = field(default_factory=dict, init=False)

    def _potential(self, entry: Entry, precision: str) -> Potential:
        """Of the first force field; the same whenever it is asked for."""
        key = (entry.name, precision)
        if key not in self._bound:
            bound = self.force_fields[0].bind(entry.topology, precision=precision, box=entry.box)
            self._bound[key] = bound
        return self._bound[key]

    def errors(self, test: TestSet, heed: Heed) -> Errors:
        """On a test set."""
        total = max(len(self.force_fields) * test.record.n_frames, 1)
        done = 0

        def count(frames: int) -> None:
            nonlocal done
            done += frames
            heed(done / total)

        found = [
            errors_of(test.entries, predict(one, test.entries, progress=count))
            for one in self.force_fields
        ]
        return over_seeds(found)

    def motion(
        self, test: TestSet, entry: Entry, settings: RaceSettings, heed: Heed
    ) -> tuple[tuple[Stability, ...], Estimate | None]:
        """Stability and drift."""
        single, double = (self._potential(entry, p) for p in ("float32", "float64"))
        ran = stability_of(single, entry, test.name, settings, heed=lambda x: heed(0.7 * x))
        drift = drift_of(
            single, double, ran.ends, settings, box=entry.box, heed=lambda x: heed(0.7 + 0.3 * x)
        )
        return ran.stability, drift

    def scans(self, entry: Entry, settings: RaceSettings, heed: Heed) -> tuple[Scan, ...]:
        """Energies along rigid scans."""
        double = self._potential(entry, "float64")
        start = coldest(entry)
        return scanned(entry, start, lambda x: evaluate_frames(double, x)[0], settings, heed=heed)

    def contenders(self, name: str, entry: Entry, batch: int) -> list[Callable[[], Contender]]:
        """What makes each that is to be timed: ours, alone and many, and OpenMM."""
        force_field, start = self.force_fields[0], coldest(entry)

        def ours(batch: int) -> Contender:
            return by_us(name, self._potential(entry, "float32"), entry, start, batch=batch)

        makers = [lambda: ours(1)]
        if entry.box is None and batch > 1:
            makers.append(lambda: ours(batch))
        if not force_field.design.networks:
            # Networks over neighbours are not among the formulas that OpenMM has
            makers.append(lambda: by_openmm(name, force_field, entry, start))
        return makers

    def close(self) -> None:
        """Nothing to give back."""


@dataclass(frozen=True, eq=False)
class CalledRunner:
    """A rival that is called with positions."""

    caller: Caller

    def errors(self, test: TestSet, heed: Heed) -> Errors:
        """On a test set."""
        total, done = max(test.record.n_frames, 1), 0

        def count(frames: int) -> None:
            nonlocal done
            done += frames
            heed(done / total)

        return errors_of(test.entries, called(self.caller, test.entries, count))

    def motion(
        self, test: TestSet, entry: Entry, settings: RaceSettings, heed: Heed
    ) -> tuple[tuple[Stability, ...], Estimate | None]:
        """Stability, where calls are quick enough; the drift is not measured."""
        if entry.box is not None:
            return (), None
        return called_stability(self.caller, entry, test.name, settings, heed=heed), None

    def scans(self, entry: Entry, settings: RaceSettings, heed: Heed) -> tuple[Scan, ...]:
        """Energies along rigid scans; none where they would take too long."""
        start = coldest(entry)
        once = self.caller.seconds(entry, start[None], 1)
        n_points = 3 * settings.scans * settings.points
        if once * n_points > settings.scan_seconds:
            return ()

        def energies(frames: np.ndarray) -> np.ndarray:
            return np.concatenate([self._energy(entry, frame) for frame in frames])

        return scanned(entry, start, energies, settings, heed=heed)

    def _energy(self, entry: Entry, frame: np.ndarray) -> np.ndarray:
        """Of one frame; not a number where the rival has none, such as where atoms clash."""
        try:
            return self.caller.evaluate(entry, frame[None])[0]
        except RivalError:
            return np.full(1, np.nan)

    def contenders(self, name: str, entry: Entry, batch: int) -> list[Callable[[], Contender]]:
        """What makes the one that is to be timed."""
        del batch
        return [lambda: by_calls(name, self.caller, entry, coldest(entry))]

    def close(self) -> None:
        """Give back what the rival holds."""
        self.caller.close()


Runner = OurRunner | CalledRunner
