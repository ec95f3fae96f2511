"""MMFF94 and MMFF94s as a source: RDKit types the molecule, the design `mmff` gets the numbers.

MMFF's van der Waals parameters belong to pairs, not to atoms, so all pairs are listed one by
one. That suits molecules; a solvated protein wants another force field.
"""

from collections.abc import Mapping
from typing import Final

import equinox as eqx
import numpy as np
from jaxtyping import Float, Int

from isthmus.chemistry.rdkit_bridge import rdkit_from_topology
from isthmus.chemistry.topology import Topology
from isthmus.designs.design import Design
from isthmus.errors import InputError
from isthmus.parameters.instantiate import Values, instantiate
from isthmus.parameters.mmff import (
    BUFFER,
    COULOMB_MMFF,
    CUBIC_ANGLE,
    CUBIC_BOND,
    SCALE_14,
    VARIANTS,
    ClusterParameters,
    MMFFParameters,
    mmff_parameters,
)
from isthmus.parameters.parameterization import Parameterization
from isthmus.parameters.source import Source
from isthmus.terms.nonbonded_method import NonbondedMethod

__all__ = ["MAX_ATOMS", "MMFFSource"]

MAX_ATOMS: Final = 2000
"""More atoms than this would need millions of listed pairs"""


class MMFFSource(Source):
    """RDKit's MMFF parameters for any molecule that it can type.

    Attributes:
        variant: "MMFF94" or "MMFF94s".
    """

    variant: str = eqx.field(static=True)

    def __check_init__(self) -> None:
        if self.variant not in VARIANTS:
            raise InputError(
                f"unknown variant '{self.variant}' of MMFF: choose one of {', '.join(VARIANTS)}"
            )

    def parameterise(
        self, design: Design, topology: Topology, method: NonbondedMethod
    ) -> Parameterization:
        """See `Source.parameterise`; works from the topology alone."""
        if method != NonbondedMethod():
            raise InputError(
                f"{self.variant} has no cutoff form here: leave `nonbonded` out, and use an Amber "
                "or CHARMM force field for periodic systems"
            )
        if topology.n_atoms > MAX_ATOMS:
            raise InputError(
                f"{self.variant} lists its pairs one by one, which is for molecules of up to "
                f"{MAX_ATOMS} atoms; this system has {topology.n_atoms}: use an Amber or CHARMM "
                "force field, such as amber14"
            )
        parameters = mmff_parameters(rdkit_from_topology(topology), self.variant)
        values = _values(parameters, topology)
        pairs = parameters.pairs_further.atoms.astype(np.int32)
        return instantiate(design, topology, values, pairs=pairs)


def _values(mmff: MMFFParameters, topology: Topology) -> Values:
    """Numbers by term and parameter, in the order of the topology's clusters."""
    clusters = topology.clusters
    branches = clusters.branches[topology.neighbours.degrees[clusters.branches[:, 0]] == 3]
    bonds = _on(topology.bonds, mmff.bonds)
    angles = _on(clusters.angles, mmff.angles)
    linear = angles.pop("is_linear")
    stretch_bends = _on(clusters.angles, mmff.stretch_bends)
    pairs14 = _on(clusters.pairs14, mmff.pairs14)
    return {
        "bond": bonds | _constant(len(topology.bonds), cs=CUBIC_BOND),
        "angle": angles
        | {"k1": angles["k"], "linear": linear}
        | _constant(len(clusters.angles), cb=CUBIC_ANGLE),
        "stretch-bend": {name: stretch_bends[name] for name in ("k12", "k23")},
        "out-of-plane": _on(branches, mmff.out_of_planes),
        "torsion": _on(clusters.torsions, mmff.torsions),
        "van-der-waals-14": pairs14,
        "van-der-waals": dict(mmff.pairs_further.values),
        "coulomb-14": _constant(
            len(clusters.pairs14), scale=SCALE_14, ke=COULOMB_MMFF, buffer=BUFFER
        ),
        "coulomb": {"charge": mmff.charges}
        | _constant(len(mmff.pairs_further.atoms), ke=COULOMB_MMFF, buffer=BUFFER),
    }


def _constant(n_clusters: int, **numbers: float) -> dict[str, Float[np.ndarray, " clusters"]]:
    return {name: np.full(n_clusters, number) for name, number in numbers.items()}


def _on(
    wanted: Int[np.ndarray, "clusters size"], found: ClusterParameters
) -> dict[str, Float[np.ndarray, " clusters"]]:
    """Values on the wanted clusters; 0 where MMFF has no such cluster.

    MMFF and `Topology` may differ in what they call a linear centre, and so in the torsions that
    exist; a torsion with an energy that the topology lacks would be lost, and is refused.
    """
    rows = {tuple(atoms): row for row, atoms in enumerate(found.atoms.tolist())}
    chosen = [rows.pop(tuple(atoms), -1) for atoms in wanted.tolist()]
    _refuse_lost(rows, found.values)
    idx = np.asarray(chosen, dtype=np.int64)
    return {
        name: np.where(idx >= 0, value[idx] if len(value) else 0.0, 0.0)
        for name, value in found.values.items()
    }


def _refuse_lost(
    rows: Mapping[tuple[int, ...], int], values: Mapping[str, Float[np.ndarray, " clusters"]]
) -> None:
    for atoms, row in rows.items():
        if any(value[row] for value in values.values()):
            raise InputError(
                f"MMFF has an energy for atoms {atoms}, where this topology sees a linear centre: "
                "check the bond orders and charges around these atoms"
            )
