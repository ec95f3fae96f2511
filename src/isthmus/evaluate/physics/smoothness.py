"""Scans of bonds, angles and torsions: no jumps of energy or force, one minimum along a bond.

Follows the Bond Smoothness Characterization Test (BSCT, arXiv 2602.04861), which drives bonds
between rigid fragments from compressed to far stretched. Its number, the force smoothness
deviation, compares with DFT along the same scan; without such a reference we ask what it was
made to find: discontinuities, artificial minima, spurious forces.

Jumps: each scan is laid out on a grid. The intervals that stick out by their second differences
are halved, again and again, always on the side that changes more, down to a width at which a
smooth surface no longer changes. What difference is left of energy (less its slope times the
width) and of force is a jump.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float, Int

from isthmus.evaluate.physics.check import Check, Line, Panel, judged, not_applicable
from isthmus.evaluate.physics.scans import Scan, scans_of
from isthmus.evaluate.physics.settings import Settings
from isthmus.evaluate.physics.subject import Subject, evaluate_frames
from isthmus.units import DEGREE, KILOCALORIE
from isthmus.words import counted

__all__ = ["GROUP", "Profile", "check_smoothness", "profiles_of"]

GROUP: Final = "smoothness"
_SOURCE: Final = "BSCT (arXiv 2602.04861)"
_ENERGY_JUMP: Final = 1e-4
"""[kJ/mol]; rounding in float64 leaves 1e-9"""

_FORCE_JUMP: Final = 1e-2
"""Of the force along the scan [kJ/mol per nm or rad]; rounding leaves 1e-6"""

_SUSPECTS: Final = 3
_HALVINGS: Final = 26
_SHOWN: Final = 6


@dataclass(frozen=True, eq=False)
class Profile:
    """Energy and force along one scan.

    Attributes:
        scan: what was driven.
        values: of the coordinate [nm or rad].
        energies: [kJ/mol].
        forces: −dE/dq [kJ/mol per nm or rad].
    """

    scan: Scan
    values: Float[np.ndarray, " points"]
    energies: Float[np.ndarray, " points"]
    forces: Float[np.ndarray, " points"]

    @property
    def n_minima(self) -> int:
        """Places where the force turns from pushing up to pushing down."""
        signs = np.sign(self.forces)
        signs = signs[signs != 0]
        return int(np.sum((signs[:-1] > 0) & (signs[1:] < 0)))

    @property
    def n_flips(self) -> int:
        """Changes of sign of the force."""
        signs = np.sign(self.forces)
        signs = signs[signs != 0]
        return int(np.sum(signs[:-1] != signs[1:]))


def check_smoothness(subject: Subject, settings: Settings) -> list[Check]:
    """Minima along bonds, jumps of energy and of force along all scans."""
    names = ("one minimum along each bond", "jumps of energy", "jumps of force")
    if subject.is_periodic:
        why = "a scan would drive atoms into their surroundings"
        return [not_applicable(GROUP, name, why) for name in names]
    scans = scans_of(
        subject.molecule.topology,
        subject.positions,
        most=12 if settings.quick else 40,
        seed=settings.seed,
    )
    points = {"bond": 131, "angle": 61, "torsion": 121}
    profiles = {kind: profiles_of(subject, scans[kind], points[kind]) for kind in scans}
    every = [profile for kind in profiles for profile in profiles[kind]]
    if not every:
        why = "all bonds are in rings, or there is none"
        return [not_applicable(GROUP, name, why) for name in names]
    return [
        _minima(profiles["bond"], _panels(profiles)),
        *_jumps(subject, every),
    ]


def profiles_of(subject: Subject, scans: Sequence[Scan], n_points: int) -> list[Profile]:
    """Energies and forces along scans, in float64."""
    grids = [np.linspace(scan.low, scan.high, n_points) for scan in scans]
    if not scans:
        return []
    energies, forces = _along(subject, scans, np.array(grids))
    return [Profile(*row) for row in zip(scans, grids, energies, forces, strict=True)]


def _along(
    subject: Subject, scans: Sequence[Scan], values: Float[np.ndarray, "scans points"]
) -> tuple[Float[np.ndarray, "scans points"], Float[np.ndarray, "scans points"]]:
    placed = [scan.place(row) for scan, row in zip(scans, values, strict=True)]
    frames = np.concatenate([frames for frames, _ in placed])
    slopes = np.concatenate([slopes for _, slopes in placed])
    energies, forces = evaluate_frames(subject.double, frames, subject.box)
    along = (forces * slopes).sum(axis=(1, 2))
    return energies.reshape(values.shape), along.reshape(values.shape)


def _minima(bonds: Sequence[Profile], panels: tuple[Panel, ...]) -> Check:
    name = "one minimum along each bond"
    if not bonds:
        return not_applicable(GROUP, name, "all bonds are in rings")
    wrong = [profile for profile in bonds if profile.n_minima != 1 or profile.n_flips != 1]
    note = f"{counted(len(bonds), 'bond')}, 0.7 to 2 times their length"
    if wrong:
        first = wrong[0]
        note += f"; {first.scan.name}: {first.n_minima} minima, {first.n_flips} changes of sign"
    # Bonds that are wrong are shown first
    return judged(
        GROUP,
        name,
        float(len(wrong)),
        threshold=0.0,
        unit=f"of {counted(len(bonds), 'bond')} wrong",
        source=_SOURCE,
        note=note,
        panels=panels,
    )


def _jumps(subject: Subject, profiles: Sequence[Profile]) -> list[Check]:
    rows = [(p, k) for p in profiles for k in _suspects(p)]
    scans = [profile.scan for profile, _ in rows]
    low = np.array([profile.values[k] for profile, k in rows])
    high = np.array([profile.values[k + 1] for profile, k in rows])
    energies, forces = _along(subject, scans, np.stack([low, high], axis=1))
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        energy, force = _along(subject, scans, middle[:, None])
        left = _change(low, middle, energies[:, :1], energy, forces[:, :1], force)
        right = _change(middle, high, energy, energies[:, 1:], force, forces[:, 1:])
        first = (left >= right)[:, None]
        low, high = np.where(first[:, 0], low, middle), np.where(first[:, 0], middle, high)
        energies = np.where(
            first, np.hstack([energies[:, :1], energy]), np.hstack([energy, energies[:, 1:]])
        )
        forces = np.where(
            first, np.hstack([forces[:, :1], force]), np.hstack([force, forces[:, 1:]])
        )
    slope = 0.5 * forces.sum(axis=1)
    of_energy = np.abs(np.diff(energies)[:, 0] + slope * (high - low))
    # What rounding leaves in numbers of this size is no jump
    of_energy = np.where(of_energy > 1e-12 * np.abs(energies).max(axis=1), of_energy, 0.0)
    of_force = np.abs(np.diff(forces)[:, 0])
    of_force = np.where(of_force > 1e-7 * np.abs(forces).max(axis=1), of_force, 0.0)
    return [
        _judged_jump("jumps of energy", of_energy, _ENERGY_JUMP, "kJ/mol", scans, low, profiles),
        _judged_jump(
            "jumps of force", of_force, _FORCE_JUMP, "kJ/mol/nm (or rad)", scans, low, profiles
        ),
    ]


def _change(
    low: np.ndarray,
    high: np.ndarray,
    e0: np.ndarray,
    e1: np.ndarray,
    f0: np.ndarray,
    f1: np.ndarray,
) -> Float[np.ndarray, " rows"]:
    """How much an interval changes beyond a straight line."""
    width = (high - low)[:, None]
    bent = np.abs(e1 - e0 + 0.5 * (f0 + f1) * width)
    return (bent / _ENERGY_JUMP + np.abs(f1 - f0) / _FORCE_JUMP)[:, 0]


def _suspects(profile: Profile) -> Int[np.ndarray, " suspects"]:
    """Intervals in which something may jump: those that stick out from their neighbours."""
    width = np.diff(profile.values)
    mean = 0.5 * (profile.forces[1:] + profile.forces[:-1])
    found: list[int] = []
    for change in (
        np.abs(np.diff(profile.energies) + mean * width),
        np.abs(np.diff(profile.forces)),
    ):
        padded = np.concatenate([change[2:0:-1], change, change[-2:-4:-1]])
        around = np.stack([padded[k : k + len(change)] for k in (0, 1, 3, 4)])
        spike = change / (np.median(around, axis=0) + 1e-9 * change.max(initial=1e-12))
        found += np.argsort(spike)[-_SUSPECTS:].tolist()
        found.append(int(np.argmax(change)))
    return np.unique(found)


def _judged_jump(
    name: str,
    jumps: Float[np.ndarray, " rows"],
    threshold: float,
    unit: str,
    scans: Sequence[Scan],
    low: Float[np.ndarray, " rows"],
    profiles: Sequence[Profile],
) -> Check:
    worst = int(np.argmax(jumps))
    note = counted(len(profiles), "scan")
    if jumps[worst] > threshold:
        scan, place = scans[worst], float(low[worst])
        shown = f"{place:.4f} nm" if scan.kind == "bond" else f"{place / DEGREE:.1f}°"
        note += f"; {scan.name} at {shown}"
    return judged(
        GROUP, name, float(jumps[worst]), threshold=threshold, unit=unit, source=_SOURCE, note=note
    )


def _panels(profiles: dict[str, list[Profile]]) -> tuple[Panel, ...]:
    units = {"bond": "length [nm]", "angle": "angle [degree]", "torsion": "turned by [degree]"}
    panels = []
    for kind, found in profiles.items():
        if not found:
            continue
        # Those with more than one minimum come first
        shown = sorted(found, key=lambda p: p.n_minima == 1 or kind == "torsion")[:_SHOWN]
        size = 1.0 if kind == "bond" else DEGREE
        lines = tuple(
            Line(
                (p.values - (p.scan.start if kind == "torsion" else 0.0)) / size,
                (p.energies - p.energies.min()) / KILOCALORIE,
                p.scan.name.partition(" ")[2],
            )
            for p in shown
        )
        panels.append(
            Panel(
                f"Rigid scans: {kind}s",
                units[kind],
                "energy [kcal/mol]",
                lines,
                about_zero=10.0,
            )
        )
    return tuple(panels)
