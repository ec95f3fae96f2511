"""Replicas that move until their time is over, by the clock of the run or that of the wall."""

import time
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float

from isthmus.evaluate.physics.motion import Motion
from isthmus.simulate.jax_engine import JaxEngine
from isthmus.simulate.mechanics import Mechanics
from isthmus.simulate.record import Record
from isthmus.simulate.state import Integrator

__all__ = ["moved"]

Box = Float[np.ndarray, "3 3"] | None


def moved(
    integrator: Integrator,
    mechanics: Mechanics,
    positions: Float[np.ndarray, "replicas atoms 3"],
    *,
    temperature: float,
    wanted: int,
    every: int,
    seconds: float,
    box: Box,
    heed: Callable[[float], None],
    over: Callable[[Motion], bool] = lambda _motion: False,
) -> Motion:
    """Records of a run.

    Args:
        integrator: what moves the replicas.
        mechanics: its masses.
        positions: where they start [nm].
        temperature: of the first velocities [K].
        wanted: records.
        every: steps between records.
        seconds: after which the run ends, whatever is wanted; compilation is not counted.
        box: cell vectors [nm], or None.
        heed: is told which share is done; what it raises ends the run.
        over: whether a record shows that the run need not go on.
    """
    engine = JaxEngine(integrator, mechanics, positions, temperature=temperature, seed=0, box=box)
    timestep = float(np.asarray(integrator.timestep))
    records = []
    begin = time.monotonic()
    while len(records) < wanted:
        engine.advance(every)
        records.append(engine.record())
        if len(records) == 1:
            # The first call compiles
            begin = time.monotonic()
        heed(max(len(records) / wanted, min((time.monotonic() - begin) / seconds, 1.0)))
        last = _motion(records[-1:], mechanics, timestep, box)
        if time.monotonic() - begin > seconds or engine.failure is not None or over(last):
            break
    return _motion(records, mechanics, timestep, box)


def _motion(records: Sequence[Record], mechanics: Mechanics, timestep: float, box: Box) -> Motion:
    return Motion(
        np.array([record.time for record in records]),
        np.array([record.potential for record in records]),
        np.array([record.kinetic for record in records]),
        np.array([record.positions for record in records], dtype=np.float64),
        np.array([record.velocities for record in records], dtype=np.float64),
        mechanics,
        timestep,
        box,
    )
