"""Langevin dynamics of a rival that is called step by step: for as long as its time allows.

B (v + dt F/m), A (x + dt v / 2), O (friction and noise), A, as `simulate.integrators.langevin`
("middle"), one molecule from one frame at each temperature, where the time of an entrant is enough
for half a picosecond of each.
"""

import time
from collections.abc import Callable
from typing import Final

import numpy as np
from jaxtyping import Float

from isthmus.data.entry import Entry
from isthmus.evaluate.physics.motion import Motion
from isthmus.race.course import coldest
from isthmus.race.motion import FRICTION, RECORD, TIMESTEP, judged_run
from isthmus.race.record import Stability
from isthmus.race.rivals.caller import Caller, RivalError
from isthmus.race.settings import RaceSettings
from isthmus.simulate.mechanics import Mechanics
from isthmus.units import BOLTZMANN

__all__ = ["called_stability"]

_SHORTEST: Final = 0.5
"""Run that is worth making [ps]"""


def called_stability(
    caller: Caller,
    entry: Entry,
    test: str,
    settings: RaceSettings,
    *,
    heed: Callable[[float], None],
) -> tuple[Stability, ...]:
    """How long a molecule holds at each temperature; nothing where calls take too long.

    Args:
        caller: the rival.
        entry: the molecule, which starts from its frame of the lowest energy.
        test: name of its test set.
        settings: lengths and temperatures.
        heed: is told which share is done.
    """
    start = coldest(entry)
    each = settings.run_seconds / len(settings.temperatures)
    once = min(caller.seconds(entry, start[None], 1) for _ in range(2))
    if once * _SHORTEST / TIMESTEP > each:
        return ()
    found = []
    for number, temperature in enumerate(settings.temperatures):
        share = number / len(settings.temperatures)
        motion, ended = _run(
            caller,
            entry,
            start,
            temperature,
            wanted=settings.stability_ps,
            seconds=each,
            heed=lambda x, s=share: heed(s + x / len(settings.temperatures)),
        )
        found.append(judged_run(entry, test, temperature, motion, settings, ended=ended))
    return tuple(found)


def _run(
    caller: Caller,
    entry: Entry,
    start: Float[np.ndarray, "atoms 3"],
    temperature: float,
    *,
    wanted: float,
    seconds: float,
    heed: Callable[[float], None],
) -> tuple[Motion, str | None]:
    """Records of a run, and what ended it where the rival gave no forces."""
    rng = np.random.default_rng(0)
    mechanics = Mechanics.create(np.asarray(entry.topology.masses))
    masses = np.asarray(mechanics.masses)[:, None]
    spread = np.sqrt(BOLTZMANN * temperature / masses)
    kept = np.exp(-FRICTION * TIMESTEP)
    x, v, energy = start.copy(), spread * rng.standard_normal(start.shape), 0.0
    every, records, ended = round(RECORD / TIMESTEP), [], None
    begin = time.monotonic()
    for step in range(1, round(wanted / TIMESTEP) + 1):
        try:
            energies, forces = caller.evaluate(entry, x[None])
        except RivalError as error:
            ended = str(error)
            records.append((step * TIMESTEP, energy, x.copy(), v.copy()))
            break
        energy = float(energies[0])
        v = v + TIMESTEP * forces[0] / masses
        x = x + 0.5 * TIMESTEP * v
        v = kept * v + np.sqrt(1 - kept**2) * spread * rng.standard_normal(x.shape)
        x = x + 0.5 * TIMESTEP * v
        late = time.monotonic() - begin > seconds
        if step % every == 0 or late:
            records.append((step * TIMESTEP, energy, x.copy(), v.copy()))
            heed(max(step * TIMESTEP / wanted, min((time.monotonic() - begin) / seconds, 1.0)))
        if late:
            break
    velocities = np.array([record[3] for record in records])
    return Motion(
        np.array([record[0] for record in records]),
        np.array([[record[1]] for record in records]),
        0.5 * (masses * velocities**2).sum(axis=(1, 2))[:, None],
        np.array([record[2] for record in records])[:, None],
        velocities[:, None],
        mechanics,
        TIMESTEP,
        None,
    ), ended
