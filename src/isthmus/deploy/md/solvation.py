"""Water and ions around a molecule, placed by OpenMM's Modeller."""

import math
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from isthmus.chemistry.elements import element_symbols
from isthmus.chemistry.molecule import Molecule
from isthmus.chemistry.topology import Topology, concatenate
from isthmus.deploy.openmm.topology import openmm_topology
from isthmus.errors import InputError
from isthmus.geometry.box import reduce_box

if TYPE_CHECKING:
    import openmm.app

__all__ = ["BOX_SHAPES", "WATER_FILES", "Solvent", "solvate"]

WATER_FILES: Final = {
    "tip3p": "amber14/tip3p.xml",
    "tip3pfb": "amber14/tip3pfb.xml",
    "spce": "amber14/spce.xml",
    "opc3": "amber14/opc3.xml",
    "opc": "amber14/opc.xml",
    "tip4pew": "amber14/tip4pew.xml",
    "tip4pfb": "amber14/tip4pfb.xml",
}
"""Water models by name, and OpenMM's file with the water and ions that belong to it"""

BOX_SHAPES: Final = ("cube", "dodecahedron", "octahedron")
"""Shapes of a box that is made around a molecule"""

_FOUR_SITES: Final = ("opc", "tip4pew", "tip4pfb")

_POSITIVE: Final = ("Li+", "Na+", "K+", "Rb+", "Cs+")
_NEGATIVE: Final = ("F-", "Cl-", "Br-", "I-")
_ION_CHARGES: Final = {3: 1, 11: 1, 19: 1, 37: 1, 55: 1, 9: -1, 17: -1, 35: -1, 53: -1}


@dataclass(frozen=True)
class Solvent:
    """Water and ions to be added.

    Attributes:
        water: one of `WATER_FILES`.
        padding: least distance between images of the solute [nm].
        ionic_strength: of salt beyond the ions that neutralise [mol/L].
        neutralise: whether to add ions until the total charge is 0.
        shape: one of `BOX_SHAPES`.
        positive, negative: ions, such as Na+ and Cl-.
        seed: of the places of the ions.
    """

    water: str = "tip3p"
    padding: float = 1.0
    ionic_strength: float = 0.0
    neutralise: bool = True
    shape: str = "cube"
    positive: str = "Na+"
    negative: str = "Cl-"
    seed: int = 0

    def __post_init__(self) -> None:
        choices = (
            ("water model", self.water, WATER_FILES),
            ("box shape", self.shape, BOX_SHAPES),
            ("positive ion", self.positive, _POSITIVE),
            ("negative ion", self.negative, _NEGATIVE),
        )
        for what, given, known in choices:
            if given not in known:
                raise InputError(f"unknown {what} '{given}': choose one of {', '.join(known)}")
        if not (math.isfinite(self.padding) and self.padding > 0):
            raise InputError(f"the padding is {self.padding} nm: give a positive length in nm")
        if not (math.isfinite(self.ionic_strength) and self.ionic_strength >= 0):
            raise InputError(
                f"the ionic strength is {self.ionic_strength} mol/L: give 0 or a positive number"
            )


def solvate(molecule: Molecule, solvent: Solvent, force_field: "openmm.app.ForceField") -> Molecule:
    """The molecule in a box of water and ions; its own atoms come first, in their order.

    Args:
        molecule: with one conformer; a box of its own is replaced.
        solvent: what to add.
        force_field: with templates for everything in the molecule and for the water, from which
            Modeller takes radii and charges.

    Raises:
        InputError: OpenMM cannot solvate it.
    """
    import openmm
    from openmm import app, unit

    units: Any = unit
    modeller = app.Modeller(
        openmm_topology(molecule.topology), molecule.positions.astype(float) * units.nanometer
    )
    four = solvent.water in _FOUR_SITES
    with _seeded(solvent.seed):
        try:
            modeller.addSolvent(
                force_field,
                model="tip4pew" if four else "tip3p",
                padding=solvent.padding,
                boxShape=solvent.shape,
                positiveIon=solvent.positive,
                negativeIon=solvent.negative,
                ionicStrength=solvent.ionic_strength * units.molar,
                neutralize=solvent.neutralise,
            )
        except (openmm.OpenMMException, ValueError) as error:
            raise InputError(
                f"OpenMM cannot put this molecule into {solvent.water}: {error}; change the "
                "padding or the ions, or give a structure that is solvated already"
            ) from None
    return _as_molecule(molecule, modeller)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Modeller draws from Python's own generator: its state is put back afterwards."""
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)


def _as_molecule(molecule: Molecule, modeller: Any) -> Molecule:
    """What Modeller made, as our own record."""
    from openmm import unit

    nanometer = vars(unit)["nanometer"]
    positions = np.array(modeller.positions.value_in_unit(nanometer), dtype=np.float64)
    vectors = modeller.topology.getPeriodicBoxVectors().value_in_unit(nanometer)
    reduced = reduce_box(np.array(vectors, dtype=np.float64))
    added = _added_topology(modeller.topology, molecule.n_atoms)
    topology = concatenate([molecule.topology, added]) if added.n_atoms else molecule.topology
    return Molecule.create(
        topology, positions @ reduced.rotation, box=reduced.box, name=molecule.name
    )


def _added_topology(topology: Any, n_before: int) -> Topology:
    """Water and ions, which stand behind the atoms that were there before."""
    atoms = [atom for atom in topology.atoms() if atom.index >= n_before]
    first = min((atom.residue.index for atom in atoms), default=0)
    numbers = [0 if atom.element is None else atom.element.atomic_number for atom in atoms]
    residues = [r for r in topology.residues() if r.index >= first]
    alone = {atom.index for r in residues for atom in r.atoms() if len(list(r.atoms())) == 1}
    charges = [
        _ion_charge(number) if atom.index in alone else 0
        for atom, number in zip(atoms, numbers, strict=True)
    ]
    bonds = [
        (bond[0].index - n_before, bond[1].index - n_before)
        for bond in topology.bonds()
        if bond[0].index >= n_before
    ]
    return Topology.create(
        numbers,
        np.array(bonds, dtype=np.int64).reshape(-1, 2),
        formal_charges=charges,
        atom_names=[atom.name for atom in atoms],
        residue_idx=[atom.residue.index - first for atom in atoms],
        residue_names=[r.name for r in residues],
        residue_ids=[str(r.id) for r in residues],
        chain_ids=[str(r.chain.id) for r in residues],
    )


def _ion_charge(number: int) -> int:
    if number not in _ION_CHARGES:
        raise AssertionError(f"an ion of {element_symbols(np.array([number]))[0]}")
    return _ION_CHARGES[number]
