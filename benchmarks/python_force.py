"""What a potential costs inside OpenMM beyond itself: the overhead of PythonForce.

Three contenders take turns, at 22 atoms (Reference) and at 23,558 (CPU):

- OpenMM with the potential in a PythonForce;
- OpenMM with the same particles and no force;
- the compiled potential alone, called from Python with numpy arrays in and out, as often.

The overhead of a step is the first less the other two; every turn gives one, in wall-clock time and
in time of the processor, which says more on a machine that is busy with other things. At 22 atoms
the potentials are class II+ of alanine dipeptide, and a cheap one. At 23,558 it is the bonds and a
pair term with a short cutoff of the atoms of DHFR in water: cheap, since a dear one would drown the
overhead, but with neighbour lists, whose staleness is looked at in every step. Needs
../shared/data/systems/dhfr_solvated.pdb, or the file given by --structure.
"""

import statistics
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np
import openmm
from measure import Contender, parser, write

from isthmus.chemistry.read import read
from isthmus.chemistry.smiles import from_smiles
from isthmus.deploy.md.production import ALL_GROUPS
from isthmus.deploy.md.python_force import PythonPart
from isthmus.designs.design import Design
from isthmus.designs.schema import parse_design
from isthmus.forcefield.forcefield import ForceField
from isthmus.forcefield.potential import Potential
from isthmus.terms.nonbonded_method import NonbondedMethod

DIPEPTIDE = "CC(=O)N[C@@H](C)C(=O)NC"
CUTOFF = 0.3
TIMESTEP = 1e-6  # ps: atoms stay where they are, so that no list is made anew while timing
CHEAP = parse_design("""
name = "cheap"
[[term]]
name = "bond"
over = "bond"
energy = "k/2*(r-r0)^2"
parameters.k = { unit = "kJ/mol/nm^2", default = 2e5, min = 0 }
parameters.r0 = { unit = "nm", default = "bond_length", min = 0.05, max = 0.4 }
[[term]]
name = "lennard-jones"
over = "pair"
form = "lennard-jones"
""")


def small(design: Design | str) -> tuple[Potential, np.ndarray]:
    """Alanine dipeptide."""
    mol = from_smiles(DIPEPTIDE, conformers=1)
    force_field = ForceField.free(design, mol.topology, random_seed=1)
    return force_field.bind(mol.topology), mol.positions


def large(path: Path) -> tuple[Potential, np.ndarray]:
    """The atoms of DHFR in water with a cheap potential."""
    mol = read(path)[0]
    method = NonbondedMethod("cutoff", cutoff=CUTOFF)
    force_field = ForceField.free(CHEAP, mol.topology)
    potential = force_field.bind(mol.topology, nonbonded=method, box=mol.box)
    return potential, mol.positions


def stepping(
    name: str, masses: np.ndarray, positions: np.ndarray, platform: str, part: Any, n_steps: int
) -> Contender:
    """OpenMM, with or without the force."""
    system = openmm.System()
    for mass in masses.tolist():
        system.addParticle(mass)
    if part is not None:
        box = part.computation.potential.parameterization.box
        if box is not None:
            system.setDefaultPeriodicBoxVectors(*np.asarray(box).tolist())
        for force in part.forces():
            system.addForce(force)
    integrator = openmm.VerletIntegrator(TIMESTEP)
    integrator.setIntegrationForceGroups(ALL_GROUPS)
    handle = openmm.Platform.getPlatformByName(platform)
    context = openmm.Context(system, integrator, handle)
    context.setPositions(positions)
    return Contender(name, lambda: (integrator.step(n_steps), context.getStepCount()), n_steps)


def alone(potential: Potential, positions: np.ndarray, n_steps: int) -> Contender:
    """The compiled potential, called from Python."""
    box = potential.parameterization.box
    cell = None if box is None else np.asarray(box, np.float32)
    lists = potential.neighbours(positions, skin=0.15) if potential.needs_neighbours else None
    given = positions.astype(np.float32)

    @jax.jit
    def compiled(x: Any, cell: Any, lists: Any) -> tuple[Any, Any]:
        found = potential.energy_and_forces(x, cell, lists)
        return found.energy, found.forces

    def run() -> None:
        for _ in range(n_steps):
            for part in compiled(given, cell, lists):
                np.asarray(part)

    return Contender("potential alone", run, n_steps)


def race(
    potential: Potential, positions: np.ndarray, platform: str, n_steps: int, turns: int
) -> list[dict[str, Any]]:
    """Rows of the contenders, and the overhead."""
    masses = np.maximum(potential.parameterization.masses, 1.0)
    part = PythonPart.create(potential)
    contenders = [
        stepping("PythonForce", masses, positions, platform, part, n_steps),
        stepping("no force", masses, positions, platform, None, n_steps),
        alone(potential, positions, n_steps),
    ]
    for contender in contenders:
        contender.run()
    busy: list[list[float]] = [[] for _ in contenders]
    for _ in range(turns):
        for contender, processor in zip(contenders, busy, strict=True):
            wall, cpu = time.perf_counter(), time.process_time()
            contender.run()
            contender.seconds.append(time.perf_counter() - wall)
            processor.append(time.process_time() - cpu)
    terms = " + ".join(potential.term_names[:3])
    facts = {"n_atoms": potential.n_atoms, "platform": platform, "terms": f"{terms} ..."}
    facts["unit"] = "us/step"
    rows = [contender.row(**facts) for contender in contenders]
    for clock, times in (("wall", [c.seconds for c in contenders]), ("processor", busy)):
        difference = [(a - b - c) / n_steps * 1e6 for a, b, c in zip(*times, strict=True)]
        rows.append(
            {
                "case": f"overhead, {clock} time",
                **facts,
                "median": statistics.median(difference),
                "low": min(difference),
                "high": max(difference),
                "lists_made": part.computation.n_lists,
            }
        )
    return rows


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument(
        "--structure", type=Path, default=Path("../shared/data/systems/dhfr_solvated.pdb")
    )
    given = arguments.parse_args()
    rows = race(*small("class2plus"), "Reference", 200, given.turns)
    rows += race(*small(CHEAP), "Reference", 200, given.turns)
    if given.structure.is_file():
        rows += race(*large(given.structure), "CPU", 5, given.turns)
    write("python_force", rows, output=given.output, turns=given.turns)


if __name__ == "__main__":
    main()
