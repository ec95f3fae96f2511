"""Periodic boxes: validation, reduced form, volume and minimum images.

A box is a (3, 3) array whose rows are the cell vectors a, b, c [nm]. Reduced form means

    a = (ax, 0, 0),  b = (bx, by, 0),  c = (cx, cy, cz),
    ax, by, cz > 0,  |bx| <= ax/2,  |cx| <= ax/2,  |cy| <= by/2,

the convention of OpenMM ("Periodic Boundary Conditions" in its user guide). `None` stands for
no box. The functions that take JAX arrays never assume that the entries above the diagonal are
zero, so that differentiating an energy by the box gives the whole strain derivative (the virial).
"""

from typing import NamedTuple, TypeAlias

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from isthmus.errors import InputError

__all__ = [
    "Cell",
    "ReducedBox",
    "box_from_lengths_angles",
    "box_widths",
    "check_box",
    "check_cutoff",
    "fractional",
    "inverse_box",
    "minimum_image",
    "minimum_image_xyz",
    "reduce_box",
    "volume",
]

Cell: TypeAlias = Float[Array, "3 3"] | Float[np.ndarray, "3 3"]
"""Cell vectors a, b, c as rows [nm]."""

# Rounding in files (PDB: 0.001 Angstrom) puts boxes such as the truncated octahedron slightly
# outside the reduced form; OpenMM forgives the same amount [nm].
_REDUCED_TOLERANCE = 1e-5


class ReducedBox(NamedTuple):
    """A box in reduced form, and the rotation that its coordinates need.

    Attributes:
        box: (3, 3) reduced cell vectors as rows [nm].
        rotation: (3, 3); positions of the original box become `positions @ rotation` [1].
    """

    box: Float[np.ndarray, "3 3"]
    rotation: Float[np.ndarray, "3 3"]


def check_box(box: Float[np.ndarray, "..."]) -> None:
    """Raise `InputError` unless `box` [nm] is (3, 3), finite, right-handed and in reduced form."""
    box = np.asarray(box, dtype=float)
    if box.shape != (3, 3):
        raise InputError(
            f"A box of shape {box.shape} came; wanted are three cell vectors as rows, (3, 3), in "
            "nm. Use numpy.diag of three lengths for a rectangular box."
        )
    shown = _show(box)
    if not np.all(np.isfinite(box)):
        raise InputError(
            f"The box {shown} has entries that are not finite numbers; "
            "three cell vectors in nm are wanted. Check the file or array it came from."
        )
    (ax, ay, az), (bx, by, bz), (cx, cy, cz) = box
    if min(ax, by, cz) <= 0:
        raise InputError(
            f"The box {shown} has no positive lengths on its diagonal; cell vectors "
            "a = (ax, 0, 0), b = (bx, by, 0), c = (cx, cy, cz) with ax, by, cz > 0 are wanted. "
            "Use `reduce_box` to bring any box into this form, or None for no box."
        )
    tolerance = _REDUCED_TOLERANCE
    triangular = max(abs(ay), abs(az), abs(bz)) == 0
    short = (
        abs(bx) <= ax / 2 + tolerance
        and abs(cx) <= ax / 2 + tolerance
        and abs(cy) <= by / 2 + tolerance
    )
    if not (triangular and short):
        raise InputError(
            f"The box {shown} is not in reduced form (a along x, b in the xy plane, "
            "|bx| <= ax/2, |cx| <= ax/2, |cy| <= by/2). Use `reduce_box`, and rotate the "
            "coordinates by the rotation that it returns."
        )


def check_cutoff(box: Float[np.ndarray, "3 3"], cutoff: float) -> None:
    """Raise `InputError` if a reduced `box` [nm] is smaller than twice the `cutoff` [nm].

    Within half of the smallest diagonal entry, and not beyond, the minimum image is the nearest
    image and the only one inside the cutoff.
    """
    widths = box_widths(box)
    if 2 * cutoff > widths.min():
        shown = " x ".join(f"{width:.4g}" for width in widths)
        raise InputError(
            f"The box is smaller than twice the cutoff: it is {shown} nm wide and the cutoff is "
            f"{cutoff:.4g} nm, so every width must be at least {2 * cutoff:.4g} nm. Use a larger "
            f"box, or a cutoff of at most {widths.min() / 2:.4g} nm."
        )


def box_widths(box: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "3"]:
    """Widths (ax, by, cz) of a reduced box [nm]: what a cutoff has to fit into twice."""
    return np.diagonal(np.asarray(box, dtype=float)).copy()


