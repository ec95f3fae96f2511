"""The training loop: networks on the graph, fitted to energies and forces of many molecules."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from math import ceil, isfinite
from typing import Any

import jax
import numpy as np

from isthmus.data.entry import Entry
from isthmus.errors import InputError
from isthmus.forcefield.forcefield import ForceField
from isthmus.train.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from isthmus.train.element_energies import fit_element_energies
from isthmus.train.feed import Feed
from isthmus.train.optimiser import learning_rate, make_optimiser
from isthmus.train.result import Metrics, Progress, TrainResult
from isthmus.train.run_files import RunFiles, append_metrics, keep_metrics
from isthmus.train.scale import scaled
from isthmus.train.settings import TrainSettings
from isthmus.train.static_loss import LossWeights
from isthmus.train.step import Stepper, TrainState
from isthmus.train.stream import Choice, batches_in_a_pass
from isthmus.train.tally import Tally
from isthmus.train.validation import score, validation_errors

__all__ = ["train"]

Packed = Mapping[str, jax.Array | np.ndarray]

_KEPT = ("step", "seconds", "preparation", "best_score", "best_line", "without_progress")
"""What a checkpoint keeps of a run, beside weights and sums"""

_MAY_CHANGE = ("seconds", "checkpoint_seconds")
"""Settings that may be others when a run is resumed"""

_FEW = 20
"""Steps: a limit of time that leaves fewer leaves no time for training"""


def train(
    force_field: ForceField,
    training: Iterable[Entry],
    *,
    validation: Iterable[Entry] = (),
    settings: TrainSettings | None = None,
    files: RunFiles | None = None,
    resume: bool = False,
    run: Mapping[str, Any] | None = None,
    watch: Callable[[Progress], None] | None = None,
    stop: Callable[[], bool] | None = None,
    devices: Sequence[jax.Device] | None = None,  # pyright: ignore[reportInvalidTypeForm]
) -> TrainResult:
    """Fit the network of a force field.

    The same settings, data and software give the same weights, bit for bit, on one machine;
    unless the run is limited by time.

    Args:
        force_field: with parameters from the graph; its weights are the start.
        training: molecules to learn from.
        validation: molecules that decide which weights are kept; none = the last ones are.
        settings: of the run.
        files: where checkpoints and metrics go; None = nowhere. The last checkpoint stays, for
            the caller to remove when the model is saved.
        resume: go on from the checkpoint in `files`, if there is one.
        run: what else a checkpoint must agree with, as plain data, for example a data hash.
        watch: called after every step.
        stop: asked after every step whether to end here, with a checkpoint.
        devices: None = all that JAX has.

    Raises:
        InputError: no molecules, no labels for what has a weight, a source without a network, a
            checkpoint of another run or of one that diverged, or 50 steps on end without a finite
            gradient before there was any model worth keeping.
    """
    settings = settings or TrainSettings()
    loop = _Loop.create(
        force_field, tuple(training), tuple(validation), settings, files, devices or jax.devices()
    )
    made_of = {
        "design": force_field.design.text,
        "settings": {k: v for k, v in settings.as_json().items() if k not in _MAY_CHANGE},
        "devices": loop.stepper.n_devices,
        **(run or {}),
    }
    return loop.run(made_of, resume=resume, watch=watch, stop=stop)


@dataclass
class _Loop:
    """A run: what does not change, and how far it is."""

    force_field: ForceField
    settings: TrainSettings
    files: RunFiles | None
    stepper: Stepper
    feed: Feed
    total_steps: int
    steps_in_a_pass: float
    element_energies: Mapping[int, float] | None
    step: int = 0
    seconds: float = 0.0
    preparation: float = 0.0
    best_score: float = float("inf")
    best_line: Metrics = field(default_factory=dict)
    without_progress: int = 0
    n_validations: int = 0
    history: list[Metrics] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)
    noted: int = 0
    notes: list[str] = field(default_factory=list)

    @classmethod
    def create(
        cls,
        force_field: ForceField,
        training: tuple[Entry, ...],
        validation: tuple[Entry, ...],
        settings: TrainSettings,
        files: RunFiles | None,
        devices: Sequence[jax.Device],  # pyright: ignore[reportInvalidTypeForm]
    ) -> "_Loop":
        elements = None
        if settings.energy_zero == "elements":
            elements = fit_element_energies(training)
        force_field = scaled(force_field, training)
        feed = Feed.of(force_field, training, validation, settings, elements)
        optimiser = make_optimiser(settings.optimiser, clip=settings.clip)
        stepper = Stepper(force_field, optimiser, LossWeights.of(settings), devices)
        in_a_pass = batches_in_a_pass(feed.stream()) / stepper.n_devices
        n_steps = ceil(in_a_pass * settings.epochs)
        return cls(force_field, settings, files, stepper, feed, n_steps, in_a_pass, elements)

    @property
    def fraction(self) -> float:
        """How much of the run is done, in steps or time; compilation is no part of either."""
        done = self.step / self.total_steps
        if self.settings.seconds is not None:
            done = max(done, self.stepping / self.settings.seconds)
        return min(done, 1.0)

    @property
    def stepping(self) -> float:
        """Time that steps and validations took, without compilation [s]."""
        return self.seconds - self.preparation

    def run(
        self,
        made_of: Mapping[str, Any],
        *,
        resume: bool,
        watch: Callable[[Progress], None] | None,
        stop: Callable[[], bool] | None,
    ) -> TrainResult:
        """All steps."""
        state = self.stepper.start()
        # A copy, since a step uses its state up
        best: Packed = jax.tree.map(np.array, state.average)
        if resume and self.files is not None and self.files.checkpoint.is_file():
            state, best = self._resumed(Checkpoint(state, best, {}), made_of)
        elif self.files is not None:
            self.files.metrics.unlink(missing_ok=True)
            self.files.checkpoint.unlink(missing_ok=True)
        choices = islice(self.feed.stream(), self.step * self.stepper.n_devices, None)
        before, saved, started = self.seconds, time.monotonic(), time.monotonic()
        ending, compiled = self._ending(None), False
        # Of the run as it is now: with a longer limit of time there are more to come
        self.n_validations = self._due()
        while self.fraction < 1 and ending == "complete":
            self.notes.clear()
            state, rate = self._stepped(state, choices)
            if not compiled:
                self.preparation += self._ready(state) - started
                compiled = True
            self.seconds = before + time.monotonic() - started
            if self._due() > self.n_validations:
                best = self._validated(state, best, rate)
            ending = self._ending(stop)
            if time.monotonic() - saved > self.settings.checkpoint_seconds:
                self._save(Checkpoint(state, best, {}), made_of)
                saved = time.monotonic()
            if watch is not None:
                last = self.history[-1] if self.history else {}
                note = "; ".join(self.notes)
                left = self.stepping * (1 / max(self.fraction, 1e-6) - 1)
                watch(Progress(self.fraction, self.step, self.seconds, left, last, note))
        self.notes.clear()
        self.tally.settle()
        # So that nothing is lost where the model cannot be saved, or what comes after fails
        resumable = self._save(Checkpoint(state, best, {}), made_of)
        return self._result(state, best, ending, resumable=resumable)

    def _result(
        self, state: TrainState, best: Packed, ending: str, *, resumable: bool
    ) -> TrainResult:
        """What the run gives, with notes of how it ended."""
        if self.tally.diverged:
            ending = "diverged"
            self.notes.append(self._diverged())
        elif ending == "complete" and self.step < self.total_steps:
            ending = "time"
            self.notes.extend(self._too_few_steps())
        kept, line = best, self.best_line
        if self.best_score == float("inf"):
            # Nothing could decide: the last weights, which may have been measured all the same
            last = self.history[-1] if self.history else {}
            kept, line = state.average, last if last.get("step") == self.step else {}
        result = self.stepper.force_field(kept)
        return TrainResult(
            result,
            tuple(self.history),
            self.step,
            self.seconds,
            ending,
            self.element_energies,
            line,
            "; ".join(self.notes),
            resumable,
            self.tally.skipped,
        )

    def _due(self) -> int:
        """How many validations there are up to here."""
        return int(self.fraction * self.settings.validations)

    def _diverged(self) -> str:
        """What to say of a run without finite gradients, of which something is worth keeping.

        Raises:
            InputError: nothing is: no step changed the weights, or they were never measured.
        """
        if not self.history or self.tally.skipped >= self.step:
            raise InputError(self.tally.complaint)
        return f"{self.tally.complaint}; the weights kept are the best of those before"

    def _too_few_steps(self) -> Iterator[str]:
        """What to say where the limit of time left next to nothing for training."""
        if self.step < _FEW:
            yield (
                f"only {self.step} steps were made in {self.settings.seconds:g} s (compilation, "
                f"{self.preparation:.0f} s, not counted): give more time"
            )

    def _ready(self, state: TrainState) -> float:
        """When the first step is done and all programs are compiled, by the clock of the run."""
        if self.feed.validation:
            self._errors(state.average)
        jax.block_until_ready(state.weights)
        return time.monotonic()

    def _stepped(
        self, state: TrainState, choices: Iterator[tuple[int, Choice]]
    ) -> tuple[TrainState, float]:
        """The state after one more step, and the learning rate of that step."""
        given = self.feed.next_batches(choices, self.stepper.n_devices)
        rate = learning_rate(
            self.fraction, highest=self.settings.highest_rate, warmup=self.settings.warmup
        )
        state, measures = self.stepper.step(
            state, [batch for batch, _ in given], rate=rate, memory=self._memory()
        )
        self.tally.add(measures, [name for _, names in given for name in names])
        self.step += 1
        return state, rate

    def _ending(self, stop: Callable[[], bool] | None) -> str:
        if self.tally.diverged:
            return "diverged"
        if self.settings.patience and self.without_progress >= self.settings.patience:
            return "patience"
        stopped = self.fraction < 1 and stop is not None and stop()
        return "stopped" if stopped else "complete"

    def _memory(self) -> float:
        """Part of the averaged weights that stays: their memory is a part of the whole run."""
        n_steps = (self.step + 1) / max(self.fraction, 1 / self.total_steps)
        return 1 - 1 / max(min(self.settings.average * n_steps, self.step + 1), 1)

    def _validated(self, state: TrainState, best: Packed, rate: float) -> Packed:
        """Measure, write down, and say which weights are the best so far."""
        self.n_validations = self._due()
        line: Metrics = {
            "step": self.step,
            "epoch": round(self.step / self.steps_in_a_pass, 2),
            "seconds": round(self.seconds, 3),
            "learning_rate": rate,
            **self.tally.rmse("train"),
        }
        self.tally = self.tally.emptied()
        if self.tally.skipped > self.noted:
            self.notes.append(
                f"{self.tally.skipped} of {self.step} steps changed nothing: their gradients were "
                "not finite"
            )
            self.noted = self.tally.skipped
        if self.feed.validation:
            errors = self._errors(state.average)
            line |= errors
            if self._is_best(errors):
                best, self.best_line = jax.tree.map(np.array, state.average), line
        for name, value in line.items():
            if isinstance(value, float) and not isfinite(value):
                line[name] = None
        self.history.append(line)
        if self.files is not None:
            try:
                append_metrics(self.files.metrics, line)
            except OSError as error:
                self.notes.append(f"metrics were not written: {error.strerror or error}")
        return best

    def _errors(self, weights: Mapping[str, jax.Array]) -> Metrics:
        """Errors on the validation molecules."""
        choices, found = [], []
        for choice, batch in self.feed.validation_batches():
            choices.append(choice)
            found.append(self.stepper.errors(weights, batch))
        return validation_errors(choices, found, self.settings)

    def _is_best(self, errors: Metrics) -> bool:
        """Whether errors on the validation molecules are the lowest so far; counts if not."""
        n_atoms = float(np.mean([m.sizes["atom"] for m in self.feed.validation]))
        found = score(errors, self.settings, n_atoms)
        if found is None:
            return False
        if not isfinite(found):
            self.notes.append("errors on the validation molecules are not finite")
            return False
        self.without_progress += 1
        if found >= self.best_score:
            return False
        self.best_score, self.without_progress = found, 0
        return True

    def _save(self, checkpoint: Checkpoint, made_of: Mapping[str, Any]) -> bool:
        """Write a checkpoint; notes why not, and lets the run go on, where that fails."""
        if self.files is None:
            return False
        progress = {name: getattr(self, name) for name in _KEPT} | {"tally": self.tally.as_json()}
        try:
            write_checkpoint(self.files.checkpoint, replace(checkpoint, progress=progress), made_of)
        except OSError as error:
            self.notes.append(f"no checkpoint was written: {error.strerror or error}")
            return False
        return True

    def _resumed(self, start: Checkpoint, made_of: Mapping[str, Any]) -> tuple[TrainState, Packed]:
        assert self.files is not None
        found = read_checkpoint(self.files.checkpoint, start, made_of)
        for name in _KEPT:
            setattr(self, name, found.progress[name])
        self.tally = Tally(**found.progress["tally"])
        if self.tally.diverged:
            raise InputError(
                f"'{self.files.checkpoint}' is of a run that diverged, and going on would repeat "
                f"it: {self.tally.complaint} (--overwrite, without --resume)"
            )
        self.history = keep_metrics(self.files.metrics, self.step)
        return found.state, found.best
