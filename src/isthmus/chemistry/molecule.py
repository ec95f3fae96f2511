"""A molecule or a system of molecules: its topology, coordinates, box and name."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from types import MappingProxyType

import numpy as np
from jaxtyping import Float
from rdkit import Chem

from isthmus.chemistry.coordinates import checked_conformers
from isthmus.chemistry.elements import element_symbols
from isthmus.chemistry.embedding import embedded_conformers
from isthmus.chemistry.rdkit_bridge import rdkit_from_topology, topology_from_rdkit
from isthmus.chemistry.topology import Topology, concatenate
from isthmus.chemistry.topology_input import ArrayInput
from isthmus.errors import InputError
from isthmus.geometry.box import check_box
from isthmus.units import ANGSTROM

__all__ = ["Molecule", "check_total_charge", "combine"]


@dataclass(frozen=True, eq=False, repr=False)
class Molecule:
    """A topology of one or more components, with any number of conformers.

    Build it with `Molecule.create`, `Molecule.from_rdkit` or a reader.

    Attributes:
        topology: what is bonded to what.
        conformers: coordinates [nm], read-only; there may be none.
        box: reduced cell vectors as rows [nm], the same for all conformers; None without.
        name: as in the file; may be empty.
        properties: what else the source said about the molecule, read-only.
    """

    topology: Topology
    conformers: Float[np.ndarray, "conformers atoms 3"]
    box: Float[np.ndarray, "3 3"] | None
    name: str
    properties: Mapping[str, str | float]

    @classmethod
    def create(
        cls,
        topology: Topology,
        conformers: ArrayInput | None = None,
        *,
        box: ArrayInput | None = None,
        name: str = "",
        properties: Mapping[str, str | float] | None = None,
    ) -> "Molecule":
        """Check coordinates and box, and freeze.

        Args:
            topology: what is bonded to what.
            conformers: (conformers, atoms, 3) or (atoms, 3) [nm], or None for none.
            box: reduced cell vectors as rows [nm], or None.
            name: free text.
            properties: small facts, text or number.

        Raises:
            InputError: coordinates that do not fit, are not finite or overlap; a box that is not
                in reduced form.
        """
        if box is not None:
            box = np.array(box, dtype=np.float64)
            if box.shape != (3, 3):
                raise InputError(
                    f"a box has shape {box.shape}; wanted three cell vectors as rows, (3, 3) [nm]"
                )
            check_box(box)
            box.flags.writeable = False
        return cls(
            topology=topology,
            conformers=checked_conformers(topology, conformers),
            box=box,
            name=name,
            properties=MappingProxyType(dict(properties or {})),
        )

    @classmethod
    def from_rdkit(cls, mol: Chem.Mol, *, name: str | None = None) -> "Molecule":
        """A molecule from a sanitised RDKit molecule in which every hydrogen is an atom.

        Conformers that RDKit marks as three-dimensional are taken along; isotopes are dropped.
        The name is RDKit's `_Name`, unless given.

        Raises:
            InputError: hydrogens are missing, or a bond or stereo is of a kind not understood.
        """
        conformers = [c.GetPositions() * ANGSTROM for c in mol.GetConformers() if c.Is3D()]
        given = mol.GetProp("_Name") if mol.HasProp("_Name") else ""
        return cls.create(
            topology_from_rdkit(mol),
            np.array(conformers) if conformers else None,
            name=given if name is None else name,
        )

    @property
    def n_atoms(self) -> int:
        """Number of atoms."""
        return self.topology.n_atoms

    @property
    def n_conformers(self) -> int:
        """Number of conformers."""
        return len(self.conformers)

    @property
    def total_charge(self) -> int:
        """Sum of the formal charges [e]."""
        return self.topology.total_charge

    @property
    def positions(self) -> Float[np.ndarray, "atoms 3"]:
        """Coordinates of the first conformer [nm].

        Raises:
            InputError: there is none.
        """
        if not self.n_conformers:
            raise InputError(
                f"{self!r} has no coordinates; make some with `with_conformers`, or read them"
            )
        return self.conformers[0]

    @cached_property
    def formula(self) -> str:
        """Molecular formula in Hill order, then the total charge if any: C2H3O2-, HO4P-2."""
        numbers = self.topology.atomic_numbers
        elements, counts = np.unique(numbers[numbers > 0].astype(np.int32), return_counts=True)
        count = dict(zip(element_symbols(elements), counts.tolist(), strict=True))
        first = ["C", "H"] if "C" in count else []
        order = [s for s in first if s in count] + sorted(s for s in count if s not in first)
        text = "".join(s + (str(count[s]) if count[s] > 1 else "") for s in order)
        charge = self.total_charge
        if charge:
            text += ("+" if charge > 0 else "-") + (str(abs(charge)) if abs(charge) > 1 else "")
        return text

    @cached_property
    def smiles(self) -> str:
        """Canonical isotope-free SMILES with stereo, hydrogens implicit where possible."""
        return Chem.MolToSmiles(Chem.RemoveHs(rdkit_from_topology(self.topology)))

    @cached_property
    def mapped_smiles(self) -> str:
        """SMILES with every atom written and numbered: map number = atom index + 1."""
        mol = rdkit_from_topology(self.topology)
        for atom in mol.GetAtoms():
            atom.SetAtomMapNum(atom.GetIdx() + 1)
            # Distinct isotopes stop RDKit from mirroring rings whose two sides look alike.
            atom.SetIsotope(atom.GetIdx() + 1)
            atom.ClearProp("_ringStereoAtoms")
        Chem.AssignStereochemistry(mol, cleanIt=True, force=True)
        return re.sub(r"\[\d+", "[", Chem.MolToSmiles(mol))

    def to_rdkit(self) -> Chem.Mol:
        """A sanitised RDKit molecule with all atoms, names, residues and conformers [Å].

        Raises:
            InputError: RDKit does not accept the topology.
        """
        mol = rdkit_from_topology(self.topology)
        mol.SetProp("_Name", self.name)
        for positions in self.conformers:
            conformer = Chem.Conformer(self.n_atoms)
            conformer.SetPositions(positions / ANGSTROM)
            mol.AddConformer(conformer, assignId=True)
        return mol

    def with_conformers(self, n: int, seed: int = 0, *, relax: bool = True) -> "Molecule":
        """The same molecule with new conformers: RDKit's ETKDGv3, relaxed with MMFF94s.

        Stereo that the topology leaves open is chosen at random in each conformer. A molecule
        that MMFF has no parameters for is relaxed with UFF.

        Args:
            n: number of conformers.
            seed: of the embedding; the same seed gives the same conformers.
            relax: whether to minimise.

        Raises:
            InputError: the embedding fails, or neither force field knows the molecule.
        """
        conformers = embedded_conformers(self.topology, n, seed=seed, relax=relax)
        checked = checked_conformers(self.topology, conformers)
        return replace(self, conformers=checked, box=None)

    def __reduce__(self):
        facts = {"box": self.box, "name": self.name, "properties": dict(self.properties)}
        return partial(Molecule.create, **facts), (self.topology, self.conformers)

    def __repr__(self) -> str:
        name = f"'{self.name}', " if self.name else ""
        box = ", periodic" if self.box is not None else ""
        return (
            f"Molecule({name}{self.formula}, {self.n_atoms} atoms, "
            f"{self.n_conformers} conformers{box})"
        )


def combine(molecules: Sequence[Molecule], *, box: ArrayInput | None = None) -> Molecule:
    """One system of several molecules, for example ligand, protein and water.

    Atoms, residues and names keep their order. All molecules need the same number of
    conformers; conformer k of the system is made of conformer k of each.

    Args:
        molecules: in the order wanted.
        box: reduced cell vectors [nm]; not given, the one box that the molecules have.

    Raises:
        InputError: nothing to combine, different numbers of conformers, different boxes, or
            molecules that overlap.
    """
    if not molecules:
        raise InputError("nothing to combine: give at least one molecule")
    counts = [molecule.n_conformers for molecule in molecules]
    if len(set(counts)) > 1:
        raise InputError(
            f"the molecules have {counts} conformers; to combine them each needs the same number, "
            "choose conformers first"
        )
    if box is None:
        boxes = [molecule.box for molecule in molecules if molecule.box is not None]
        if any(not np.array_equal(other, boxes[0]) for other in boxes[1:]):
            raise InputError("the molecules have different boxes; say which with `box=...`")
        box = boxes[0] if boxes else None
    return Molecule.create(
        concatenate([molecule.topology for molecule in molecules]),
        np.concatenate([molecule.conformers for molecule in molecules], axis=1),
        box=box,
        name=" + ".join(molecule.name for molecule in molecules if molecule.name),
    )


def check_total_charge(topology: Topology, stated: int | None, *, source: str) -> None:
    """Compare the formal charges with a total charge that was stated; None: nothing was.

    Raises:
        InputError: they differ.
    """
    if stated is not None and topology.total_charge != stated:
        found = f"{topology.total_charge:+d}" if topology.total_charge else "0"
        wanted = f"{stated:+d}" if stated else "0"
        raise InputError(
            f"{source}: wrong total charge: the atoms and bonds give {found}, {wanted} was stated; "
            "correct the stated charge, or the protonation and charges of the molecule"
        )
