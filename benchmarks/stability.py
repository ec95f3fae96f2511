"""Stability of dynamics with trained models, on molecules that they have not seen.

The first molecules of the test part of organic_gfn2_500K are run for 1 ns each at 300 K and at
500 K, both temperatures as one batch: Langevin, 1 fs, 1/ps, float32, from their first frame. A run
has broken where a number is not finite, a bond to hydrogen is longer than 0.25 nm, or another bond
is longer than 1.5 times its length at the start; bonds are looked at every 0.1 ps.

    python benchmarks/stability.py MODEL.safetensors

With `--structure FILE --temperatures 1200` the molecule of a labelled file is run instead, from as
many of its frames as `--replicas` says, for example the bespoke model of 3BPA.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from measure import parser, write

from isthmus.data.entry import Entry
from isthmus.data.read import read_dataset
from isthmus.data.split import read_split
from isthmus.evaluate.physics.motion import Motion
from isthmus.evaluate.physics.stability import first_break
from isthmus.forcefield.file import read_saved
from isthmus.forcefield.forcefield import ForceField
from isthmus.simulate.integrators.langevin import Langevin
from isthmus.simulate.jax_engine import JaxEngine
from isthmus.simulate.mechanics import Mechanics, mechanics_of
from isthmus.units import BOLTZMANN

TIMESTEP = 0.001
EVERY = 100
RECORDS = 500
"""Records that are held at a time"""


def follow(engine: JaxEngine, integrator: Langevin, mechanics: Mechanics, n_records: int) -> Motion:
    """The next records of a run."""
    records = []
    for _ in range(n_records):
        engine.advance(EVERY)
        records.append(engine.record())
    return Motion(
        np.array([record.time for record in records]),
        np.array([record.potential for record in records]),
        np.array([record.kinetic for record in records]),
        np.array([record.positions for record in records], dtype=np.float64),
        np.array([record.velocities for record in records], dtype=np.float64),
        mechanics,
        float(np.asarray(integrator.timestep)),
        None,
    )


def row(
    force_field: ForceField, entry: Entry, temperatures: list[float], replicas: int, ns: float
) -> dict[str, Any]:
    """All temperatures of one molecule at once."""
    began = time.perf_counter()
    potential = force_field.bind(entry.topology, precision="float32")
    mechanics = mechanics_of(potential)
    starts = entry.positions[np.arange(replicas) % entry.n_frames]
    heat = np.repeat(np.array(temperatures), replicas)
    integrator = Langevin(potential, mechanics, timestep=TIMESTEP, temperature=heat, friction=1.0)
    positions = np.tile(starts, (len(temperatures), 1, 1))
    engine = JaxEngine(integrator, mechanics, positions, temperature=temperatures[0], seed=0)
    broken: dict[str, Any] = {}
    kelvin, done, wanted = [], 0, round(ns * 1000 / TIMESTEP / EVERY)
    while done < wanted and len(broken) < len(temperatures):
        n_records = min(RECORDS, wanted - done)
        motion = follow(engine, integrator, mechanics, n_records)
        for k, temperature in enumerate(temperatures):
            part = motion.of(slice(k * replicas, (k + 1) * replicas))
            found = first_break(entry.topology, starts[0], part)
            if found is not None and f"{temperature:g} K" not in broken:
                broken[f"{temperature:g} K"] = {"what": found.what, "ps": round(found.time, 1)}
        kelvin.append(motion.kinetic.mean(axis=0))
        done += n_records
    mean = 2 * np.mean(kelvin, axis=0) / (mechanics.degrees_of_freedom * BOLTZMANN)
    return {
        "case": entry.name,
        "n_atoms": entry.topology.n_atoms,
        "ns_each": round(done * EVERY * TIMESTEP / 1000, 3),
        "replicas": replicas,
        "broken": broken,
        "mean_temperature_K": {
            f"{t:g}": round(float(mean[k * replicas : (k + 1) * replicas].mean()), 1)
            for k, t in enumerate(temperatures)
        },
        "seconds": round(time.perf_counter() - began, 1),
    }


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("model", type=Path)
    arguments.add_argument("--data", type=Path, default=Path("../shared/data"))
    arguments.add_argument("--molecules", type=int, default=20)
    arguments.add_argument("--structure", type=Path, help="labelled frames of one molecule")
    arguments.add_argument("--temperatures", default="300,500")
    arguments.add_argument("--replicas", type=int, default=1)
    arguments.add_argument("--ns", type=float, default=1.0)
    chosen = arguments.parse_args()
    if chosen.structure is None:
        data = chosen.data / "organic_gfn2_500K.h5"
        split = read_split(data.with_suffix(".split.json"))
        entries = list(split.apply(read_dataset(data))["test"].in_memory())[: chosen.molecules]
    else:
        entries = [read_dataset(chosen.structure)[0]]
    force_field = read_saved(chosen.model).force_field
    temperatures = [float(t) for t in chosen.temperatures.split(",")]
    rows = []
    for entry in entries:
        rows.append(row(force_field, entry, temperatures, chosen.replicas, chosen.ns))
        print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    write(
        "stability",
        rows,
        output=chosen.output,
        turns=1,
        precision="float32",
        design=force_field.design.name,
        n_broken=sum(bool(found["broken"]) for found in rows),
    )


if __name__ == "__main__":
    main()
