"""Dynamics of an entrant: how long it holds, and how its energy drifts.

Replicas start from frames of the test set, run together, and end when their time is over, all of
them broke, or the clock of the entrant has run out. A replica has broken as in
`isthmus.evaluate.physics.stability`, or where its kinetic temperature is further from that of
the bath than ten of its standard deviations, T √(2/f), once the strain of the start is gone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float

from isthmus.data.entry import Entry
from isthmus.evaluate.physics.conservation import shadow_energies
from isthmus.evaluate.physics.motion import Motion
from isthmus.evaluate.physics.stability import Break, first_break
from isthmus.evaluate.physics.statistics import slope_of
from isthmus.forcefield.potential import Potential
from isthmus.race.course import coldest
from isthmus.race.moving import moved
from isthmus.race.record import Estimate, Stability
from isthmus.race.settings import RaceSettings
from isthmus.simulate.integrators.langevin import Langevin
from isthmus.simulate.integrators.verlet import VelocityVerlet
from isthmus.simulate.mechanics import Mechanics, mechanics_of
from isthmus.units import BOLTZMANN

__all__ = ["FRICTION", "RECORD", "TIMESTEP", "Ran", "drift_of", "judged_run", "stability_of"]

FRICTION: Final = 5.0
"""[1/ps]"""

TIMESTEP: Final = 0.001
"""Of Langevin dynamics [ps]"""

NEWTON: Final = 0.0005
"""Time step at constant energy [ps]"""

RECORD: Final = 0.1
"""Time between records of Langevin dynamics [ps]"""

_NEWTON_RECORD: Final = 20
"""Steps between records at constant energy"""

_SHORTEST: Final = 0.5
"""Run from which a drift is told [ps]"""

_FAR: Final = 10.0
_RELAXED: Final = 0.5
"""Time after which a start no longer heats the molecule: several times 1/friction [ps]"""


@dataclass(frozen=True, eq=False)
class Ran:
    """Results of Langevin dynamics; `ends` are whole replicas of the first temperature [nm]."""

    stability: tuple[Stability, ...]
    ends: Float[np.ndarray, "replicas atoms 3"]


def stability_of(
    potential: Potential,
    entry: Entry,
    test: str,
    settings: RaceSettings,
    *,
    heed: Callable[[float], None],
) -> Ran:
    """Langevin dynamics at each temperature, from several frames.

    Args:
        potential: of the molecule, in float32.
        entry: with the frames to start from.
        test: name of its test set.
        settings: lengths and temperatures.
        heed: is told which share is done; what it raises ends the run.
    """
    frames = np.linspace(0, entry.n_frames - 1, settings.starts).astype(int)
    starts = entry.positions[np.unique(frames)]
    if potential.needs_neighbours:
        starts = starts[:1]
    mechanics = mechanics_of(potential)
    together = not potential.needs_neighbours
    groups = [settings.temperatures] if together else [(t,) for t in settings.temperatures]
    found: list[tuple[float, Motion]] = []
    for number, temperatures in enumerate(groups):
        motion = _langevin(
            potential,
            mechanics,
            starts,
            temperatures,
            entry.box,
            wanted=round(settings.stability_ps / RECORD),
            seconds=settings.run_seconds / len(groups),
            reference=coldest(entry),
            entry=entry,
            heed=lambda share, n=number: heed((n + share) / len(groups)),
        )
        for place, temperature in enumerate(temperatures):
            rows = slice(place * len(starts), (place + 1) * len(starts))
            found.append((temperature, motion.of(rows)))
    records = tuple(
        judged_run(entry, test, temperature, motion, settings) for temperature, motion in found
    )
    first = found[0][1]
    whole = _whole(entry, first, found[0][0])
    return Ran(records, first.positions[-1][whole])


def drift_of(
    single: Potential,
    double: Potential,
    starts: Float[np.ndarray, "replicas atoms 3"],
    settings: RaceSettings,
    *,
    box: Float[np.ndarray, "3 3"] | None,
    heed: Callable[[float], None],
) -> Estimate | None:
    """Drift of the energy at constant energy [kT/ns per degree of freedom]; None if too short.

    Args:
        single: what moves the atoms, in float32.
        double: the same in float64, which says the energies.
        starts: where replicas start [nm].
        settings: length, first temperature.
        box: cell vectors [nm], or None.
        heed: is told which share is done.
    """
    if not len(starts):
        return None
    mechanics = mechanics_of(single, conserves_momentum=True)
    temperature = settings.temperatures[0]
    integrator = VelocityVerlet(single, mechanics, timestep=NEWTON, accumulation="compensated")
    motion = moved(
        integrator,
        mechanics,
        starts,
        temperature=temperature,
        wanted=round(settings.drift_ps / NEWTON / _NEWTON_RECORD),
        every=_NEWTON_RECORD,
        seconds=settings.run_seconds,
        box=box,
        heed=heed,
    )
    if not motion.finite.all() or motion.times[-1] < _SHORTEST or len(motion.times) < 16:
        return None
    unit = BOLTZMANN * temperature * mechanics.degrees_of_freedom
    energies = shadow_energies(double, motion) / unit
    slope = slope_of(motion.times, energies)
    value, half = 1000 * abs(slope.value), 1960 * slope.error
    return Estimate(value=value, low=max(value - half, 0.0), high=value + half)


def _langevin(
    potential: Potential,
    mechanics: Mechanics,
    starts: np.ndarray,
    temperatures: Sequence[float],
    box: np.ndarray | None,
    *,
    wanted: int,
    seconds: float,
    reference: np.ndarray,
    entry: Entry,
    heed: Callable[[float], None],
) -> Motion:
    each = np.repeat(temperatures, len(starts))
    integrator = Langevin(
        potential,
        mechanics,
        timestep=TIMESTEP,
        temperature=each if len(each) > 1 else each[0],
        friction=FRICTION,
        accumulation="compensated",
    )

    def broken(motion: Motion) -> bool:
        found = first_break(entry.topology, reference, motion)
        return found is not None and found.n_replicas == len(each)

    return moved(
        integrator,
        mechanics,
        np.tile(starts, (len(temperatures), 1, 1)),
        temperature=temperatures[0],
        wanted=wanted,
        every=round(RECORD / TIMESTEP),
        seconds=seconds,
        box=box,
        heed=heed,
        over=broken,
    )


def judged_run(
    entry: Entry,
    test: str,
    temperature: float,
    motion: Motion,
    settings: RaceSettings,
    *,
    ended: str | None = None,
) -> Stability:
    """How long all replicas of a run held.

    Args:
        entry: the molecule.
        test: name of its test set.
        temperature: of the bath [K].
        motion: what happened.
        settings: the length that was wanted.
        ended: what ended the run at its last record, if something did.
    """
    found = first_break(entry.topology, coldest(entry), motion)
    heated = _heated(motion, temperature)
    if heated is not None and (found is None or heated.time < found.time):
        found = heated
    n = motion.potential.shape[1]
    text = ended if found is None else found.what
    if found is not None and n > 1:
        text = f"{text}; {found.n_replicas} of {n} replicas broke"
    return Stability(
        test=test,
        molecule=entry.name,
        temperature=temperature,
        ps=float(motion.times[-1] if found is None else found.time),
        wanted_ps=settings.stability_ps,
        broken=text,
        n_replicas=n,
    )


def _heated(motion: Motion, temperature: float) -> Break | None:
    """The first record in which a replica is far hotter than the bath."""
    degrees = motion.mechanics.degrees_of_freedom
    kelvin = 2 * motion.kinetic / (degrees * BOLTZMANN)
    hot = kelvin > temperature * (1 + _FAR * np.sqrt(2 / degrees))
    hot &= motion.times[:, None] > _RELAXED
    if not hot.any():
        return None
    record, replica = (int(k) for k in np.argwhere(hot)[0])
    what = f"a temperature of {kelvin[record, replica]:.0f} K"
    return Break(float(motion.times[record]), what, int(hot.any(axis=0).sum()))


def _whole(entry: Entry, motion: Motion, temperature: float) -> np.ndarray:
    """Which replicas neither broke nor were heated."""
    rows = range(motion.potential.shape[1])
    parts = [motion.of(slice(k, k + 1)) for k in rows]
    reference = coldest(entry)
    return np.array(
        [
            first_break(entry.topology, reference, part) is None
            and _heated(part, temperature) is None
            for part in parts
        ],
        dtype=bool,
    )
