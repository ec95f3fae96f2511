"""`isthmus pick`: prints the file, says why, and refuses with the best there is."""

import shutil
from pathlib import Path

import pytest

from isthmus.cli import main

CHOSEN = Path("race/models/class2_seed0.safetensors")


@pytest.fixture
def run(repository: Path, tmp_path: Path, monkeypatch, capsys):
    """Runs a command line in a folder with a race; gives exit code, stdout and stderr."""
    shutil.copytree(repository / "tests" / "data" / "race", tmp_path / "race")
    (tmp_path / CHOSEN).parent.mkdir()
    (tmp_path / CHOSEN).write_bytes(b"a model")
    monkeypatch.chdir(tmp_path)

    def call(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main.run(["pick", *words])
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return call


def test_prints_the_file_alone_on_stdout_and_why_on_stderr(run) -> None:
    code, out, err = run("race", "--accuracy", "3")
    assert (code, out) == (0, f"{CHOSEN}\n")
    assert "class2: the cheapest of 5" in err


def test_copies_to_the_output_and_never_over_a_file(run) -> None:
    words = ("race", "--speed", "50", "--output", "own.safetensors")
    code, out, _ = run(*words)
    assert (code, out) == (0, "own.safetensors\n")
    assert Path("own.safetensors").read_bytes() == b"a model"
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    assert "--overwrite" in err


def test_axes_are_options(run) -> None:
    axes = ("--test", "3BPA 600 K", "--engine", "openmm", "--quantity", "energy")
    code, out, err = run("race", "--accuracy", "2.3", *axes)
    assert (code, out) == (0, f"{CHOSEN}\n")
    assert "energy error of at most 2.3 kcal/mol on 3BPA 600 K" in err


def test_nothing_enough_is_exit_code_1_and_names_the_best(run) -> None:
    code, out, err = run("race", "--accuracy", "0.1")
    assert (code, out) == (1, "")
    assert "The most accurate is painn" in err


@pytest.mark.parametrize("name", ["../secret.safetensors", "/etc/hostname"])
def test_a_model_outside_of_the_folder_is_not_handed_over(run, name: str) -> None:
    Path("secret.safetensors").write_bytes(b"not for you")
    path = Path("race/results.json")
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("models/class2_seed0.safetensors", name), encoding="utf-8")
    code, out, err = run("race", "--accuracy", "3", "-o", "own.safetensors")
    assert (code, out) == (2, "")
    assert "lies outside" in err
    assert not Path("own.safetensors").exists()
    # A saved model that raced stays where it was
    text = path.read_text(encoding="utf-8")
    place = text.index('"kind": "design"', text.index('"name": "class2"'))
    path.write_text(text[:place] + text[place:].replace("design", "model", 1), encoding="utf-8")
    if name.startswith(".."):
        assert run("race", "--accuracy", "3")[0] == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("race",), "wanted is one limit"),
        (("nowhere", "--speed", "1"), "wanted is the folder of a race"),
        (("race", "--speed", "50", "--engine", "x"), "no engine 'x'"),
        (("race", "--speed", "30"), "class1_seed0.safetensors"),
        (("race", "--speed", "50", "-o", "x.txt"), ".safetensors"),
    ],
)
def test_wrong_use_is_exit_code_2(run, words: tuple[str, ...], told: str) -> None:
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    assert told in err
