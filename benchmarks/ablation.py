"""What each family of terms is worth: error on unseen molecules, and cost of a step.

Every variant of class2plus is trained from the graph with the same settings and three seeds, on
the training molecules of organic_gfn2_500K (GFN2-xTB, 500 K), and measured on the validation
molecules, which take no part in these runs: the weights of the last step are kept. The cost of a
step is measured in turns with class1, on 3BPA (27 atoms), float32, for one molecule and for 128
replicas.

    python benchmarks/ablation.py --runs results/local/ablation.jsonl --table ../docs/ablation.md

Runs are kept one by one in the file `--runs`; a script that was interrupted goes on from there.
"""

import hashlib
import json
import statistics
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from force_evaluation import MOLECULES, REPLICAS, ours
from measure import parser, take_turns, write

from isthmus.chemistry.smiles import from_smiles
from isthmus.data.dataset import Dataset
from isthmus.data.read import read_dataset
from isthmus.data.split import read_split
from isthmus.designs.design import Design
from isthmus.designs.schema import find_design
from isthmus.evaluate.evaluation import evaluate
from isthmus.forcefield.forcefield import ForceField
from isthmus.parameters.graph.source import GraphSettings
from isthmus.train import TrainSettings, train
from isthmus.units import ANGSTROM, KILOCALORIE

THIRD_ORDER = (
    "bond-angle-cubic",
    "angle-angle-torsion",
    "bond-angle-torsion",
    "bond-bond-torsion",
    "branch-cubic",
)
SECOND_ORDER = ("bond-bond-angle", "bond-torsion", "angle-torsion", "bond-bond-13", "branch")
WITHOUT: dict[str, tuple[str, ...]] = {
    "bond-bond and bond-angle": ("bond-bond-angle",),
    "bond-torsion": ("bond-torsion",),
    "angle-torsion": ("angle-torsion",),
    "outer bonds and angles of a torsion": ("bond-bond-13",),
    "angle-angle and bond-angle at a branch": ("branch",),
    "third order": THIRD_ORDER,
    "cross terms": (*SECOND_ORDER, *THIRD_ORDER),
}
"""Families of terms that are left out, by what a person calls them"""


def without(design: Design, names: Sequence[str]) -> Design:
    """The design less some terms."""
    missing = set(names) - {term.name for term in design.terms}
    if missing:
        raise ValueError(f"'{design.name}' has no terms {', '.join(sorted(missing))}")
    return replace(design, terms=tuple(t for t in design.terms if t.name not in names))


def variants() -> dict[str, Design]:
    """All designs of the table, by name."""
    full = find_design("class2plus")
    table = {name: find_design(name) for name in ("class1", "class2", "class2plus", "class2plus5")}
    five = tuple(t for t in table["class2plus5"].terms if t.over == "path5")
    table["class2plus with paths of five atoms"] = replace(full, terms=(*full.terms, *five))
    return table | {f"class2plus without {name}": without(full, t) for name, t in WITHOUT.items()}


def key_of(design: Design, settings: TrainSettings) -> str:
    """A name for all that decides the outcome of a run, but the code."""
    terms = [(t.name, t.energy, t.parameters) for t in (*design.terms,)]
    coordinates = [(c.name, c.formula, c.parameters) for c in design.coordinates]
    text = repr((terms, coordinates, settings, GraphSettings()))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def fit(name: str, design: Design, parts: dict[str, Dataset], settings: TrainSettings) -> Any:
    """One run."""
    start = ForceField.graph(design, seed=settings.seed)
    result = train(start, parts["train"], settings=settings)
    row: dict[str, Any] = {"design": name, "seed": settings.seed, "epochs": settings.epochs}
    row["key"] = key_of(design, settings)
    row["seconds"] = round(result.seconds, 1)
    for part in ("train", "validation"):
        overall = evaluate(result.force_field, parts[part]).overall
        assert overall.force_rmse is not None
        assert overall.energy_rmse is not None
        row[f"{part}_force_rmse"] = overall.force_rmse / (KILOCALORIE / ANGSTROM)
        row[f"{part}_energy_rmse"] = overall.energy_rmse / KILOCALORIE
    return row


