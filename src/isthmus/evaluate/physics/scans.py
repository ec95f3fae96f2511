"""Rigid scans: one bond, angle or torsion is driven, the parts on either side keep their shape.

Only what lies on one side of a bond that is in no ring is moved, so one internal coordinate of
the skeleton changes (with an angle, also the others at its centre).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float

from isthmus.chemistry.elements import element_symbols
from isthmus.chemistry.topology import Topology
from isthmus.evaluate.physics.cutting import moved_side, open_bonds
from isthmus.units import DEGREE

__all__ = ["Scan", "scans_of"]

_BEND: Final = 30.0 * DEGREE
_BEND_LIMITS: Final = (60.0 * DEGREE, 170.0 * DEGREE)
_BOND: Final = (0.7, 2.0)
"""Range of a bond scan, relative to the length that it starts from"""

Placed = tuple[Float[np.ndarray, "points atoms 3"], Float[np.ndarray, "points atoms 3"]]


@dataclass(frozen=True, eq=False)
class Scan:
    """One driven coordinate.

    Attributes:
        kind: "bond", "angle" or "torsion".
        name: kind and atoms in words.
        atoms: two, three or four of them.
        start: value of the coordinate at the start [nm or rad].
        low, high: range [nm or rad].
        place: positions (points, atoms, 3) [nm] for values of the coordinate, and their
            derivatives with respect to it.
    """

    kind: str
    name: str
    atoms: tuple[int, ...]
    start: float
    low: float
    high: float
    place: Callable[[Float[np.ndarray, " points"]], Placed]


def scans_of(
    topology: Topology, positions: Float[np.ndarray, "atoms 3"], *, most: int, seed: int
) -> dict[str, list[Scan]]:
    """Scans of bonds, angles and torsions about bonds in no ring, up to `most` of each kind.

    Args:
        topology: of one or several molecules.
        positions: where the scans start [nm].
        most: of each kind; drawn at random where there are more.
        seed: of the drawing.
    """
    rng = np.random.default_rng(seed)
    free = [tuple(bond) for bond in topology.bonds[open_bonds(topology)].tolist()]
    may_turn = set(free)
    # Drawn first: only what is driven gets arrays of all atoms
    bonds = [_bond(topology, positions, b) for b in _drawn(free, most, rng)]
    angles = [
        (int(i), int(j), int(k))
        for a, j, c in topology.clusters.angles.tolist()
        for i, k in ((a, c), (c, a))
        if (min(j, k), max(j, k)) in may_turn
    ]
    bends = [_angle(topology, positions, a) for a in _drawn(angles, most, rng)]
    about: dict[tuple[int, int], tuple[int, int, int, int]] = {}
    for torsion in topology.clusters.torsions.tolist():
        about.setdefault((torsion[1], torsion[2]), tuple(torsion))
    turning = [torsion for bond, torsion in about.items() if bond in may_turn]
    turns = [_torsion(topology, positions, t) for t in _drawn(turning, most, rng)]
    return {
        "bond": bonds,
        "angle": [bend for bend in bends if bend is not None],
        "torsion": turns,
    }


def _drawn(every: list, most: int, rng: np.random.Generator) -> list:
    if len(every) <= most:
        return every
    return [every[k] for k in np.sort(rng.choice(len(every), most, replace=False))]


def _bond(topology: Topology, x: np.ndarray, bond: tuple[int, int]) -> Scan:
    i, j = bond
    side = _side(topology, i, j)
    length = float(np.linalg.norm(x[j] - x[i]))
    along = np.where(side[:, None], (x[j] - x[i]) / length, 0.0)

    def place(values: Float[np.ndarray, " points"]) -> Placed:
        frames = x + (values - length)[:, None, None] * along
        return frames, np.broadcast_to(along, frames.shape)

    low, high = _BOND[0] * length, _BOND[1] * length
    return Scan("bond", _named(topology, "bond", bond), bond, length, low, high, place)


def _angle(topology: Topology, x: np.ndarray, atoms: tuple[int, int, int]) -> Scan | None:
    """Turns the side of the third atom in the plane; None where the angle is nearly straight."""
    i, j, k = atoms
    u, v = x[i] - x[j], x[k] - x[j]
    normal = np.cross(u, v)
    sine, cosine = np.linalg.norm(normal), u @ v
    value = float(np.arctan2(sine, cosine))
    low, high = max(value - _BEND, _BEND_LIMITS[0]), min(value + _BEND, _BEND_LIMITS[1])
    if not low < value < high:
        return None
    side = _side(topology, j, k)
    place = _turning(x, normal / sine, x[j], side, value)
    return Scan("angle", _named(topology, "angle", atoms), atoms, value, low, high, place)


def _torsion(topology: Topology, x: np.ndarray, atoms: tuple[int, int, int, int]) -> Scan:
    i, j, k, l = atoms
    axis = (x[k] - x[j]) / np.linalg.norm(x[k] - x[j])
    u, v = np.cross(x[j] - x[i], axis), np.cross(axis, x[l] - x[k])
    value = float(np.arctan2(np.cross(u, v) @ axis, u @ v))
    place = _turning(x, axis, x[j], _side(topology, j, k), value)
    low, high = value - np.pi, value + np.pi
    return Scan("torsion", _named(topology, "torsion", atoms), atoms, value, low, high, place)


def _side(topology: Topology, j: int, k: int) -> Bool[np.ndarray, " atoms"]:
    """Atoms on the side of k of the bond j-k, which is in no ring."""
    side = moved_side(topology, j, k)
    assert side is not None
    return side


def _turning(
    x: np.ndarray, axis: np.ndarray, origin: np.ndarray, side: np.ndarray, start: float
) -> Callable[[Float[np.ndarray, " points"]], Placed]:
    """Rotation of some atoms about an axis (Rodrigues)."""
    arm = x - origin
    along = (arm @ axis)[:, None] * axis
    across, third = arm - along, np.cross(axis, arm)

    def place(values: Float[np.ndarray, " points"]) -> Placed:
        angle = (values - start)[:, None, None]
        turned = origin + along + np.cos(angle) * across + np.sin(angle) * third
        slope = np.cos(angle) * third - np.sin(angle) * across
        moved = side[:, None]
        return np.where(moved, turned, x), np.where(moved, slope, 0.0)

    return place


def _named(topology: Topology, kind: str, atoms: tuple[int, ...]) -> str:
    symbols = element_symbols(topology.atomic_numbers[list(atoms)])
    return f"{kind} " + "-".join(f"{s}{a + 1}" for s, a in zip(symbols, atoms, strict=True))