def reduce_box(box: Float[np.ndarray, "3 3"]) -> ReducedBox:
    """Bring any box (rows are cell vectors [nm]) into reduced form.

    The lattice stays the same up to a rotation, which is the identity for a box that is lower
    triangular already. Left-handed boxes are made right-handed by reversing c.

    Raises:
        InputError: if the box is not finite, or its vectors do not span a volume.
    """
    box = np.asarray(box, dtype=float)
    scale = np.prod(np.linalg.norm(box, axis=1)) if np.all(np.isfinite(box)) else 0.0
    determinant = np.linalg.det(box) if scale > 0 else 0.0
    if abs(determinant) <= 1e-6 * scale:
        raise InputError(
            f"The box {_show(box)} spans no volume: three finite cell vectors [nm] that do not "
            "lie in one plane are wanted. Use None for a system without a box."
        )
    a, b, c = box
    if determinant < 0:
        c = -c
    rotation = np.eye(3)
    if a[0] <= 0 or b[1] <= 0 or np.any(np.triu(box, 1) != 0):
        x = a / np.linalg.norm(a)
        z = np.cross(a, b) / np.linalg.norm(np.cross(a, b))
        rotation = np.stack([x, np.cross(z, x), z], axis=1)
    a, b, c = np.tril(np.stack([a, b, c]) @ rotation)
    c = c - b * np.round(c[1] / b[1])
    c = c - a * np.round(c[0] / a[0])
    b = b - a * np.round(b[0] / a[0])
    return ReducedBox(np.stack([a, b, c]), rotation)


def box_from_lengths_angles(
    lengths: Float[np.ndarray, "3"], angles: Float[np.ndarray, "3"]
) -> Float[np.ndarray, "3 3"]:
    """Reduced box [nm] from the lengths of a, b, c [nm] and the angles alpha, beta, gamma [rad].

    alpha lies between b and c, beta between a and c, gamma between a and b.

    Raises:
        InputError: if no cell has these lengths and angles.
    """
    cos_alpha, cos_beta, cos_gamma = np.cos(np.asarray(angles, dtype=float))
    sin_gamma = np.sin(float(angles[2]))
    cy = (cos_alpha - cos_beta * cos_gamma) / sin_gamma if sin_gamma > 1e-6 else np.nan
    cz_squared = 1 - cos_beta**2 - cy**2
    if not (np.all(np.isfinite(lengths)) and np.min(lengths) > 0 and cz_squared > 1e-9):
        raise InputError(
            f"No box has the lengths {np.asarray(lengths).tolist()} nm and the angles "
            f"{np.asarray(angles).tolist()} rad. Positive lengths, and angles between the cell "
            "vectors that close to a cell, are wanted; check the units (nm and radians)."
        )
    unit = np.array(
        [[1, 0, 0], [cos_gamma, sin_gamma, 0], [cos_beta, cy, np.sqrt(cz_squared)]], dtype=float
    )
    # cos(pi/2) is 6e-17, not 0: without this a rectangular box would not look like one.
    unit[np.abs(unit) < 1e-12] = 0.0
    return reduce_box(unit * np.asarray(lengths, dtype=float)[:, None]).box


def volume(box: Cell) -> Float[Array, ""]:
    """Volume a . (b x c) of a box [nm^3]."""
    return jnp.dot(box[0], jnp.cross(box[1], box[2]))


def inverse_box(box: Cell) -> Float[Array, "3 3"]:
    """Inverse of the box matrix [1/nm]: `positions @ inverse_box(box)` are fractions.

    Its columns are the reciprocal vectors b x c / V, c x a / V, a x b / V.
    """
    columns = [
        jnp.cross(box[1], box[2]),
        jnp.cross(box[2], box[0]),
        jnp.cross(box[0], box[1]),
    ]
    return jnp.stack(columns, axis=1) / volume(box)


def fractional(positions: Float[Array, "atoms 3"], box: Cell) -> Float[Array, "atoms 3"]:
    """Coordinates in units of the cell vectors [1], not wrapped."""
    # GPUs multiply float32 matrices in fewer bits by default: far too few for coordinates.
    return jnp.matmul(positions, inverse_box(box), precision="highest")


def minimum_image(displacement: Float[Array, "... 3"], box: Cell | None) -> Float[Array, "... 3"]:
    """Nearest periodic image of displacements [nm] in a reduced `box` [nm]; None: no change.

    Sequential rounding along c, b, a, as OpenMM does. Exact for displacements shorter than half
    of the smallest of (ax, by, cz); see `check_cutoff`.
    """
    if box is None:
        return displacement
    images = minimum_image_xyz(
        displacement[..., 0], displacement[..., 1], displacement[..., 2], box
    )
    return jnp.stack(images, axis=-1)


def minimum_image_xyz(
    dx: Float[Array, "*shape"],
    dy: Float[Array, "*shape"],
    dz: Float[Array, "*shape"],
    box: Cell | None,
) -> tuple[Float[Array, "*shape"], Float[Array, "*shape"], Float[Array, "*shape"]]:
    """`minimum_image` on separate components [nm]: the form for inner loops."""
    if box is None:
        return dx, dy, dz
    for axis in (2, 1, 0):
        turns = jnp.round((dx, dy, dz)[axis] / box[axis, axis])
        dx = dx - turns * box[axis, 0]
        dy = dy - turns * box[axis, 1]
        dz = dz - turns * box[axis, 2]
    return dx, dy, dz


def _show(box: Float[np.ndarray, "3 3"]) -> str:
    """Cell vectors as text for error messages."""
    return " ".join("(" + ", ".join(f"{x:.4g}" for x in row) + ")" for row in box)