def costs(designs: dict[str, Design], turns: int) -> dict[str, tuple[float, float]]:
    """Time of a step relative to class1: one molecule, and per replica of 128."""
    molecule = from_smiles(MOLECULES["3BPA"], conformers=1, seed=1)
    table = {}
    reference = designs["class1"]
    for name, design in designs.items():
        contenders = [
            ours(f"{d.name} x{n}", _bound(d, molecule), molecule, n)
            for n in (1, REPLICAS)
            for d in (reference, design)
        ]
        take_turns(contenders, turns)
        medians = [c.row()["median"] for c in contenders]
        table[name] = (medians[1] / medians[0], medians[3] / medians[2])
    return table


def _bound(design: Design, molecule: Any) -> Any:
    return ForceField.free(design, molecule.topology, random_seed=1).bind(molecule.topology)


def summary(rows: Sequence[dict[str, Any]], cost: dict[str, tuple[float, float]]) -> list[Any]:
    """Means and spreads over the seeds."""
    table = []
    for name in dict.fromkeys(row["design"] for row in rows):
        own = [row for row in rows if row["design"] == name]
        line: dict[str, Any] = {"design": name, "seeds": len(own), "epochs": own[0]["epochs"]}
        for key in ("train_force_rmse", "validation_force_rmse", "validation_energy_rmse"):
            values = [row[key] for row in own]
            line[key] = round(statistics.mean(values), 3)
            line[f"{key}_spread"] = round(max(values) - min(values), 3)
        if name in cost:
            line["step_over_class1"], line["replica_over_class1"] = (
                round(c, 2) for c in cost[name]
            )
        table.append(line)
    return table


def as_markdown(table: Sequence[dict[str, Any]]) -> str:
    """The table for people."""
    lines = [
        "| design | force, training | force, validation | energy, validation | step | replica |",
        "|---|---|---|---|---|---|",
    ]
    for line in table:
        cells = [
            line["design"],
            f"{line['train_force_rmse']:.2f}",
            *(
                f"{line[key]:.2f} (spread {line[f'{key}_spread']:.2f})"
                for key in ("validation_force_rmse", "validation_energy_rmse")
            ),
            *(
                f"{line.get(k, float('nan')):.2f}"
                for k in ("step_over_class1", "replica_over_class1")
            ),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--data", type=Path, default=Path("../shared/data"))
    arguments.add_argument("--runs", type=Path, required=True, help="file of runs done, JSON lines")
    arguments.add_argument("--seeds", default="0,1,2")
    arguments.add_argument("--epochs", type=int, default=20)
    arguments.add_argument("--table", type=Path, help="file for the table in Markdown")
    chosen = arguments.parse_args()
    data = chosen.data / "organic_gfn2_500K.h5"
    split = read_split(data.with_suffix(".split.json"))
    parts = {name: part.in_memory() for name, part in split.apply(read_dataset(data)).items()}
    designs = variants()
    chosen.runs.parent.mkdir(parents=True, exist_ok=True)
    chosen.runs.touch()
    known = {row["key"]: row for row in map(json.loads, chosen.runs.read_text().splitlines())}
    rows = []
    for seed in map(int, chosen.seeds.split(",")):
        settings = TrainSettings(epochs=chosen.epochs, seed=seed, validations=1)
        for name, design in designs.items():
            key = key_of(design, settings)
            if key not in known:
                known[key] = fit(name, design, parts, settings)
                with chosen.runs.open("a") as file:
                    file.write(json.dumps(known[key]) + "\n")
                print(json.dumps(known[key]), file=sys.stderr, flush=True)
            rows.append(known[key])
    table = summary(rows, costs(designs, chosen.turns))
    if chosen.table is not None:
        chosen.table.write_text(as_markdown(table))
    write(
        "ablation",
        table,
        output=chosen.output,
        turns=chosen.turns,
        precision="float32",
        level_of_theory=parts["train"].level_of_theory,
        units={"force": "kcal/mol/Å", "energy": "kcal/mol, less the mean of each molecule"},
        split_sha256=split.digest,
    )


if __name__ == "__main__":
    main()
