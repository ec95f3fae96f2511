"""One molecule in our functional form, the water around it in Amber's, in one OpenMM System.

The molecule is alanine dipeptide: inside it MMFF94 acts, term by term; between it and the water,
and within the water, Amber acts as before. (A potential with plain Coulomb and 12-6 terms could
bring its own charges; MMFF's Coulomb is buffered, which no 1/r stands for.) Then a short run.
"""

from pathlib import Path

import numpy as np
import openmm
from openmm import unit

import isthmus
from isthmus.deploy.openmm.combining import combine
from isthmus.deploy.openmm.evaluating import evaluate_openmm

STEPS = 100
KJ = unit.kilojoule_per_mole


def main() -> None:
    # 1. The solvated system in Amber (amber14, TIP3P-FB, particle-mesh Ewald)
    (whole,) = isthmus.read(Path(__file__).parent / "data" / "alanine_dipeptide_solvated.pdb")
    amber = isthmus.resolve_force_field("amber14", whole).system
    assert amber is not None, "a force field of OpenMM comes with its System"

    # 2. The dipeptide is the first component of the system; our potential of it alone
    atoms = np.flatnonzero(whole.topology.components == 0)
    peptide = whole.topology.subset(atoms)
    potential = isthmus.ForceField.mmff("MMFF94").bind(peptide, precision="float64")
    print(f"the dipeptide alone in MMFF94 [kcal/mol]:\n{potential.report(whole.positions[atoms])}")

    # 3. Ours in the place of Amber's
    mixed = combine(amber, potential, atoms, interaction="system")
    for name, system in (("Amber", amber), ("mixed", mixed)):
        energy = evaluate_openmm(system, whole.positions, box=whole.box).energy
        print(f"{name}: {system.getNumForces()} forces, {energy:.3f} kJ/mol")

    # 4. A short run: the water is flexible here, so the time step is small
    integrator = openmm.LangevinMiddleIntegrator(300, 1.0, 0.0005)  # K, 1/ps, ps
    context = openmm.Context(mixed, integrator, openmm.Platform.getPlatformByName("CPU"))
    context.setPositions(whole.positions)
    context.setVelocitiesToTemperature(300, 1)
    integrator.step(STEPS)
    energy = context.getState(energy=True).getPotentialEnergy().value_in_unit(KJ)
    print(f"after {STEPS} steps of 0.5 fs: {energy:.3f} kJ/mol")
    assert np.isfinite(energy)


if __name__ == "__main__":
    main()
