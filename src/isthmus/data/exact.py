"""Numbers that survive a change of unit: stored in one unit, held in another, equal bit for bit.

x / u * u is not always x. Values that are products y * u of a stored number y and the size u of
its unit do survive, if the same y is found again; so a dataset holds only such values, and its
content hash is that of the file it was written to.
"""

import numpy as np
from jaxtyping import Float

__all__ = ["in_unit", "representable", "smallest_type"]


def in_unit(values: Float[np.ndarray, "..."], size: float) -> Float[np.ndarray, "..."]:
    """Values divided by the size of a unit, such that the product gives them back if possible.

    Args:
        values: in internal units.
        size: of the unit, in internal units.
    """
    stored = values / size
    for direction in (np.inf, -np.inf):
        neighbour = np.nextafter(stored, direction)
        better = (stored * size != values) & (neighbour * size == values)
        stored = np.where(better, neighbour, stored)
    return stored


def representable(values: Float[np.ndarray, "..."], size: float) -> Float[np.ndarray, "..."]:
    """The values that a file in units of this size gives back: changed by rounding only."""
    return in_unit(values, size) * size


def smallest_type(stored: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """As float32 where that loses nothing, float64 otherwise."""
    with np.errstate(over="ignore"):
        single = stored.astype(np.float32)
    return single if np.array_equal(single, stored, equal_nan=True) else stored
