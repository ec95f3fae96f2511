"""Calculators of ASE that drive Langevin dynamics: RDKit's MMFF94, and any level of theory."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from ase.calculators.calculator import Calculator, all_changes

from isthmus.chemistry.molecule import Molecule
from isthmus.errors import InputError
from isthmus.label.level import LabelError, Labeller
from isthmus.units import ANGSTROM, ELECTRONVOLT, KILOCALORIE

__all__ = ["LabellerCalculator", "MMFFCalculator"]


class LabellerCalculator(Calculator):
    """A level of theory along a trajectory: each step starts from the electrons of the last."""

    implemented_properties: ClassVar[list[str]] = ["energy", "forces"]

    def __init__(self, labeller: Labeller) -> None:
        """A calculator for one molecule."""
        super().__init__()
        self._labeller = labeller

    def calculate(
        self,
        atoms: Any = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Fill `results`; ASE calls it.

        Raises:
            LabelError: the level of theory fails.
        """
        super().calculate(atoms, list(properties), list(system_changes))
        assert self.atoms is not None
        labels = self._labeller(self.atoms.positions * ANGSTROM, continued=True)
        self.results["energy"] = labels.energy / ELECTRONVOLT
        self.results["forces"] = labels.forces * (ANGSTROM / ELECTRONVOLT)


class MMFFCalculator(Calculator):
    """MMFF94 or MMFF94s as RDKit computes it.

    Our own `mmff` has the same energies, but must be compiled for each molecule, which takes
    seconds; a whole trajectory takes less here.
    """

    implemented_properties: ClassVar[list[str]] = ["energy", "forces"]

    def __init__(self, molecule: Molecule, *, variant: str = "MMFF94") -> None:
        """A calculator for one molecule, of any number of components.

        Raises:
            InputError: MMFF94 cannot type the molecule.
        """
        super().__init__()
        from rdkit import rdBase
        from rdkit.Chem import rdForceFieldHelpers

        mol = molecule.to_rdkit()
        with rdBase.BlockLogs():
            if not rdForceFieldHelpers.MMFFHasAllMoleculeParams(mol):
                raise InputError(
                    f"{variant} cannot type {molecule.smiles}: choose another sampler, such as "
                    "'label'"
                )
            kinds = rdForceFieldHelpers.MMFFGetMoleculeProperties(mol, mmffVariant=variant)
        self._mol, self._kinds = mol, kinds
        self._field = rdForceFieldHelpers.MMFFGetMoleculeForceField(
            mol, kinds, nonBondedThresh=1e6, ignoreInterfragInteractions=False
        )

    def calculate(
        self,
        atoms: Any = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Fill `results`; ASE calls it.

        Raises:
            LabelError: positions that are not finite.
        """
        super().calculate(atoms, list(properties), list(system_changes))
        assert self.atoms is not None
        positions = self.atoms.positions
        if not np.isfinite(positions).all():
            raise LabelError("positions are not finite")
        flat = positions.ravel().tolist()
        unit = KILOCALORIE / ELECTRONVOLT
        self.results["energy"] = self._field.CalcEnergy(flat) * unit
        gradient = np.array(self._field.CalcGrad(flat)).reshape(-1, 3)
        self.results["forces"] = gradient * -unit
