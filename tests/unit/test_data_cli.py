"""`isthmus data`: what it shows and writes, and what it refuses."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from data_springs import springs  # pyright: ignore[reportMissingImports]

from isthmus.cli import main
from isthmus.data import Dataset, open_dataset, read_split, write_dataset, write_xyz


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs a command line; gives exit code, stdout and stderr."""
    entries = [springs(smiles, 12, seed=k) for k, smiles in enumerate(("CO", "CCO", "CN", "CCN"))]
    dataset = Dataset.create(entries, source="springs")
    write_dataset(dataset, tmp_path / "data.h5")
    write_xyz(dataset, tmp_path / "data.xyz")
    monkeypatch.chdir(tmp_path)

    def go(line: str) -> tuple[object, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main.run(line.split())
        output = capsys.readouterr()
        return ended.value.code, output.out, output.err

    return go


def test_info(run: Any) -> None:
    code, out, err = run("data info data.h5")
    assert code == 0, err
    for text in ("molecules", "48 (12 a molecule)", "[kcal/mol/Å]", "springs", "C (4)"):
        assert text in out
    assert "no findings: all checks passed" in out


@pytest.mark.parametrize("command", ["info", "split -o s.json", "convert out.h5"])
def test_structures_without_labels_are_sent_to_label(run: Any, command: str) -> None:
    name, _, more = command.partition(" ")
    Path("ligand.sdf").touch()
    code, _, err = run(f"data {name} ligand.sdf {more}")
    assert code == 2
    assert "make some with `isthmus label ligand.sdf --method gfn2 -o labels.h5`" in err


def test_info_as_json(run: Any) -> None:
    code, out, err = run("data info data.h5 --json")
    assert code == 0, err
    content = json.loads(out)
    assert content["n_frames"] == 48
    assert content["level_of_theory"] == {"springs": 4}
    assert content["sha256"] == open_dataset("data.h5").digest
    assert content["energy_sd [kcal/mol]"] > 0
    assert content["findings"] == []


def test_info_shows_what_is_wrong(run: Any) -> None:
    text = Path("data.xyz").read_text()
    Path("bad.xyz").write_text(text.replace("level_of_theory=springs", ""))
    code, out, _ = run("data info bad.xyz")
    assert code == 0
    assert "warning: level-of-theory-missing" in out


def test_the_picture(run: Any) -> None:
    pytest.importorskip("matplotlib")
    assert run("data info data.h5 --plot picture.png")[0] == 0
    assert Path("picture.png").read_bytes().startswith(b"\x89PNG")
    code, _, err = run("data info data.h5 --plot picture.png")
    assert code == 2
    assert "exists" in err
    assert run("data info data.h5 --plot picture.png --overwrite")[0] == 0


def test_a_missing_matplotlib_is_explained(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    code, _, err = run("data info data.h5 --plot picture.png")
    assert code == 2
    assert "isthmus[report]" in err


def test_split(run: Any) -> None:
    line = "data split data.h5 --by molecule --fractions 0.5,0.5 --seed 3 -o split.json"
    code, out, err = run(line)
    assert code == 0, err
    assert "train 2 molecules, test 2 molecules" in out
    split = read_split("split.json")
    assert split.seed == 3
    assert split.data_digest == open_dataset("data.h5").digest
    assert "exists" in run(line)[2]
    assert run(line + " --overwrite")[0] == 0
    assert "frames" in run("data split data.h5 --by frames -o frames.json")[1]


@pytest.mark.parametrize(
    "line", ["convert bad.h5 out.h5", "convert bad.h5 out.xyz", "split bad.h5 -o out.json"]
)
def test_what_only_all_molecules_show_is_refused_in_hdf5_too(run: Any, line: str) -> None:
    wrong = [
        replace(entry, forces=-entry.forces)
        for entry in open_dataset("data.h5")
        if entry.forces is not None
    ]
    write_dataset(Dataset.create(wrong), "bad.h5")
    before = sorted(path.name for path in Path().iterdir())
    code, out, err = run(f"data {line}")
    assert (code, out) == (2, "")
    assert err.startswith("isthmus: error: bad.h5: forces-sign: ")
    assert sorted(path.name for path in Path().iterdir()) == before


def test_warnings_are_shown_on_the_way(run: Any) -> None:
    unstated = [replace(entry, level_of_theory="") for entry in open_dataset("data.h5")]
    write_dataset(Dataset.create(unstated), "bare.h5")
    for line in ("convert bare.h5 out.h5", "split bare.h5 --fractions 0.5,0.5 -o out.json"):
        code, _, err = run(f"data {line}")
        assert code == 0, err
        assert err.startswith("isthmus: warning: bare.h5: level-of-theory-missing: ")


def test_convert_there_and_back(run: Any) -> None:
    code, out, err = run("data convert data.xyz copy.h5 --temperature 300")
    assert code == 0, err
    assert "copy.h5: 4 molecules" in out
    copy = open_dataset("copy.h5")
    assert copy.names == open_dataset("data.h5").names
    assert copy[0].temperatures is not None
    assert run("data convert copy.h5 again.xyz")[0] == 0
    assert run("data convert data.h5 same.h5")[0] == 0
    assert open_dataset("same.h5").digest == open_dataset("data.h5").digest


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("data info none.h5", "there is no file 'none.h5'"),
        ("data info data.xyz --energy-key E", "energies-missing"),
        ("data info data.h5 --energy-unit eV", "energy_unit cannot be stated"),
        ("data split data.h5 --by luck -o s.json", "unknown method 'luck'"),
        ("data split data.h5 --fractions a,b -o s.json", "--fractions a,b: wanted numbers"),
        ("data split data.h5 -o s.txt", "this command writes .json"),
        ("data convert data.h5 out.csv", "this command writes .h5"),
        ("data convert data.xyz data.h5", "exists"),
        ("data convert data.h5 data.h5 --overwrite", "is the input itself"),
        ("data convert data.xyz o.h5 --length-unit bohr", "level"),
    ],
)
def test_errors_are_one_line(run: Any, line: str, message: str) -> None:
    before = sorted(path.name for path in Path().iterdir())
    code, out, err = run(line)
    if message == "level":
        # A wrong unit of length must be refused, by whichever check sees it first.
        message = "data.xyz"
    assert (code, out) == (2, "")
    assert err.startswith("isthmus: error: ")
    assert message in err
    assert err.count("\n") == 1
    assert sorted(path.name for path in Path().iterdir()) == before


def test_help_has_examples(run: Any) -> None:
    for command in ("info", "split", "convert"):
        code, out, _ = run(f"data {command} --help")
        assert code == 0
        assert "Example" in out
