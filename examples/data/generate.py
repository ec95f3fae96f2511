"""Writes the drug molecules of this folder: structures from SMILES, coordinates from RDKit.

Run from the root of the repository: python examples/data/generate.py
"""

from pathlib import Path

from rdkit import Chem, rdBase
from rdkit.Chem import rdDistGeom, rdForceFieldHelpers

FOLDER = Path(__file__).parent
SEED = 20
MOLECULES = {
    "paracetamol": "CC(=O)Nc1ccc(O)cc1",
    "imatinib": "Cc1ccc(NC(=O)c2ccc(CN3CCN(C)CC3)cc2)cc1Nc1nccc(-c2cccnc2)n1",
}


def build(name: str, smiles: str) -> Chem.Mol:
    """One conformer with all hydrogens, embedded by ETKDGv3 and relaxed in MMFF94s."""
    molecule = Chem.AddHs(Chem.MolFromSmiles(smiles))
    molecule.SetProp("_Name", name)
    molecule.SetProp("SMILES", smiles)
    settings = rdDistGeom.ETKDGv3()
    settings.randomSeed = SEED
    rdDistGeom.EmbedMolecule(molecule, settings)
    rdForceFieldHelpers.MMFFOptimizeMolecule(molecule, mmffVariant="MMFF94s", maxIters=5000)
    return molecule


def main() -> None:
    for name, smiles in MOLECULES.items():
        molecule = build(name, smiles)
        with Chem.SDWriter(str(FOLDER / f"{name}.sdf")) as writer:
            writer.write(molecule)
        print(f"{name}.sdf: {molecule.GetNumAtoms()} atoms, RDKit {rdBase.rdkitVersion}")


if __name__ == "__main__":
    main()
