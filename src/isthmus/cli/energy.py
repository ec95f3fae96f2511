"""`isthmus energy`: energies term by term, by our engine, by OpenMM, or by both side by side."""

import enum
import json
from typing import Annotated

import typer

from isthmus.cli.options import (
    Charge,
    ForceFieldSpec,
    Ligands,
    Precision,
    SmilesFlag,
    read_input,
)

__all__ = ["Engine", "energy"]


class Engine(enum.StrEnum):
    """Who computes."""

    isthmus = "isthmus"
    openmm = "openmm"
    both = "both"


def energy(
    file: Annotated[
        str,
        typer.Argument(metavar="FILE", help="SDF, MOL, PDB or XYZ; a SMILES with --smiles."),
    ],
    ff: ForceFieldSpec,
    engine: Annotated[Engine, typer.Option(help="Who computes; both compares.")] = Engine.isthmus,
    unit: Annotated[
        str, typer.Option(metavar="UNIT", help="kcal/mol, kJ/mol, eV, meV or hartree.")
    ] = "kcal/mol",
    precision: Precision = "float64",
    charge: Charge = None,
    ligand: Ligands = None,
    smiles: SmilesFlag = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of tables.")] = False,
) -> None:
    """Energy of each term, for every record and conformer of a file."""
    from isthmus.cli.compilation_cache import keep_compiled
    from isthmus.cli.console import results, working
    from isthmus.cli.energy_tables import as_dictionary, energy_table
    from isthmus.deploy.comparison import evaluate
    from isthmus.deploy.spec import resolve_force_field
    from isthmus.units import energy_unit

    energy_unit(unit)
    keep_compiled()
    with working(f"reading {file}"):
        molecules = read_input(file, charge=charge, ligands=ligand, smiles=smiles)
    records = []
    for molecule in molecules:
        with working(f"evaluating {molecule.name or molecule.formula}"):
            found = resolve_force_field(ff, molecule)
            evaluations = evaluate(
                found.bind(molecule, precision=precision),
                molecule.conformers,
                molecule.box,
                engine=engine.value,
                system=found.system,
            )
        if as_json:
            records.append(as_dictionary(molecule, evaluations, unit=unit, note=found.note))
        else:
            title = f"{ff}, {precision}"
            results().print(
                energy_table(molecule, evaluations, unit=unit, title=title, note=found.note)
            )
    if as_json:
        content = {"file": file, "force_field": ff, "precision": precision, "unit": unit}
        typer.echo(json.dumps(content | {"records": records}, indent=1))
