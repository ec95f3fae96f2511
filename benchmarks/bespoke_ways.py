"""Ways to a bespoke fit that holds where it has no data, compared without touching the hot frames.

    python benchmarks/bespoke_ways.py FOLDER PROXY.npz [--ways NAME ...]

Which way is taken must not be chosen on the frames that the final figure is measured on. So
GFN2-xTB stands in for the level of theory: it labels the frames of 3BPA at 300 K, and its own
Langevin dynamics at 600 and 1200 K gives hot frames. PROXY.npz holds them; it is made if it is
not there (some minutes; needs tblite). Every third of the first 400 frames is fitted, frames 400
to 449 and 60 frames each at 600 and 1200 K are the test. Force errors are root mean squares
[meV/Å].
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from measure import parser, write

from isthmus.chemistry.topology import Topology
from isthmus.data import Dataset, Entry, read_dataset
from isthmus.designs.design import Design
from isthmus.designs.schema import find_design, parse_design
from isthmus.forcefield.forcefield import ForceField
from isthmus.train.bespoke import BespokeSettings, fit_bespoke
from isthmus.units import ANGSTROM, BOHR, BOLTZMANN, ELECTRONVOLT, HARTREE

MEV_PER_ANGSTROM = ELECTRONVOLT * 1e-3 / ANGSTROM
STEPS = 14
Forces = Callable[[np.ndarray], np.ndarray]


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("proxy", type=Path)
    arguments.add_argument("--ways", nargs="+", default=list(WAYS))
    options = arguments.parse_args()
    frames = read_dataset(options.folder / "train_300K.xyz")[0].take(range(450))
    if not options.proxy.exists():
        np.savez(options.proxy, allow_pickle=False, **proxy(frames))
    with np.load(options.proxy) as file:
        labelled = {
            t: Entry.create(
                t, frames.topology, positions=file[f"x{t}"], energies=file[f"e{t}"],
                forces=file[f"f{t}"],
            )
            for t in ("300", "600", "1200")
        }  # fmt: skip
    train = labelled["300"].take(range(0, 400, 3))
    tests = {
        "300 K": labelled["300"].take(range(400, 450)),
        "600 K": labelled["600"],
        "1200 K": labelled["1200"],
    }
    rows: list[dict[str, Any]] = []
    for way in options.ways:
        start = time.perf_counter()
        forces = WAYS[way](train)
        errors = {name: round(rmse(forces, entry), 1) for name, entry in tests.items()}
        seconds = round(time.perf_counter() - start)
        rows.append({"case": way, "force_rmse_meV_per_A": errors, "seconds": seconds})
        print(rows[-1], file=sys.stderr, flush=True)
    write(
        "bespoke_ways",
        rows,
        output=options.output,
        turns=1,
        precision="float64",
        level_of_theory="GFN2-xTB",
    )


def rmse(forces: Forces, entry: Entry) -> float:
    """Over all components [meV/Å]."""
    assert entry.forces is not None
    return float(np.sqrt(np.mean((forces(entry.positions) - entry.forces) ** 2)) / MEV_PER_ANGSTROM)


def bound(force_field: ForceField, topology: Topology) -> Forces:
    potential = force_field.bind(topology, precision="float64")
    return lambda x: np.asarray(potential.energy_and_forces(x).forces)


def plain(design: str, *, tie: bool = True, strength: float = 1.0) -> Callable[[Entry], Forces]:
    """A fit with some settings."""

    def run(train: Entry) -> Forces:
        chosen = BespokeSettings(tie=tie, prior_strength=strength, max_steps=STEPS)
        fit = fit_bespoke(changed(design), train, settings=chosen)
        return bound(fit.force_field, train.topology)

    return run


def changed(name: str) -> Design:
    """A preset; with +soft its pair terms are those of class2plus5."""
    name, soft, _ = name.partition("+soft")
    if not soft:
        return find_design(name)
    hard, other = find_design(name).text, find_design("class2plus5").text
    start, end = '[[term]]\nname = "{}"\n', '[[term]]\nname = "coulomb"\n'
    taken = other[other.index(start.format("dispersion-repulsion")) : other.index(end)]
    kept = hard[: hard.index(start.format("lennard-jones"))], hard[hard.index(end) :]
    return parse_design(taken.join(kept))


def distilled(design: str, weight: float) -> Callable[[Entry], Forces]:
    """Class I, fitted to the same frames, draws the forces on hot frames of its own to itself.

    The targets there are the forces of a first fit, moved towards class I by `weight`.
    """

    def run(train: Entry) -> Forces:
        teacher = fit_bespoke("class1", train).force_field
        topology = train.topology
        x = langevin(bound(teacher, topology), train, 1200.0, n_frames=60)
        found = teacher.bind(topology, precision="float64").energy_and_forces(x)
        first = fit_bespoke(design, train, settings=BespokeSettings(max_steps=STEPS)).force_field
        own = first.bind(topology, precision="float64").energy_and_forces(x)
        mixed = Entry.create(
            "class1 at 1200 K",
            topology,
            positions=x,
            energies=np.full(len(x), np.nan),
            forces=(1 - weight) * own.forces + weight * found.forces,
        )
        both = Dataset.create([train, mixed])
        fit = fit_bespoke(design, both, settings=BespokeSettings(max_steps=STEPS))
        return bound(fit.force_field, topology)

    return run


def ensemble(design: str, n_members: int) -> Callable[[Entry], Forces]:
    """The mean of fits to random two thirds of the frames."""

    def run(train: Entry) -> Forces:
        random = np.random.default_rng(0)
        size = 2 * train.n_frames // 3
        members = [
            plain(design)(train.take(random.choice(train.n_frames, size, replace=False)))
            for _ in range(n_members)
        ]
        return lambda x: np.mean([member(x) for member in members], axis=0)

    return run


def langevin(
    forces: Forces, entry: Entry, temperature: float, *, n_frames: int, every: int = 50
) -> np.ndarray:
    """Frames (frames, atoms, 3) [nm] of dynamics from the first frame."""
    random, masses = np.random.default_rng(1), entry.topology.masses[:, None]
    step, keep = 0.0005, np.exp(-0.0025)
    x, heat = entry.positions[0], np.sqrt(BOLTZMANN * temperature / masses)
    v, f, kept = heat * random.normal(size=x.shape), forces(x), []
    for k in range(n_frames * every):
        v = v + step / 2 * f / masses
        x = x + step / 2 * v
        v = keep * v + np.sqrt(1 - keep**2) * heat * random.normal(size=x.shape)
        x = x + step / 2 * v
        f = forces(x)
        v = v + step / 2 * f / masses
        if k % every == every - 1:
            kept.append(x)
    return np.array(kept)


def proxy(frames: Entry) -> dict[str, np.ndarray]:
    """Frames with energies and forces of GFN2-xTB, by temperature."""
    from tblite.interface import Calculator

    calculator = Calculator("GFN2-xTB", frames.topology.atomic_numbers, frames.positions[0] / BOHR)
    calculator.set("verbosity", 0)

    def label(x: np.ndarray) -> tuple[float, np.ndarray]:
        calculator.update(positions=x / BOHR)
        found = calculator.singlepoint()
        return found.get("energy") * HARTREE, -np.array(found.get("gradient")) * HARTREE / BOHR

    positions = {"300": frames.positions}
    for t in ("600", "1200"):
        positions[t] = langevin(lambda x: label(x)[1], frames, float(t), n_frames=70)[10:]
    result = {}
    for t, x in positions.items():
        energies, forces = zip(*(label(frame) for frame in x), strict=True)
        result |= {f"x{t}": x, f"e{t}": np.array(energies), f"f{t}": np.array(forces)}
    return result


WAYS: dict[str, Callable[[Entry], Forces]] = {
    "class1": plain("class1"),
    "class2": plain("class2"),
    "class2, ridge x 10": plain("class2", strength=10.0),
    "class2, ridge / 10": plain("class2", strength=0.1),
    "class2, untied": plain("class2", tie=False),
    "class2, mean of 3": ensemble("class2", 3),
    "class2, class1 at 1200 K, 5 %": distilled("class2", 0.05),
    "class2plus": plain("class2plus"),
    "class2plus, soft pairs": plain("class2plus+soft"),
    "class2plus, soft pairs, untied": plain("class2plus+soft", tie=False),
    "class2plus5": plain("class2plus5"),
}


if __name__ == "__main__":
    main()
