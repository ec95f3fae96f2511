"""Bespoke fits of 3BPA: four designs, trained at 300 K, tested at 300, 600 and 1200 K.

    python benchmarks/bespoke_3bpa.py FOLDER [--designs class1 class2 ...]

FOLDER holds train_300K.xyz and train_mixedT.xyz of 3BPA (ωB97X/6-31G(d); BOTNet-datasets). Frames
0 to 449 of the first are fitted, 450 to 499 are the test at 300 K; frames 167 to 333 and 334 to
499 of the second, sampled at 600 and 1200 K, are never trained on. This is a stand-in for the
published tests of 3BPA, whose files are others.

Errors are root mean squares: forces over all components [meV/Å], energies about their mean [meV].
"seconds" is the whole fit, compilation in. "largest stretch" is that of a bond, relative to its
mean length, during 1 ps of Langevin dynamics at 1200 K (0.5 fs, 5/ps).
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
from measure import parser, write

from isthmus.data import Entry, Stated, read_dataset
from isthmus.forcefield.forcefield import ForceField
from isthmus.forcefield.potential import Potential
from isthmus.train.bespoke import BespokeSettings, BespokeStep, fit_bespoke
from isthmus.units import ANGSTROM, BOLTZMANN, ELECTRONVOLT

LEVEL = "ωB97X/6-31G(d)"
DESIGNS = ("class1", "class2", "class2plus", "class2plus5")
MEV = ELECTRONVOLT * 1e-3
TEMPERATURE, STEP, FRICTION, N_STEPS = 1200.0, 0.0005, 5.0, 2000


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--designs", nargs="+", default=DESIGNS)
    options = arguments.parse_args()
    cold, mixed = (
        read_dataset(options.folder / name, stated=Stated(level_of_theory=LEVEL))[0]
        for name in ("train_300K.xyz", "train_mixedT.xyz")
    )
    train = cold.take(range(450))
    tests = {
        "300 K": cold.take(range(450, 500)),
        "600 K": mixed.take(range(167, 334)),
        "1200 K": mixed.take(range(334, 500)),
    }
    rows = [row(design, train, tests) for design in options.designs]
    settings = BespokeSettings()
    write(
        "bespoke_3bpa",
        rows,
        output=options.output,
        turns=1,
        precision="float64",
        level_of_theory=LEVEL,
        settings={"tie": settings.tie, "prior_strength": settings.prior_strength},
    )


def row(design: str, train: Entry, tests: dict[str, Entry]) -> dict[str, Any]:
    """One fit and all that is measured of it."""
    fit = fit_bespoke(design, train, on_step=show)
    potential = fit.force_field.bind(train.topology, precision="float64")
    errors = {name: rmse(potential, entry) for name, entry in {"train": train, **tests}.items()}
    return {
        "case": design,
        "force_rmse_meV_per_A": {name: round(f, 1) for name, (f, _) in errors.items()},
        "energy_rmse_meV": {name: round(e, 1) for name, (_, e) in errors.items()},
        "ratio_to_300_K": {
            name: round(errors[name][0] / errors["300 K"][0], 2) for name in ("600 K", "1200 K")
        },
        "n_parameters": fit.n_parameters,
        "n_values": fit.n_values,
        "steps": len(fit.history),
        "converged": fit.converged,
        "seconds": round(fit.seconds, 1),
        "largest_stretch": round(largest_stretch(fit.force_field, train), 2),
    }


def rmse(potential: Potential, entry: Entry) -> tuple[float, float]:
    """Of forces [meV/Å] and of energies about their mean [meV]."""
    assert entry.forces is not None
    found = potential.energy_and_forces(entry.positions)
    forces = np.sqrt(np.mean((found.forces - entry.forces) ** 2)) / (MEV / ANGSTROM)
    return float(forces), float(np.std(found.energy - entry.energies) / MEV)


def largest_stretch(force_field: ForceField, entry: Entry) -> float:
    """Longest bond on the way, relative to its mean length; infinite for an explosion."""
    potential = force_field.bind(entry.topology, precision="float64")
    random, masses = np.random.default_rng(0), entry.topology.masses[:, None]
    first, second = entry.topology.bonds.T

    def lengths(x: np.ndarray) -> np.ndarray:
        return np.linalg.norm(x[..., first, :] - x[..., second, :], axis=-1)

    mean, largest = lengths(entry.positions).mean(axis=0), 0.0
    heat = np.sqrt(BOLTZMANN * TEMPERATURE / masses)
    keep = np.exp(-FRICTION * STEP)
    x = entry.positions[0]
    v = heat * random.normal(size=x.shape)
    forces = potential.energy_and_forces(x).forces
    for _ in range(N_STEPS):
        v = v + STEP / 2 * forces / masses
        x = x + STEP / 2 * v
        v = keep * v + np.sqrt(1 - keep**2) * heat * random.normal(size=x.shape)
        x = x + STEP / 2 * v
        if not np.isfinite(x).all() or np.abs(x).max() > 1e3:
            return np.inf
        forces = potential.energy_and_forces(x).forces
        v = v + STEP / 2 * forces / masses
        largest = max(largest, float((lengths(x) / mean).max()))
    return largest


def show(step: BespokeStep) -> None:
    """Progress, beside the document."""
    force = step.force_rmse / (MEV / ANGSTROM)
    text = f"{step.stage:>15} {step.number:3} {force:8.1f} meV/Å {step.seconds:7.1f} s"
    print(text, file=sys.stderr)


if __name__ == "__main__":
    main()
