"""Numbers that barostats are given, checked."""

import numpy as np
from jaxtyping import ArrayLike, Float

from isthmus.errors import InputError

__all__ = ["checked_axes", "positive"]


def positive(value: ArrayLike, name: str) -> Float[np.ndarray, ""]:
    """A positive number as an array, so that another value compiles nothing.

    Raises:
        InputError: not one finite number above 0.
    """
    number = np.asarray(value, dtype=np.float64)
    if number.shape != () or not (np.isfinite(number) and number > 0):
        raise InputError(f"a {name} of {value} came: wanted is one number above 0")
    return number


def checked_axes(axes: tuple[bool, bool, bool] | None) -> tuple[int, ...] | None:
    """Indices of the axes that change by themselves; None: all together.

    Raises:
        InputError: not three of them, or none that changes.
    """
    if axes is None:
        return None
    if len(axes) != 3 or not any(axes):
        raise InputError(f"axes={axes} came: wanted is for x, y and z whether each changes")
    return tuple(index for index in range(3) if axes[index])
