"""The Universal Force Field as RDKit computes it.

A. K. Rappé et al., J. Am. Chem. Soc. 114, 10024 (1992).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from isthmus.chemistry.molecule import Molecule
from isthmus.chemistry.topology import Topology
from isthmus.errors import InputError
from isthmus.label.level import LabelError, Labels
from isthmus.units import ANGSTROM, KILOCALORIE

__all__ = ["UniversalForceField"]


@dataclass(frozen=True)
class UniversalForceField:
    """A level of theory; see `isthmus.label.level.Level`."""

    @property
    def level_of_theory(self) -> str:
        """Method, program and version."""
        return f"UFF (RDKit {self.versions['rdkit']})"

    @property
    def versions(self) -> Mapping[str, str]:
        """Of RDKit."""
        return {"rdkit": version("rdkit")}

    @property
    def settings(self) -> Mapping[str, Any]:
        """All pairs interact, whatever their distance."""
        return {"cutoff": None}

    def check(self, atomic_numbers: Int[np.ndarray, "atoms"]) -> None:
        """As `Level.check`; what UFF knows is a matter of atom types, see `labeller`."""
        if (atomic_numbers < 1).any():
            raise InputError("UFF knows no virtual sites; leave them out")

    def labeller(self, topology: Topology, *, multiplicity: int) -> "_Field":
        """As `Level.labeller`."""
        del multiplicity
        from rdkit import rdBase
        from rdkit.Chem import rdForceFieldHelpers

        molecule = Molecule.create(topology, np.zeros((0, topology.n_atoms, 3)))
        mol = molecule.to_rdkit()
        with rdBase.BlockLogs():
            if not rdForceFieldHelpers.UFFHasAllMoleculeParams(mol):
                raise LabelError(f"UFF cannot type {molecule.smiles}")
        _place(mol, topology.n_atoms)
        # The first positions only decide which pairs there are, and with this reach all are
        field = rdForceFieldHelpers.UFFGetMoleculeForceField(
            mol, vdwThresh=1e6, ignoreInterfragInteractions=False
        )
        return _Field(mol, field)


@dataclass(eq=False)
class _Field:
    mol: Any
    field: Any

    def __call__(
        self, positions: Float[np.ndarray, "atoms 3"], *, continued: bool = False
    ) -> Labels:
        """As `Labeller`."""
        del continued
        if not np.isfinite(positions).all():
            raise LabelError("positions are not finite")
        flat = (positions / ANGSTROM).ravel().tolist()
        # The energy first: RDKit's gradient uses the distances that the last energy left
        energy = self.field.CalcEnergy(flat)
        gradient = np.array(self.field.CalcGrad(flat)).reshape(-1, 3)
        return Labels(
            energy=energy * KILOCALORIE,
            forces=gradient * (-KILOCALORIE / ANGSTROM),
        )


def _place(mol: Any, n_atoms: int) -> None:
    """Somewhere, for RDKit wants a conformer."""
    from rdkit.Chem import Conformer

    mol.RemoveAllConformers()
    conformer = Conformer(n_atoms)
    for atom in range(n_atoms):
        conformer.SetAtomPosition(atom, (1.0 * atom, 0.1 * (atom % 3), 0.0))
    mol.AddConformer(conformer)
