"""Options that several commands share, and the input that they describe."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from isthmus.chemistry.molecule import Molecule

__all__ = [
    "Charge",
    "ForceFieldSpec",
    "Ligands",
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
        "force field (.safetensors); an OpenMM System (.xml); an untrained design (class2plus, "
        "own.toml).",
    ),
]
Charge = Annotated[
    int | None,
    typer.Option(
        metavar="N", help="Total charge; needed for XYZ if it is not 0, checked elsewhere."
    ),
]
Ligands = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=SMILES", help="A residue of a PDB file that is not standard."),
]
Precision = Annotated[str, typer.Option(metavar="TYPE", help="float32 or float64.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the output if it exists.")]
SmilesFlag = Annotated[
    bool, typer.Option("--smiles", help="FILE is a SMILES; a conformer is made (ETKDG).")
]


def read_input(
    file: str, *, charge: int | None, ligands: list[str] | None, smiles: bool
) -> "list[Molecule]":
    """Molecules of a file, each with coordinates; or of a SMILES, with a conformer made for it.

    Raises:
        InputError: what the readers refuse, a ligand that is not NAME=SMILES, no coordinates.
    """
    from isthmus.chemistry.molecule import check_total_charge
    from isthmus.chemistry.read import read
    from isthmus.chemistry.smiles import from_smiles
    from isthmus.errors import InputError

    if smiles:
        molecule = from_smiles(file, conformers=1)
        check_total_charge(molecule.topology, charge, source=f"SMILES '{file}'")
        return [molecule]
    named = [ligand.partition("=") for ligand in ligands or ()]
    for name, equals, text in named:
        if not (name and equals and text):
            raise InputError(f"--ligand {name}{equals}{text}: wanted is NAME=SMILES, e.g. LIG=CCO")
    molecules = read(file, total_charge=charge, ligands={name: text for name, _, text in named})
    for number, molecule in enumerate(molecules, start=1):
        if not molecule.n_conformers:
            raise InputError(
                f"{file}, record {number} ({molecule.name or molecule.smiles}) has no coordinates: "
                "give a file with 3D coordinates, or a SMILES with --smiles"
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
