"""`isthmus energy`: energies term by term, by our engine, by OpenMM, or by both side by side."""

import enum
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from isthmus.cli.options import (
    Charge,
    ForceFieldSpec,
    Ligands,
    Precision,
    SmilesFlag,
    read_input,
)

if TYPE_CHECKING:
    from isthmus.chemistry.molecule import Molecule
    from isthmus.deploy.comparison import Evaluation

__all__ = ["Engine", "energy"]


class Engine(enum.StrEnum):
    """Who computes."""

    isthmus = "isthmus"
    openmm = "openmm"
    both = "both"


def energy(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="SDF, MOL, PDB or XYZ; .smi, of which conformers are made; a SMILES with "
            "--smiles.",
        ),
    ],
    ff: ForceFieldSpec,
    engine: Annotated[Engine, typer.Option(help="Who computes; both compares.")] = Engine.isthmus,
    unit: Annotated[
        str,
        typer.Option(metavar="UNIT", help="kcal/mol, kJ/mol, eV, meV or hartree, in any case."),
    ] = "kcal/mol",
    precision: Precision = "float64",
    charge: Charge = None,
    ligand: Ligands = None,
    smiles: SmilesFlag = False,
    limit: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="The first N molecules of FILE only.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of tables.")] = False,
) -> None:
    """Energy of each term, for every record and conformer of a file."""
    from isthmus.cli.compilation_cache import keep_compiled
    from isthmus.cli.console import Counter, results, working
    from isthmus.cli.energy_tables import as_dictionary, energy_table

    unit = _unit_named(unit)
    keep_compiled()
    with working(f"reading {file}"):
        molecules = read_input(file, charge=charge, ligands=ligand, smiles=smiles, limit=limit)
    head = {"file": file, "force_field": ff, "precision": precision, "unit": unit}
    records: list[dict[str, Any]] = []
    counter = Counter(len(molecules))
    try:
        for molecule in molecules:
            with counter.working(f"evaluating {molecule.name or molecule.formula}"):
                evaluations, note = _evaluated(molecule, ff, engine, precision)
            if as_json:
                records.append(as_dictionary(molecule, evaluations, unit=unit, note=note))
            else:
                title = f"{ff}, {precision}"
                table = energy_table(molecule, evaluations, unit=unit, title=title, note=note)
                results().print(table)
    except KeyboardInterrupt:
        if as_json:
            _write_json(head | {"complete": False, "records": records})
        raise
    if as_json:
        _write_json(head | {"complete": True, "records": records})


def _unit_named(text: str) -> str:
    """The unit as it is usually written.

    Raises:
        InputError: there is none of that name.
    """
    from isthmus.units import ENERGY_UNITS, energy_unit

    unit = next((name for name in ENERGY_UNITS if name.lower() == text.lower()), text)
    energy_unit(unit)
    return unit


def _evaluated(
    molecule: "Molecule", ff: str, engine: Engine, precision: str
) -> "tuple[list[Evaluation], str | None]":
    """Energies of each conformer, and what their reader must know."""
    from isthmus.deploy.comparison import evaluate
    from isthmus.deploy.spec import resolve_force_field

    found = resolve_force_field(ff, molecule)
    evaluations = evaluate(
        found.bind(molecule, precision=precision),
        molecule.conformers,
        molecule.box,
        engine=engine.value,
        system=found.system,
    )
    return evaluations, found.note


def _write_json(content: Mapping[str, Any]) -> None:
    """One object; `complete` says whether every molecule is in it."""
    typer.echo(json.dumps(content, indent=1))
