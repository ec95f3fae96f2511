"""Conformers from a topology alone: distance geometry and a quick relaxation through RDKit.

ETKDGv3: S. Wang, J. Witek, G. A. Landrum, S. Riniker, J. Chem. Inf. Model. 60, 2044 (2020).
MMFF94s: T. A. Halgren, J. Comput. Chem. 20, 720 (1999).
"""

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

_MAX_STEPS = 2000


def embedded_conformers(
    topology: Topology, n_conformers: int, *, seed: int, relax: bool
) -> Float[np.ndarray, "conformers atoms 3"]:
    """New conformers [nm]; see `Molecule.with_conformers`.

    Raises:
        InputError: fewer than one conformer wanted, the embedding fails, or `relax` is wanted
            and neither MMFF94s nor UFF knows the molecule.
    """

    if n_conformers < 1:
        raise InputError(f"{n_conformers} conformers were asked for; wanted 1 or more")
    mol = rdkit_from_topology(topology)
    settings = rdDistGeom.ETKDGv3()
    # RDKit multiplies the seed by the number of the conformer: 0 would make them all the same
    settings.randomSeed = seed + 1
    found: list[int] = []
    with rdBase.BlockLogs():
        for random_start in (False, True):
            # Starting from random coordinates is slower, and finds crowded molecules.
            settings.useRandomCoords = random_start
            found = list(rdDistGeom.EmbedMultipleConfs(mol, n_conformers, settings))
            if len(found) == n_conformers:
                break
        if len(found) < n_conformers:
            raise InputError(
                f"RDKit could embed {len(found)} of {n_conformers} conformers of {topology!r}; "
                "check that its stereo is possible in its rings, or give coordinates in a file"
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
