"""`isthmus export`: a bound force field for another engine."""

import enum
from pathlib import Path
from typing import Annotated

import typer

from isthmus.cli.files import refuse_existing
from isthmus.cli.options import (
    Charge,
    ForceFieldSpec,
    Ligands,
    Overwrite,
    SmilesFlag,
    read_one,
)

__all__ = ["Target", "export_system"]


class Target(enum.StrEnum):
    """Engines that can be written for."""

    openmm = "openmm"


def export_system(
    file: Annotated[
        str,
        typer.Argument(metavar="FILE", help="SDF, MOL, PDB or XYZ; a SMILES with --smiles."),
    ],
    ff: ForceFieldSpec,
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FILE", help="To write, .xml for OpenMM.")
    ],
    to: Annotated[Target, typer.Option(help="The engine.")] = Target.openmm,
    charge: Charge = None,
    ligand: Ligands = None,
    smiles: SmilesFlag = False,
    readable: Annotated[
        bool,
        typer.Option(
            "--readable",
            help="Distances and angles in custom forces, which can be imported again; the "
            "default writes coordinates, which is faster.",
        ),
    ] = False,
    overwrite: Overwrite = False,
) -> None:
    """Write the force field of one molecule or system as an OpenMM System, and check it.

    Load it with `openmm.XmlSerializer.deserialize(open("system.xml").read())`.
    """
    assert to is Target.openmm
    refuse_existing(output, suffix=".xml", overwrite=overwrite)
    from isthmus.cli.compilation_cache import keep_compiled
    from isthmus.cli.console import results, working
    from isthmus.deploy.openmm.evaluating import evaluate_openmm
    from isthmus.deploy.openmm.exporting import to_openmm, write_system_xml
    from isthmus.deploy.spec import resolve_force_field
    from isthmus.units import KILOCALORIE

    keep_compiled()
    console = results()
    with working(f"reading {file}"):
        molecule = read_one(file, charge=charge, ligands=ligand, smiles=smiles)
        found = resolve_force_field(ff, molecule)
        potential = found.bind(molecule, precision="float64")
    with working("writing and evaluating both engines"):
        system = to_openmm(potential, readable=readable)
        ours = float(potential.energy(molecule.positions, molecule.box)) / KILOCALORIE
        theirs = evaluate_openmm(system, molecule.positions, box=molecule.box).energy / KILOCALORIE
        write_system_xml(system, output, overwrite=overwrite)
    if found.note is not None:
        console.print(f"note: {found.note}", style="yellow", markup=False)
    console.print(
        f"written: {output}: {system.getNumParticles()} particles, {system.getNumForces()} forces",
        f"energy of the first conformer: Isthmus {ours:.6f}, OpenMM {theirs:.6f} kcal/mol",
        sep="\n",
        markup=False,
        soft_wrap=True,
    )
