"""Change the functional form in a text file, and hand the result back to OpenMM.

Class I has no coupling between the two bonds of an angle. One line of formula adds it; the JAX
function, its gradient and the OpenMM force follow from that line.
"""

from pathlib import Path

import isthmus
from isthmus.deploy.openmm.evaluating import evaluate_openmm

OWN_TERM = """
[[term]]
name = "bond-bond"
over = "angle"                                   # atoms 1-2-3: r12, r23, theta
energy = "k*(r12-r12_0)*(r23-r23_0)"
[term.parameters]
k = { unit = "kJ/mol/nm^2", default = 2e4, scale = 1e4, meaning = "coupling of the two bonds" }
r12_0 = { unit = "nm", from = "bond.r0", at = [1, 2] }
r23_0 = { unit = "nm", from = "bond.r0", at = [2, 3] }
"""


OUTPUT = Path("demo_output")


def main() -> None:
    OUTPUT.mkdir(exist_ok=True)
    # 1. The text of class I, a new name, one more term
    design_file = OUTPUT / "class1-coupled.toml"
    text = isthmus.preset("class1").text.replace('name = "class1"', 'name = "class1-coupled"', 1)
    design_file.write_text(text + OWN_TERM)
    design = isthmus.read_design(design_file)  # units, names and symmetry are checked here

    # 2. A molecule, a force field at its priors (nothing is trained), a potential
    (molecule,) = isthmus.read(Path(__file__).parent / "data" / "paracetamol.sdf")
    force_field = isthmus.ForceField.free(design, molecule.topology)
    potential = force_field.bind(molecule.topology, precision="float64")
    print(potential.report(molecule.positions))

    # 3. Back to OpenMM: a System that any OpenMM script can load
    system = isthmus.to_openmm(potential)
    isthmus.write_system_xml(system, OUTPUT / "paracetamol.xml", overwrite=True)
    ours = float(potential.energy(molecule.positions))
    theirs = evaluate_openmm(system, molecule.positions).energy
    print(f"\nIsthmus {ours:.8f}, OpenMM {theirs:.8f} kJ/mol")
    print(f"written: {design_file}, {OUTPUT / 'paracetamol.xml'} ({system.getNumForces()} forces)")


if __name__ == "__main__":
    main()
