"""Displacements to the nearest periodic image, on the host."""

import numpy as np
from jaxtyping import Float

__all__ = ["nearest_image"]


def nearest_image(
    displacement: Float[np.ndarray, "*shape 3"], box: Float[np.ndarray, "3 3"] | None
) -> Float[np.ndarray, "*shape 3"]:
    """Nearest image of displacements [nm] in a reduced box [nm]; None: no change.

    Exact for displacements shorter than half of the smallest width of the box. In NumPy's float64
    (`isthmus.geometry.minimum_image` has the precision of JAX arrays).
    """
    if box is None:
        return displacement
    for axis in (2, 1, 0):
        turns = np.round(displacement[..., axis : axis + 1] / box[axis, axis])
        displacement = displacement - turns * box[axis]
    return displacement
