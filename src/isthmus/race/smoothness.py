"""Rigid scans of bonds, angles and torsions: the same for all entrants.

The roughness of a scan is the largest distance of a point from the cubic through its four nearest
neighbours, over points that are, with these, less than 100 kcal/mol above the lowest:

    |E(i) − (4 E(i−1) + 4 E(i+1) − E(i−2) − E(i+2)) / 6|

A smooth curve leaves its fourth derivative times the fourth power of the spacing over 6, here
about 0.001 kcal/mol; a jump leaves two thirds of itself.
"""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from jaxtyping import Float

from isthmus.data.entry import Entry
from isthmus.evaluate.physics.scans import Scan as Driven
from isthmus.evaluate.physics.scans import scans_of
from isthmus.race.record import Scan
from isthmus.race.settings import RaceSettings
from isthmus.units import ANGSTROM, DEGREE, KILOCALORIE

__all__ = ["roughness", "scanned"]

_HIGH: Final = 100.0
"""Energies above the lowest that do not count [kcal/mol]"""

_FEWEST: Final = 5

Energies = Callable[[Float[np.ndarray, "frames atoms 3"]], Float[np.ndarray, "frames"]]


def scanned(
    entry: Entry,
    start: Float[np.ndarray, "atoms 3"],
    energies: Energies,
    settings: RaceSettings,
    *,
    heed: Callable[[float], None],
) -> tuple[Scan, ...]:
    """Scans of a molecule.

    Args:
        entry: the molecule.
        start: where scans start [nm].
        energies: of the entrant [kJ/mol], at positions [nm].
        settings: how many scans and points.
        heed: is told which share is done; what it raises ends the scans.
    """
    if entry.box is not None:
        return ()
    drawn = scans_of(entry.topology, start, most=settings.scans, seed=0)
    every = [scan for kind in ("bond", "angle", "torsion") for scan in drawn[kind]]
    found = []
    for number, scan in enumerate(every):
        found.append(_one(scan, energies, settings.points))
        heed((number + 1) / len(every))
    return tuple(found)


def roughness(energies: Sequence[float]) -> float | None:
    """See the module [kcal/mol]; None with fewer than five points that count."""
    e = np.asarray(energies, dtype=np.float64)
    if len(e) < _FEWEST or not np.isfinite(e).any():
        return None
    with np.errstate(invalid="ignore"):
        cubic = (4 * e[1:-3] + 4 * e[3:-1] - e[:-4] - e[4:]) / 6
        low = e < np.nanmin(e) + _HIGH
        apart = np.abs(e[2:-2] - cubic)
    windows = np.lib.stride_tricks.sliding_window_view(low, 5).all(axis=1)
    counted = apart[windows]
    return float(counted.max()) if len(counted) else None


def _one(scan: Driven, energies: Energies, n_points: int) -> Scan:
    values = np.linspace(scan.low, scan.high, n_points)
    frames, _ = scan.place(values)
    e = np.asarray(energies(frames), dtype=np.float64) / KILOCALORIE
    e = e - np.nanmin(e) if np.isfinite(e).any() else e
    unit, size = ("Å", ANGSTROM) if scan.kind == "bond" else ("deg", DEGREE)
    return Scan(
        scan=scan.name,
        kind=scan.kind,
        x=tuple((values / size).tolist()),
        x_unit=unit,
        energy=tuple(float(one) if np.isfinite(one) else None for one in e),
        roughness=roughness(e.tolist()),
    )
