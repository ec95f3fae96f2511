"""A solvated protein in our engine beside OpenMM: forces, cost of a step, memory.

dhfr_solvated.pdb, the joint Amber-CHARMM benchmark of 23,558 atoms: Amber14 with TIP3P, bonds to
hydrogen and water rigid, particle-mesh Ewald, cutoff 0.9 nm, Langevin with 2 fs. The smaller
solvated peptide of 2,269 atoms beside it shows how time and memory grow. Forces are compared with
OpenMM's Reference platform in float64; both engines then take turns at the same steps, OpenMM on
its CPU platform. Memory is what the process holds at most, OpenMM included; each system runs in a
process of its own.

    python benchmarks/dhfr.py --data ../shared/data/systems
"""

import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import openmm
from measure import Contender, parser, take_turns, write
from openmm import app

from isthmus.chemistry.read import read
from isthmus.deploy.openmm.evaluating import evaluate_openmm
from isthmus.deploy.openmm.importing import from_openmm
from isthmus.simulate.integrators.langevin import Langevin
from isthmus.simulate.jax_engine import JaxEngine
from isthmus.simulate.mechanics import mechanics_of

FILES = ("alanine_dipeptide_solvated.pdb", "dhfr_solvated.pdb")
TIMESTEP = 0.002  # ps
TEMPERATURE = 300.0  # K
METHOD: Any = app.PME


def measured(path: Path, n_steps: int, turns: int) -> list[dict[str, Any]]:
    """Rows of one system."""
    (molecule,) = read(path)
    pdb = app.PDBFile(str(path))
    system = app.ForceField("amber14-all.xml", "amber14/tip3p.xml").createSystem(
        pdb.topology,
        nonbondedMethod=METHOD,
        nonbondedCutoff=0.9,
        constraints=app.HBonds,
        rigidWater=True,
    )
    force_field = from_openmm(system)
    double = force_field.bind(molecule.topology, precision="float64", box=molecule.box)
    ours = double.energy_and_forces(molecule.positions)
    theirs = evaluate_openmm(system, molecule.positions, box=molecule.box)
    largest = float(np.abs(theirs.forces).max())
    differs = float(np.abs(ours.forces - theirs.forces).max()) / largest

    integrator = openmm.LangevinMiddleIntegrator(TEMPERATURE, 1, TIMESTEP)
    context = openmm.Context(system, integrator, openmm.Platform.getPlatformByName("CPU"))
    context.setPositions(pdb.positions)
    openmm.LocalEnergyMinimizer.minimize(context, 100, 100)
    start = context.getState(positions=True).getPositions(asNumpy=True)._value
    context.setVelocitiesToTemperature(TEMPERATURE, 1)
    single = force_field.bind(molecule.topology, precision="float32", box=molecule.box)
    mechanics = mechanics_of(single)
    langevin = Langevin(single, mechanics, timestep=TIMESTEP, temperature=TEMPERATURE, friction=1.0)
    engine = JaxEngine(
        langevin, mechanics, start[None], temperature=TEMPERATURE, seed=1, box=molecule.box
    )
    contenders = [
        Contender("OpenMM CPU", lambda: integrator.step(n_steps), n_steps),
        Contender("Isthmus", lambda: engine.advance(n_steps), n_steps),
    ]
    take_turns(contenders, turns)
    record = engine.record()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    extra = {
        "system": path.name,
        "n_atoms": molecule.n_atoms,
        "unit": "ms/step",
        "largest_force_difference_float64": differs,
        "most_memory_MiB": round(memory),
        "temperature_K": round(float(record.temperature[0]), 1),
    }
    return [c.row(scale=1e3, **extra) for c in contenders]


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--data", type=Path, default=Path("../shared/data/systems"))
    arguments.add_argument("--steps", type=int, default=100, help="of one turn")
    arguments.add_argument("--one", help="a file: only this one, rows as JSON")
    chosen = arguments.parse_args()
    if chosen.one is not None:
        print(json.dumps(measured(chosen.data / chosen.one, chosen.steps, chosen.turns)))
        return
    rows = []
    for name in FILES:
        command = [sys.executable, __file__, "--data", str(chosen.data), "--one", name]
        command += ["--steps", str(chosen.steps), "--turns", str(chosen.turns)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        rows += json.loads(done.stdout.splitlines()[-1])
        print(rows[-2:], file=sys.stderr, flush=True)
    write("dhfr", rows, output=chosen.output, turns=chosen.turns, precision="float32")


if __name__ == "__main__":
    main()
