"""Atoms so close that their forces are no numbers, moved apart a little."""

from typing import Any, Final

import numpy as np
from jaxtyping import Bool, Float
from scipy.spatial import KDTree

__all__ = ["apart"]

NEAR: Final = 0.05
"""Pairs are moved to this distance [nm]; beyond it no force field overflows"""

ROUNDS: Final = 20


def apart(
    positions: Float[np.ndarray, "*replicas atoms 3"],
    lost: Bool[np.ndarray, "*replicas atoms"],
    movable: Any = None,
) -> Float[np.ndarray, "*replicas atoms 3"]:
    """Positions [nm] in which no atom that was lost is within 0.05 nm of another.

    Args:
        positions: [nm].
        lost: atoms whose force is not a number.
        movable: which atoms may move, or None for all.
    """
    shape = positions.shape
    frames = positions.reshape(-1, *shape[-2:]).copy()
    free = np.ones(shape[-2]) if movable is None else np.asarray(movable, dtype=float)
    rng = np.random.default_rng(0)
    for frame, bad in zip(frames, lost.reshape(-1, shape[-2]), strict=True):
        for _ in range(ROUNDS):
            i, j = KDTree(frame).query_pairs(NEAR, output_type="ndarray").T
            near = bad[i] | bad[j]
            if not near.any():
                break
            i, j = i[near], j[near]
            step = frame[i] - frame[j]
            length = np.linalg.norm(step, axis=1, keepdims=True)
            # Atoms in the same place have no direction of their own
            step = np.where(length > 1e-9, step, rng.normal(size=step.shape))
            step *= (0.55 * (1.01 * NEAR - length)) / np.linalg.norm(step, axis=1, keepdims=True)
            np.add.at(frame, i, step * free[i, None])
            np.add.at(frame, j, -step * free[j, None])
    return frames.reshape(shape)
