"""Runs: they learn, repeat themselves, stop, go on and end as they were asked to."""

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import count, pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax
import numpy as np
import pytest
from data_springs import springs  # pyright: ignore[reportMissingImports]
from data_training import (  # pyright: ignore[reportMissingImports]
    short,
    start,
)

from isthmus.data.entry import Entry
from isthmus.errors import InputError
from isthmus.train import Progress, RunFiles, TrainResult, TrainSettings, train
from isthmus.train.feed import Feed
from isthmus.units import ANGSTROM

TRAINING = [springs(smiles, 12, seed=k) for k, smiles in enumerate(("CO", "CC", "O", "CCO"))]
VALIDATION = [springs(smiles, 5, seed=9) for smiles in ("CCC", "CCCO")]


@pytest.fixture(scope="module", autouse=True)
def compiled_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Runs of one shape share what XLA compiled."""
    names = {
        "jax_compilation_cache_dir": str(tmp_path_factory.mktemp("compiled")),
        "jax_persistent_cache_min_compile_time_secs": 0.0,
    }
    before = {name: jax.config.values[name] for name in names}
    for name, value in names.items():
        jax.config.update(name, value)
    yield
    for name, value in before.items():
        jax.config.update(name, value)


def weights(result: TrainResult) -> list[np.ndarray]:
    return [np.asarray(leaf) for leaf in jax.tree.leaves(result.force_field.source)]


def same(one: TrainResult, other: TrainResult) -> bool:
    pairs = zip(weights(one), weights(other), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


def metrics(result: TrainResult) -> list[dict[str, Any]]:
    """All that does not depend on the clock."""
    return [{k: v for k, v in line.items() if k != "seconds"} for line in result.history]


def fit(settings: TrainSettings, training: list[Entry] = TRAINING, **more: Any) -> TrainResult:
    more.setdefault("validation", VALIDATION)
    return train(start(settings.seed), training, settings=settings, **more)


@pytest.fixture(scope="module")
def whole() -> TrainResult:
    """A run that nothing disturbed."""
    return fit(short())


def test_a_run_learns_and_repeats_itself(whole: TrainResult) -> None:
    again = fit(short())
    assert same(whole, again)
    assert metrics(whole) == metrics(again)
    assert not same(whole, fit(short(seed=1)))
    assert whole.ending == "complete"
    assert whole.steps == 60
    assert len(whole.history) == 5
    first, last = whole.history[0], whole.history[-1]
    assert last["train_force_rmse"] < 0.9 * first["train_force_rmse"]
    assert last["validation_force_rmse"] < 0.95 * first["validation_force_rmse"]
    assert last["epoch"] == 10


def test_errors_that_are_written_down_are_those_of_the_force_field(whole: TrainResult) -> None:
    scores = [line["validation_force_rmse"] for line in whole.history]
    squares, count = 0.0, 0
    for entry in VALIDATION:
        potential = whole.force_field.bind(entry.topology, precision="float64")
        assert entry.forces is not None
        forces = np.asarray(potential.energy_and_forces(entry.positions).forces)
        squares += float(((forces - entry.forces) ** 2).sum())
        count += entry.forces.size
    assert np.sqrt(squares / count) / 41.84 == pytest.approx(min(scores), rel=1e-3)


@pytest.mark.parametrize("last", [1, 23, 24])
def test_a_stopped_run_goes_on_as_if_nothing_had_been(
    whole: TrainResult, tmp_path: Path, last: int
) -> None:
    files = RunFiles.of(tmp_path / "m.safetensors")
    seen: list[Progress] = []
    stopped = fit(short(), files=files, watch=seen.append, stop=lambda: len(seen) + 1 >= last)
    assert stopped.ending == "stopped"
    assert stopped.steps == last
    assert files.checkpoint.is_file()
    # What is written after the checkpoint is dropped, and so is half a line
    with files.metrics.open("a") as file:
        file.write('{"step": 59, "epoch": 1}\n{"step": 2')
    # Where the file is written to does not matter, nor how often
    resumed = fit(short(checkpoint_seconds=9.0), files=files, resume=True)
    assert same(resumed, whole)
    assert metrics(resumed) == metrics(whole)
    written = [json.loads(line) for line in files.metrics.read_text().splitlines()]
    assert [line["step"] for line in written] == [12, 24, 36, 48, 60]
    assert resumed.seconds > stopped.seconds


def test_a_run_that_starts_anew_forgets_the_one_before(tmp_path: Path) -> None:
    files = RunFiles.of(tmp_path / "m.safetensors")
    fit(short(), files=files, stop=lambda: True)
    assert files.checkpoint.is_file()
    fit(short(epochs=1, validations=1), files=files)
    assert len(files.metrics.read_text().splitlines()) == 1


def test_validation_decides_what_is_kept_and_when_to_end() -> None:
    # Labels of another world: whatever is learnt makes it worse
    wrong = [
        Entry.create(
            e.name, e.topology, positions=e.positions, energies=e.energies, forces=-e.forces
        )
        for e in VALIDATION
        if e.forces is not None
    ]
    result = fit(short(epochs=40, validations=20, patience=2), validation=wrong)
    scores = [line["validation_force_rmse"] for line in result.history]
    assert result.ending == "patience"
    assert int(np.argmin(scores)) == len(scores) - 3
    assert result.steps < 80
    # What is said of the weights that are kept was measured with them
    assert result.line == result.history[-3]


def test_a_complete_run_can_be_asked_for_again(whole: TrainResult, tmp_path: Path) -> None:
    """Its checkpoint stays until the model is safe."""
    files = RunFiles.of(tmp_path / "m.safetensors")
    assert fit(short(), files=files).resumable
    again = fit(short(), files=files, resume=True)
    assert same(again, whole)
    assert again.steps == whole.steps
    assert metrics(again) == metrics(whole)


def ticking(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """A clock that moves on by as much whenever it is read."""
    ticks = count()
    clock = SimpleNamespace(monotonic=lambda: seconds * next(ticks))
    monkeypatch.setattr("isthmus.train.loop.time", clock)


def test_a_limit_of_time_is_kept_to(monkeypatch: pytest.MonkeyPatch) -> None:
    ticking(monkeypatch, 0.05)
    seen: list[Progress] = []
    result = fit(short(epochs=10**6, seconds=4.0, validations=3), watch=seen.append)
    assert result.ending == "time"
    assert not result.note
    # The first step counts as compilation, which is no part of the limit
    assert 4.0 <= result.seconds < 4.4
    assert seen[-1].fraction == 1.0
    assert all(a.fraction <= b.fraction for a, b in pairwise(seen))
    assert result.history[-1]["step"] == result.steps


def test_a_limit_of_time_that_is_too_short_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    ticking(monkeypatch, 1.5)
    result = fit(short(epochs=10**6, seconds=4.0))
    assert result.ending == "time"
    assert result.steps < 5
    assert f"only {result.steps} steps were made in 4 s" in result.note
    assert "give more time" in result.note


def test_a_run_that_its_limit_ended_goes_on_with_a_longer_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ticking(monkeypatch, 0.05)
    files = RunFiles.of(tmp_path / "model.safetensors")
    first = fit(short(epochs=10**6, seconds=2.0), files=files)
    again = fit(short(epochs=10**6, seconds=4.0), files=files, resume=True)
    assert first.steps < again.steps
    assert again.ending == "time"
    # Half of the validations lie ahead again, and what is learnt is kept
    measured = [line["step"] for line in again.history]
    assert measured == sorted(set(measured))
    assert [line["step"] for line in first.history] == measured[:5]
    assert len(measured) == 8
    assert measured[-1] == again.steps
    assert again.line["step"] > first.steps
    assert not same(first, again)


def beyond_float32(smiles: str) -> Entry:
    """Labels whose squares have no number."""
    made = springs(smiles, 12)
    return Entry.create(
        "wild",
        made.topology,
        positions=made.positions,
        energies=made.energies,
        forces=np.full((12, made.n_atoms, 3), 1e30),
    )


def test_gradients_that_are_not_finite_are_counted(tmp_path: Path) -> None:
    files = RunFiles.of(tmp_path / "m.safetensors")
    wild = beyond_float32("CO")
    seen: list[Progress] = []
    settings = short(epochs=4, validations=2, molecules=1)
    training = [*TRAINING[1:], wild]
    result = fit(settings, training, files=files, validation=[wild], watch=seen.append)
    # A quarter of all pieces
    assert result.skipped == result.steps // 4
    assert all(np.isfinite(leaf).all() for leaf in weights(result))
    lines = [json.loads(line) for line in files.metrics.read_text().splitlines()]
    assert all(0 < line["train_force_rmse"] < 1e3 for line in lines)
    assert [line["validation_force_rmse"] for line in lines] == [None, None]
    told = [progress.note for progress in seen if progress.note]
    assert len(told) == 2
    assert f"{result.skipped} of {result.steps} steps changed nothing" in told[-1]
    assert "validation molecules are not finite" in told[-1]


def test_a_run_without_gradients_is_given_up() -> None:
    with pytest.raises(
        InputError, match=r"50 steps on end .* not finite, the last with wild: look"
    ):
        fit(short(epochs=100), [beyond_float32("CO")])


def test_a_run_that_diverges_keeps_its_best_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = RunFiles.of(tmp_path / "m.safetensors")
    next_batches, steps = Feed.next_batches, count(1)

    def poisoned(self: Feed, *given: Any) -> Any:
        found = next_batches(self, *given)
        if next(steps) <= 75:
            return found
        return [(replace(b, forces=np.full_like(b.forces, 1e30)), names) for b, names in found]

    monkeypatch.setattr(Feed, "next_batches", poisoned)
    result = fit(short(epochs=50, validations=10), files=files)
    assert result.ending == "diverged"
    # One more is under way when the fiftieth is known
    assert (result.steps, result.skipped) == (126, 51)
    assert "50 steps on end had gradients that are not finite, the last with" in result.note
    assert "train anew; the weights kept are the best" in result.note
    assert result.line in result.history
    assert result.line["step"] > 30
    best = min(line["validation_force_rmse"] for line in result.history)
    assert result.line["validation_force_rmse"] == best
    assert not same(result, fit(short(epochs=1, validations=1)))
    assert all(np.isfinite(leaf).all() for leaf in weights(result))
    before = files.checkpoint.read_bytes()
    with pytest.raises(InputError, match=r"of a run that diverged.*train anew.*--overwrite"):
        fit(short(epochs=50, validations=10), files=files, resume=True)
    assert files.checkpoint.read_bytes() == before


def electric(entry: Entry) -> Entry:
    """With charges and dipoles of 0."""
    n_frames, n_atoms = entry.positions.shape[:2]
    return replace(entry, charges=np.zeros((n_frames, n_atoms)), dipoles=np.zeros((n_frames, 3)))


def test_errors_of_charges_and_dipoles_are_written_down_where_they_have_a_weight(
    whole: TrainResult,
) -> None:
    validation = [electric(entry) for entry in VALIDATION]
    settings = short(epochs=2, charge_weight=1.0, dipole_weight=1.0)
    result = fit(settings, [electric(e) for e in TRAINING], validation=validation)
    squares: dict[str, list[np.ndarray]] = {"charge": [], "dipole": []}
    for entry in validation:
        (group,) = result.force_field.parameterise(entry.topology).pair_groups
        charges = np.asarray(group.terms[0].values["charge"])
        dipoles = np.einsum("a,fac->fc", charges, entry.positions) / ANGSTROM
        squares["charge"].append(np.tile(np.square(charges), entry.n_frames))
        squares["dipole"].append(np.square(dipoles).ravel())
    for name, found in squares.items():
        wanted = float(np.sqrt(np.concatenate(found).mean()))
        assert result.line[f"validation_{name}_rmse"] == pytest.approx(wanted, rel=1e-4)
        assert f"validation_{name}_rmse" not in whole.line


def test_labels_that_are_missing_change_nothing_else() -> None:
    def without(entry: Entry, *, energy: bool, forces: bool) -> Entry:
        energies, gradient = np.array(entry.energies), np.array(entry.forces)
        if energy:
            energies[::2] = np.nan
        if forces:
            gradient[1::2] = np.nan
        return Entry.create(
            entry.name,
            entry.topology,
            positions=entry.positions,
            energies=energies,
            forces=gradient,
        )

    some = [without(e, energy=k % 2 == 0, forces=k > 1) for k, e in enumerate(TRAINING)]
    single = springs("CF", 1)
    bare = Entry.create(
        "bare", single.topology, positions=single.positions, energies=[np.nan], forces=None
    )
    result = fit(short(epochs=4), [*some, single, bare], validation=[single, bare])
    assert all(np.isfinite(leaf).all() for leaf in weights(result))
    assert all(np.isfinite(line["train_force_rmse"]) for line in result.history)
    # The energy of one frame is no error of 0
    assert result.history[-1]["validation_energy_rmse"] is None


def test_validation_without_labels_decides_nothing(whole: TrainResult) -> None:
    nothing = [
        Entry.create(e.name, e.topology, positions=e.positions, energies=np.full(5, np.nan))
        for e in VALIDATION
    ]
    result = fit(short(patience=1), validation=nothing)
    assert result.ending == "complete"
    # So the last weights are kept, which in the whole run were the best
    scores = [line["validation_force_rmse"] for line in whole.history]
    assert int(np.argmin(scores)) == len(scores) - 1
    assert same(result, whole)


@pytest.mark.slow
def test_energies_may_be_counted_from_the_elements() -> None:
    more = [*VALIDATION, springs("CN", 5)]
    result = fit(short(epochs=2, energy_zero="elements"), validation=more)
    assert result.element_energies is not None
    assert set(result.element_energies) == {1, 6, 8}
    # Nitrogen has none, so a molecule with it does not count
    assert result.history[-1]["validation_energy_rmse"] is not None
    assert result.history[-1]["validation_energy_rmse"] < 1e4


NOT_WRITTEN = ("metrics were not", "no checkpoint was")


def test_a_full_disk_does_not_end_a_run(
    whole: TrainResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("isthmus.train.checkpoint.write_tensors", full)
    monkeypatch.setattr("isthmus.train.loop.append_metrics", full)
    seen: list[Progress] = []
    files = RunFiles.of(tmp_path / "m.safetensors")
    result = fit(short(checkpoint_seconds=1e-9), files=files, watch=seen.append)
    assert same(result, whole)
    notes = [f"{what} written: No space left on device" for what in NOT_WRITTEN]
    assert {progress.note for progress in seen} == {notes[1], "; ".join(notes)}
    assert (result.note, result.resumable) == (notes[1], False)
    assert not list(tmp_path.iterdir())
