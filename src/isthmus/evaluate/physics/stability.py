"""Whether molecules stay whole in dynamics: Langevin at each temperature, many replicas.

A replica has broken where a number is not finite, or a bond is longer than `isthmus md` would bear
it (`isthmus.simulate.breakage`), measured by the minimum. Bonds are looked at in each record.
One that breaks fails. That none broke is a verdict only where replicas ran for 100 ps together, so
that rare events had their chance, and each for 10 ps, so that it left where it came from; otherwise
the check stays undecided.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from jaxtyping import Float

from isthmus.chemistry.elements import element_symbols
from isthmus.chemistry.topology import Topology
from isthmus.evaluate.physics.check import (
    UNDECIDED,
    Check,
    Line,
    Panel,
    judged,
    not_applicable,
)
from isthmus.evaluate.physics.laboratory import Laboratory
from isthmus.evaluate.physics.motion import Motion
from isthmus.simulate.breakage import longest_bonds
from isthmus.units import BOLTZMANN
from isthmus.words import counted

__all__ = ["GROUP", "Break", "check_stability", "first_break"]

GROUP: Final = "stability"
_SOURCE: Final = "mlipaudit: no X–H > 2.5 Å"
WANTED: Final = 100.0
"""Time of all replicas at one temperature below which nothing is said of those that held [ps]"""

EACH: Final = 10.0
"""The same of one replica [ps]"""


@dataclass(frozen=True)
class Break:
    """The first thing that broke.

    Attributes:
        time: of the record that shows it [ps].
        what: with its atoms, in words.
        n_replicas: that broke until the end.
    """

    time: float
    what: str
    n_replicas: int


def check_stability(laboratory: Laboratory) -> Iterator[Check]:
    """One check a temperature."""
    motion = laboratory.canonical
    n = laboratory.n_replicas
    for number, temperature in enumerate(laboratory.temperatures):
        if temperature not in laboratory.settings.temperatures:
            continue
        name = f"stability at {temperature:g} K"
        part = motion.of(slice(number * n, (number + 1) * n))
        found = first_break(laboratory.subject.molecule.topology, laboratory.start, part)
        each = float(motion.times[-1])
        total = n * each
        note = f"{counted(n, 'replica')} × {each:.3g} ps = {total:.4g} ps"
        short = total < WANTED or each < EACH
        if short:
            note += f", and a verdict needs {WANTED:g} ps in all and {EACH:g} ps of each"
        if found is not None:
            note = f"{found.what} at {found.time:.3g} ps; {note}"
        made = judged(
            GROUP,
            name,
            0.0 if found is None else float(found.n_replicas),
            threshold=0.0,
            unit=f"of {counted(n, 'replica')} broken",
            source=_SOURCE,
            note=note,
            panels=_panels(part, temperature),
        )
        yield replace(made, verdict=UNDECIDED) if short and found is None else made
    for temperature in laboratory.settings.temperatures:
        if temperature not in laboratory.temperatures:
            yield not_applicable(
                GROUP,
                f"stability at {temperature:g} K",
                "a system with a cutoff is run at the first temperature only: name this one alone",
            )


def first_break(
    topology: Topology, start: Float[np.ndarray, "atoms 3"], motion: Motion
) -> Break | None:
    """The first break of any replica; None where all are whole.

    Args:
        topology: of the molecule.
        start: with the lengths that bonds should have [nm].
        motion: what happened.
    """
    first, second = topology.bonds[:, 0], topology.bonds[:, 1]
    lengths = np.linalg.norm(_nearest(start[first] - start[second], motion.box), axis=-1)
    longest = longest_bonds(topology, lengths)
    lost: Any = ~np.isfinite(motion.positions).all(axis=3)
    apart = np.where(np.isfinite(motion.positions), motion.positions, 0.0)
    now = np.linalg.norm(_nearest(apart[:, :, first] - apart[:, :, second], motion.box), axis=-1)
    long: Any = now > longest
    broken = lost.any(axis=2) | long.any(axis=2) | ~np.isfinite(motion.potential)
    if not broken.any():
        return None
    record, replica = (int(k) for k in np.argwhere(broken)[0])
    if long[record, replica].any():
        bond = int(np.argmax(np.where(long[record, replica], now[record, replica], 0.0)))
        what = (
            f"bond {_named(topology, topology.bonds[bond])} of {now[record, replica, bond]:.3f} nm"
        )
    elif lost[record, replica].any():
        atom = np.flatnonzero(lost[record, replica])[:1]
        what = f"atom {_named(topology, atom)} has no finite position"
    else:
        what = "the energy is not finite"
    return Break(float(motion.times[record]), what, int(broken.any(axis=0).sum()))


def _nearest(apart: np.ndarray, box: np.ndarray | None) -> np.ndarray:
    if box is None:
        return apart
    return apart - np.rint(apart @ np.linalg.inv(box)) @ box


def _named(topology: Topology, atoms: np.ndarray) -> str:
    symbols = element_symbols(topology.atomic_numbers[atoms])
    return "-".join(f"{s}{a + 1}" for s, a in zip(symbols, atoms.tolist(), strict=True))


def _panels(motion: Motion, temperature: float) -> tuple[Panel, ...]:
    kelvin = 2 * motion.kinetic / (motion.mechanics.degrees_of_freedom * BOLTZMANN)
    mean = np.where(np.isfinite(kelvin), kelvin, np.nan)
    lines = (
        Line(motion.times, mean[:, 0], "one replica"),
        Line(motion.times, mean.mean(axis=1), "mean of all"),
    )
    return (
        Panel(
            f"Temperature at {temperature:g} K",
            "time [ps]",
            "temperature [K]",
            lines,
            level=temperature,
        ),
    )
