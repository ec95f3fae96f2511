"""Molecular graphs for frames that come without one, through the reader of extended XYZ."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from isthmus.chemistry.elements import covalent_radii
from isthmus.chemistry.topology import Topology
from isthmus.chemistry.xyz import XyzGroup, read_xyz_groups
from isthmus.errors import InputError
from isthmus.units import ANGSTROM, BOHR

__all__ = ["check_length_unit", "escaped", "grouped_frames", "perceived_topology"]

_SHORTEST = 0.7
_LONGEST = 1.5
_SUSPECTS = {
    "bohr were taken for Å": ANGSTROM / BOHR,
    "Å were taken for bohr": BOHR / ANGSTROM,
    "Å were taken for nm": 10.0,
    "nm were taken for Å": 0.1,
}
"""Nearest neighbours, relative to covalent radii, if a unit was mistaken"""


def perceived_topology(
    atomic_numbers: Int[np.ndarray, "atoms"],
    positions: Float[np.ndarray, "frames atoms 3"],
    *,
    energies: Float[np.ndarray, "frames"],
    where: str,
    smiles: str | None = None,
    total_charge: int | None = None,
) -> Topology:
    """The graph of one molecule, perceived in the frame of lowest energy: the least distorted.

    Args:
        atomic_numbers: of the atoms.
        positions: [nm].
        energies: [kJ/mol].
        where: named in messages.
        smiles: of the molecule, in any order of atoms; it then gives orders and charges.
        total_charge: [e]; not given, that of the SMILES, or 0.

    Raises:
        InputError: no frame, or a graph cannot be perceived.
    """
    from ase import Atoms

    if not len(positions):
        raise InputError(f"{where} has no frames; leave it out")
    frame = 0 if np.isnan(energies).all() else int(np.nanargmin(energies))
    check_length_unit(atomic_numbers, positions[frame], where=where)
    atoms = Atoms(atomic_numbers, positions[frame] / ANGSTROM)
    if smiles:
        atoms.info["smiles"] = smiles
    groups = grouped_frames([atoms], where=where, total_charge=total_charge)
    return groups[0].molecule.topology


def grouped_frames(
    frames: Sequence[Any],
    *,
    where: str,
    total_charge: int | None = None,
    smiles: str | None = None,
) -> list[XyzGroup]:
    """Frames grouped into molecules as by `read_xyz_groups`.

    Args:
        frames: `ase.Atoms` [Å]; `smiles`, `charge` and `name` of their `info` count.
        where: named in messages in place of a file.
        total_charge: of every molecule [e].
        smiles: of every frame.

    Raises:
        InputError: as `read_xyz_groups`.
    """
    from ase.io import write

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "frames.xyz"
        write(path, [_escaped(atoms) for atoms in frames], format="extxyz")
        try:
            return read_xyz_groups(path, total_charge=total_charge, smiles=smiles)
        except InputError as error:
            raise InputError(str(error).replace(str(path), where)) from error


def escaped(text: str) -> str:
    """Text for the comment line of extended XYZ: ASE reads a backslash as an escape."""
    return text.replace("\\", "\\\\")


def _escaped(atoms: Any) -> Any:
    copy = atoms.copy()
    copy.info = {
        key: escaped(value) if isinstance(value, str) else value
        for key, value in atoms.info.items()
    }
    return copy


def check_length_unit(
    atomic_numbers: Int[np.ndarray, "atoms"],
    positions: Float[np.ndarray, "atoms 3"],
    *,
    where: str,
) -> None:
    """Compare the distances of nearest neighbours with covalent radii.

    Args:
        atomic_numbers: of the atoms.
        positions: [nm].
        where: named in messages.

    Raises:
        InputError: they fit another unit of length better.
    """
    from scipy.spatial import KDTree

    real = atomic_numbers > 0
    if real.sum() < 2 or not np.isfinite(positions).all():
        return
    distance, neighbour = map(np.asarray, KDTree(positions[real]).query(positions[real], k=2))
    radii = covalent_radii(atomic_numbers[real])
    ratio = float(np.median(distance[:, 1] / (radii + radii[neighbour[:, 1]])))
    if _SHORTEST <= ratio <= _LONGEST or ratio == 0.0:
        return
    suspect = min(_SUSPECTS, key=lambda name: abs(np.log(_SUSPECTS[name] / ratio)))
    if abs(np.log(_SUSPECTS[suspect] / ratio)) < 0.25:
        raise InputError(
            f"{where}: length-unit: neighbours are {ratio:.2f} times as far apart as covalent "
            f"radii say, as if {suspect}; state the unit of length"
        )
