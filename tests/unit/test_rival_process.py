"""Rivals: a process of their own that answers, refuses, dies or hangs; and those by name."""

import ast
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from data_springs import springs  # pyright: ignore[reportMissingImports]

from isthmus.errors import InputError
from isthmus.race.rivals.caller import LevelCaller, RivalError
from isthmus.race.rivals.named import check_rival, force_field_of, is_factory, make_caller
from isthmus.race.rivals.process import ProcessCaller
from isthmus.race.rivals.rdkit_uff import UniversalForceField
from isthmus.units import ANGSTROM, ELECTRONVOLT

FACTORIES = """
import os, sys, time
import numpy as np
from ase.calculators.calculator import Calculator, all_changes

class Spring(Calculator):
    implemented_properties = ["energy", "forces"]

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        print("chatter that must not reach the caller")
        x = self.atoms.positions
        if 9 in self.atoms.numbers:
            raise ValueError("no fluorine")
        if 7 in self.atoms.numbers:
            print("the last words", file=sys.stderr)
            os._exit(3)
        if 16 in self.atoms.numbers:
            time.sleep(60)
        assert self.atoms.info["charge"] == 0
        self.results = {"energy": (x**2).sum(), "forces": -2 * x}

def spring():
    return Spring()

class Frugal(Calculator):
    # Computes what it is asked for and no more; its energy is how often it has computed
    implemented_properties = ["energy", "forces"]
    count = 0

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        self.count += 1
        self.results = {"energy": float(self.count)}
        if "forces" in properties:
            self.results["forces"] = 0 * self.atoms.positions

class Charged(Calculator):
    implemented_properties = ["energy", "forces"]

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        told = self.atoms.info
        energy = 100 * self.atoms.get_initial_charges().sum() + 10 * told["charge"] + told["spin"]
        self.results = {"energy": energy, "forces": 0 * self.atoms.positions}

def broken():
    raise RuntimeError("no weights here")
"""


@pytest.fixture
def factory(tmp_path: Path) -> str:
    (tmp_path / "rival.py").write_text(FACTORIES)
    return f"{tmp_path / 'rival.py'}:spring"


def test_energies_and_forces_come_back_and_refusals_do_not_end_it(factory: str) -> None:
    entry, other = springs("CO", 3), springs("CF", 2)
    caller = ProcessCaller(factory, python=sys.executable, timeout=60.0)
    try:
        assert "ase" in caller.versions
        with pytest.raises(RivalError, match="ValueError: no fluorine"):
            caller.evaluate(other, other.positions)
        energies, forces = caller.evaluate(entry, entry.positions)
        assert caller.seconds(entry, entry.positions, 5) > 0
    finally:
        caller.close()
    x = entry.positions / ANGSTROM
    np.testing.assert_allclose(energies, (x**2).sum(axis=(1, 2)) * ELECTRONVOLT)
    np.testing.assert_allclose(forces, -2 * x * ELECTRONVOLT / ANGSTROM)
    with pytest.raises(RivalError, match="closed"):
        caller.evaluate(entry, entry.positions)


def test_each_frame_and_each_timed_call_is_one_computation(factory: str) -> None:
    entry = springs("CO", 3)
    caller = ProcessCaller(factory.replace(":spring", ":Frugal"), python=None, timeout=60.0)
    try:
        energies, _ = caller.evaluate(entry, entry.positions)
        caller.seconds(entry, entry.positions, 5)
        last, _ = caller.evaluate(entry, entry.positions[:1])
    finally:
        caller.close()
    np.testing.assert_allclose([*energies, *last], np.array([1, 2, 3, 9]) * ELECTRONVOLT)


@pytest.mark.parametrize(
    ("smiles", "charge", "spin"),
    [("CO", 0, 1), ("C[O-]", -1, 1), ("C[NH3+]", 1, 1), ("[CH3]", 0, 2)],
)
def test_a_calculator_is_told_the_charge_and_the_multiplicity(
    factory: str, smiles: str, charge: int, spin: int
) -> None:
    entry = springs(smiles, 1)
    caller = ProcessCaller(factory.replace(":spring", ":Charged"), python=None, timeout=60.0)
    try:
        energies, _ = caller.evaluate(entry, entry.positions)
    finally:
        caller.close()
    assert energies[0] == pytest.approx((110 * charge + spin) * ELECTRONVOLT)


def test_one_that_dies_leaves_its_last_words(factory: str) -> None:
    entry = springs("CN", 1)
    caller = ProcessCaller(factory, python=None, timeout=60.0)
    with pytest.raises(RivalError, match=r"exit code 3\): .*the last words"):
        caller.evaluate(entry, entry.positions)
    caller.close()


