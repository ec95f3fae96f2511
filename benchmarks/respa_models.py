"""Two time steps across two models: a dear one outside, a cheap one inside.

The outer model is what the dear model has beyond the cheap one (RESPA: inner steps of 0.5 fs or
less by the cheap model). Scan and measures are those of respa.py: constant energy beside plain
velocity Verlet of the dear model at 0.5 fs, from the same starts; then the time per simulated
picosecond, in turns.

    python benchmarks/respa_models.py DEAR CHEAP STRUCTURE [--quick] [--plot ../docs/...png]

DEAR and CHEAP are models of the same molecule, trained on the same data.
"""

import sys
from pathlib import Path

from measure import Contender, parser, take_turns, write
from respa import INNER, binder, draw, moving, scan_rows

from isthmus.chemistry.read import read
from isthmus.evaluate.physics.laboratory import Laboratory
from isthmus.evaluate.physics.settings import TIMESTEP, Settings
from isthmus.evaluate.physics.subject import Subject
from isthmus.evaluate.physics.time_steps import (
    largest_kept,
    plain_run,
    resonance_scan,
    torsion_distance,
)
from isthmus.simulate.integrators.respa import Respa
from isthmus.simulate.integrators.verlet import VelocityVerlet
from isthmus.simulate.mechanics import mechanics_of
from isthmus.simulate.state import Integrator
from isthmus.simulate.surface import Difference

OUTER = (1, 2, 4)  # fs, of the timings


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("dear")
    arguments.add_argument("cheap")
    arguments.add_argument("structure")
    arguments.add_argument("--quick", action="store_true")
    arguments.add_argument("--plot", type=Path)
    options = arguments.parse_args()
    molecule = read(options.structure)[0]
    dear, cheap = binder(options.dear), binder(options.cheap)
    laboratory = Laboratory(Subject(molecule, dear), Settings.create(quick=options.quick))
    single, inner = dear(molecule, "float32"), cheap(molecule, "float32")
    outer = Difference(single, inner)
    plain = plain_run(laboratory)
    tried = []
    for one in resonance_scan(laboratory, inner, outer):
        tried.append(one)
        print(f"{one.step:g} fs: {one.drift:.2g} ± {one.error:.1g}", file=sys.stderr, flush=True)
    again = plain_run(
        Laboratory(Subject(molecule, dear), Settings.create(quick=options.quick, seed=1))
    )
    noise = torsion_distance(again, plain) or 0.0
    mechanics = mechanics_of(single, conserves_momentum=True)
    made: dict[str, tuple[Integrator, float]] = {
        "plain 0.5 fs": (VelocityVerlet(single, mechanics, timestep=TIMESTEP), INNER)
    }
    for step in OUTER:
        ratio = round(step / INNER)
        respa = Respa(inner, outer, mechanics, timestep=step / 1000, ratio=ratio)
        made[f"RESPA, outer step {step} fs"] = (respa, step)
    contenders = [
        Contender(name, moving(one, single, molecule, round(400 / step)), 400)
        for name, (one, step) in made.items()
    ]
    take_turns(contenders, options.turns)
    timings = [c.row(scale=1e6, system="one molecule", unit="ms/ps") for c in contenders]
    for row in timings:
        row["speed_up"] = round(timings[0]["median"] / row["median"], 2)
    kept = largest_kept(tried, plain)
    rows = [
        {"case": "largest outer step without a resonance [fs]", "value": kept},
        {"case": "outer evaluations saved", "value": kept / INNER},
        {"case": "torsions of two plain runs, total variation", "value": noise},
        *scan_rows(plain, tried),
        *timings,
    ]
    write("respa_models", rows, output=options.output, turns=options.turns, precision="float32")
    if options.plot:
        draw(options.plot, plain, tried, noise, timings)


if __name__ == "__main__":
    main()
