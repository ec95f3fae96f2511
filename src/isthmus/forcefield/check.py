"""Checks of positions and boxes that come from outside."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float
from scipy.spatial import KDTree

from isthmus.errors import InputError
from isthmus.geometry.box import check_box, check_cutoff

__all__ = ["check_box_argument", "check_positions"]

COINCIDENT = 1e-5
"""Atoms closer than this are the same point: forces between them have no direction [nm]."""


def check_positions(
    positions: Float[np.ndarray, "..."], *, n_atoms: int, real: Bool[np.ndarray, " atoms"]
) -> None:
    """Check shape, finiteness and that no two real particles coincide.

    Raises:
        InputError: says which atom and what to do.
    """
    if positions.ndim not in (2, 3) or positions.shape[-2:] != (n_atoms, 3):
        raise InputError(
            f"positions have the shape {positions.shape}; wanted is ({n_atoms}, 3) for one "
            f"conformer, or (conformers, {n_atoms}, 3), in nm"
        )
    frames = positions.reshape(-1, n_atoms, 3)
    for number, frame in enumerate(frames):
        where = f" of conformer {number}" if len(frames) > 1 else ""
        bad = np.flatnonzero(~np.isfinite(frame).all(axis=1) & real)
        if len(bad):
            raise InputError(
                f"atom {bad[0]}{where} has the position {frame[bad[0]].tolist()}: positions must "
                "be finite numbers in nm"
            )
        solid = np.flatnonzero(real)
        close = KDTree(frame[solid]).query_pairs(COINCIDENT)
        if close:
            i, j = sorted(int(solid[a]) for a in min(close))
            raise InputError(
                f"atoms {i} and {j}{where} are at the same place, so the forces between them have "
                "no direction: move one of them, or remove the duplicate"
            )


def check_box_argument(
    box: Float[np.ndarray, "3 3"] | None, *, cutoffs: Sequence[float], needed: bool
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