def test_one_that_hangs_is_ended(factory: str) -> None:
    entry = springs("CS", 1)
    caller = ProcessCaller(factory, python=None, timeout=60.0)
    caller._timeout = 0.5  # pyright: ignore[reportPrivateUsage]
    with pytest.raises(RivalError, match=r"no answer within 0.5 s"):
        caller.evaluate(entry, entry.positions)
    process = caller._process  # pyright: ignore[reportPrivateUsage]
    caller.close()
    assert process.returncode == -9


@pytest.mark.parametrize(
    ("name", "python", "said"),
    [
        ("broken", None, "cannot be made: RuntimeError: no weights here"),
        ("absent", None, "AttributeError"),
        ("spring", "/no/such/python", "cannot be started"),
    ],
)
def test_one_that_cannot_start_says_why(
    factory: str, name: str, python: str | None, said: str
) -> None:
    text = f"{factory.rpartition(':')[0]}:{name}"
    with pytest.raises(RivalError, match=said):
        ProcessCaller(text, python=python, timeout=60.0)


def test_the_worker_needs_no_isthmus() -> None:
    """It must run in an interpreter that has only numpy and ASE."""
    from isthmus.race.rivals import worker

    tree = ast.parse(Path(str(worker.__file__)).read_text())
    names = [a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names]
    names += [str(n.module) for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)]
    imported = {name.partition(".")[0] for name in names}
    assert imported - set(sys.stdlib_module_names) == {"numpy", "ase"}


def test_forces_of_uff_are_the_gradient_of_its_energy() -> None:
    entry = springs("CCO", 2)
    caller = LevelCaller(UniversalForceField())
    # At another frame first: RDKit keeps distances of the last call
    caller.evaluate(entry, entry.positions[1:])
    _, forces = caller.evaluate(entry, entry.positions[:1])
    step, moved = 1e-6, np.repeat(entry.positions[:1], 2, axis=0)
    moved[0, 4, 1] += step
    moved[1, 4, 1] -= step
    up, down = caller.evaluate(entry, moved)[0]
    assert forces[0, 4, 1] == pytest.approx((down - up) / (2 * step), rel=1e-4)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("gfn9", r"unknown method 'gfn9' \(did you mean 'gfn[12]'\?\).*mmff94"),
        ("openmm:absent.xml", "no file 'absent.xml'"),
        ("absent.py:make", "no file 'absent.py'"),
    ],
)
def test_an_unknown_rival_is_refused_before_the_race(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        check_rival(text)


def test_texts_that_are_factories() -> None:
    assert is_factory("mace.calculators:mace_off")
    assert is_factory(f"{os.sep}tmp{os.sep}own.py:make")
    assert not is_factory("ase:emt")
    assert not is_factory("openmm:system.xml")
    assert not is_factory("mmff94")


def test_a_calculator_of_ase_in_this_process() -> None:
    entry = springs("CO", 2)
    caller = make_caller("ase:lj", python=None, timeout=60.0)
    energies, forces = caller.evaluate(entry, entry.positions)
    assert energies.shape == (2,)
    assert forces.shape == entry.positions.shape
    assert "lj" in caller.description


def test_a_system_that_cannot_be_imported_is_evaluated_by_openmm(tmp_path: Path) -> None:
    from isthmus.deploy.openmm.exporting import to_openmm, write_system_xml
    from isthmus.forcefield.forcefield import ForceField

    entry = springs("CO", 2)
    potential = ForceField.mmff().bind(entry.topology, precision="float64")
    path = tmp_path / "system.xml"
    # Written in coordinates, which OpenMM evaluates faster and nobody can read back
    write_system_xml(to_openmm(potential), path)
    assert force_field_of(f"openmm:{path}") is None
    caller = make_caller(f"openmm:{path}", python=None, timeout=60.0)
    energies, forces = caller.evaluate(entry, entry.positions)
    wanted = potential.energy_and_forces(entry.positions)
    np.testing.assert_allclose(energies, np.asarray(wanted.energy), rtol=1e-6)
    np.testing.assert_allclose(forces, np.asarray(wanted.forces), rtol=1e-4, atol=1e-2)
    assert caller.engine == "openmm"
    assert caller.seconds(entry, entry.positions, 5) > 0
    with pytest.raises(RivalError, match="has 6 particles, 'CCO' 9"):
        caller.evaluate(springs("CCO", 1), springs("CCO", 1).positions)
