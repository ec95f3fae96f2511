"""`isthmus check`: what it shows and writes, and what it refuses."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from isthmus.cli import main
from isthmus.evaluate.physics import gate
from isthmus.evaluate.physics.check import Check, Line, Panel, judged, not_applicable

SPRING = """
name = "spring"
[[term]]
name = "bond"
over = "bond"
energy = "k/2*(r-r0)^2"
parameters.k = { unit = "kJ/mol/nm^2", default = 2e5, min = 0 }
parameters.r0 = { unit = "nm", default = "bond_length", min = 0.05, max = 0.4 }
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs a command line; gives exit code, stdout and stderr."""
    (tmp_path / "spring.toml").write_text(SPRING)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("isthmus.cli.compilation_cache.keep_compiled", lambda: None)

    def go(line: str) -> tuple[object, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main.run(line.split())
        output = capsys.readouterr()
        return ended.value.code, output.out, output.err

    return go


def test_checks_are_shown_and_written(run: Any) -> None:
    pytest.importorskip("matplotlib")
    code, out, err = run(
        "check spring.toml O --smiles --quick --only symmetry,forces --json o.json --report page"
    )
    assert code == 0, err
    assert "untrained" in err or "without trained parameters" in err
    for text in ("force = −∇E, float64", "≤ 1e-06", "reflection", "7 pass", "OpenMM"):
        assert text in out
    content = json.loads(Path("o.json").read_text())
    assert content["format"] == "isthmus check 1"
    assert content["passed"] is content["complete"] is True
    assert content["counts"]["pass"] == 7
    assert content["structure"]["n_atoms"] == 3
    assert content["engine"] == "isthmus (JAX)"
    names = [entry["name"] for entry in content["checks"]]
    assert names[:2] == ["force = −∇E, float64", "force, float32 against float64"]
    assert all(e["value"] <= e["threshold"] for e in content["checks"])
    page = Path("page/index.html").read_text()
    assert "data:image/png;base64," in page
    assert "http" not in page
    assert Path("page/00-forces.png").stat().st_size > 5000


def test_openmm_is_the_engine_where_it_is_asked_for(run: Any) -> None:
    code, out, err = run(
        "check spring.toml O --smiles --quick --only forces --engine openmm --json o.json"
    )
    assert code == 0, err
    assert "moved by OpenMM, Reference, by its own forces" in " ".join(out.split())
    content = json.loads(Path("o.json").read_text())
    assert content["engine"] == "OpenMM, Reference, by its own forces"
    found = {entry["name"]: entry["verdict"] for entry in content["checks"]}
    assert found["force, engine against float64"] == "pass"


def made(*checks: Check) -> Any:
    """A check whose unit is the name of a signal is ended by it."""

    def run_checks(*_: Any, begins: Any, heed: Any, **__: Any) -> Any:
        for check in checks:
            begins(check.group)
            heed(0.5)
            if check.name == "interrupt":
                signal.raise_signal(signal.Signals[check.unit])
            yield check.group, [check]

    return run_checks


def test_a_failure_is_exit_code_1(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    import numpy as np

    x = np.array([1.0, 2.0, np.nan])
    panel = Panel("t", "x", "y", (Line(x, x, "a"), Line(x, x, points=True)), log_x=True, level=1.0)
    bad = judged("forces", "bad", 2.0, threshold=1.0, unit="m", source="s", panels=(panel,))
    other = not_applicable("symmetry", "other", "why <not>")
    monkeypatch.setattr(gate, "run_checks", made(bad, other))
    code, out, _ = run("check spring.toml O --smiles --json - --report page")
    assert code == 1
    content = json.loads(out)
    assert content["passed"] is False
    assert content["counts"] == {
        "pass": 0, "fail": 1, "undecided": 0, "not judged": 0, "not applicable": 1
    }  # fmt: skip
    page = Path("page/index.html").read_text()
    assert "why &lt;not&gt;" in page


@pytest.mark.parametrize(("number", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_an_interruption_shows_what_was_done(
    run: Any, monkeypatch: pytest.MonkeyPatch, number: str, code: int
) -> None:
    good = judged("forces", "good", 0.5, threshold=1.0, source="s")
    stop = judged("symmetry", "interrupt", 0.5, threshold=1.0, source="s", unit=number)
    monkeypatch.setattr(gate, "run_checks", made(good, stop, good))
    before = signal.getsignal(signal.SIGTERM)
    found, out, err = run("check spring.toml O --smiles --json out.json")
    assert found == code
    assert "1 pass" in out
    assert "interrupted" in err
    assert json.loads(Path("out.json").read_text())["complete"] is False
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ("--only forces,colour", "'colour' came; there are forces, symmetry"),
        ("--engine gromacs", "--engine gromacs: choose one of jax, openmm"),
        ("--temperatures hot", "wanted are numbers in K"),
        ("--temperatures 300,-5", "temperatures of -5 came"),
        ("--json out.txt", "this command writes .json"),
        ("--reference none.h5", "none.h5"),
    ],
)
def test_what_cannot_be_is_refused(run: Any, options: str, text: str) -> None:
    code, _, err = run(f"check spring.toml O --smiles {options}")
    assert code == 2
    assert text in " ".join(err.split())
