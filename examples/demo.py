"""A drug molecule and a solvated peptide, term by term, by two engines side by side.

`make demo` runs this. Isthmus evaluates its formulas in JAX; OpenMM's Reference platform
evaluates the System that the force field was imported from, or that Isthmus wrote.
"""

import json
import time
from pathlib import Path

from rich.console import Console

import isthmus
from isthmus.cli.energy_tables import as_dictionary, energy_table
from isthmus.deploy.comparison import evaluate

DATA = Path(__file__).parent / "data"
RESULT = Path("demo_output") / "energies.json"
UNIT = "kcal/mol"
AGREEMENT = 1e-6  # of the largest component of the force
JOBS = (
    ("imatinib.sdf", "mmff94", "a drug in MMFF94: RDKit's parameters in Isthmus's formulas"),
    ("imatinib.sdf", "class2plus", "the same drug in a class II form with every cross term"),
    ("alanine_dipeptide_solvated.pdb", "amber14", "a peptide in water, Amber, particle-mesh Ewald"),
)


def main() -> None:
    console = Console(highlight=False)
    started = time.perf_counter()
    records = []
    for number, (file, spec, what) in enumerate(JOBS, start=1):
        console.rule(f"[bold]{number}. {what}", align="left")
        (molecule,) = isthmus.read(DATA / file)
        found = isthmus.resolve_force_field(spec, molecule)
        potential = found.bind(molecule, precision="float64")
        evaluations = evaluate(potential, molecule.conformers, molecule.box, system=found.system)
        console.print(energy_table(molecule, evaluations, unit=UNIT, title=spec, note=found.note))
        record = as_dictionary(molecule, evaluations, unit=UNIT, note=found.note)
        records.append({"file": file, "force_field": spec, "unit": UNIT} | record)
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(records, indent=1))
    worst = max(record["conformers"][0]["forces"]["relative_difference"] for record in records)
    seconds = time.perf_counter() - started
    verdict = "Both engines agree" if worst < AGREEMENT else "The engines differ"
    console.rule("[bold]done", align="left")
    console.print(
        f"{verdict}: forces to {worst:.0e} of their largest component. {seconds:.0f} s.",
        f"The numbers: {RESULT.resolve()}",
        "Go on with: .venv/bin/isthmus design show class2plus; examples/own_term.py; README.md",
        sep="\n",
        soft_wrap=True,
    )
    if worst >= AGREEMENT:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
