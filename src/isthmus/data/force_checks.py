"""Judges the pooled statistics of forces: gradient, sign, unit, balance."""

from collections.abc import Iterator, Sequence

import numpy as np

from isthmus.data.finding import Finding, Severity
from isthmus.data.force_statistics import ForceStatistics, Moments
from isthmus.units import ANGSTROM, BOHR, ELECTRONVOLT, HARTREE, KILOCALORIE

__all__ = ["check_forces"]

_FEWEST = 8
"""Samples below which nothing is concluded"""

_UNBALANCED = 0.1
"""Typical total force or torque, relative to the forces; data of quantum chemistry have < 0.005"""

_CORRELATED = 0.5
_SLOPES = (0.5, 1.6)
"""Change of energy over work of the forces; 0.7 to 1.01 in data that are right"""

_LEAST_STRETCH = 0.0005
"""Root mean square stretch of X-H bonds [nm] from which on their stiffness is meaningful"""

_STIFFNESS = (1.7e5, 5.5e5)
"""Of X-H bonds [kJ/mol/nm²]; 2.7e5 to 3.4e5 in data that are right"""

_USUAL_STIFFNESS = 3.1e5

_CLOSE = 0.35
"""Logarithm of how far a factor may be from the ratio of two units that it suggests"""

_FACTORS = {
    "hartree and kcal/mol": HARTREE / KILOCALORIE,
    "hartree and eV": HARTREE / ELECTRONVOLT,
    "hartree and kJ/mol": HARTREE,
    "eV and kcal/mol": ELECTRONVOLT / KILOCALORIE,
    "eV and kJ/mol": ELECTRONVOLT,
    "kcal/mol and kJ/mol": KILOCALORIE,
    "Å and bohr": ANGSTROM / BOHR,
    "nm and Å": 1 / ANGSTROM,
}


def check_forces(statistics: Sequence[ForceStatistics]) -> Iterator[Finding]:
    """Findings about the forces of a dataset, from the statistics of its molecules."""
    yield from _check_balance(statistics)
    work = sum((one.work for one in statistics), Moments())
    stiffness = sum((one.stiffness for one in statistics), Moments())
    by_work = work.correlation if work.n >= _FEWEST and work.xx and work.yy else None
    by_stretch = None
    if stiffness.n >= _FEWEST and (stiffness.xx / stiffness.n) ** 0.5 >= _LEAST_STRETCH:
        by_stretch = stiffness.correlation
    negative = [r for r in (by_work, by_stretch) if r is not None and r < -_CORRELATED]
    if negative:
        text = (
            "the forces have the wrong sign: "
            + ("energies rise along them" if negative[0] is by_work else "they lengthen long bonds")
            + f" (correlation {negative[0]:.2f}); gradients were taken for forces, change the sign"
        )
        yield Finding("forces-sign", Severity.ERROR, text)
        return
    if by_work is not None and by_work < _CORRELATED:
        text = (
            f"the forces are not the gradient of the energies: between {work.n} pairs of similar "
            f"frames, work of the forces and change of energy correlate with {by_work:.2f}, and "
            f"more than {_CORRELATED} was wanted; are energies and forces in the same order of "
            "frames?"
        )
        yield Finding("forces-not-gradient", Severity.ERROR, text)
    elif by_work is not None:
        yield from _check_slope(work.slope)
    if by_stretch is not None and by_stretch > _CORRELATED:
        yield from _check_stiffness(stiffness.slope)


def _check_balance(statistics: Sequence[ForceStatistics]) -> Iterator[Finding]:
    for field, name, what in (
        ("net_force", "net-force", "total force"),
        ("net_torque", "net-torque", "torque"),
    ):
        values = [getattr(one, field) for one in statistics]
        typical = float(np.median([value for value in values if value is not None] or [0.0]))
        if typical > _UNBALANCED:
            text = (
                f"the forces on a molecule do not cancel: its {what} is typically {typical:.2f} of "
                "what they could add up to, and 0 was wanted; do the forces belong to these "
                "positions, in the same orientation and order of atoms?"
            )
            yield Finding(name, Severity.WARNING, text)


def _check_slope(slope: float) -> Iterator[Finding]:
    if not _SLOPES[0] <= slope <= _SLOPES[1]:
        text = (
            f"energies change {slope:.3g} times as much as the work of the forces, and 1 was "
            f"wanted{_suspect(slope)}; check the units of energies, forces and lengths"
        )
        yield Finding("forces-unit", Severity.ERROR, text)


def _check_stiffness(stiffness: float) -> Iterator[Finding]:
    if not _STIFFNESS[0] <= stiffness <= _STIFFNESS[1]:
        text = (
            f"bonds to hydrogen have a stiffness of {stiffness:.3g} kJ/mol/nm², and "
            f"{_STIFFNESS[0]:.2g} to {_STIFFNESS[1]:.2g} was wanted"
            f"{_suspect(stiffness / _USUAL_STIFFNESS)}; check the units of forces and lengths"
        )
        yield Finding("forces-magnitude", Severity.WARNING, text)


def _suspect(ratio: float) -> str:
    """Which units may be mistaken for one another: those whose ratio comes close to a factor."""
    close = [
        name
        for name, factor in _FACTORS.items()
        if abs(abs(np.log(ratio)) - np.log(factor)) < _CLOSE
    ]
    return f" (are {', or '.join(close)}, mistaken for one another?)" if close else ""
