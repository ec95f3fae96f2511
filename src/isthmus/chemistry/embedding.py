"""Conformers from a topology alone: distance geometry and a quick relaxation through RDKit.

ETKDGv3: S. Wang, J. Witek, G. A. Landrum, S. Riniker, J. Chem. Inf. Model. 60, 2044 (2020).
MMFF94s: T. A. Halgren, J. Comput. Chem. 20, 720 (1999).
"""

import time
from typing import Final

import numpy as np
from jaxtyping import Float
from rdkit import Chem, rdBase
from rdkit.Chem import rdDistGeom
from rdkit.Chem import rdForceFieldHelpers as force_fields

from isthmus.chemistry.rdkit_bridge import rdkit_from_topology
from isthmus.chemistry.topology import Topology
from isthmus.errors import InputError
from isthmus.units import ANGSTROM

__all__ = ["embedded_conformers"]

_MAX_STEPS: Final = 2000

_MAX_ATOMS: Final = 1000
"""Distance bounds take time with the cube of this number, and cannot be interrupted"""

_TIMEOUT: Final = 60
"""For one conformer, by one kind of start [s]"""


def embedded_conformers(
    topology: Topology, n_conformers: int, *, seed: int, relax: bool
) -> Float[np.ndarray, "conformers atoms 3"]:
    """New conformers [nm]; see `Molecule.with_conformers`.

    Raises:
        InputError: fewer than one conformer wanted, the molecule is too large, the embedding
            fails or takes too long, or `relax` is wanted and neither MMFF94s nor UFF knows the
            molecule.
    """
    if n_conformers < 1:
        raise InputError(f"{n_conformers} conformers were asked for; wanted 1 or more")
    if topology.n_atoms > _MAX_ATOMS:
        raise InputError(
            f"{topology.n_atoms} atoms are too many to make conformers of, which is for up to "
            f"{_MAX_ATOMS}: give a file with 3D coordinates"
        )
    mol = rdkit_from_topology(topology)
    settings = rdDistGeom.ETKDGv3()
    # RDKit multiplies the seed by the number of the conformer: 0 would make them all the same
    settings.randomSeed = seed + 1
    # Apart, RDKit would put the centre of every component on the origin.
    settings.embedFragmentsSeparately = False
    settings.timeout = _TIMEOUT
    found: list[int] = []
    with rdBase.BlockLogs():
        for random_start in (False, True):
            # Starting from random coordinates is slower, and finds crowded molecules.
            settings.useRandomCoords = random_start
            start = time.monotonic()
            ids = rdDistGeom.EmbedMultipleConfs(mol, n_conformers, settings)
            # Out of time, RDKit gives the number -1 to what it does not have.
            found = [number for number in ids if number >= 0]
            if len(found) == n_conformers:
                break
        if len(found) < n_conformers:
            late = time.monotonic() - start >= _TIMEOUT
            why = f" within {_TIMEOUT} s for each" if late else ""
            raise InputError(
                f"RDKit could embed {len(found)} of {n_conformers} conformers of {topology!r}"
                f"{why}; check that its stereo is possible in its rings, or give coordinates in a "
                "file"
            )
        if relax:
            _relax(mol)
    return np.array([c.GetPositions() for c in mol.GetConformers()]) * ANGSTROM


def _relax(mol: Chem.Mol) -> None:
    """Minimise every conformer in place."""
    if force_fields.MMFFHasAllMoleculeParams(mol):
        force_fields.MMFFOptimizeMoleculeConfs(mol, maxIters=_MAX_STEPS, mmffVariant="MMFF94s")
    elif force_fields.UFFHasAllMoleculeParams(mol):
        force_fields.UFFOptimizeMoleculeConfs(mol, maxIters=_MAX_STEPS)
    else:
        raise InputError(
            "neither MMFF94s nor UFF has parameters for this molecule, so its conformers cannot "
            "be relaxed; use relax=False"
        )
