"""Training in processes of their own: killed, interrupted, on two devices."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from data_springs import springs  # pyright: ignore[reportMissingImports]
from data_training import SPRINGS  # pyright: ignore[reportMissingImports]
from safetensors.numpy import load_file

from isthmus.data import Dataset, write_dataset

CONTRACT = Path(__file__).parents[1] / "contract"
LONG = 240.0

RUN = """
import sys
from data_springs import springs
from data_training import short, start
from isthmus.forcefield.file import save_force_field
from isthmus.train import RunFiles, train

name, resume, pause = sys.argv[1], sys.argv[2] == "resume", float(sys.argv[3])
import time
result = train(
    start(),
    [springs(smiles, 8) for smiles in ("CO", "CN", "CCO")],
    validation=[springs("CF", 6)],
    settings=short(epochs=12, checkpoint_seconds=1e-3),
    files=RunFiles.of(name),
    resume=resume,
    watch=lambda progress: time.sleep(pause if progress.step > 5 else 0),
)
save_force_field(result.force_field, name)
print(result.steps)
"""

TWO = """
import jax
import numpy as np
import optax
from data_springs import springs
from data_training import SPRING, short, start
from families import disturbed
from isthmus.forcefield.forcefield import ForceField
from isthmus.train import train
from isthmus.train.batch import collate, prepare
from isthmus.train.static_loss import LossWeights
from isthmus.train.step import Stepper
from isthmus.train.stream import batch_capacity

assert len(jax.devices()) == 2
force_field = ForceField(SPRING, disturbed(start().source))
plan, prepared = prepare(SPRING, [springs("CO", 4), springs("CN", 4)])
shape = {"capacity": batch_capacity(prepared, 1, 4), "n_molecules": 1, "n_frames": 4}
batches = [collate(plan, [one], [np.arange(4)], **shape) for one in prepared]
loss, plain = LossWeights(1e-6, 1e-2), optax.sgd(1.0)
both = Stepper(force_field, plain, loss, jax.devices())
one = Stepper(force_field, plain, loss, jax.devices()[:1])
start_weights = jax.tree.map(np.array, one.start().weights)
together, measures = both.step(both.start(), batches, rate=1e-3, memory=0.0)
apart = [one.step(one.start(), [batch], rate=1e-3, memory=0.0) for batch in batches]
for group, before in start_weights.items():
    change = np.asarray(together.weights[group]) - before
    mean = np.mean([np.asarray(state.weights[group]) - before for state, _ in apart], axis=0)
    assert np.abs(change).max() > 0
    np.testing.assert_allclose(change, mean, atol=2e-3 * np.abs(mean).max())
for name in ("force_squares", "force_count", "energy_squares", "energy_count"):
    total = sum(float(getattr(found, name)) for _, found in apart)
    np.testing.assert_allclose(float(getattr(measures, name)), total, rtol=1e-5)
np.testing.assert_allclose(float(measures.loss), np.mean([f.loss for _, f in apart]), rtol=1e-5)
result = train(
    force_field,
    [springs(smiles, 8) for smiles in ("CO", "CN", "CCO", "CF")],
    settings=short(epochs=4, molecules=1),
)
assert result.steps == 8, result.steps
print("done")
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Processes share what XLA compiled."""
    return os.environ | {
        "PYTHONPATH": str(CONTRACT),
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path_factory.mktemp("compiled")),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }


def wait_for(found: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    last = time.monotonic() + LONG
    while not found():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < last, "it took too long"
        time.sleep(0.02)


def python(
    code: str, *words: str, environment: dict[str, str], folder: Path
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *words],
        env=environment,
        cwd=folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def finished(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=LONG)
    assert process.returncode == 0, err
    return out


def numbers(path: Path) -> list[dict[str, float]]:
    lines = [json.loads(text) for text in path.read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "seconds"} for line in lines]


@pytest.mark.slow
def test_a_killed_run_ends_where_it_would_have(tmp_path: Path, environment: dict[str, str]) -> None:
    given = {"environment": environment, "folder": tmp_path}
    killed = python(RUN, "killed.safetensors", "new", "0.2", **given)
    metrics = tmp_path / "killed.metrics.jsonl"
    wait_for(lambda: metrics.is_file() and len(metrics.read_text().splitlines()) >= 2, killed)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    assert (tmp_path / "killed.checkpoint.safetensors").is_file()
    assert not (tmp_path / "killed.safetensors").exists()
    resumed = python(RUN, "killed.safetensors", "resume", "0", **given)
    whole = python(RUN, "whole.safetensors", "new", "0", **given)
    assert finished(resumed) == finished(whole)
    one, other = (load_file(tmp_path / f"{name}.safetensors") for name in ("killed", "whole"))
    assert one.keys() == other.keys()
    for name, array in one.items():
        np.testing.assert_array_equal(array, other[name])
    assert numbers(metrics) == numbers(tmp_path / "whole.metrics.jsonl")


def test_an_interrupted_command_is_resumed(tmp_path: Path, environment: dict[str, str]) -> None:
    data = Dataset.create([springs(smiles, 8) for smiles in ("CO", "CN", "CCO", "CF")])
    write_dataset(data, tmp_path / "data.h5")
    (tmp_path / "tiny.toml").write_text(SPRINGS)
    line = "train tiny.toml data.h5 -o m.safetensors --width 8 --depth 2 --molecules 2 --frames 4"
    words = [sys.executable, "-m", "isthmus", *line.split(), "--epochs", "3000"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(words, env=environment, cwd=tmp_path, **pipes)
    metrics = tmp_path / "m.metrics.jsonl"
    wait_for(lambda: metrics.is_file() and bool(metrics.read_text()), process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=LONG)
    assert process.returncode == 130, err
    assert "stopping after this step" in err
    assert "--resume goes on" in err
    assert "Traceback" not in err
    names = {path.name for path in tmp_path.iterdir() if path.name.startswith("m.")}
    assert {"m.safetensors", "m.checkpoint.safetensors", "m.metrics.jsonl"} <= names
    again = subprocess.run(
        [*words, "--resume"], env=environment, cwd=tmp_path, timeout=LONG, check=False, **pipes
    )
    assert again.returncode == 0, again.stderr
    assert "validation" in again.stdout
    assert not (tmp_path / "m.checkpoint.safetensors").exists()
    assert numbers(metrics)[-1]["epoch"] == pytest.approx(3000, rel=0.01)


@pytest.mark.slow
def test_two_devices_share_a_step(tmp_path: Path, environment: dict[str, str]) -> None:
    two = environment | {"XLA_FLAGS": "--xla_force_host_platform_device_count=2"}
    assert finished(python(TWO, environment=two, folder=tmp_path)) == "done\n"
