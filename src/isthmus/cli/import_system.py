"""`isthmus import`: the force field of an OpenMM System, checked and saved."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from isthmus.cli.files import refuse_existing, refuse_missing
from isthmus.cli.options import Charge, Ligands, Overwrite, read_one

if TYPE_CHECKING:
    from rich.table import Table

    from isthmus.chemistry.topology import Topology
    from isthmus.deploy.comparison import Evaluation
    from isthmus.parameters.parameterization import Parameterization
    from isthmus.terms.bound import BoundTerm

__all__ = ["import_system"]

AGREEMENT: Final = 1e-4
"""Largest difference to OpenMM, relative to the largest energy or force component; grids of
particle-mesh Ewald differ by about this much"""


def import_system(
    system: Annotated[
        Path, typer.Argument(metavar="SYSTEM.xml", help="What openmm.XmlSerializer writes.")
    ],
    structure: Annotated[
        str, typer.Argument(metavar="STRUCTURE", help="The system's atoms: PDB, SDF, XYZ.")
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FILE", help="To write, .safetensors.")
    ],
    charge: Charge = None,
    ligand: Ligands = None,
    overwrite: Overwrite = False,
) -> None:
    """Import every force of an OpenMM System, check energies and forces, and save them.

    What cannot be represented is an error that names the force; nothing is left out silently.
    """
    refuse_existing(output, suffix=".safetensors", overwrite=overwrite)
    refuse_missing(system)
    from isthmus.cli.compilation_cache import keep_compiled
    from isthmus.cli.console import results, working
    from isthmus.cli.energy_tables import energy_table
    from isthmus.deploy.comparison import evaluate
    from isthmus.deploy.openmm.importing import from_openmm, read_system_xml
    from isthmus.errors import InputError
    from isthmus.forcefield.file import save_force_field

    keep_compiled()
    console = results()
    with working(f"reading {system} and {structure}"):
        molecule = read_one(structure, charge=charge, ligands=ligand, smiles=False)
        read = read_system_xml(system)
        force_field = from_openmm(read)
        potential = force_field.bind(molecule.topology, precision="float64", box=molecule.box)
    console.print(_what_was_read(potential.parameterization, molecule.topology), "")
    origin = potential.parameterization.origin
    for remark in origin.notes if origin is not None else ():
        console.print(f"note: {remark}", style="yellow", markup=False)
    with working("evaluating both engines"):
        evaluations = evaluate(potential, molecule.conformers[:1], molecule.box, system=read)
    title = f"{system.name}, float64"
    console.print(energy_table(molecule, evaluations, unit="kcal/mol", title=title))
    _check(evaluations[0])
    provenance = {"imported from": system.name, "structure": Path(structure).name}
    try:
        save_force_field(force_field, output, provenance=provenance, overwrite=overwrite)
    except OSError as error:
        raise InputError(
            f"'{output}' cannot be written: {error.strerror}; choose another"
        ) from None
    console.print(f"written: {output}", markup=False, soft_wrap=True)


def _what_was_read(parameterization: "Parameterization", topology: "Topology") -> "Table":
    """Each force, the terms that it became, and how many interactions they have."""
    from rich.table import Table

    counts = {t.term.name: _acts_on(t, topology) for t in parameterization.terms}
    for group in parameterization.pair_groups:
        how = group.method.method
        reach = "all pairs" if how == "none" else f"{how}, cutoff {group.method.cutoff:g} nm"
        counts |= {t.term.name: reach for t in group.terms}
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for heading in ("force", "became", "acts on"):
        table.add_column(heading)
    assert parameterization.origin is not None
    for label, names in parameterization.origin.forces:
        for row, name in enumerate(names or ("no energy",)):
            short = name.removeprefix(f"{label}: ")
            table.add_row("" if row else label, short, counts.get(name, ""))
    return table


def _acts_on(term: "BoundTerm", topology: "Topology") -> str:
    """How many bonds, angles, ... a term has; what is none in the molecule is a pair or group."""
    import numpy as np

    atoms, n_atoms = term.atoms_idx.astype(np.int64), topology.n_atoms
    size = atoms.shape[1]
    if size == 1:
        return f"{len(atoms)} atoms"
    keys = [np.sort(pairs, axis=1) @ [n_atoms, 1] for pairs in (topology.bonds, atoms[:, :2])]
    bonded = np.isin(keys[1], keys[0])
    for start in range(1, size - 1):
        keys[1] = np.sort(atoms[:, start : start + 2], axis=1) @ [n_atoms, 1]
        bonded &= np.isin(keys[1], keys[0])
    paths = {2: "bonds", 3: "angles", 4: "torsions"}.get(size, f"paths of {size}")
    others = "pairs" if size == 2 else f"groups of {size} atoms"
    counts = ((int(bonded.sum()), paths), (int((~bonded).sum()), others))
    return ", ".join(f"{n} {name}" for n, name in counts if n) or f"0 {paths}"


def _check(evaluation: "Evaluation") -> None:
    from isthmus.errors import InputError

    assert evaluation.difference is not None
    assert evaluation.forces is not None
    scale = max((abs(group.openmm or 0.0) for group in evaluation.groups), default=0.0)
    energy = abs(evaluation.difference) / scale if scale else 0.0
    if max(energy, evaluation.forces.relative) > AGREEMENT:
        raise InputError(
            f"Isthmus and OpenMM differ by {energy:.1e} in the energy and "
            f"{evaluation.forces.relative:.1e} in the forces, more than {AGREEMENT:g}: nothing was "
            "written; please report this System"
        )
