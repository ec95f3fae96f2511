"""MMFF through the potential against RDKit's stored energies and forces."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rdkit import Chem

from isthmus.chemistry.molecule import Molecule
from isthmus.errors import InputError
from isthmus.forcefield.forcefield import ForceField
from isthmus.terms.nonbonded_method import NonbondedMethod

DATA = json.loads((Path(__file__).parents[1] / "data" / "rdkit_mmff.json").read_text())
TERMS = {
    "bonds": ("bond",),
    "angles": ("angle",),
    "stretch_bends": ("stretch-bend",),
    "out_of_planes": ("out-of-plane",),
    "torsions": ("torsion",),
    "van_der_waals": ("van-der-waals", "van-der-waals-14"),
    "coulomb": ("coulomb", "coulomb-14"),
}

FEW = ("nitrile", "sulfonamide", "zwitterion", "allene")
"""Molecules that every run tests; compiling for all of them takes a minute."""
RECORDS = [
    pytest.param(
        record,
        id=f"{record['name']} {record['variant']}",
        marks=() if record["name"].startswith(FEW) else pytest.mark.slow,
    )
    for record in DATA["molecules"]
]


@pytest.mark.parametrize("record", RECORDS)
def test_energies_and_forces_are_those_of_rdkit(record: dict[str, Any]) -> None:
    molecule = Molecule.from_rdkit(Chem.AddHs(Chem.MolFromSmiles(record["smiles"])))
    potential = ForceField.mmff(record["variant"]).bind(molecule.topology, precision="float64")
    for conformation in record["conformations"]:
        positions = np.array(conformation["positions"])
        energies = potential.term_energies(positions)
        for name, terms in TERMS.items():
            found = sum(float(energies[term]) for term in terms)
            assert found == pytest.approx(conformation["energies"][name], rel=1e-6, abs=1e-9)
        wanted = np.sum([np.array(f) for f in conformation["forces"].values()], axis=0)
        forces = potential.energy_and_forces(positions).forces
        assert np.abs(forces - wanted).max() < 1e-6 * np.abs(wanted).max()


@pytest.fixture
def ethanol() -> Molecule:
    return Molecule.from_rdkit(Chem.AddHs(Chem.MolFromSmiles("CCO")))


def test_a_cutoff_is_refused(ethanol: Molecule) -> None:
    method = NonbondedMethod("cutoff", cutoff=0.9)
    with pytest.raises(InputError, match="MMFF94 has no cutoff form here"):
        ForceField.mmff("MMFF94").bind(ethanol.topology, nonbonded=method)


def test_an_element_without_type_is_named() -> None:
    arsine = Molecule.from_rdkit(Chem.AddHs(Chem.MolFromSmiles("C[As](C)C")))
    with pytest.raises(InputError, match=r"no atom type for .* \(element As\)"):
        ForceField.mmff("MMFF94").bind(arsine.topology)


def test_a_protein_is_refused(ethanol: Molecule, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("isthmus.parameters.mmff_source.MAX_ATOMS", 8)
    with pytest.raises(InputError, match="up to 8 atoms; this system has 9"):
        ForceField.mmff("MMFF94").bind(ethanol.topology)


def test_an_unknown_variant_is_refused_at_once() -> None:
    with pytest.raises(InputError, match=r"unknown variant 'mmff95' of MMFF: .* MMFF94, MMFF94s"):
        ForceField.mmff("mmff95")
