"""Checks of coordinates against a topology: shape, finite numbers, overlapping atoms."""

import numpy as np
from jaxtyping import Float

from isthmus.chemistry.topology import Topology
from isthmus.chemistry.topology_input import ArrayInput
from isthmus.errors import InputError

__all__ = ["OVERLAP_DISTANCE", "check_finite", "check_positions", "checked_conformers"]

OVERLAP_DISTANCE = 0.02
"""Two atoms closer than this [nm] are a mistake: no bond is shorter than 0.07 nm."""


def checked_conformers(
    topology: Topology, conformers: ArrayInput | None
) -> Float[np.ndarray, "conformers atoms 3"]:
    """Coordinates as a read-only float64 array (conformers, atoms, 3) [nm].

    A single conformer may come without its first axis.

    Raises:
        InputError: another number of atoms, coordinates that are not finite, overlapping atoms.
    """
    if conformers is None:
        array = np.zeros((0, topology.n_atoms, 3))
    else:
        array = np.array(conformers, dtype=np.float64)
    if array.ndim == 2:
        array = array[None]
    if array.ndim != 3 or array.shape[1:] != (topology.n_atoms, 3):
        raise InputError(
            f"coordinates have shape {array.shape}, but the topology has {topology.n_atoms} atoms: "
            f"wanted (conformers, {topology.n_atoms}, 3); check that both come from one source"
        )
    for index, positions in enumerate(array):
        where = f" of conformer {index}" if len(array) > 1 else ""
        check_positions(topology, positions, where=where)
    array.flags.writeable = False
    return array


def check_finite(
    topology: Topology, positions: Float[np.ndarray, "atoms 3"], *, where: str = ""
) -> None:
    """Refuse positions [nm] that are not finite; see `check_positions`.

    Raises:
        InputError: names the first such atom.
    """
    broken = ~np.isfinite(positions).all(axis=1)
    if broken.any():
        atom = int(broken.argmax())
        shown = ", ".join(f"{value:g}" for value in positions[atom])
        raise InputError(
            f"{topology.describe_atom(atom)}{where} has coordinates ({shown}) nm, which are not "
            f"finite numbers ({int(broken.sum())} such atoms); check the source of the coordinates"
        )


def check_positions(
    topology: Topology, positions: Float[np.ndarray, "atoms 3"], *, where: str = ""
) -> None:
    """Refuse positions [nm] that are not finite, or that put two atoms on one spot.

    Virtual sites may lie on atoms. Linear in the number of atoms (a k-d tree); images in other
    cells are not looked at.

    Args:
        topology: for the names of the atoms.
        positions: [nm].
        where: added to the message, for example ` of conformer 3`.

    Raises:
        InputError: names the atoms.
    """
    from scipy.spatial import KDTree

    check_finite(topology, positions, where=where)
    real = np.flatnonzero(topology.atomic_numbers > 0)
    pairs = KDTree(positions[real]).query_pairs(OVERLAP_DISTANCE, output_type="ndarray")
    if len(pairs):
        i, j = sorted(real[pairs[0]].tolist())
        distance = float(np.linalg.norm(positions[i] - positions[j]))
        raise InputError(
            f"{topology.describe_atom(i)} and {topology.describe_atom(j)}{where} overlap: they are "
            f"{distance:.4f} nm apart and at least {OVERLAP_DISTANCE} nm was wanted "
            f"({len(pairs)} such pairs); remove the duplicate atom, or check the unit "
            "(nm here, Å in files)"
        )
