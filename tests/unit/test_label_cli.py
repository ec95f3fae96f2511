"""`isthmus label`: what it writes, refuses, survives; with a calculator that costs nothing."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from isthmus.chemistry.smiles import from_smiles
from isthmus.cli import main
from isthmus.data import open_dataset
from isthmus.label import label_molecules, relabel
from isthmus.label.sampling import Dynamics

CALCULATOR = '''
"""MMFF-like springs to the first geometry; what it does else, the number of atoms decides."""
import os, signal, time
import numpy as np
from ase.calculators.calculator import Calculator, CalculationFailed, all_changes

class Springs(Calculator):
    implemented_properties = ["energy", "forces"]
    def __init__(self, wait=0.0, fatal=0, failing=0, deaths=10**9):
        super().__init__()
        self.wait, self.fatal, self.failing, self.deaths = wait, fatal, failing, deaths
    def calculate(self, atoms=None, properties=(), system_changes=all_changes):
        super().calculate(atoms, list(properties), system_changes)
        print("noise on stdout")
        time.sleep(self.wait)
        if len(self.atoms) == self.fatal and self.died() < self.deaths:
            with open("deaths", "a") as file:
                file.write("x")
            os.kill(os.getpid(), signal.SIGSEGV)
        if len(self.atoms) == self.failing:
            raise CalculationFailed("no luck")
        x = self.atoms.positions
        self.results = {"energy": float((x**2).sum()), "forces": -2 * x}
    def died(self):
        return os.path.getsize("deaths") if os.path.exists("deaths") else 0
'''
MOLECULES = "CO methanol\nCN\nCC ethane\nO water\n"
QUICK = "--frames 4 --conformers 2 --interval 10 --equilibration 20 --jobs 2"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Molecules, and a calculator that processes can import."""
    (tmp_path / "spring_calculator.py").write_text(CALCULATOR)
    (tmp_path / "molecules.smi").write_text(MOLECULES)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(folder: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs a command line; gives exit code, stdout and stderr."""

    def go(*words: str) -> tuple[object, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main.run(["label", *words])
        output = capsys.readouterr()
        return ended.value.code, output.out, output.err

    return go


def line(output: str, **arguments: Any) -> list[str]:
    return [
        "molecules.smi",
        *QUICK.split(),
        "--method",
        "ase:spring_calculator:Springs",
        "--method-arguments",
        json.dumps(arguments),
        "-o",
        output,
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("CCO --method gfn3", "unknown method 'gfn3' (did you mean 'gfn2'?)"),
        ("CCO --method pyscf:b3lyp", "wanted is pyscf:FUNCTIONAL"),
        ("CCO --method pyscf:nonsense/sto-3g", "knows no functional 'nonsense'"),
        ("CCO --method pyscf:hf/nonsense", "no basis 'nonsense'"),
        ("CCO --method ase:none", "'none' cannot be imported"),
        ("CCO --method ase:math:None", "no class 'None'"),
        ("CCO --method-arguments {}x", "no JSON"),
        ('CCO --method-arguments {"k":1}', "takes no arguments"),
        ("CCO --sampler mmf94", "unknown force field 'mmf94'"),
        ("CCO --temperature warm", "wanted numbers with commas [K]"),
        ("CCO --temperature=-1", "temperatures -1"),
        ("CCO --timestep 5", "time step of 5 fs"),
        ("CCO --frames 0", "0 frames"),
        ("CXO", "'CXO' is no file, and no SMILES either"),
        ("bad.smi", "bad.smi, line 2: cannot read SMILES"),
        ("none.smi", "there is no file 'none.smi'"),
        (".", "is a folder"),
        ("[U]C", "GFN2-xTB has no parameters for U"),
        ("CO CN --relabel", "--relabel takes one dataset, 2 inputs came"),
        ("CO --given-coordinates", "no coordinates to start from"),
        ("CO --jobs 0", "--jobs"),
    ],
)
def test_errors_come_before_any_work(run: Any, words: str, message: str) -> None:
    pytest.importorskip("tblite", reason="tblite is not installed (isthmus[qm])")
    pytest.importorskip("pyscf", reason="PySCF is not installed (isthmus[qm])")
    Path("bad.smi").write_text("CCO\nCC(C\n")
    before = sorted(path.name for path in Path().iterdir() if path.name != "__pycache__")
    code, out, err = run(*words.split(), "-o", "out.h5")
    assert code == 2, err
    assert message in err
    assert out == ""
    assert err.startswith("isthmus: error: ")
    after = sorted(path.name for path in Path().iterdir() if path.name != "__pycache__")
    assert after == before


def test_outputs_that_exist_are_refused(run: Any) -> None:
    Path("out.h5").write_text("mine")
    assert "exists" in run("CCO", "-o", "out.h5")[2]
    assert "out.txt" in run("CCO", "-o", "out.txt")[2]
    assert "no HDF5" in run("CCO", "-o", "out.h5", "--resume")[2]
    assert Path("out.h5").read_text() == "mine"


def test_nothing_to_label_is_a_failure(run: Any) -> None:
    code, out, err = run("C[CH2]", "[Na+]", "-o", "out.h5", "--method", "ase:lj")
    assert code == 1
    assert out == ""
    assert "failed: [CH2]C: it has 17 electrons" in err
    assert "no molecule could be labelled" in err
    content = json.loads(Path("out.h5.failures.json").read_text())
    assert len(content["failures"]) == 2
    assert not Path("out.h5").exists()
    assert not Path("out.h5.parts").exists()


@pytest.mark.slow
def test_a_process_that_dies_is_a_failure_of_its_molecule(run: Any) -> None:
    """Methanol (6 atoms) kills its process, ethane (8) cannot be labelled."""
    code, out, err = run(*line("out.h5", fatal=6, failing=8))
    assert code == 0, err
    assert "2 of 4 molecules, 8 of 16 frames" in out
    assert "failed: methanol: its process died (signal SIGSEGV)" in err
    assert "no luck" in err
    dataset = open_dataset("out.h5")
    assert dataset.names == ("CN", "water")
    assert "2 of 4: methanol: its process died" in dataset.provenance["failed_molecules"]
    assert dataset[0].source == "sampled with mmff94"
    assert dataset[0].temperatures is not None
    assert sorted(dataset[0].temperatures.tolist()) == [300, 300, 500, 500]


@pytest.mark.slow
def test_parts_whose_process_died_are_tried_again_alone(run: Any) -> None:
    """All four parts of methanol (6 atoms) die once."""
    code, out, err = run(*line("out.h5", fatal=6, deaths=4))
    assert code == 0, err
    assert "4 of 4 molecules, 16 of 16 frames" in out
    assert err == ""
    assert Path("deaths").read_text() == "xxxx"
    assert not Path("out.h5.parts").exists()
    assert not Path("out.h5.failures.json").exists()


@pytest.mark.slow
def test_parts_whose_process_died_twice_are_tried_by_the_same_command(run: Any) -> None:
    words = line("out.h5", fatal=6, deaths=8)
    code, out, err = run(*words)
    assert code == 0, err
    assert "3 of 4 molecules, 12 of 16 frames" in out
    assert "failed: methanol: its process died (signal SIGSEGV); it was tried twice" in err
    assert "the processes of 4 parts died" in err
    assert "the same command" in err
    code, out, err = run(*words, "--seed", "5")
    assert (code, "seed was 0, now 5" in err) == (2, True)
    assert open_dataset("out.h5").names == ("CN", "ethane", "water")
    code, out, err = run(*words)
    assert code == 0, err
    assert "going on: 12 of 16 parts are there" in err
    assert "4 of 4 molecules, 16 of 16 frames" in out
    assert not Path("out.h5.parts").exists()
    assert not Path("out.h5.failures.json").exists()
    assert "exists" in run(*words)[2]


@pytest.mark.slow
def test_a_killed_run_goes_on_and_ends_the_same(run: Any) -> None:
    words = line("out.h5", wait=0.3)
    command = [sys.executable, "-m", "isthmus", "label"]
    parent = subprocess.Popen([*command, *words], stderr=subprocess.DEVNULL)
    wait_for_parts(Path("out.h5.parts"), 2)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    done = len(list(Path("out.h5.parts").glob("*-*.json")))
    assert 2 <= done < 16
    assert not Path("out.h5").exists()
    # A piece that was cut off on a disk that failed is made again
    sorted(Path("out.h5.parts").glob("*.h5"))[0].write_bytes(b"half")

    code, _, err = run(*words, "--seed", "5")
    assert code == 2
    assert "seed was 0, now 5" in err
    code, out, err = run(*words, "--jobs", "1")
    assert code == 0, err
    assert "going on: " in err
    assert "4 of 4 molecules" in out
    assert not Path("out.h5.parts").exists()

    whole = line("whole.h5", wait=0.3)
    assert run(*whole)[0] == 0
    assert Path("whole.h5").read_bytes() == Path("out.h5").read_bytes()

    assert "exists" in run(*words)[2]
    code, out, _ = run(*words, "--resume")
    assert (code, out) == (0, "out.h5: complete, nothing to do\n")
    code, _, err = run(*words, "--resume", "--seed", "5")
    assert code == 2
    assert "made with other options: seed was 0, now 5" in err


@pytest.mark.slow
def test_ctrl_c_keeps_what_is_done(folder: Path) -> None:
    command = [sys.executable, "-m", "isthmus", "label", *line("out.h5", wait=0.3)]
    # Where tests run in the background, Ctrl-C may be ignored, which processes inherit
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    parent = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    signal.signal(signal.SIGINT, before)
    wait_for_parts(folder / "out.h5.parts", 1)
    parent.send_signal(signal.SIGINT)
    _, err = parent.communicate(timeout=30)
    assert parent.returncode == 130
    assert "the same command goes on from there" in err
    assert list((folder / "out.h5.parts").glob("*-*.json"))


@pytest.mark.slow
def test_from_python(folder: Path) -> None:
    """The same frames whatever the number of processes and the order; and other labels."""
    given: dict[str, Any] = {"frames": 4, "conformers": 1, "seed": 7}
    given |= {"method": "ase:spring_calculator:Springs"}
    given |= {"dynamics": Dynamics(interval=0.01, equilibration=0.02)}
    molecules = [from_smiles(text) for text in ("CO", "O", "[CH3]")]
    first = label_molecules(molecules, jobs=1, **given)
    assert first.names == ("CO", "O")
    assert [finding.molecule for finding in first.findings] == ["[CH3]"]
    second = label_molecules(molecules[::-1], jobs=2, **given)
    assert second["CO"].digest == first["CO"].digest
    other = relabel(first, method="ase:spring_calculator:Springs", jobs=1)
    assert other.digest == first.digest
    lj = relabel(first, method="ase:lj", jobs=1)
    assert (lj["CO"].positions == first["CO"].positions).all()
    assert (lj["CO"].energies != first["CO"].energies).all()
    assert lj["CO"].level_of_theory.startswith("ase.calculators.lj")


def wait_for_parts(folder: Path, n: int) -> None:
    limit = time.monotonic() + 120
    while len(list(folder.glob("*-*.json"))) < n:
        assert time.monotonic() < limit, os.listdir(folder.parent)
        time.sleep(0.05)
