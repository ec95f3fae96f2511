"""What a run reads and writes: parts of the data, checkpoints, metrics, the model and its past."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from data_springs import springs  # pyright: ignore[reportMissingImports]
from data_training import network, short, start, weights_of  # pyright: ignore[reportMissingImports]

from isthmus.chemistry.environments import Domain
from isthmus.data import Dataset, Entry, split_dataset
from isthmus.errors import InputError
from isthmus.forcefield.file import read_saved, save_force_field
from isthmus.train.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from isthmus.train.curve import draw_curve
from isthmus.train.model_file import provenance
from isthmus.train.optimiser import Packing, make_optimiser
from isthmus.train.parts import make_parts
from isthmus.train.run_files import RunFiles, append_metrics, keep_metrics
from isthmus.train.step import TrainState

RUN = {"data": {"training": "abc"}, "settings": {"seed": 0}, "design": "name = 'springs'"}


@pytest.fixture
def checkpoint() -> Checkpoint:
    source = weights_of(network(start()))
    packed = Packing(source).pack(source)
    optimiser = make_optimiser("muon", clip=3.0).init(packed)
    return Checkpoint(TrainState(packed, packed, optimiser), packed, {"step": 3, "seconds": 0.1})


def test_a_checkpoint_goes_there_and_back(checkpoint: Checkpoint, tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    write_checkpoint(path, checkpoint, RUN)
    state, best = jax.tree.map(jnp.zeros_like, (checkpoint.state, checkpoint.best))
    found = read_checkpoint(path, Checkpoint(state, best, {}), RUN)
    assert found.progress == checkpoint.progress
    wanted, read = (jax.tree.leaves((item.state, item.best)) for item in (checkpoint, found))
    for one, other in zip(wanted, read, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    assert [p.name for p in tmp_path.iterdir()] == ["c.safetensors"]


def test_bad_checkpoints_are_refused(checkpoint: Checkpoint, tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    write_checkpoint(path, checkpoint, RUN)
    whole = path.read_bytes()
    cases = {
        "cannot be read as a checkpoint": whole[: len(whole) // 2],
        "no checkpoint of this version": whole.replace(b"checkpoint 2", b"checkpoint 9"),
        "is damaged or was edited": whole.replace(rb"\"step\": 3", rb"\"step\": 9"),
        "checksum differs": whole[:-1] + bytes([whole[-1] ^ 1]),
    }
    for message, content in cases.items():
        assert content != whole
        path.write_bytes(content)
        with pytest.raises(InputError, match=f"{message}.*train without --resume"):
            read_checkpoint(path, checkpoint, RUN)
    save_force_field(start(), path, overwrite=True)
    with pytest.raises(InputError, match="no checkpoint of this version"):
        read_checkpoint(path, checkpoint, RUN)


@pytest.mark.parametrize("changed", ["data", "settings", "design"])
def test_a_checkpoint_of_another_run_is_refused(
    checkpoint: Checkpoint, tmp_path: Path, changed: str
) -> None:
    path = tmp_path / "c.safetensors"
    write_checkpoint(path, checkpoint, RUN)
    with pytest.raises(InputError, match=f"a run with another {changed} .*resume it as it was"):
        read_checkpoint(path, checkpoint, RUN | {changed: "other"})


def test_what_differs_between_runs_is_named(checkpoint: Checkpoint, tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    design = "name = 'springs'\n# " + "x" * 80 + "\nscale = "
    run = {"settings": {"epochs": 40, "seconds": None, "seed": 0}, "design": f"{design}1"}
    write_checkpoint(path, checkpoint, run)
    other = {"settings": {"epochs": 1000000, "seconds": 9.0, "seed": 0}, "design": f"{design}2"}
    wanted = (
        "another design, line 3 (scale = 1, here scale = 2); settings.epochs (40, here 1000000); "
        "settings.seconds (none, here 9.0): resume it as it was started"
    )
    with pytest.raises(InputError, match=re.escape(wanted)):
        read_checkpoint(path, checkpoint, other)
    with pytest.raises(InputError, match=r"another design, line 4 \(none, here \); settings"):
        read_checkpoint(path, checkpoint, other | {"design": run["design"] + "\n"})


def test_an_old_checkpoint_survives_a_full_disk(
    checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "c.safetensors"
    write_checkpoint(path, checkpoint, RUN)
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("isthmus.forcefield.file.os.fsync", full)
    with pytest.raises(OSError, match="No space") as found:
        write_checkpoint(path, checkpoint, RUN | {"data": "other"})
    assert found.value.filename == str(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["c.safetensors"]


def test_names_of_files(tmp_path: Path) -> None:
    files = RunFiles.of(tmp_path / "m.v2.safetensors")
    names = [path.name for path in (files.checkpoint, files.metrics, files.curve)]
    assert names == ["m.v2.checkpoint.safetensors", "m.v2.metrics.jsonl", "m.v2.png"]
    for path, message in (("m.pt", "give it that suffix"), ("no/m.safetensors", "no folder")):
        with pytest.raises(InputError, match=message):
            RunFiles.of(tmp_path / path)


def test_metrics_after_a_step_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    assert keep_metrics(path, 3) == []
    for step in (1, 2, 3, 4):
        append_metrics(path, {"step": step, "error": 0.1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        append_metrics(path, {"step": 5, "error": float("nan")})
    path.write_text(path.read_text() + '{"step": ')
    assert [line["step"] for line in keep_metrics(path, 2)] == [1, 2]
    assert [json.loads(line)["step"] for line in path.read_text().splitlines()] == [1, 2]


def dataset(n: int, *, level: str = "springs", seed: int = 0, n_frames: int = 4) -> Dataset:
    smiles = ["C" * (k + 1) + tail for k in range(6) for tail in ("O", "N")]
    return Dataset.create(
        [springs(s, n_frames, seed=seed, level=level) for s in smiles[:n]], source="made"
    )


def test_what_is_held_out() -> None:
    many = make_parts(dataset(12))
    assert many.held_out == "molecules"
    assert (len(many.training), len(many.validation), many.test) == (10, 2, None)
    few = make_parts(dataset(3, n_frames=10))
    assert few.held_out == "frames"
    assert {e.name: e.n_frames for e in few.training} == {"CO": 9, "CN": 9, "CCO": 9}
    assert make_parts(dataset(12)).identity == many.identity
    assert make_parts(dataset(12), seed=1).identity != many.identity
    moved = make_parts(replace(dataset(12), source="elsewhere"))
    assert moved.identity != many.identity
    assert moved.hashes == many.hashes
    assert make_parts(dataset(12), seed=1).hashes != many.hashes


def test_parts_of_a_split() -> None:
    data = dataset(6)
    split = split_dataset(data, "molecule", fractions=(0.5, 0.25, 0.25), seed=0)
    parts = make_parts(data, split=split)
    assert parts.test is not None
    assert len(parts.training) + len(parts.validation) + len(parts.test) == 6
    assert parts.identity["split_sha256"] == split.digest
    assert parts.identity["test"]["sha256"] == parts.test.digest
    assert parts.identity["training"]["n_frames"] == 4 * len(parts.training)
    # What is not in the split is not in the run
    named = split_dataset(data, "molecule", fractions=(0.5, 0.5), names=("train", "rest"), seed=0)
    assert make_parts(data, split=named).test is None


def test_parts_that_do_not_go_together() -> None:
    data, other = dataset(4), dataset(4, seed=5)
    split = split_dataset(data, "molecule", fractions=(0.5, 0.5), names=("train", "test"))
    cases: list[tuple[str, dict[str, Any]]] = [
        ("in the training data and in the test data", {"validation": other, "test": data}),
        ("in the training data and in the validation data", {"validation": data}),
        ("in the validation data and in the test data", {"validation": other, "test": other}),
        ("choose one", {"split": split, "test": other}),
        ("validation data are other level", {"validation": dataset(2, level="other level")}),
        (
            "test data are other level",
            {"validation": other, "test": dataset(2, level="other level", seed=7)},
        ),
        (
            "no part 'train'",
            {"split": split_dataset(data, "molecule", fractions=(0.5, 0.5), names=("a", "b"))},
        ),
    ]
    for message, given in cases:
        with pytest.raises(InputError, match=message):
            make_parts(data, **given)


def test_frames_that_stand_twice_in_the_data_are_found_out() -> None:
    entry = springs("CO", 20)
    twice = Entry.create(
        "CO",
        entry.topology,
        positions=np.concatenate([entry.positions] * 2),
        energies=np.concatenate([entry.energies] * 2),
    )
    with pytest.raises(InputError, match="drop repeated frames"):
        make_parts(Dataset.create([twice]))


def test_a_model_says_where_it_comes_from(tmp_path: Path) -> None:
    parts = make_parts(dataset(12))
    said = provenance(
        parts,
        settings=short().as_json(),
        metrics={"validation": {"force_rmse": 1.5}},
        run={"steps": 7, "ending": "complete"},
    )
    path = tmp_path / "m.safetensors"
    save_force_field(start(), path, provenance=said)
    found = read_saved(path)
    assert found.provenance.items() >= json.loads(json.dumps(said)).items()
    assert found.provenance["isthmus"]
    assert found.provenance["level_of_theory"] == "springs"
    assert found.provenance["data"]["training"]["sha256"] == parts.training.digest
    assert found.provenance["metrics"]["validation"]["force_rmse"] == 1.5
    assert set(found.provenance["software"]) == {"jax", "numpy", "optax", "rdkit"}
    assert isinstance(Domain.from_json(found.provenance["domain"]), Domain)


def test_the_curve(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    line = {"train_force_rmse": 2.0, "validation_force_rmse": 3.0, "train_energy_rmse": None}
    history = [{"epoch": k, **line, "validation_energy_rmse": 1.0 / k} for k in (1, 2, 3)]
    draw_curve(history, tmp_path / "c.png", title="springs")
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")
    assert [p.name for p in tmp_path.iterdir()] == ["c.png"]
    with pytest.raises(InputError, match="at least one validation"):
        draw_curve([], tmp_path / "d.png", title="")
