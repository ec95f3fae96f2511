"""Bonded terms inside, pairs outside: how long the outer step may be, and what it saves.

For a molecule without a box, `isthmus check`'s scan: constant energy in float32 with compensated
sums from the same starts, outer steps of 1 to 10 fs beside plain velocity Verlet at 0.5 fs; the
largest outer step at which no resonance is seen, and the distributions of torsions there.
Then the time per simulated picosecond, in turns, of plain 0.5 fs and of RESPA: for the molecule,
and for a peptide in water with particle-mesh Ewald (flexible Amber14), where nearly all of the time
goes between pairs.

    python benchmarks/respa.py MODEL [--plot ../docs/respa.png] --output results/respa.json
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
from measure import Contender, parser, take_turns, write

from isthmus.chemistry.molecule import Molecule
from isthmus.chemistry.read import read
from isthmus.chemistry.smiles import from_smiles
from isthmus.deploy.spec import resolve_force_field
from isthmus.evaluate.physics.laboratory import Laboratory
from isthmus.evaluate.physics.settings import TIMESTEP, Settings
from isthmus.evaluate.physics.subject import Subject
from isthmus.evaluate.physics.time_steps import (
    THRESHOLD,
    Tried,
    largest_kept,
    plain_run,
    resonance_scan,
    torsion_distance,
)
from isthmus.forcefield.potential import Potential
from isthmus.simulate.integrators.respa import Respa
from isthmus.simulate.integrators.verlet import VelocityVerlet
from isthmus.simulate.jax_engine import JaxEngine
from isthmus.simulate.mechanics import mechanics_of
from isthmus.simulate.selection import bonded_terms
from isthmus.simulate.state import Integrator
from isthmus.simulate.surface import divide

MOLECULE = "Nc1ncccc1OCc1ccccc1"
PEPTIDE = Path(__file__).parents[1] / "examples/data/alanine_dipeptide_solvated.pdb"
INNER = 0.5  # fs
OUTER = (1, 2, 4)  # fs, of the timings


def binder(model: str) -> Callable[[Molecule, str], Potential]:
    """What binds a model to any molecule."""
    return lambda molecule, precision: resolve_force_field(model, molecule).bind(
        molecule, precision=precision
    )


def moving(
    integrator: Integrator, potential: Potential, molecule: Molecule, n_steps: int
) -> Callable[[], object]:
    """Steps of an engine."""
    mechanics = mechanics_of(potential, conserves_momentum=True)
    box = potential.parameterization.box
    engine = JaxEngine(
        integrator, mechanics, molecule.positions[None], temperature=100.0, seed=0, box=box
    )

    def run() -> object:
        engine.advance(n_steps)
        return jax.block_until_ready(engine.record().positions)

    return run


def timed(
    name: str, potential: Potential, molecule: Molecule, femtoseconds: int, turns: int
) -> list[dict[str, Any]]:
    """Time per simulated picosecond of plain steps and of RESPA."""
    mechanics = mechanics_of(potential, conserves_momentum=True)
    inner, outer = divide(potential, bonded_terms(potential.parameterization))
    made: dict[str, tuple[Integrator, float]] = {
        "plain 0.5 fs": (VelocityVerlet(potential, mechanics, timestep=TIMESTEP), INNER)
    }
    for step in OUTER:
        ratio = round(step / INNER)
        respa = Respa(inner, outer, mechanics, timestep=step / 1000, ratio=ratio)
        made[f"RESPA, outer step {step} fs"] = (respa, step)
    contenders = [
        Contender(what, moving(one, potential, molecule, round(femtoseconds / step)), femtoseconds)
        for what, (one, step) in made.items()
    ]
    take_turns(contenders, turns)
    rows = [c.row(scale=1e6, system=name, unit="ms/ps") for c in contenders]
    for row in rows:
        row["speed_up"] = round(rows[0]["median"] / row["median"], 2)
    return rows


def scan_rows(plain: Tried, tried: list[Tried]) -> list[dict[str, Any]]:
    """What came of every outer step."""
    return [
        {
            "case": f"scan, outer step {one.step:g} fs",
            "drift_kT_per_ns_per_dof": one.drift,
            "standard_error": one.error,
            "torsions_total_variation": torsion_distance(one, plain),
            "kept": one.keeps,
        }
        for one in (plain, *tried)
    ]


def draw(
    path: Path, plain: Tried, tried: list[Tried], noise: float, timings: list[dict[str, Any]]
) -> None:
    """Drift, torsions and speed over the outer step."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.5, 3.2), layout="constrained")
    first, second, third = figure.subplots(1, 3)
    steps = np.array([one.step for one in (plain, *tried)])
    drift = np.array([one.drift for one in (plain, *tried)])
    error = np.array([one.error for one in (plain, *tried)])
    first.errorbar(steps, drift, yerr=2 * error, fmt="o-", color="#2a6f97", capsize=2)
    first.axhline(THRESHOLD, color="#b23a48", linestyle="--", label=f"threshold {THRESHOLD:g}")
    first.set(yscale="log", xlabel="outer step [fs]", ylabel="|drift| [kT/ns/dof]")
    first.legend(frameon=False)
    away = [torsion_distance(one, plain) for one in tried]
    second.plot(steps[1:], [np.nan if a is None else a for a in away], "o-", color="#2a6f97")
    second.axhline(noise, color="#777", linestyle="--", label="two plain runs")
    second.set(xlabel="outer step [fs]", ylabel="torsions, total variation [1]", ylim=(0, None))
    second.legend(frameon=False)
    colours = ("#2a6f97", "#e08e45")
    systems = dict.fromkeys(row["system"] for row in timings)
    for name, colour in zip(systems, colours[: len(systems)], strict=True):
        speed = [row["speed_up"] for row in timings if row["system"] == name]
        third.plot([INNER, *OUTER], speed, "o-", color=colour, label=name)
    third.set(xlabel="outer step [fs]", ylabel="speed over plain 0.5 fs [1]", ylim=(0, None))
    third.legend(frameon=False)
    for axes in (first, second, third):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=160)


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("model", help="as --ff of isthmus energy")
    arguments.add_argument("--plot", type=Path, help="file for the picture")
    chosen = arguments.parse_args()
    molecule = from_smiles(MOLECULE, conformers=1, seed=1)
    subject = Subject(molecule, binder(chosen.model))
    laboratory = Laboratory(subject, Settings.create())
    single = binder(chosen.model)(molecule, "float32")
    inner, outer = divide(single, bonded_terms(single.parameterization))
    plain = plain_run(laboratory)
    again = plain_run(Laboratory(subject, Settings.create(seed=1)))
    noise = torsion_distance(plain, again)
    tried = []
    for one in resonance_scan(laboratory, inner, outer):
        tried.append(one)
        print(scan_rows(plain, [one])[-1], file=sys.stderr, flush=True)
    rows = scan_rows(plain, tried)
    timings = timed("27 atoms", single, molecule, 2000, chosen.turns)
    (peptide,) = read(PEPTIDE)
    solvated = resolve_force_field("amber14", peptide).bind(peptide, precision="float32")
    timings += timed("2,269 atoms, PME", solvated, peptide, 40, chosen.turns)
    if chosen.plot is not None:
        draw(chosen.plot, plain, tried, noise or 0.0, timings)
    write(
        "respa",
        [*rows, *timings],
        output=chosen.output,
        turns=chosen.turns,
        precision="float32, compensated sums in the scan",
        largest_outer_step_fs=largest_kept(tried, plain),
        torsions_of_two_plain_runs=noise,
    )


if __name__ == "__main__":
    main()
