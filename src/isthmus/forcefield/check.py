"""Checks of positions and boxes that come from outside."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.spatial import KDTree

from isthmus.errors import InputError
from isthmus.geometry.box import box_widths, check_box, check_cutoff

__all__ = ["check_box_argument", "check_positions", "check_whole"]

COINCIDENT = 1e-5
"""Atoms closer than this are the same point: forces between them have no direction [nm]."""


def check_positions(
    positions: Float[np.ndarray, "..."],
    *,
    placed: Bool[np.ndarray, " atoms"],
    solid: Bool[np.ndarray, " atoms"],
) -> None:
    """Check shape, finiteness and that no two particles coincide.

    Args:
        positions: of one or several conformers [nm].
        placed: particles whose positions follow from others, so that theirs are not read.
        solid: particles that must not lie on each other.

    Raises:
        InputError: says which atom and what to do.
    """
    n_atoms = len(placed)
    if positions.ndim not in (2, 3) or positions.shape[-2:] != (n_atoms, 3):
        raise InputError(
            f"positions have the shape {positions.shape}; wanted is ({n_atoms}, 3) for one "
            f"conformer, or (conformers, {n_atoms}, 3), in nm"
        )
    frames = positions.reshape(-1, n_atoms, 3)
    for number, frame in enumerate(frames):
        where = f" of conformer {number}" if len(frames) > 1 else ""
        bad = np.flatnonzero(~np.isfinite(frame).all(axis=1) & ~placed)
        if len(bad):
            raise InputError(
                f"atom {bad[0]}{where} has the position {frame[bad[0]].tolist()}: positions must "
                "be finite numbers in nm"
            )
        solid_idx = np.flatnonzero(solid & ~placed)
        close = KDTree(frame[solid_idx]).query_pairs(COINCIDENT)
        if close:
            i, j = sorted(int(solid_idx[a]) for a in min(close))
            raise InputError(
                f"atoms {i} and {j}{where} are at the same place, so the forces between them have "
                "no direction: move one of them, or remove the duplicate"
            )


def check_box_argument(
    box: Float[np.ndarray, "..."] | None, *, cutoffs: Sequence[float], needed: bool
) -> None:
    """Check that a box is there if it is needed, is reduced, and holds twice the cutoff.

    Raises:
        InputError: says what is wrong with the box.
    """
    if box is None:
        if needed:
            raise InputError(
                "this force field is periodic: give box=(3, 3) cell vectors in nm, as rows"
            )
        return
    check_box(box)
    for cutoff in cutoffs:
        check_cutoff(box, cutoff)


def check_whole(
    positions: Float[np.ndarray, "*conformers atoms 3"],
    box: Float[np.ndarray, "3 3"],
    bonds: Int[np.ndarray, "bonds 2"],
) -> None:
    """Check that no bond spans half the box: that molecules are not cut by the boundary.

    Raises:
        InputError: names the first such bond.
    """
    steps = positions[..., bonds[:, 1], :] - positions[..., bonds[:, 0], :]
    long = np.linalg.norm(steps, axis=-1).reshape(-1, len(bonds)).max(axis=0)
    cut = np.flatnonzero(long > box_widths(box).min() / 2)
    if len(cut):
        i, j = bonds[cut[0]]
        raise InputError(
            f"atoms {i} and {j} are bonded, but {long[cut[0]]:.3f} nm apart, more than half the "
            "box: the molecule is cut by the periodic boundary. Make molecules whole first"
        )
