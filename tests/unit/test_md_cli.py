"""`isthmus md`: options that make no sense, files, stopping, breaking, summing up."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_toy_engine import ToyEngine  # pyright: ignore[reportMissingImports]

from isthmus.cli import main
from isthmus.cli.md_minimised import say_minimised
from isthmus.cli.md_progress import RunBar
from isthmus.cli.md_request import Request, settle
from isthmus.errors import InputError
from isthmus.simulate.checkpoint import (
    RunCheckpoint,
    read_run_checkpoint,
    refuse_other_run,
    write_run_checkpoint,
)
from isthmus.simulate.energy_table import read_table
from isthmus.simulate.run import Progress

LONG = 240.0
RUN = "md mmff94 CO --smiles -o run --no-minimise --report-every 0.05"

WRONG = {
    "": "how long? give --ns",
    "--ns 1 --steps 5": "--ns and --steps both say how long",
    "--ns -1": "--ns -1: wanted is a number above 0",
    "--ns 1 --engine gromacs": "--engine gromacs: choose one of jax, openmm",
    "--ns 1 --format trr": "--format trr: choose one of dcd, xtc",
    "--ns 1 --thermostat berendsen": "choose one of langevin, nve, nose-hoover, bussi, isokinetic",
    "--ns 1 --temperature 0": "--temperature 0: wanted is a number above 0",
    "--ns 1 --precision mixed": "the engine jax has float32, compensated, float64",
    "--ns 1 --barostat monte-carlo": "without a pressure: add --pressure",
    "--ns 1 --thermostat nve --friction 1": "which has none: leave it out",
    "--ns 1 --thermostat nve --pressure 1": "which keeps the energy: choose a thermostat",
    "--ns 1 --resume --overwrite": "give one of them",
    "--ns 1 --padding 1": "--padding without water: add --solvent",
    "--ns 1 --solvent tip3p": "--solvent needs --engine openmm",
    "--ns 1 --respa 1": "--respa 1 is no multiple time step",
    "--ns 1 --engine openmm --respa 2": "--respa needs --engine jax",
    "--ns 1 --engine openmm --replicas 2": "run the command once for each --seed",
    "--ns 1 --engine openmm --thermostat bussi": "OpenMM has langevin, nose-hoover and nve",
    "--ns 1 --deterministic": "--engine jax always is",
    "--steps 5 --report-every 1": "would leave an empty trajectory",
    "--ns 1 --report-every 0.0001": "shorter than one time step of 1 fs",
    "--ns 1 --pressure 1": "this one has no box: leave the pressure out",
    "--ns 1 -o nowhere/run": "there is no folder 'nowhere' for 'run'",
    "--ns 1 --respa 2 --thermostat bussi": "--respa with --thermostat bussi",
    "--ns 1 --thermostat isokinetic": "isokinetic is for --respa",
    "--ns 1 --pressure 1 --replicas 2": "a barostat takes one system at a time",
}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs a command line in a folder of its own; gives exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def go(line: str) -> tuple[object, str, str]:
        with pytest.raises(SystemExit) as ended:
            main.run(line.split())
        shown = capsys.readouterr()
        return ended.value.code, shown.out, shown.err

    return go


@pytest.mark.parametrize("options", WRONG)
def test_wrong_options_are_explained(run: Any, options: str, tmp_path: Path) -> None:
    code, _, err = run(f"md mmff94 CO --smiles {options}")
    assert code == 2
    assert WRONG[options] in " ".join(err.split())
    assert "Traceback" not in err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changes", "femtoseconds"),
    [
        ({}, 1.0),
        ({"constraints": "hydrogens"}, 2.0),
        ({"constraints": "hydrogens", "hmr": True}, 4.0),
        ({"respa": 4}, 2.0),
        ({"timestep_fs": 0.25}, 0.25),
    ],
)
def test_the_usual_time_step(changes: dict[str, Any], femtoseconds: float) -> None:
    settled = settle(Request(model="m", structure="s", ns=0.004, **changes))
    assert settled.timestep == pytest.approx(femtoseconds / 1000)
    assert settled.n_steps * settled.timestep == pytest.approx(4)
    assert settled.report_every * settled.timestep == pytest.approx(1)


def test_another_request_is_another_run() -> None:
    first = settle(Request(model="m", structure="s", ns=1.0)).made_of()
    assert settle(Request(model="m", structure="s", ns=2.0)).made_of() == first
    changed: list[dict[str, Any]] = [
        {"seed": 1},
        {"temperature": 310.0},
        {"timestep_fs": 0.5},
        {"hmr": True},
    ]
    for changes in changed:
        other = settle(Request(model="m", structure="s", ns=1.0, **changes)).made_of()
        assert sum(other[key] != first[key] for key in first) == 1


def test_a_run_and_what_it_says(run: Any, tmp_path: Path) -> None:
    code, out, err = run(f"{RUN} --steps 500 --format xtc")
    assert code == 0, err
    for words in ("6 atoms", "mmff94", "isthmus (JAX), float32", "Langevin, 300 K, 1/ps", "0.5 ps"):
        assert words in err
    for words in ("temperature", "potential", "ns/day", "run.xtc", "run.csv", "run.pdb"):
        assert words in out
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"run.xtc", "run.csv", "run.pdb", "run.checkpoint.safetensors"}
    table = read_table(tmp_path / "run.csv")
    np.testing.assert_allclose(table["time"], np.arange(1, 11) * 0.05)
    assert 50 < table["temperature"].mean() < 800

    code, _, err = run(f"{RUN} --steps 500 --format xtc")
    assert code == 2
    assert "exist: choose another --output, go on with --resume, or add --overwrite" in err
    code, _, err = run(f"{RUN} --steps 500 --format xtc --resume --seed 1")
    assert code == 2
    assert "seed (0 there, 1 here)" in err
    # Made longer, it is the run that it would have been
    assert run(f"{RUN} --steps 1000 --format xtc --resume")[0] == 0
    whole = RUN.replace("-o run", "-o whole")
    assert run(f"{whole} --steps 1000 --format xtc")[0] == 0
    for suffix in ("xtc", "csv"):
        one, other = ((tmp_path / f"{name}.{suffix}").read_bytes() for name in ("run", "whole"))
        assert one == other


@pytest.mark.parametrize(
    ("model", "options", "words"),
    [
        ("mmff94", "-o nowhere/run", "there is no folder 'nowhere' for 'run'"),
        ("mmff94", "", "'run.dcd' exists: choose another --output"),
        ("mmff49", "-o other", "unknown force field 'mmff49' (did you mean 'mmff94'?)"),
        ("none.safetensors", "-o other", "none.safetensors"),
        ("none.toml", "-o other", "none.toml"),
    ],
)
def test_the_command_line_is_checked_before_the_structure_is_read(
    run: Any, monkeypatch: pytest.MonkeyPatch, model: str, options: str, words: str
) -> None:
    monkeypatch.setattr("isthmus.cli.options.read_one", lambda *_, **__: pytest.fail("too late"))
    Path("run.dcd").touch()
    code, _, err = run(f"md {model} CO --smiles -o run --ns 1 {options}")
    assert code == 2
    assert words in err


def test_a_structure_is_called_by_its_name_and_known_by_its_content(tmp_path: Path) -> None:
    from isthmus.cli.md_run import _identity

    checkpoint = RunCheckpoint(0, 0, {}, np.zeros((1, 1)), {})
    one, same, other = (tmp_path / name for name in ("one.sdf", "same.sdf", "other.sdf"))
    for path, content in ((one, "a"), (same, "a"), (other, "b")):
        path.write_text(content)
    made = {"STRUCTURE": _identity(str(one)), "MODEL": _identity("mmff94"), "seed": 1}
    path = tmp_path / "run.checkpoint.safetensors"
    write_run_checkpoint(path, checkpoint, made)
    read_run_checkpoint(path, made | {"STRUCTURE": _identity(str(same))})
    refuse_other_run(path, {"STRUCTURE": _identity(str(same))})
    with pytest.raises(InputError, match=r"STRUCTURE \(.*one\.sdf there, .*other\.sdf here\)"):
        refuse_other_run(path, {"STRUCTURE": _identity(str(other))})
    one.write_text("b")
    with pytest.raises(InputError, match=r"the content is another, sha256 \w+ there"):
        refuse_other_run(path, {"STRUCTURE": _identity(str(one))})
    with pytest.raises(InputError, match=r"MODEL \(mmff94 there, mmff94s here\)"):
        refuse_other_run(path, {"MODEL": _identity("mmff94s")})


def test_the_first_line_of_progress_says_what_is_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("isthmus.cli.md_progress._EVERY", 0.0)
    record = ToyEngine().record()
    with RunBar(timestep=0.001, replicas=1, compiles=True) as bar:
        assert "compiling (up to a minute), then simulating" in capsys.readouterr().err
        bar.show(Progress(100, 1000, 0.0, 0, record))
        assert capsys.readouterr().err == ""
        bar.show(Progress(200, 1000, 2.0, 100, record))
        assert "20%" in (line := capsys.readouterr().err)
        assert "about 16 s left" in line


def test_what_is_not_minimised_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    say_minimised(-1.5, 40.0, wanted=50.0)
    assert "not converged" not in capsys.readouterr().err
    say_minimised(-1.5, 60.0, wanted=50.0)
    told = capsys.readouterr().err
    assert "a force of 50 was wanted" in told
    assert "start from another structure" in told


def test_openmm_says_that_it_minimises_and_why_its_platform(run: Any) -> None:
    line = "md mmff94 O --smiles -o run --engine openmm --steps 100 --report-every 0.05"
    code, _, err = run(line)
    assert code == 0, err
    assert "isthmus: minimised: " in err
    assert "OpenMM, Reference (faster than CPU below 100 particles without a box), by" in err


def test_replicas_differ(run: Any, tmp_path: Path) -> None:
    assert run(f"{RUN} --steps 100 --replicas 3")[0] == 0
    files = [(tmp_path / f"run.00{n}.dcd").read_bytes() for n in range(3)]
    assert len(set(files)) == 3
    table = read_table(tmp_path / "run.csv")
    np.testing.assert_array_equal(table["replica"], [0, 1, 2, 0, 1, 2])
    assert len(np.unique(table["potential"])) == 6


def test_a_broken_run_says_where(run: Any, tmp_path: Path) -> None:
    code, _, err = run(f"{RUN} --steps 2000 --timestep 5 --temperature 600")
    assert code == 1
    assert "the run broke at step" in err
    assert "The term with the largest energy is" in err
    assert "(atom " in err
    assert (tmp_path / "run.last_good.pdb").is_file()
    assert (tmp_path / "run.checkpoint.safetensors").is_file()


def lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.is_file() else 0


def wait_for(path: Path, n_lines: int, gone: Callable[[], bool]) -> None:
    last = time.monotonic() + LONG
    while lines(path) < n_lines:
        assert not gone()
        assert time.monotonic() < last, "it took too long"
        time.sleep(0.01)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_asked_to_stop_it_saves_and_goes_on(
    run: Any, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    table, done = tmp_path / "run.csv", threading.Event()

    def ask() -> None:
        wait_for(table, 10, done.is_set)
        os.kill(os.getpid(), number)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        found, _, err = run(f"{RUN} --steps 100000000")
    finally:
        done.set()
        asking.join()
    assert found == code, err
    assert "--resume goes on" in err
    steps = 50 * (len(read_table(table)["step"]) + 20)
    assert run(f"{RUN} --steps {steps} --resume")[0] == 0
    assert run(f"{RUN} --steps {steps} -o whole")[0] == 0
    same(tmp_path, "run", "whole")


def test_a_killed_command_ends_as_the_whole_one(run: Any, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "isthmus", *RUN.split(), "--steps", "100000000"],
        cwd=tmp_path,
        stderr=subprocess.DEVNULL,
    )
    wait_for(tmp_path / "run.csv", 30, lambda: process.poll() is not None)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    steps = 50 * (len(read_table(tmp_path / "run.csv")["step"]) + 20)
    assert run(f"{RUN} --steps {steps} --resume")[0] == 0
    assert run(f"{RUN} --steps {steps} -o whole")[0] == 0
    same(tmp_path, "run", "whole")


def same(folder: Path, one: str, other: str) -> None:
    for suffix in ("dcd", "csv", "pdb"):
        first, second = ((folder / f"{name}.{suffix}").read_bytes() for name in (one, other))
        assert first == second, f"{one}.{suffix} and {other}.{suffix} differ"
