"""The class2 design against LAMMPS: stored energies and forces, term by term, and LAMMPS itself.

Cases and their provenance: tests/data/lammps_class2.json, made by
tests/reference/generate/lammps_class2.py.
"""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from isthmus.chemistry.smiles import from_smiles
from isthmus.chemistry.topology import Topology
from isthmus.designs.schema import parse_design, preset
from isthmus.forcefield.binding import bind_parameterization
from isthmus.parameters.free import random_values
from isthmus.parameters.instantiate import Values, instantiate
from isthmus.parameters.parameterization import Parameterization
from isthmus.terms.bound import BoundTerm

HERE = Path(__file__).parent
CASES = json.loads((HERE.parent / "data" / "lammps_class2.json").read_text())["molecules"]
LAMMPS_NAMES = {
    "bond": "bond",
    "angle": "angle",
    "bond-bond": "bb",
    "bond-angle": "ba",
    "torsion": "torsion",
    "middle-bond-torsion": "mbt",
    "end-bond-torsion": "ebt",
    "angle-torsion": "at",
    "angle-angle-torsion": "aat",
    "bond-bond-13": "bb13",
    "out-of-plane": "improper",
    "angle-angle": "aa",
    "lennard-jones": "lj",
    "coulomb": "coulomb",
}
# LAMMPS applies an improper to every branch it is given, not to planar centres alone.
DESIGN = parse_design(preset("class2").text.replace("coordination = 3\n", ""))
RTOL = 1e-6


def topology_of(case: dict) -> Topology:
    return from_smiles(case["mapped_smiles"]).topology


def by_reference(case: dict) -> Parameterization:
    """Couplings take their equilibria from the bonds and angles that they refer to."""
    values = {
        ours: {name: np.array(v) for name, v in case["parameters"][theirs].items()}
        for ours, theirs in LAMMPS_NAMES.items()
    }
    return instantiate(DESIGN, topology_of(case), values)


def by_table(case: dict) -> Parameterization:
    """Every term has its own equilibria, as LAMMPS allows."""
    shared = by_reference(case)
    terms = []
    for bound in shared.terms:
        own = case["parameters"].get(LAMMPS_NAMES.get(bound.term.name, ""))
        if own is None:
            terms.append(bound)
            continue
        loose = tuple(dataclasses.replace(p, reference=None) for p in bound.term.parameters)
        term = dataclasses.replace(bound.term, parameters=loose)
        terms.append(BoundTerm(term, bound.atoms_idx, {n: np.array(v) for n, v in own.items()}))
    return dataclasses.replace(shared, terms=tuple(terms))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['name']} {case['equilibria']}")
def test_every_term_agrees_with_lammps(case: dict) -> None:
    build = by_reference if case["equilibria"] == "shared" else by_table
    check(build(case), case)


def check(parameterization: Parameterization, case: dict) -> None:
    potential = bind_parameterization(parameterization, precision="float64")
    for stored in case["conformations"]:
        positions = np.array(stored["positions"])
        found = potential.term_energies(positions)
        # The 1-4 pairs are a term of their own with us, and part of the pair style in LAMMPS.
        found["lennard-jones"] += found.pop("lennard-jones-14")
        found["coulomb"] += found.pop("coulomb-14")
        for ours, theirs in LAMMPS_NAMES.items():
            scale = max(1.0, abs(stored["energies"][theirs]))
            assert abs(found[ours] - stored["energies"][theirs]) < RTOL * scale, ours
        forces = sum(np.array(stored["forces"][theirs]) for theirs in LAMMPS_NAMES.values())
        ours_total = potential.energy_and_forces(positions).forces
        np.testing.assert_allclose(ours_total, forces, atol=RTOL * np.abs(forces).max(), rtol=0)


@pytest.mark.engine
def test_random_parameters_against_lammps_itself(tmp_path: Path) -> None:
    """Our own random parameters, evaluated by LAMMPS now."""
    records = [record_of(case, seed) for seed, case in enumerate(CASES[:3])]
    given, answered = tmp_path / "in.json", tmp_path / "out.json"
    given.write_text(json.dumps({"molecules": records}))
    python = os.environ.get("ISTHMUS_LAMMPS_PYTHON", sys.executable)
    engine = HERE / "generate" / "class2_engine.py"
    subprocess.run([python, str(engine), str(given), str(answered)], check=True, timeout=300)
    for case in json.loads(answered.read_text())["molecules"]:
        check(by_reference(case), case)


def record_of(case: dict, seed: int) -> dict:
    """A case with new random parameters; equilibria of couplings follow their bonds and angles."""
    topology = topology_of(case)
    values: Values = random_values(DESIGN, topology, seed=seed)
    parameterization = instantiate(DESIGN, topology, values)
    bound = {t.term.name: t.values for t in parameterization.terms}
    bound |= {t.term.name: t.values for t in parameterization.pair_groups[0].terms}
    parameters = {
        theirs: {name: np.asarray(v).tolist() for name, v in bound[ours].items()}
        for ours, theirs in LAMMPS_NAMES.items()
    }
    conformations = [{"positions": c["positions"]} for c in case["conformations"]]
    return {**case, "parameters": parameters, "conformations": conformations}
