"""What the forces of one molecule say about themselves, as numbers to be pooled over a dataset.

Three tests that need no reference:

| test | what is measured | what it must be |
|---|---|---|
| balance | total force and torque of an isolated molecule | 0 |
| work | ΔE against −(F₁+F₂)/2·Δx between similar frames, superposed | slope 1 |
| stiffness | force along X–H bonds against their stretch, within one molecule | about 300 N/cm |

The first sees forces of other frames, other atoms, or another orientation; the second a wrong
sign or unit of the one relative to the other; the third a wrong sign or unit where energies are
missing, or wrong in the same way.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from isthmus.data.entry import Entry

__all__ = ["ForceStatistics", "Moments", "force_statistics"]

_MOST_FRAMES = 40
"""Frames of a molecule that are compared with each other"""

_FARTHEST = 0.04
"""Similar frames: no atom is farther than this from where it is in the other, superposed [nm].
On thermal frames of small molecules the slope is then 0.93 to 1.0; at 0.1 nm, where methyl groups
have turned, it may be 0.4."""


@dataclass(frozen=True)
class Moments:
    """Sums over samples of two quantities that should be proportional; they add up.

    Attributes:
        n: number of samples.
        xx: sum of squares of the first.
        xy: sum of products.
        yy: sum of squares of the second.
    """

    n: int = 0
    xx: float = 0.0
    xy: float = 0.0
    yy: float = 0.0

    @classmethod
    def of(cls, x: Float[np.ndarray, "samples"], y: Float[np.ndarray, "samples"]) -> "Moments":
        """The sums over two arrays."""
        return cls(len(x), float(x @ x), float(x @ y), float(y @ y))

    def __add__(self, other: "Moments") -> "Moments":
        return Moments(self.n + other.n, self.xx + other.xx, self.xy + other.xy, self.yy + other.yy)

    @property
    def slope(self) -> float:
        """Least-squares slope through zero; NaN without samples."""
        return self.xy / self.xx if self.xx else float("nan")

    @property
    def correlation(self) -> float:
        """Correlation about zero; NaN without samples."""
        norm = (self.xx * self.yy) ** 0.5
        return self.xy / norm if norm else float("nan")


@dataclass(frozen=True)
class ForceStatistics:
    """Numbers of one molecule; empty where a test says nothing about it.

    Attributes:
        net_force: total force relative to the sum of the lengths of the forces, median over the
            frames; None without.
        net_torque: the same of the torque about the centroid, relative to the sum of |r||F|.
        work: expected change of energy between similar frames, and the change [kJ/mol].
        stiffness: length of X-H bonds less its mean over the frames [nm], and the force that
            shortens them, less its mean [kJ/mol/nm].
    """

    net_force: float | None = None
    net_torque: float | None = None
    work: Moments = Moments()
    stiffness: Moments = Moments()


def force_statistics(entry: Entry) -> ForceStatistics:
    """The three tests of the module for the frames whose numbers are finite."""
    if entry.forces is None or entry.n_atoms < 2:
        return ForceStatistics()
    whole = np.isfinite(entry.energies)
    whole &= np.isfinite(entry.positions).all(axis=(1, 2))
    whole &= np.isfinite(entry.forces).all(axis=(1, 2))
    whole &= (entry.forces != 0).any(axis=(1, 2))
    frames = np.flatnonzero(whole)
    if len(frames) == 0:
        return ForceStatistics()
    frames = frames[:: -(-len(frames) // _MOST_FRAMES)]
    positions = entry.positions[frames] - entry.positions[frames].mean(axis=1, keepdims=True)
    forces, energies = entry.forces[frames], entry.energies[frames]
    net_force, net_torque = _balance(positions, forces)
    if entry.box is not None:
        # Molecules of a periodic system exchange torque, and images do not superpose.
        return ForceStatistics(net_force=net_force)
    return ForceStatistics(
        net_force=net_force,
        net_torque=net_torque,
        work=_work(positions, forces, energies),
        stiffness=_stiffness(_bonds_of_hydrogen(entry), positions, forces),
    )


def _balance(
    positions: Float[np.ndarray, "frames atoms 3"], forces: Float[np.ndarray, "frames atoms 3"]
) -> tuple[float, float]:
    lengths, arms = np.linalg.norm(forces, axis=2), np.linalg.norm(positions, axis=2)
    total = np.linalg.norm(forces.sum(axis=1), axis=1)
    torque = np.linalg.norm(np.cross(positions, forces).sum(axis=1), axis=1)
    relative = torque / (lengths * arms).sum(axis=1)
    return float(np.median(total / lengths.sum(axis=1))), float(np.median(relative))


def _work(
    positions: Float[np.ndarray, "frames atoms 3"],
    forces: Float[np.ndarray, "frames atoms 3"],
    energies: Float[np.ndarray, "frames"],
) -> Moments:
    """Each frame with its nearest one (trapezoidal rule, exact for a harmonic energy)."""
    n_frames = len(energies)
    if n_frames < 2:
        return Moments()
    first, second = np.triu_indices(n_frames, k=1)
    rotation = _superposing(positions[first], positions[second])
    moved = positions[second] @ rotation
    distance = np.linalg.norm(moved - positions[first], axis=2).max(axis=1)
    chosen = set()
    for frame in range(n_frames):
        mine = np.flatnonzero((first == frame) | (second == frame))
        nearest = mine[np.argmin(distance[mine])]
        if 1e-6 < distance[nearest] < _FARTHEST:
            chosen.add(int(nearest))
    pairs = np.array(sorted(chosen), dtype=np.int64)
    mean = (forces[first[pairs]] + forces[second[pairs]] @ rotation[pairs]) / 2
    work = -(mean * (moved[pairs] - positions[first[pairs]])).sum(axis=(1, 2))
    return Moments.of(work, energies[second[pairs]] - energies[first[pairs]])


def _superposing(
    fixed: Float[np.ndarray, "pairs atoms 3"], moving: Float[np.ndarray, "pairs atoms 3"]
) -> Float[np.ndarray, "pairs 3 3"]:
    """Rotations R that bring moving @ R closest to fixed.

    W. Kabsch, Acta Cryst. A 32, 922 (1976).
    """
    left, _, right = np.linalg.svd(np.swapaxes(moving, 1, 2) @ fixed)
    sign = np.sign(np.linalg.det(left @ right))
    left = left.copy()
    left[:, :, 2] *= sign[:, None]
    return left @ right


def _bonds_of_hydrogen(entry: Entry) -> Int[np.ndarray, "bonds 2"]:
    """Bonds of a hydrogen that has no other, hydrogen first."""
    bonds, numbers = entry.topology.bonds, entry.topology.atomic_numbers
    both = np.concatenate([bonds, bonds[:, ::-1]])
    degree = np.bincount(bonds.ravel(), minlength=len(numbers))
    wanted = (numbers[both[:, 0]] == 1) & (degree[both[:, 0]] == 1) & (numbers[both[:, 1]] > 1)
    return both[wanted]


def _stiffness(
    bonds: Int[np.ndarray, "bonds 2"],
    positions: Float[np.ndarray, "frames atoms 3"],
    forces: Float[np.ndarray, "frames atoms 3"],
) -> Moments:
    if len(positions) < 2 or not len(bonds):
        return Moments()
    along = positions[:, bonds[:, 0]] - positions[:, bonds[:, 1]]
    length = np.linalg.norm(along, axis=2)
    pull = -(forces[:, bonds[:, 0]] * along).sum(axis=2) / np.maximum(length, 1e-9)
    stretch = length - length.mean(axis=0)
    return Moments.of(stretch.ravel(), (pull - pull.mean(axis=0)).ravel())
