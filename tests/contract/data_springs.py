"""Small labelled data that obey physics: bonds and 1-3 distances are springs."""

from functools import cache

import numpy as np

from isthmus.chemistry import Molecule, from_smiles
from isthmus.data import Entry

BOND, ANGLE = 3e5, 5e4
DISPLACED = 0.003
ZERO = -1e5


@cache
def _molecule(smiles: str) -> Molecule:
    return from_smiles(smiles, conformers=1)


def springs(
    smiles: str,
    n_frames: int,
    *,
    seed: int = 0,
    name: str = "",
    level: str = "springs",
    charges: bool = False,
    temperatures: list[float] | None = None,
) -> Entry:
    """Displaced frames of a molecule, with energies [kJ/mol] and forces [kJ/mol/nm]."""
    molecule = _molecule(smiles)
    topology, rest = molecule.topology, molecule.positions
    pairs = np.concatenate([topology.bonds, topology.clusters.angles[:, [0, 2]]])
    stiffness = np.repeat([BOND, ANGLE], [topology.n_bonds, len(pairs) - topology.n_bonds])
    rng = np.random.default_rng(seed)
    positions = rest + rng.normal(scale=DISPLACED, size=(n_frames, *rest.shape))
    rest_length = np.linalg.norm(rest[pairs[:, 0]] - rest[pairs[:, 1]], axis=1)
    along = positions[:, pairs[:, 0]] - positions[:, pairs[:, 1]]
    length = np.linalg.norm(along, axis=2)
    stretch = length - rest_length
    pull = -(stiffness * stretch / length)[:, :, None] * along
    forces = np.zeros_like(positions)
    for k, (i, j) in enumerate(pairs.tolist()):
        forces[:, i] += pull[:, k]
        forces[:, j] -= pull[:, k]
    # A zero of energy that is a sum over atoms, as that of quantum chemistry nearly is.
    zero = ZERO * float(topology.atomic_numbers.sum()) / 10
    return Entry.create(
        name or smiles,
        topology,
        positions=positions,
        energies=zero + (0.5 * stiffness * stretch**2).sum(axis=1),
        forces=forces,
        charges=np.zeros((n_frames, topology.n_atoms)) if charges else None,
        temperatures=temperatures,
        level_of_theory=level,
    )
