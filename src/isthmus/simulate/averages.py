"""Means over correlated frames, with an error that knows of the correlation."""

import numpy as np
from jaxtyping import Float

__all__ = ["mean_and_error"]

_FEWEST_BLOCKS = 8


def mean_and_error(values: Float[np.ndarray, "frames replicas"]) -> tuple[float, float | None]:
    """Mean, and its standard error by block averages.

    Neighbouring frames are averaged in pairs, again and again; the largest of the errors that
    the blocks show is taken (Flyvbjerg and Petersen, J. Chem. Phys. 91, 461 (1989)). It is too
    small where the correlation is longer than an eighth of the run.

    Args:
        values: one number a frame and replica.

    Returns:
        The error is None where there are fewer than eight values.
    """
    mean = float(values.mean())
    blocks, errors = values, []
    while blocks.size >= _FEWEST_BLOCKS:
        errors.append(float(blocks.std(ddof=1) / np.sqrt(blocks.size)))
        if len(blocks) < 2:
            break
        even = len(blocks) // 2 * 2
        blocks = (blocks[0:even:2] + blocks[1:even:2]) / 2
    return mean, max(errors, default=None)
