"""Structures as files beside a trajectory: PDB, or CIF where PDB has no room."""

import io
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Float

from isthmus.files import replacing
from isthmus.units import ANGSTROM

__all__ = ["structure_suffix", "write_structure"]

_PDB_ATOMS: Final = 99_999
"""Atoms that PDB can count"""


def structure_suffix(n_atoms: int) -> str:
    """`.pdb`, or `.cif` for more atoms than PDB can count."""
    return ".pdb" if n_atoms <= _PDB_ATOMS else ".cif"


def write_structure(
    path: Path,
    topology: Any,
    positions: Float[np.ndarray, "atoms 3"],
    box: Float[np.ndarray, "3 3"] | None,
) -> None:
    """Write one structure with its bonds; an old file is replaced.

    Args:
        path: of the file; its suffix says the format.
        topology: of OpenMM.
        positions: [nm].
        box: cell vectors [nm], or None.

    Raises:
        OSError: the disk is full, or the folder cannot be written.
    """
    from openmm import Vec3, app

    text = io.StringIO()
    writer = app.PDBFile if path.suffix == ".pdb" else app.PDBxFile
    before = topology.getPeriodicBoxVectors()
    if box is not None:
        topology.setPeriodicBoxVectors([Vec3(*map(float, row)) for row in box])
    writer.writeFile(topology, np.asarray(positions) / ANGSTROM, text, keepIds=True)
    topology.setPeriodicBoxVectors(before)
    lines = text.getvalue().splitlines()
    # The first line of either format is a remark with the date
    first = "REMARK   1 WRITTEN BY ISTHMUS" if path.suffix == ".pdb" else "# Written by Isthmus"
    content = "\n".join(
        [first, *(line for line in lines if "CREATED WITH OPENMM" not in line.upper())]
    )
    with replacing(path, overwrite=True) as temporary:
        temporary.write_text(content + "\n")
