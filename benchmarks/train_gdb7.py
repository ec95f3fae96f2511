"""Graph force fields on a DFT-labelled set of many molecules: gdb7.

800 molecules of up to seven heavy atoms (C, H, N, O), one distorted geometry each to train on and
another one of the same molecules to be measured on (ωB97X-D/6-31G(d); qmlcode/qml). So this asks
how well a functional form describes strained geometries of molecules that were seen, with one
frame a molecule; there are no energies relative to other frames, hence forces only. The weights
of the last step are measured; nothing is chosen by the second file.

    python benchmarks/train_gdb7.py --data ../shared/data/gdb7
"""

import json
import sys
from pathlib import Path
from typing import Any

from measure import parser, write

from isthmus.data.dataset import Dataset
from isthmus.data.read import read_dataset
from isthmus.data.stated import Stated
from isthmus.evaluate.evaluation import evaluate
from isthmus.forcefield.forcefield import ForceField
from isthmus.train import TrainSettings, train
from isthmus.units import ANGSTROM, KILOCALORIE

LEVEL = "ωB97X-D/6-31G(d)"
DESIGNS = "class1,class2,class2plus"


def fit(name: str, parts: dict[str, Dataset], settings: TrainSettings) -> dict[str, Any]:
    """Train one design and measure it on both files."""
    result = train(ForceField.graph(name, seed=settings.seed), parts["train"], settings=settings)
    row: dict[str, Any] = {
        "design": name,
        "seed": settings.seed,
        "steps": result.steps,
        "seconds": round(result.seconds, 1),
    }
    for part, data in parts.items():
        overall = evaluate(result.force_field, data).overall
        assert overall.force_rmse is not None
        assert overall.force_rms is not None
        row[f"{part}_force_rmse"] = round(overall.force_rmse / (KILOCALORIE / ANGSTROM), 3)
        row[f"{part}_force_rms"] = round(overall.force_rms / (KILOCALORIE / ANGSTROM), 3)
    return row


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--data", type=Path, default=Path("../shared/data/gdb7"))
    arguments.add_argument("--designs", default=DESIGNS)
    arguments.add_argument("--seeds", default="0")
    arguments.add_argument("--epochs", type=int, default=40)
    chosen = arguments.parse_args()
    stated = Stated(level_of_theory=LEVEL)
    parts = {
        name: read_dataset(chosen.data / f"{name}.extxyz", stated=stated).in_memory()
        for name in ("train", "valid")
    }
    rows = []
    for seed in map(int, chosen.seeds.split(",")):
        for name in chosen.designs.split(","):
            settings = TrainSettings(epochs=chosen.epochs, seed=seed, molecules=16, validations=1)
            rows.append(fit(name, parts, settings))
            print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    write(
        "train_gdb7",
        rows,
        output=chosen.output,
        turns=1,
        precision="float32",
        level_of_theory=LEVEL,
        units={"force": "kcal/mol/Å"},
    )


if __name__ == "__main__":
    main()
