"""A ligand with class II+ in water, beside the same ligand with class I, both in OpenMM.

The ligand (3BPA, 27 atoms) is put into TIP3P water by `isthmus.deploy.md`; its parameters are
drawn around their priors. Both systems start at the same minimised positions and take turns of
Langevin steps of 1 fs at 300 K with particle-mesh Ewald. Also stated: the steps of the bare
ligand, the time to make the Contexts, and which platform is the faster for molecules of 8 to
242 atoms without a box, on which the automatic choice of the platform rests.
"""

import statistics
import time
from typing import Any

import openmm
from measure import Contender, parser, take_turns, write

from isthmus.chemistry.molecule import Molecule
from isthmus.chemistry.smiles import from_smiles
from isthmus.deploy.md.conditions import Conditions
from isthmus.deploy.md.prepare import prepare
from isthmus.deploy.md.production import Simulation, advance, minimise, place, start
from isthmus.deploy.md.solvation import Solvent
from isthmus.forcefield.forcefield import ForceField

LIGAND = "Nc1ncccc1OCc1ccccc1"
PADDING = 1.97  # nm; 2,000 waters
DESIGNS = ("class1", "class2plus")
ALKANES = (2, 5, 10, 20, 40, 80)


def started(molecule: Molecule, design: str, *, water: bool) -> tuple[Simulation, dict[str, Any]]:
    """A simulation, and how long it took to make its Context."""
    force_field = ForceField.free(design, molecule.topology, random_seed=1)
    solvent = Solvent(padding=PADDING) if water else None
    prepared = prepare(
        molecule, force_field, environment="amber14" if water else None, ours="MOL", solvent=solvent
    )
    begin, busy = time.perf_counter(), time.process_time()
    simulation = start(prepared, Conditions())
    facts = {
        "n_atoms": prepared.molecule.n_atoms,
        "platform": simulation.platform.name,
        "context_s": round(time.perf_counter() - begin, 2),
        "context_cpu_s": round(time.process_time() - busy, 2),
    }
    return simulation, facts


def race(molecule: Molecule, *, water: bool, n_steps: int, turns: int) -> list[dict[str, Any]]:
    """Rows of both designs."""
    made = {design: started(molecule, design, water=water) for design in DESIGNS}
    reference = made["class1"][0]
    minimise(reference, max_steps=200)
    state = reference.context.getState(positions=True)
    positions = state.getPositions(asNumpy=True)._value
    contenders = []
    for design, (simulation, _) in made.items():
        place(simulation.context, positions, simulation.prepared.box)
        minimise(simulation, max_steps=50)
        contenders.append(Contender(design, lambda s=simulation: advance(s, n_steps), n_steps))
    busy = turns_with_processor(contenders, turns)
    where = "in water" if water else "alone"
    return [
        c.row(
            system=f"3BPA {where}",
            unit="us/step",
            processor=statistics.median(times) / n_steps * 1e6,
            **made[c.name][1],
        )
        for c, times in zip(contenders, busy, strict=True)
    ]


def turns_with_processor(contenders: list[Contender], turns: int) -> list[list[float]]:
    """As `take_turns`; returns the times of the processor [s], which a busy machine spares."""
    busy: list[list[float]] = [[] for _ in contenders]
    for turn in range(turns + 1):
        for contender, times in zip(contenders, busy, strict=True):
            wall, cpu = time.perf_counter(), time.process_time()
            contender.run()
            if turn:
                contender.seconds.append(time.perf_counter() - wall)
                times.append(time.process_time() - cpu)
    return busy


def platforms(turns: int) -> list[dict[str, Any]]:
    """Alkanes of growing length, class I, on both platforms for CPUs."""
    rows = []
    for length in ALKANES:
        molecule = from_smiles("C" * length, conformers=1)
        prepared = prepare(molecule, ForceField.free("class1", molecule.topology))
        n_steps = max(20, 20_000 // molecule.n_atoms)
        contenders = []
        for name in ("Reference", "CPU"):
            simulation = start(prepared, Conditions(timestep=0.0005), platform=name)
            contenders.append(
                Contender(name, lambda s=simulation, n=n_steps: advance(s, n), n_steps)
            )
        take_turns(contenders, turns)
        rows += [
            c.row(system="alkane, class1", n_atoms=molecule.n_atoms, unit="us/step")
            for c in contenders
        ]
    return rows


def main() -> None:
    arguments = parser(__doc__).parse_args()
    ligand = from_smiles(LIGAND, conformers=1, seed=1)
    rows = race(ligand, water=False, n_steps=300, turns=arguments.turns)
    rows += race(ligand, water=True, n_steps=20, turns=arguments.turns)
    ratios = {
        rows[n]["system"]: round(rows[n + 1]["median"] / rows[n]["median"], 3) for n in (0, 2)
    }
    processor = {
        rows[n]["system"]: round(rows[n + 1]["processor"] / rows[n]["processor"], 3) for n in (0, 2)
    }
    lowest = {rows[n]["system"]: round(rows[n + 1]["low"] / rows[n]["low"], 3) for n in (0, 2)}
    rows += platforms(arguments.turns)
    write(
        "openmm_md",
        rows,
        output=arguments.output,
        turns=arguments.turns,
        openmm=openmm.__version__,
        ratio_of_medians=ratios,
        ratio_of_lowest=lowest,
        ratio_of_processor_times=processor,
    )


if __name__ == "__main__":
    main()
