"""Networks on 3BPA: trained at 300 K for some minutes each, tested at 300, 600 and 1200 K.

    python benchmarks/networks_3bpa.py FOLDER [--designs moments2 painn ...] [--minutes 20]

Data and errors are those of bespoke_3bpa.py: 450 frames of 300 K to learn from, of which every
tenth decides which weights are kept and is not learned from; 50 to be tested on; hot frames are
never trained on. Hybrids are trained in stages: formulas by a bespoke fit, then the network, for
what they leave; their minutes count both. Designs ending in `.toml` are files. Models are saved in
--models, if given.
"""

import sys
import time
from pathlib import Path
from typing import Any

from bespoke_3bpa import LEVEL, rmse
from measure import parser, write

from isthmus.data import Entry, Stated, read_dataset
from isthmus.designs.schema import find_design
from isthmus.forcefield.file import save_force_field
from isthmus.forcefield.forcefield import ForceField
from isthmus.train.bespoke import fit_bespoke
from isthmus.train.loop import train
from isthmus.train.result import Progress, TrainResult
from isthmus.train.settings import TrainSettings
from isthmus.train.staged import elements_of, train_networks

UNLIMITED = 1_000_000


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--designs", nargs="+", default=("moments", "moments2", "painn"))
    arguments.add_argument("--minutes", type=float, default=20.0)
    arguments.add_argument("--optimiser", default="muon")
    arguments.add_argument("--models", type=Path)
    options = arguments.parse_args()
    cold, mixed = (
        read_dataset(options.folder / name, stated=Stated(level_of_theory=LEVEL))[0]
        for name in ("train_300K.xyz", "train_mixedT.xyz")
    )
    frames = range(450)
    learned = cold.take([f for f in frames if f % 10])
    deciding = cold.take([f for f in frames if not f % 10])
    tests = {
        "300 K": cold.take(range(450, 500)),
        "600 K": mixed.take(range(167, 334)),
        "1200 K": mixed.take(range(334, 500)),
    }
    rows = []
    for design in options.designs:
        rows.append(row(design, learned, deciding, tests, options))
        print(rows[-1], file=sys.stderr, flush=True)
    write(
        "networks_3bpa",
        rows,
        output=options.output,
        turns=1,
        precision="float32",
        level_of_theory=LEVEL,
        settings={"minutes": options.minutes, "optimiser": options.optimiser},
    )


def row(
    name: str, learned: Entry, deciding: Entry, tests: dict[str, Entry], options: Any
) -> dict[str, Any]:
    """One training and all that is measured of it."""
    begin = time.monotonic()
    result = fitted(name, learned, deciding, options)
    taken = time.monotonic() - begin
    if options.models is not None:
        options.models.mkdir(parents=True, exist_ok=True)
        path = options.models / f"3bpa_{Path(name).stem}.safetensors"
        save_force_field(result.force_field, path, overwrite=True)
    potential = result.force_field.bind(learned.topology, precision="float64")
    errors = {test: rmse(potential, entry) for test, entry in tests.items()}
    return {
        "case": Path(name).stem,
        "force_rmse_meV_per_A": {test: round(f, 1) for test, (f, _) in errors.items()},
        "energy_rmse_meV": {test: round(e, 1) for test, (_, e) in errors.items()},
        "ratio_to_300_K": {
            test: round(errors[test][0] / errors["300 K"][0], 2) for test in ("600 K", "1200 K")
        },
        "steps": result.steps,
        "seconds": round(result.seconds, 1),
        "seconds_with_compilation": round(taken, 1),
    }


def fitted(name: str, learned: Entry, deciding: Entry, options: Any) -> TrainResult:
    """The force field after the minutes of the command line."""
    design = find_design(name)
    seconds = 60 * options.minutes
    given: dict[str, Any] = {"validation": (deciding,), "watch": show}

    def settings(left: float) -> TrainSettings:
        return TrainSettings.suited(
            design, epochs=UNLIMITED, seconds=left, optimiser=options.optimiser
        )

    if not design.terms:
        start = ForceField.graph(design, elements=elements_of((learned,)))
        return train(start, (learned,), settings=settings(seconds), **given)
    formulas = fit_bespoke(design.formulas, learned, seconds=seconds / 2)
    left = max(seconds - formulas.seconds, 1.0)
    return train_networks(
        design, formulas.force_field, (learned,), settings=settings(left), **given
    )


def show(progress: Progress) -> None:
    """Errors on the frames that decide, beside the document."""
    if progress.metrics and progress.metrics.get("step") == progress.step:
        force = progress.metrics["validation_force_rmse"]
        print(f"{progress.step:7} {progress.seconds:7.0f} s {force}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
