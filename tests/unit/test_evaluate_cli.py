"""`isthmus evaluate`: what it shows and writes, and what it refuses."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_springs import springs  # pyright: ignore[reportMissingImports]

from isthmus.chemistry.environments import Domain
from isthmus.cli import main
from isthmus.data import Dataset, Entry, open_dataset, split_dataset, write_dataset, write_split
from isthmus.designs.schema import parse_design
from isthmus.evaluate.ensemble import EnsembleEvaluation, evaluate_ensemble
from isthmus.forcefield.file import save_force_field
from isthmus.forcefield.forcefield import ForceField

# One term, so that little is compiled.
SPRING = """
name = "spring"
[[term]]
name = "bond"
over = "bond"
energy = "k/2*(r-r0)^2"
parameters.k = { unit = "kJ/mol/nm^2", default = 2e5, min = 0 }
parameters.r0 = { unit = "nm", default = "bond_length", min = 0.05, max = 0.4 }
"""
STIFF = SPRING.replace("2e5", "2.2e5")


def spring_labels(entry: Entry) -> Entry:
    """The same frames with energies and forces of the springs, the energies less a constant."""
    force_field = ForceField.free(parse_design(SPRING), entry.topology)
    potential = force_field.bind(entry.topology, precision="float64")
    found = potential.energy_and_forces(entry.positions)
    return Entry.create(
        entry.name,
        entry.topology,
        positions=entry.positions,
        energies=np.asarray(found.energy) - 1e5 * float(entry.topology.atomic_numbers.sum()),
        forces=np.asarray(found.forces),
        temperatures=[300.0] * 6 + [500.0] * 6,
        level_of_theory="springs",
    )


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    entries = [springs(smiles, 12, seed=k) for k, smiles in enumerate(("CO", "CN", "CS"))]
    return Dataset.create([spring_labels(entry) for entry in entries])


@pytest.fixture
def run(
    dataset: Dataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Any:
    """Runs a command line; gives exit code, stdout and stderr."""
    write_dataset(dataset, tmp_path / "data.h5")
    (tmp_path / "spring.toml").write_text(SPRING)
    (tmp_path / "stiff.toml").write_text(STIFF)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("isthmus.cli.compilation_cache.keep_compiled", lambda: None)
    written = split_dataset(open_dataset("data.h5"), "molecule", fractions=[0.7, 0.3], seed=1)
    write_split(written, "split.json")

    def go(line: str) -> tuple[object, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main.run(line.split())
        output = capsys.readouterr()
        return ended.value.code, output.out, output.err

    return go


def test_a_force_field_on_its_own_labels(run: Any) -> None:
    pytest.importorskip("matplotlib")
    code, out, err = run("evaluate spring.toml data.h5 --json out.json --report report --worst 2")
    assert code == 0, err
    for text in (
        "errors against springs",
        "force RMSE [kcal/mol/Å]",
        "by temperature, against springs",
        "the 2 worst molecules",
        "0 molecules not evaluated",
    ):
        assert text in out
    content = json.loads(Path("out.json").read_text())
    assert content["force_rmse"] < 1e-6
    assert content["energy_rmse"] < 1e-6
    assert content["effective_sample_size"] == pytest.approx(1.0)
    assert content["level_of_theory"] == "springs"
    assert content["data"]["sha256"] == open_dataset("data.h5").digest
    assert content["model"]["name"] == "spring.toml"
    assert len(content["model"]["sha256"]) == 64
    assert (content["n_frames"], content["n_molecules"]) == (36, 3)
    assert [row["temperature"] for row in content["per_temperature"]] == [300.0, 500.0]
    page = Path("report/index.html").read_text()
    assert page.count("<svg") == 2
    assert "src='http" not in page
    for name in ("parity.png", "errors.png"):
        assert Path("report", name).read_bytes().startswith(b"\x89PNG")
    code, _, err = run("evaluate spring.toml data.h5 --report report")
    assert (code, "is not empty" in err) == (2, True)


def test_a_part_of_a_split_and_a_saved_model_with_its_domain(run: Any) -> None:
    (name,) = json.loads(Path("split.json").read_text())["test"]
    topology = open_dataset("data.h5")[name].topology
    force_field = ForceField.free(parse_design(SPRING), topology)
    provenance = {"domain": Domain.of([topology]).as_json(), "trained_on": "x"}
    save_force_field(force_field, "model.safetensors", provenance=provenance)
    code, out, err = run("evaluate model.safetensors data.h5 --split split.json --json -")
    assert code == 0, err
    content = json.loads(out)
    assert [row["name"] for row in content["per_molecule"]] == [name]
    assert content["data"]["part"] == "test"
    assert content["model"]["provenance"]["trained_on"] == "x"
    assert "domain" not in content["model"]["provenance"]
    assert content["domain"]["n_inside"] == 1
    assert content["domain"]["outside"]["force_rmse"] is None


def test_data_that_the_model_was_trained_on(run: Any) -> None:
    one = open_dataset("data.h5").in_memory().select(["CO"])
    write_dataset(one, "one.h5")
    force_field = ForceField.free(parse_design(SPRING), one["CO"].topology)

    def seen(**parts: object) -> tuple[object, str]:
        save_force_field(force_field, "m.safetensors", provenance={"data": parts}, overwrite=True)
        code, out, err = run("evaluate m.safetensors one.h5 --json -")
        assert code == 0, err
        return json.loads(out)["data_seen_in_training"], err

    opened = open_dataset("one.h5")
    same = {"sha256": opened.digest, "source": opened.source, "n_frames": 12}
    other = same | {"sha256": "0" * 64}
    for part, name in ((same, "training"), (same, "validation")):
        answer, err = seen(**{"training": other, name: part})
        assert answer is True
        assert f"are the {name} data of m.safetensors" in err
    assert seen(training=other, validation=None, test=same) == (False, "")
    answer, err = seen(training=other | {"n_frames": 99})
    assert answer is None
    assert "could not tell whether" in err
    half = other | {"n_frames": 6}
    assert "probably yes" in seen(training=half, validation=half)[1]
    assert "does not say" in seen()[1]


def test_molecules_that_the_force_field_does_not_know(run: Any) -> None:
    topology = open_dataset("data.h5")["CO"].topology
    save_force_field(ForceField.free(parse_design(SPRING), topology), "methanol.safetensors")
    code, out, err = run("evaluate methanol.safetensors data.h5 --json some.json")
    assert code == 1
    assert "not evaluated: CN: these parameters were made for another molecule" in err
    assert "2 molecules not evaluated" in out
    content = json.loads(Path("some.json").read_text())
    assert (content["n_molecules"], content["n_unsupported"]) == (1, 2)
    assert run("evaluate methanol.safetensors data.h5 --skip-unsupported")[0] == 0
    write_dataset(open_dataset("data.h5").select(["CN"]), "none.h5")
    code, _, err = run("evaluate methanol.safetensors none.h5")
    assert code == 2
    assert "can evaluate none of what came (1 molecule); the first, CN" in err


def test_an_ensemble_and_its_calibration(run: Any) -> None:
    pytest.importorskip("matplotlib")
    write_dataset(Dataset.create([spring_labels(springs("CCO", 12, seed=9))]), "held.h5")
    line = "evaluate spring.toml data.h5 --ensemble stiff.toml --json both.json --report both"
    code, out, err = run(line + " --calibrate held.h5")
    assert code == 0, err
    for text in ("mean of all", "2: stiff.toml", "forces [kcal/mol/Å], calibrated"):
        assert text in out
    content = json.loads(Path("both.json").read_text())["ensemble"]
    # Truth is one of two members: the error is half their distance d, the bar √(3/2) d / √2.
    assert content["calibrated"]["energy_factor"] == pytest.approx(1 / np.sqrt(3))
    assert "an ensemble of 2" in err
    assert "at least 4 members" in err
    assert content["members"][0]["force_rmse"] < 1e-6 < content["members"][1]["force_rmse"]
    assert Path("both/calibration.png").is_file()
    code, out, err = run("evaluate spring.toml data.h5 --ensemble spring.toml --json same.json")
    assert code == 0, err
    content = json.loads(Path("same.json").read_text())["ensemble"]
    assert content["uncalibrated"]["force"] is content["calibrated"] is None


def test_a_calibration_on_energies_alone(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    held = spring_labels(springs("CCO", 12, seed=9))
    write_dataset(Dataset.create([replace(held, forces=None)]), "energies.h5")
    line = "evaluate spring.toml data.h5 --ensemble stiff.toml --json both.json --report both"
    code, out, err = run(line + " --calibrate energies.h5")
    assert code == 0, err
    assert "forces [kcal/mol/Å], calibrated" in out
    found = json.loads(Path("both.json").read_text())["ensemble"]["calibrated"]
    assert found["energy_factor"] == pytest.approx(1 / np.sqrt(3))
    assert found["energy"]["n"] == 36
    assert found["force_factor"] is found["force"] is None

    calls = []

    def counted(members: Any, dataset: Dataset, **options: Any) -> EnsembleEvaluation:
        calls.append(dataset.names)
        return evaluate_ensemble(members, dataset, **options)

    monkeypatch.setattr("isthmus.evaluate.ensemble.evaluate_ensemble", counted)
    same = "evaluate spring.toml data.h5 --ensemble spring.toml --calibrate energies.h5"
    code, _, err = run(same)
    assert code == 2
    assert "cannot be calibrated on energies.h5: of 12 energies and 0 components" in err
    assert calls == [("CCO",)], "calibrate first, for it may fail"


def test_what_only_all_molecules_show_is_refused(run: Any, dataset: Dataset) -> None:
    wrong = [replace(e, forces=-e.forces) for e in dataset if e.forces is not None]
    write_dataset(Dataset.create(wrong), "bad.h5")
    code, out, err = run("evaluate spring.toml bad.h5")
    assert (code, out) == (2, "")
    assert "bad.h5: forces-sign: " in err


def test_a_missing_matplotlib_is_explained(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    code, _, err = run("evaluate spring.toml data.h5 --report report")
    assert code == 2
    assert "isthmus[report]" in err
    assert not Path("report").exists()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("evaluate mmff95 data.h5", "unknown force field 'mmff95'"),
        ("evaluate none.safetensors data.h5", "there is no file 'none.safetensors'"),
        ("evaluate mmff94 none.h5", "there is no file 'none.h5'"),
        ("evaluate mmff94 data.h5 --split split.json --part best", "has no part 'best'"),
        ("evaluate mmff94 data.h5 --split none.json", "there is no file 'none.json'"),
        ("evaluate mmff94 data.h5 --json out.txt", "this command writes .json"),
        ("evaluate mmff94 data.h5 --report no/where", "there is no folder 'no'"),
        ("evaluate mmff94 data.h5 --report data.h5", "is a file"),
        ("evaluate mmff94 data.h5 --calibrate data.h5", "fits the error bars of an ensemble"),
        ("evaluate mmff94 data.h5 --calibrate-part test", "give all three"),
        (
            "evaluate mmff94 data.h5 --ensemble mmff94s --calibrate data.h5",
            "would judge themselves",
        ),
        ("evaluate mmff94 data.h5 --precision half", "unknown precision 'half'"),
        ("evaluate mmff94 data.h5 --energy-unit eV", "energy_unit cannot be stated"),
    ],
)
def test_errors_are_one_line(run: Any, line: str, message: str) -> None:
    before = sorted(path.name for path in Path().iterdir())
    code, out, err = run(line)
    assert (code, out) == (2, "")
    assert err.startswith("isthmus: error: ")
    assert message in err
    assert err.count("\n") == 1
    assert sorted(path.name for path in Path().iterdir()) == before
