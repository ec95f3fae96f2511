"""From SMILES to a trained force field and a trajectory, in Python.

Four alcohols are sampled and labelled by GFN2-xTB, a network that reads molecular graphs is
trained on three of them, and the fourth is moved by what it says. Far too few molecules and
epochs to be of use: `isthmus train` on a few hundred molecules takes minutes. Needs
`pip install "isthmus[qm]"`.
"""

from pathlib import Path

import numpy as np

import isthmus
from isthmus.evaluate.evaluation import evaluate
from isthmus.label import label_molecules
from isthmus.simulate.integrators.langevin import Langevin
from isthmus.simulate.jax_engine import JaxEngine
from isthmus.simulate.mechanics import mechanics_of
from isthmus.train import TrainSettings, train
from isthmus.units import ANGSTROM, KILOCALORIE

OUTPUT = Path("demo_output")


def main() -> None:
    OUTPUT.mkdir(exist_ok=True)
    # 1. Thermal frames with energies and forces; with output="FILE.h5", resumable
    smiles = ("CO", "CCO", "CC(C)O", "CCCO")
    molecules = [isthmus.from_smiles(one) for one in smiles]
    data = label_molecules(molecules, temperatures=(300.0,), frames=10, conformers=1, jobs=1)
    print(f"{len(data)} molecules, labelled by {data.level_of_theory}")

    # 2. Propanol is held out: no parameter ever sees it
    names = list(data.names)
    learned, held_out = data.select(names[:3]), data.select(names[3:])
    start = isthmus.ForceField.graph("class2plus", seed=0)
    trained = train(start, learned, settings=TrainSettings(epochs=20)).force_field
    for title, force_field in (("at its priors", start), ("trained", trained)):
        rmse = evaluate(force_field, held_out).overall.force_rmse
        assert rmse is not None
        print(f"{title}: force RMSE {rmse / (KILOCALORIE / ANGSTROM):.2f} kcal/mol/Å on propanol")
    isthmus.save_force_field(trained, OUTPUT / "alcohols.safetensors", overwrite=True)

    # 3. Dynamics: the network reads the graph once, then steps are cheap
    molecule = isthmus.from_smiles("CCCO", conformers=1)
    potential = trained.bind(molecule.topology, precision="float32")
    mechanics = mechanics_of(potential)
    langevin = Langevin(potential, mechanics, timestep=0.0005, temperature=300.0, friction=10.0)
    engine = JaxEngine(langevin, mechanics, molecule.conformers, temperature=300.0, seed=1)
    temperatures = []
    for _ in range(20):
        engine.advance(100)
        temperatures.append(engine.record().temperature[0])
    mean = np.mean(temperatures[10:])
    print(f"{engine.step} steps of 0.5 fs; mean temperature of the second half {mean:.0f} K")


if __name__ == "__main__":
    main()
