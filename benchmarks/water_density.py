"""Density of 500 TIP3P waters at 300 K and 1 bar: our engine beside OpenMM.

One System (rigid water, particle-mesh Ewald, cutoff 0.9 nm, correction for dispersion beyond it),
one equilibrated start, the same method in both: Langevin with 2 fs and 1/ps, Monte Carlo barostat
every 25 steps. The box is recorded every 0.2 ps; errors of means come from ten blocks. The two
densities agree if they differ by less than three of their joint standard error.

    python benchmarks/water_density.py --ps 100 --output results/water_density.json
"""

import sys
import time
from typing import Any

import numpy as np
import openmm
from measure import parser, write
from openmm import app

from isthmus.chemistry.topology import Topology
from isthmus.deploy.openmm.importing import from_openmm
from isthmus.simulate.barostats.molecules import Molecules
from isthmus.simulate.barostats.montecarlo import MonteCarlo
from isthmus.simulate.barostats.pressured import Pressured
from isthmus.simulate.integrators.langevin import Langevin
from isthmus.simulate.jax_engine import JaxEngine
from isthmus.simulate.mechanics import mechanics_of
from isthmus.units import GRAM_PER_CM3

N_WATERS = 500
TEMPERATURE = 300.0  # K
PRESSURE = 1.0  # bar
TIMESTEP = 0.002  # ps
EVERY = 25  # steps between trials of the barostat
RECORD = 100  # steps
METHOD: Any = app.PME
EQUILIBRATION = 50.0  # ps
BLOCKS = 10


def water() -> tuple[openmm.System, app.Topology, Any]:
    """A System of 500 waters, its topology and first positions."""
    force_field = app.ForceField("amber14/tip3p.xml")
    modeller = app.Modeller(app.Topology(), [])
    modeller.addSolvent(force_field, model="tip3p", numAdded=N_WATERS)
    system = force_field.createSystem(
        modeller.topology,
        nonbondedMethod=METHOD,
        nonbondedCutoff=0.9,
        rigidWater=True,
    )
    return system, modeller.topology, modeller.positions


def context_of(system: openmm.System) -> openmm.Context:
    """OpenMM at constant temperature and pressure."""
    made = openmm.XmlSerializer.clone(system)
    barostat = openmm.MonteCarloBarostat(PRESSURE, TEMPERATURE, EVERY)
    barostat.setRandomNumberSeed(1)
    made.addForce(barostat)
    integrator = openmm.LangevinMiddleIntegrator(TEMPERATURE, 1, TIMESTEP)
    integrator.setRandomNumberSeed(1)
    return openmm.Context(made, integrator, openmm.Platform.getPlatformByName("CPU"))


def volumes_of_openmm(context: openmm.Context, n_records: int) -> np.ndarray:
    """Volume after every `RECORD` steps [nm³]."""
    volumes = []
    for _ in range(n_records):
        context.getIntegrator().step(RECORD)
        volumes.append(context.getState().getPeriodicBoxVolume()._value)
    return np.array(volumes)


def volumes_of_ours(
    system: openmm.System, positions: np.ndarray, box: np.ndarray, n_records: int
) -> np.ndarray:
    """The same in our engine."""
    numbers = np.tile([8, 1, 1], N_WATERS)
    first = 3 * np.arange(N_WATERS)
    bonds = np.concatenate([np.stack([first, first + k], axis=1) for k in (1, 2)])
    topology = Topology.create(numbers, bonds)
    potential = from_openmm(system).bind(topology, precision="float32", box=box)
    mechanics = mechanics_of(potential)
    langevin = Langevin(
        potential, mechanics, timestep=TIMESTEP, temperature=TEMPERATURE, friction=1.0
    )
    molecules = Molecules.create(topology.components, np.asarray(mechanics.masses))
    barostat = MonteCarlo(molecules, temperature=TEMPERATURE, pressure=PRESSURE)
    integrator = Pressured(langevin, barostat, every=EVERY)
    engine = JaxEngine(
        integrator, mechanics, positions[None], temperature=TEMPERATURE, seed=1, box=box
    )
    volumes = []
    for _ in range(n_records):
        engine.advance(RECORD)
        found = engine.record().volume
        assert found is not None
        volumes.append(found[0])
    return np.array(volumes)


def density_row(name: str, volumes: np.ndarray, mass: float, seconds: float) -> dict[str, Any]:
    """Mean density [g/cm³] with its standard error from blocks."""
    densities = mass / GRAM_PER_CM3 / volumes
    blocks = [block.mean() for block in np.array_split(densities, BLOCKS)]
    return {
        "case": name,
        "density_g_per_cm3": float(densities.mean()),
        "standard_error": float(np.std(blocks, ddof=1) / np.sqrt(BLOCKS)),
        "fluctuation": float(densities.std()),
        "ps": len(volumes) * RECORD * TIMESTEP,
        "ns_per_day": round(len(volumes) * RECORD * TIMESTEP * 86.4 / seconds, 2),
    }


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--ps", type=float, default=100.0)
    chosen = arguments.parse_args()
    n_records = round(chosen.ps / (RECORD * TIMESTEP))
    system, _, start = water()
    mass = N_WATERS * (15.99943 + 2 * 1.007947)
    context = context_of(system)
    context.setPositions(start)
    openmm.LocalEnergyMinimizer.minimize(context, 10, 200)
    context.setVelocitiesToTemperature(TEMPERATURE, 1)
    volumes_of_openmm(context, round(EQUILIBRATION / (RECORD * TIMESTEP)))
    state = context.getState(positions=True)
    positions = state.getPositions(asNumpy=True)._value
    box = state.getPeriodicBoxVectors(asNumpy=True)._value
    rows = []
    for name, run in (
        ("OpenMM CPU", lambda: volumes_of_openmm(context, 2 * n_records)),
        ("Isthmus", lambda: volumes_of_ours(system, positions, box, n_records)),
    ):
        begin = time.perf_counter()
        volumes = run()
        rows.append(density_row(name, volumes, mass, time.perf_counter() - begin))
        print(rows[-1], file=sys.stderr, flush=True)
    apart = abs(rows[0]["density_g_per_cm3"] - rows[1]["density_g_per_cm3"])
    joint = float(np.hypot(rows[0]["standard_error"], rows[1]["standard_error"]))
    write(
        "water_density",
        rows,
        output=chosen.output,
        turns=1,
        precision="float32",
        difference_in_standard_errors=round(apart / joint, 2),
        agree=bool(apart < 3 * joint),
    )


if __name__ == "__main__":
    main()
