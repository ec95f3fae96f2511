"""`isthmus export`: a bound force field for another engine."""

import enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

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

if TYPE_CHECKING:
    from isthmus.chemistry.molecule import Molecule
    from isthmus.deploy.openmm.evaluating import EngineEnergies
    from isthmus.forcefield.potential import Potential

__all__ = ["Target", "export_system"]

AGREEMENT: Final = 1e-6
"""Largest difference to OpenMM, relative to the largest energy of a force"""

FLOOR: Final = 1e-3
"""A difference that is no reason to refuse, however small the energies [kJ/mol]"""


class Target(enum.StrEnum):
    """Engines that can be written for."""

    openmm = "openmm"
    lammps = "lammps"


def export_system(
    file: Annotated[
        str,
        typer.Argument(metavar="FILE", help="SDF, MOL, PDB or XYZ; .smi; a SMILES with --smiles."),
    ],
    ff: ForceFieldSpec,
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="To write: .xml for OpenMM; for LAMMPS an input script, .lmp, with a "
            ".data file beside it.",
        ),
    ],
    to: Annotated[
        Target | None, typer.Option(help="The engine; else by the suffix of the output.")
    ] = None,
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
    """Write the force field of one molecule or system for another engine.

    For OpenMM: a System, whose energy is checked; load it with
    `openmm.XmlSerializer.deserialize(open("system.xml").read())`. For LAMMPS: terms of the design
    class2, as a data file and an input script; run it with `lmp -in FILE.lmp`.
    """
    if to is None:
        to = Target.lammps if output.suffix == ".lmp" else Target.openmm
    _refuse(output, to, overwrite=overwrite)
    from isthmus.cli.compilation_cache import keep_compiled
    from isthmus.cli.console import results, working
    from isthmus.deploy.spec import resolve_force_field

    keep_compiled()
    console = results()
    with working(f"reading {file}"):
        molecule = read_one(file, charge=charge, ligands=ligand, smiles=smiles)
        found = resolve_force_field(ff, molecule)
        potential = found.bind(molecule, precision="float64")
    if found.note is not None:
        console.print(f"note: {found.note}", style="yellow", markup=False)
    with working("writing"):
        if to is Target.lammps:
            lines = _write_lammps(potential, molecule, output, overwrite=overwrite)
        else:
            lines = _write_openmm(potential, molecule, output, readable, overwrite=overwrite)
    console.print(*lines, sep="\n", markup=False, soft_wrap=True)


def _refuse(output: Path, to: Target, *, overwrite: bool) -> None:
    """Before any work is done: outputs that exist, or have a suffix of something else."""
    if to is Target.openmm:
        refuse_existing(output, suffix=".xml", overwrite=overwrite)
        return
    refuse_existing(output, suffix=".lmp", overwrite=overwrite)
    refuse_existing(output.with_suffix(".data"), suffix=".data", overwrite=overwrite)


def _write_openmm(
    potential: "Potential", molecule: "Molecule", output: Path, readable: bool, *, overwrite: bool
) -> list[str]:
    """Write a System whose energy is ours; what to say of it."""
    from isthmus.deploy.openmm.evaluating import evaluate_openmm
    from isthmus.deploy.openmm.exporting import to_openmm, write_system_xml
    from isthmus.units import KILOCALORIE

    system = to_openmm(potential, readable=readable)
    ours = float(potential.energy(molecule.positions, molecule.box))
    theirs = evaluate_openmm(system, molecule.positions, box=molecule.box)
    _check(ours, theirs)
    write_system_xml(system, output, overwrite=overwrite)
    return [
        f"written: {output}: {system.getNumParticles()} particles, {system.getNumForces()} forces",
        f"energy of the first conformer: Isthmus {ours / KILOCALORIE:.6f}, "
        f"OpenMM {theirs.energy / KILOCALORIE:.6f} kcal/mol",
    ]


def _write_lammps(
    potential: "Potential", molecule: "Molecule", output: Path, *, overwrite: bool
) -> list[str]:
    """Write script and data file; what to say of them."""
    from isthmus.deploy.lammps import to_lammps, write_lammps
    from isthmus.units import KILOCALORIE

    files = to_lammps(potential, molecule)
    data = write_lammps(files, output, overwrite=overwrite)
    ours = float(potential.energy(molecule.positions, molecule.box))
    return [
        f"written: {output} and {data}: {molecule.n_atoms} atoms",
        f"energy of the first conformer: {ours / KILOCALORIE:.6f} kcal/mol, which is the first "
        "`pe` that LAMMPS prints",
    ]


def _check(ours: float, theirs: "EngineEnergies") -> None:
    """Refuse a System whose energy is not ours [kJ/mol]."""
    from isthmus.errors import InputError

    scale = max((abs(energy) for energy in theirs.by_force.values()), default=0.0)
    difference = abs(ours - theirs.energy)
    # The negated form also refuses a difference that is not a number.
    if not difference <= max(AGREEMENT * scale, FLOOR):
        raise InputError(
            f"the energy is {ours:.6f} kJ/mol by Isthmus and {theirs.energy:.6f} kJ/mol by OpenMM, "
            f"which differ by more than {AGREEMENT:g} of the largest part: nothing was written; "
            "please report this force field"
        )
