"""Write tests/data/rdkit_mmff.json: MMFF94 and MMFF94s energies and forces of RDKit, by term.

    python rdkit_mmff.py ../../data/rdkit_mmff.json

A term's numbers come from a force field in which all others are switched off. The geometries
are ETKDG conformers whose coordinates are displaced at random, so that no term is at rest.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import rdkit
from compact_json import dumps, significant
from rdkit import Chem
from rdkit.Chem import rdDistGeom, rdForceFieldHelpers
from rdkit.Geometry import Point3D

SEED = 20240608
KILOCALORIE = 4.184
ANGSTROM = 0.1
BOTH = ("MMFF94", "MMFF94s")
MOLECULES = {
    "nitrile": ("COCC(C)C#N", BOTH[:1]),
    "aromatic amide": ("CC(=O)Nc1ccccc1", BOTH),
    "sulfonamide on pyridine": ("CS(=O)(=O)Nc1ccccn1", BOTH),
    "zwitterion": ("[NH3+]CC(=O)[O-]", BOTH[:1]),
    "phosphocholine ion": ("C[N+](C)(C)CCOP(=O)([O-])[O-]", BOTH[:1]),
    "azide and alkyne": ("C#CCN=[N+]=[N-]", BOTH[:1]),
    "allene and thiazole": ("C=C=Cc1nccs1", BOTH[:1]),
    "small rings": ("C1CC1C1CCO1", BOTH[:1]),
    "caffeine": ("Cn1cnc2c1c(=O)n(C)c(=O)n2C", BOTH[:1]),
    "ion pair": ("CC(=O)[O-].[Na+]", BOTH[:1]),
}
TERMS = {
    "bonds": "Bond",
    "angles": "Angle",
    "stretch_bends": "StretchBend",
    "out_of_planes": "Oop",
    "torsions": "Torsion",
    "van_der_waals": "VdW",
    "coulomb": "Ele",
}
"""Our name of each term, and the name in RDKit's switches SetMMFF...Term."""


def geometries(molecule: Chem.Mol) -> list[np.ndarray]:
    """Two conformers [nm], every coordinate displaced at random by about 0.1 Å."""
    random = np.random.default_rng(SEED)
    identifiers = rdDistGeom.EmbedMultipleConfs(molecule, 2, randomSeed=SEED)
    frames = [molecule.GetConformer(n).GetPositions() * ANGSTROM for n in identifiers]
    return [np.round(frame + random.normal(0, 0.01, frame.shape), 6) for frame in frames]


def single_point(molecule: Chem.Mol, variant: str, positions: np.ndarray) -> dict[str, Any]:
    """Energies [kJ/mol] and forces [kJ/mol/nm] of every term."""
    molecule = Chem.Mol(molecule)
    conformer = Chem.Conformer(molecule.GetNumAtoms())
    for atom, point in enumerate(positions / ANGSTROM):
        conformer.SetAtomPosition(atom, Point3D(*point))
    molecule.RemoveAllConformers()
    molecule.AddConformer(conformer)
    properties = rdForceFieldHelpers.MMFFGetMoleculeProperties(molecule, mmffVariant=variant)
    result: dict[str, Any] = {"energies": {}, "forces": {}}
    for term in TERMS:
        for other, switch in TERMS.items():
            getattr(properties, f"SetMMFF{switch}Term")(other == term)
        field = rdForceFieldHelpers.MMFFGetMoleculeForceField(
            molecule, properties, nonBondedThresh=1e4, ignoreInterfragInteractions=False
        )
        field.Initialize()
        forces = -np.reshape(field.CalcGrad(), (-1, 3)) * KILOCALORIE / ANGSTROM
        result["energies"][term] = field.CalcEnergy() * KILOCALORIE
        result["forces"][term] = significant(forces.tolist(), 10)
    return result


def record(name: str, smiles: str, variant: str) -> dict[str, Any]:
    """Input and results of one molecule."""
    molecule = Chem.AddHs(Chem.MolFromSmiles(smiles))
    frames = geometries(molecule)
    return {
        "name": name,
        "smiles": smiles,
        "variant": variant,
        "elements": [atom.GetSymbol() for atom in molecule.GetAtoms()],
        "conformations": [
            {"positions": frame.tolist(), **single_point(molecule, variant, frame)}
            for frame in frames
        ],
    }


def main(path: Path) -> None:
    """Run everything and write the file."""
    document = {
        "provenance": {
            "engine": f"RDKit {rdkit.__version__}, MMFF94 and MMFF94s, dielectric constant 1",
            "script": "tests/reference/generate/rdkit_mmff.py",
            "geometries": f"ETKDG, seed {SEED}, displaced at random",
            "atoms": "in the order of Chem.AddHs(Chem.MolFromSmiles(smiles))",
            "units": "kJ/mol, nm; RDKit's kcal/mol and angstrom, 1 kcal = 4.184 kJ exactly",
            "pairs": "no cutoff; van_der_waals and coulomb include the 1-4 pairs",
        },
        "molecules": [
            record(name, smiles, variant)
            for name, (smiles, variants) in MOLECULES.items()
            for variant in variants
        ],
    }
    path.write_text(dumps(document) + "\n")
    print(f"{path}: {path.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
