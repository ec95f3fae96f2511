"""Options that several commands share, and the input that they describe."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from isthmus.chemistry.molecule import Molecule

__all__ = [
    "Charge",
    "EnergyKey",
    "EnergyUnit",
    "ForceFieldSpec",
    "ForcesKey",
    "Format",
    "LengthUnit",
    "LevelOfTheory",
    "Ligands",
    "MoleculeSmiles",
    "Overwrite",
    "Precision",
    "SmilesFlag",
    "read_input",
    "read_one",
]

ForceFieldSpec = Annotated[
    str,
    typer.Option(
        "--ff",
        metavar="SPEC",
        help="mmff94, mmff94s, amber14, charmm36; other files of OpenMM, with commas; a saved "
        "force field (.safetensors); an OpenMM System (.xml); an untrained design (class1, class2, "
        "class2plus, own.toml). Names and files of OpenMM: PME with a cutoff of 0.9 nm where the "
        "structure has a box, all pairs (NoCutoff) where not; no constraints.",
    ),
]
Charge = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Total charge in e of each molecule. XYZ files do not say it: without this option it "
        "is what their comment line says, or 0. In other formats the structure says it, and "
        "another number is an error.",
    ),
]
Ligands = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=SMILES",
        help="A residue of a PDB file that is not standard; can be repeated.",
    ),
]
Precision = Annotated[str, typer.Option(metavar="TYPE", help="float32 or float64.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the output if it exists.")]
SmilesFlag = Annotated[
    bool, typer.Option("--smiles", help="FILE is a SMILES; a conformer is made (ETKDG).")
]

# How labelled data are to be read
Format = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="spice, ani1, md17, ase or ase:NAME; else recognised."),
]
EnergyUnit = Annotated[
    str | None,
    typer.Option(
        metavar="UNIT",
        help="kcal/mol, kJ/mol, eV, meV or hartree, where the data do not follow the convention "
        "of their format.",
    ),
]
LengthUnit = Annotated[
    str | None, typer.Option(metavar="UNIT", help="angstrom, nm or bohr; likewise.")
]
EnergyKey = Annotated[
    str | None, typer.Option(metavar="KEY", help="Name of the energies, for XYZ and ASE.")
]
ForcesKey = Annotated[
    str | None, typer.Option(metavar="KEY", help="Name of the forces, for XYZ and ASE.")
]
MoleculeSmiles = Annotated[
    str | None,
    typer.Option(metavar="SMILES", help="Of the molecule, where bonds would be perceived."),
]
LevelOfTheory = Annotated[
    str | None,
    typer.Option(metavar="TEXT", help="Level of theory, where the data do not state it."),
]


def read_input(
    file: str,
    *,
    charge: int | None,
    ligands: list[str] | None,
    smiles: bool,
    limit: int | None = None,
) -> "list[Molecule]":
    """Molecules of a file, each with coordinates; a SMILES has a conformer made for it.

    Args:
        file: a path, or a SMILES with `smiles`.
        charge: total charge that each should have [e].
        ligands: NAME=SMILES of residues.
        smiles: whether `file` is a SMILES.
        limit: take this many molecules from the start of the file; None takes all.

    Raises:
        InputError: what the readers refuse, a ligand that is not NAME=SMILES, no coordinates.
    """
    from isthmus.chemistry.molecule import check_total_charge
    from isthmus.chemistry.read import read
    from isthmus.chemistry.smiles import from_smiles
    from isthmus.errors import InputError

    # Not Path: it raises for names as long as those of large molecules.
    if smiles and os.path.isfile(file):
        raise InputError(f"'{file}' is a file: leave out --smiles, which is for a SMILES itself")
    if smiles:
        molecule = from_smiles(file, conformers=1)
        check_total_charge(molecule.topology, charge, source=f"SMILES '{file}'")
        return [molecule]
    named = [ligand.partition("=") for ligand in ligands or ()]
    for name, equals, text in named:
        if not (name and equals and text):
            raise InputError(f"--ligand {name}{equals}{text}: wanted is NAME=SMILES, e.g. LIG=CCO")
    if "." not in Path(file).name and not os.path.exists(file):
        raise InputError(f"there is no file '{file}'; check the path, or add --smiles to a SMILES")
    molecules = read(file, total_charge=charge, ligands={name: text for name, _, text in named})
    molecules = molecules[:limit]
    if Path(file).suffix.lower() in (".smi", ".smiles"):
        return [molecule.with_conformers(1) for molecule in molecules]
    for number, molecule in enumerate(molecules, start=1):
        if not molecule.n_conformers:
            raise InputError(
                f"{file}, record {number} ({molecule.name or molecule.smiles}) is two-dimensional: "
                "generate 3D coordinates, e.g. by giving its SMILES with --smiles, or in Python "
                "with molecule.with_conformers(1)"
            )
    return molecules


def read_one(
    file: str, *, charge: int | None, ligands: list[str] | None, smiles: bool
) -> "Molecule":
    """The only molecule of a file.

    Raises:
        InputError: as `read_input`, or the file holds several.
    """
    from isthmus.errors import InputError

    molecules = read_input(file, charge=charge, ligands=ligands, smiles=smiles)
    if len(molecules) > 1:
        raise InputError(
            f"{file} holds {len(molecules)} molecules, this command takes one: split the file"
        )
    return molecules[0]
