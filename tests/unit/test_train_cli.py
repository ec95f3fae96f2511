"""`isthmus train`: what it writes and shows, and what it refuses."""

import json
import re
import signal
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_springs import springs  # pyright: ignore[reportMissingImports]
from data_training import SPRINGS, start  # pyright: ignore[reportMissingImports]

from isthmus.cli import main
from isthmus.data import Dataset, Entry, open_dataset, split_dataset, write_dataset, write_split
from isthmus.forcefield.file import read_saved
from isthmus.parameters.graph.source import GraphSettings
from isthmus.train.settings import OPTIMISERS, TrainSettings

SMILES = ("CO", "CN", "CCO", "CF")
QUICK = "--width 8 --depth 2 --molecules 2 --frames 4"


def entries() -> list[Entry]:
    return [springs(smiles, 20, seed=k) for k, smiles in enumerate(SMILES)]


def changed(field: str, make: Callable[[np.ndarray], np.ndarray]) -> list[Entry]:
    return [replace(e, **{field: make(np.array(getattr(e, field)))}) for e in entries()]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs a command line; gives exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("isthmus.cli.compilation_cache.keep_compiled", lambda: None)
    write_dataset(Dataset.create(entries()), "data.h5")
    Path("tiny.toml").write_text(SPRINGS)

    def go(line: str) -> tuple[object, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main.run(line.split())
        output = capsys.readouterr()
        return ended.value.code, output.out, output.err

    return go


def test_a_model_is_trained_and_measured(run: Any) -> None:
    pytest.importorskip("matplotlib")
    split = split_dataset(open_dataset("data.h5"), "molecule", fractions=(0.5, 0.25, 0.25))
    write_split(split, "split.json")
    code, out, err = run(
        f"train tiny.toml data.h5 --split split.json -o m.safetensors --epochs 8 {QUICK}"
    )
    assert code == 0, err
    assert "training 2 molecules (40 frames)" in err
    assert "RMSE (MAE) against springs" in out
    rows = [line.split()[1] for line in out.splitlines() if " 20 " in line]
    assert rows == ["validation", "test"]
    names = {path.name for path in Path().iterdir() if path.name.startswith("m.")}
    assert names == {"m.safetensors", "m.metrics.jsonl", "m.png"}
    saved = read_saved("m.safetensors").provenance
    assert saved["data"]["split_sha256"] == split.digest
    assert saved["run"]["ending"] == "complete"
    assert saved["settings"]["network"]["width"] == 8
    lines = [json.loads(text) for text in Path("m.metrics.jsonl").read_text().splitlines()]
    for part in ("validation", "test"):
        assert saved["metrics"][part]["n_molecules"] == 1
    best = saved["metrics"]["best_validation"]
    assert best in lines
    assert saved["metrics"]["validation"]["force_rmse"] == pytest.approx(
        best["validation_force_rmse"], rel=1e-3
    )


REFUSED = [
    ("train tiny.toml data.h5 -o m.safetensors --source table", "choose graph or free"),
    ("train clas1 data.h5 -o m.safetensors", "class1"),
    ("train tiny.toml no.h5 -o m.safetensors", "no.h5"),
    ("train no.toml data.h5 -o m.safetensors", "no.toml"),
    ("train tiny.toml data.h5 -o m.pt", "give it that suffix"),
    ("train tiny.toml data.h5 -o no/m.safetensors", "no folder 'no'"),
    ("train tiny.toml data.h5 -o m.safetensors --time soon", "--time soon"),
    ("train tiny.toml data.h5 -o m.safetensors --time -5m", "such as 90s, 20m or 3h"),
    ("train tiny.toml data.h5 -o m.safetensors --time nan", "such as 90s, 20m or 3h"),
    ("train tiny.toml data.h5 -o m.safetensors --epochs 0", "--epochs"),
    ("train tiny.toml data.h5 -o m.safetensors --optimiser sgd", "choose one of muon, adam"),
    ("train tiny.toml data.h5 -o m.safetensors --energy-zero mean", "molecule, elements"),
    ("train tiny.toml data.h5 -o m.safetensors --energy-weight -1", "0 or more"),
    ("train tiny.toml data.h5 -o m.safetensors --split no.json", "no.json"),
    ("train tiny.toml data.h5 -o exists.safetensors --resume", "the run was completed"),
    ("train tiny.toml data.h5 -o m.safetensors --resume --source free", "has no checkpoint"),
    ("train tiny.toml data.h5 -o m.safetensors --test data.h5", "stands in the training data"),
    ("train tiny.toml data.h5 -o m.safetensors --validation other.h5", "are of another level"),
    ("train tiny.toml data.h5 -o exists.safetensors", "add --overwrite"),
    ("train tiny.toml data.h5 -o begun.safetensors", "go on with --resume"),
    ("train tiny.toml data.h5 -o told.safetensors", "'told.metrics.jsonl' exists"),
    ("train tiny.toml data.h5 -o drawn.safetensors", "'drawn.png' exists"),
    ("train tiny.toml data.h5 -o m.safetensors --source free", "and 'CN' of data.h5 are two"),
    ("train tiny.toml s.sdf -o m.safetensors", "make some with `isthmus label s.sdf"),
    *(
        (f"train tiny.toml data.h5 -o m.safetensors --source free {option}", "--source graph")
        for option in ("--width 96", "--depth 3", "--epochs 40", "--molecules 8")
    ),
]


@pytest.mark.parametrize(("line", "message"), REFUSED)
def test_errors_are_one_line(run: Any, line: str, message: str) -> None:
    Path("exists.safetensors").touch()
    Path("begun.checkpoint.safetensors").touch()
    Path("told.metrics.jsonl").touch()
    Path("drawn.png").touch()
    Path("s.sdf").touch()
    before = sorted(Path().iterdir())
    if "other.h5" in line:
        write_dataset(Dataset.create([springs("CO", 9, seed=8, level="DFT")]), "other.h5")
        message = "the validation data are DFT, the training data springs"
        before = sorted(Path().iterdir())
    code, out, err = run(line)
    assert (code, out) == (2, "")
    errors = [text for text in err.splitlines() if text.startswith("isthmus: error: ")]
    assert len(errors) == 1
    assert message in errors[0]
    assert sorted(Path().iterdir()) == before


BAD: dict[str, tuple[Callable[[], list[Entry]], str]] = {
    "zero energies": (lambda: changed("energies", np.zeros_like), "energies-zero: "),
    "constant energies": (
        lambda: changed("energies", lambda e: np.full_like(e, -7.0)),
        "energies-constant: ",
    ),
    "constant forces": (
        lambda: changed("forces", lambda f: np.repeat(f[:1], len(f), axis=0)),
        "forces-constant: ",
    ),
    "forces of other frames": (
        lambda: changed("forces", lambda f: np.roll(f, 7, axis=0)),
        "forces-not-gradient: ",
    ),
    "gradients": (lambda: changed("forces", np.negative), "forces-sign: "),
    "levels": (
        lambda: [springs("CO", 9), springs("CN", 9, level="DFT")],
        "level-of-theory-mixed: ",
    ),
    "some forces": (
        lambda: changed("forces", lambda f: np.where(np.arange(20)[:, None, None] < 3, np.nan, f)),
        "forces-missing: ",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_data_are_refused(run: Any, name: str) -> None:
    make, message = BAD[name]
    write_dataset(Dataset.create(make()), "bad.h5")
    code, out, err = run("train tiny.toml bad.h5 -o m.safetensors")
    assert (code, out) == (2, "")
    assert err.startswith("isthmus: error: ") or "\nisthmus: error: " in err
    assert message in err
    assert not Path("m.safetensors").exists()


def test_doubtful_data_are_trained_on_with_a_warning(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Up to the point where the fit would begin."""
    seen: list[Any] = []

    def fit(*given: Any) -> None:
        seen.append(given)
        raise KeyboardInterrupt

    monkeypatch.setattr("isthmus.cli.train_run._fit_graph", fit)
    without = [
        Entry.create(e.name, e.topology, positions=e.positions, energies=e.energies)
        for e in entries()
    ]
    write_dataset(Dataset.create(without), "bare.h5")
    code, _, err = run("train tiny.toml bare.h5 -o m.safetensors")
    assert code == 130
    assert seen
    assert "warning: bare.h5" in err
    assert "4 of 4 molecules have no forces" in err
    assert "level of theory" in err
    broken = [springs("CCO", 20)]
    positions = np.array(broken[0].positions)
    positions[3, 0] += 1.0
    broken = [replace(broken[0], positions=positions, forces=None)]
    write_dataset(Dataset.create(broken), "broken.h5")
    _, _, err = run("train tiny.toml broken.h5 -o m.safetensors")
    assert "bonds" in err


@pytest.mark.parametrize("other", ["--seed 1", "--width 9", "--test more.h5", "--frames 5"])
def test_another_run_is_not_resumed(run: Any, other: str) -> None:
    from isthmus.train import loop

    write_dataset(Dataset.create([springs("CS", 5)]), "more.h5")
    line = f"train tiny.toml data.h5 -o m.safetensors --epochs 2 {QUICK}"
    asked: list[int] = []
    run_training = loop._Loop.run

    def stopped(self: Any, made_of: Any, **given: Any) -> Any:
        # What a run leaves that is stopped before its first step
        from isthmus.train.checkpoint import Checkpoint

        if given["resume"]:
            return run_training(self, made_of, **given)
        state = self.stepper.start()
        self._save(Checkpoint(state, state.average, {}), made_of)
        asked.append(1)
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop._Loop, "run", stopped)
        assert run(line)[0] == 130
        code, _, err = run(f"{line} --resume {other}")
    assert asked == [1]
    assert code == 2
    assert "belongs to a run with another" in err
    assert Path("m.checkpoint.safetensors").exists()


@pytest.mark.parametrize(
    ("begun", "resumed", "epochs"),
    [
        ("--epochs 3", "--time 9h", 3),
        ("--time 9h", "--time 10h", 1000000),
        ("--epochs 3", "--time 9h --epochs 4", "settings.epochs (3, here 4)"),
        ("--time 9h", "", "is of a run with --time: give --time with --resume too"),
    ],
)
def test_a_limit_of_time_may_be_given_to_a_run_that_is_resumed(
    run: Any, begun: str, resumed: str, epochs: int | str
) -> None:
    from isthmus.train import loop

    line = f"train tiny.toml data.h5 -o m.safetensors {QUICK}"
    seen: list[int] = []

    def stopped(self: Any, made_of: Any, *, resume: bool, **_: Any) -> Any:
        from isthmus.train.checkpoint import Checkpoint

        state = self.stepper.start()
        at = Checkpoint(state, state.average, {})
        if resume:
            self._resumed(at, made_of)
            seen.append(self.settings.epochs)
        else:
            self._save(at, made_of)
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop._Loop, "run", stopped)
        assert run(f"{line} {begun}")[0] == 130
        code, _, err = run(f"{line} --resume {resumed}")
    if isinstance(epochs, str):
        assert code == 2
        assert epochs in err
    else:
        assert (code, seen) == (130, [epochs])


def test_a_run_that_diverged_is_no_success(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from isthmus.cli import train_run

    line = {"step": 7, "validation_force_rmse": 1.0}

    def fit(*_: object) -> Any:
        Path("m.checkpoint.safetensors").touch()
        return train_run.Fitted(start(), (), {"ending": "diverged"}, False, True, line)

    monkeypatch.setattr("isthmus.cli.train_run._fit_graph", fit)
    code, _, err = run("train tiny.toml data.h5 -o m.safetensors")
    assert code == 1
    assert "isthmus: error: the run diverged" in err
    said = read_saved("m.safetensors").provenance
    assert said["run"]["ending"] == "diverged"
    assert said["metrics"]["best_validation"] == line
    assert Path("m.checkpoint.safetensors").exists()


def test_a_run_that_was_killed_before_its_first_checkpoint_starts_anew(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fit(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("isthmus.cli.train_run._fit_graph", fit)
    Path("m.metrics.jsonl").touch()
    code, _, err = run("train tiny.toml data.h5 -o m.safetensors --resume")
    assert code == 130
    assert "there is no checkpoint 'm.checkpoint.safetensors' yet: starting anew" in err


@pytest.mark.parametrize(
    ("where", "number", "code"), [("fit", signal.SIGTERM, 143), ("measure", signal.SIGINT, 130)]
)
@pytest.mark.parametrize("resumable", [True, False])
def test_what_is_said_of_a_run_that_was_stopped(
    run: Any,
    monkeypatch: pytest.MonkeyPatch,
    where: str,
    number: signal.Signals,
    code: int,
    resumable: bool,
) -> None:
    from isthmus.cli import train_run
    from isthmus.evaluate import evaluation

    def fit(*_: object) -> Any:
        if where == "fit":
            signal.raise_signal(number)
        return train_run.Fitted(start(), (), {}, where == "fit", resumable)

    evaluate = evaluation.evaluate

    def interrupted(*given: Any, **more: Any) -> Any:
        signal.raise_signal(number)
        return evaluate(*given, **more)

    monkeypatch.setattr("isthmus.cli.train_run._fit_graph", fit)
    monkeypatch.setattr("isthmus.evaluate.evaluation.evaluate", interrupted)
    found, out, err = run("train tiny.toml data.h5 -o m.safetensors")
    assert (found, out) == (code, "")
    assert ("stopped early" if where == "fit" else "before it was measured") in err
    assert ("--resume goes on" in err) == resumable
    assert "Traceback" not in err
    assert read_saved("m.safetensors")


def test_a_full_disk_at_the_end_is_explained(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from isthmus.cli import train_run

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(
        "isthmus.cli.train_run._fit_graph", lambda *_: train_run.Fitted(start(), (), {}, False)
    )
    monkeypatch.setattr("isthmus.forcefield.file.os.fsync", full)
    code, _, err = run("train tiny.toml data.h5 -o m.safetensors")
    assert code == 2
    assert "isthmus: error: m.safetensors: No space left on device" in err
    assert not [path for path in Path().iterdir() if "safetensors" in path.name]


def test_defaults_in_the_help_are_those_of_the_settings(run: Any) -> None:
    code, out, _ = run("train --help")
    assert code == 0
    words = " ".join(out.replace("│", " ").split())
    usual = TrainSettings().as_json() | asdict(GraphSettings())
    for name in (
        *("epochs", "seed", "molecules", "frames", "optimiser", "energy_weight", "charge_weight"),
        *("dipole_weight", "energy_zero", "restraint", "patience", "width", "depth"),
    ):
        about = words.split(f"--{name.replace('_', '-')} ")[1].split(" --")[0]
        value = usual[name]
        text = value if isinstance(value, str) else f"{value:g}"
        assert re.search(rf"\({text}[);:]", about), (name, about)
    for name, rate in OPTIMISERS.items():
        assert f"{rate:g} for {name}" in words
    assert f"of the {usual['validations']} validations" in words


def test_another_design_is_refused_before_the_data_are_read(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = {"design": 'name = "other"\n', "settings": {"epochs": 3}}
    monkeypatch.setattr("isthmus.train.checkpoint.run_of_checkpoint", lambda _: made)
    monkeypatch.setattr("isthmus.cli.train_run._read", lambda _: pytest.fail("data were read"))
    Path("m.checkpoint.safetensors").touch()
    for more in ("", "--epochs 4", "--time 5m"):
        code, _, err = run(f"train tiny.toml data.h5 -o m.safetensors --resume {more}")
        assert code == 2
        assert 'with another design (name = "other", here name = "springs")' in err


def test_a_free_fit_that_ends_before_its_first_step_saves_nothing(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from isthmus.train.bespoke.blocks import TermBlock, term_blocks

    write_dataset(Dataset.create([springs("CO", 20)]), "one.h5")
    line = "train tiny.toml one.h5 -o m.safetensors --source free"
    code, out, err = run(f"{line} --time 0.000001s")
    assert (code, out) == (2, "")
    assert "--time 1e-06s was over while the fit was prepared" in err

    def stopped(*given: Any) -> Any:
        signal.raise_signal(signal.SIGTERM)
        return term_blocks(*given)

    monkeypatch.setattr("isthmus.train.bespoke.fit.term_blocks", stopped)
    monkeypatch.setattr(TermBlock, "derivatives", lambda *_: pytest.fail("it went on"))
    code, out, err = run(line)
    assert (code, out) == (143, "")
    assert "stopped before the first step: nothing was saved" in err
    assert not Path("m.safetensors").exists()


def test_a_run_that_goes_on_says_from_where(capsys: pytest.CaptureFixture[str]) -> None:
    from isthmus.cli.train_progress import TrainingBar
    from isthmus.train.result import Progress

    with TrainingBar(TrainSettings(), resuming=True) as bar:
        for step in (121, 122):
            bar.show(Progress(0.34, step, 10.0, 20.0, {}))
    told = capsys.readouterr().err
    assert told.count("the run goes on from the checkpoint after step 120, 34% of it done") == 1
    with TrainingBar(TrainSettings()) as bar:
        bar.show(Progress(0.01, 1, 10.0, 20.0, {}))
    assert "goes on" not in capsys.readouterr().err
