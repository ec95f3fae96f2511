"""Designs trained as `isthmus train` does it.

| data | design | training |
|---|---|---|
| several molecules | any | the loop, by gradients |
| one molecule | formulas | a bespoke fit |
| one molecule | networks | the loop |
| one molecule | formulas and networks | a bespoke fit, then networks for what it leaves |
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import jax
import numpy as np

from isthmus.designs.design import Design
from isthmus.designs.schema import find_design
from isthmus.errors import InputError
from isthmus.evaluate.evaluation import judge
from isthmus.evaluate.predict import predict
from isthmus.forcefield.file import read_saved, save_force_field
from isthmus.forcefield.forcefield import ForceField
from isthmus.parameters.graph.source import GraphSettings
from isthmus.race.course import Course
from isthmus.race.record import Point
from isthmus.race.stopping import Stopped, raise_if
from isthmus.train.bespoke import BespokeStep, fit_bespoke
from isthmus.train.loop import train
from isthmus.train.model_file import provenance
from isthmus.train.parts import Parts, make_parts
from isthmus.train.result import Progress, TrainResult
from isthmus.train.run_files import RunFiles
from isthmus.train.settings import TrainSettings
from isthmus.train.staged import elements_of, train_networks
from isthmus.units import ANGSTROM, KILOCALORIE

__all__ = ["Trained", "n_parameters", "source_of", "train_design"]

_UNLIMITED: Final = 1_000_000
"""Epochs of a run that only its limit of time ends"""

_FORCE: Final = KILOCALORIE / ANGSTROM


@dataclass(frozen=True, eq=False)
class Trained:
    """One design, trained once.

    Attributes:
        force_field: the result.
        seconds: of training [s], without what came before the first step.
        compile_s: before the first step [s].
        curve: validation errors on the way.
        n_parameters: that were fitted.
        note: what the reader should know; empty if nothing.
    """

    force_field: ForceField
    seconds: float
    compile_s: float
    curve: tuple[Point, ...]
    n_parameters: int
    note: str = ""


def source_of(design: Design, course: Course) -> str:
    """graph or free: numbers of their own where there are formulas and one molecule."""
    return "free" if course.one_molecule and design.terms else "graph"


@dataclass(frozen=True, eq=False)
class _Task:
    """One training.

    Attributes:
        design, parts, files: what is trained, on what, and where to.
        settings: of the loop; the limit of time is that of the whole training.
        stop: asked after every step.
        heed: is told which share is done.
    """

    design: Design
    parts: Parts
    files: RunFiles
    settings: TrainSettings
    stop: Callable[[], bool]
    heed: Callable[[float], None]

    def part(self, seconds: float, first: float, share: float) -> "_Task":
        """A part of the training, of so many seconds, from one share of the whole on."""
        return replace(
            self,
            settings=replace(self.settings, seconds=seconds),
            heed=lambda x: self.heed(first + share * x),
        )


def train_design(
    target: str,
    course: Course,
    path: Path,
    *,
    seed: int,
    seconds: float,
    stop: Callable[[], bool],
    heed: Callable[[float], None],
) -> Trained:
    """Train a design once, and save it.

    Args:
        target: name or path of the design.
        course: with data to train on.
        path: of the model, which is replaced; a run that was interrupted goes on.
        seed: of all random numbers.
        seconds: limit of time, compilation not counted.
        stop: asked after every step.
        heed: is told which share is done.

    Raises:
        InputError: no data, or data that do not suit the design.
        Stopped: the run was asked to end.
    """
    design = find_design(target)
    if course.training is None:
        raise InputError(f"'{target}' must be trained, and no data came: give --data")
    parts = make_parts(course.training, validation=course.validation, seed=seed)
    settings = TrainSettings.suited(design, seed=seed, seconds=seconds, epochs=_UNLIMITED)
    task = _Task(design, parts, RunFiles.of(path), settings, stop, heed)
    source = source_of(design, course)
    if source == "graph":
        found = _by_gradients(task)
    elif design.networks:
        found = _in_stages(task)
    else:
        found = _fitted(task)
    run = {
        "seconds": round(found.seconds, 1),
        "n_parameters": found.n_parameters,
        "note": found.note or None,
    }
    made = {"source": source, **settings.as_json()}
    said = provenance(parts, settings=made, metrics={}, run=run)
    save_force_field(found.force_field, path, provenance=said, overwrite=True)
    task.files.checkpoint.unlink(missing_ok=True)
    return found


def n_parameters(force_field: ForceField) -> int:
    """Numbers of a force field: weights of networks, or values of parameters."""
    leaves = jax.tree.leaves((force_field.source, force_field.networks))
    return sum(_size(leaf) for leaf in leaves)


def _size(leaf: Any) -> int:
    """Real numbers of an array; other leaves have none."""
    real = hasattr(leaf, "dtype") and np.issubdtype(leaf.dtype, np.floating)
    return int(np.size(leaf)) if real else 0


def _fitted(task: _Task) -> Trained:
    """Numbers of their own for the one molecule."""
    steps: list[BespokeStep] = []
    clock: list[float] = []
    seconds = task.settings.seconds
    assert seconds is not None

    def note(step: BespokeStep) -> None:
        if not steps:
            clock.append(time.monotonic())
        steps.append(step)
        task.heed(min((step.seconds - steps[0].seconds) / seconds, 1.0))

    def late() -> bool:
        """The first step compiles: the limit of time counts from there, as for networks."""
        return task.stop() or bool(clock and time.monotonic() - clock[0] > seconds)

    fit = fit_bespoke(task.design, task.parts.training, on_step=note, stop=late)
    raise_if(task.stop)
    better = [step for step in steps if step.accepted or not step.number]
    curve = tuple(_measured(step, task.parts) for step in better)
    text = "" if fit.converged else "the limit of time or steps ended the fit before it converged"
    first = steps[0].seconds
    return Trained(fit.force_field, fit.seconds - first, first, curve, fit.n_parameters, text)


def _measured(step: BespokeStep, parts: Parts) -> Point:
    entries = list(parts.validation)
    found = judge(entries, predict(step.force_field, entries)).overall
    return Point(
        seconds=step.seconds,
        force_rmse=None if found.force_rmse is None else found.force_rmse / _FORCE,
        energy_rmse=None if found.energy_rmse is None else found.energy_rmse / KILOCALORIE,
    )


def _by_gradients(task: _Task) -> Trained:
    """Weights of networks, on the graph and over neighbours."""
    network = GraphSettings()
    start = ForceField.graph(
        task.design,
        seed=task.settings.seed,
        settings=network,
        elements=elements_of((*task.parts.training, *task.parts.validation)),
    )
    return _looped(task, partial(train, start), {"network": asdict(network)})


def _in_stages(task: _Task) -> Trained:
    """Formulas for the one molecule, in half of the time, then networks for what they leave."""
    kept = task.files.model.with_suffix(".formulas.safetensors")
    seconds = task.settings.seconds
    assert seconds is not None
    if kept.is_file() and task.files.checkpoint.is_file():
        saved = read_saved(kept)
        formulas, said = saved.force_field, saved.provenance
        took, compiling, number = said["seconds"], said["compile_s"], said["n_parameters"]
    else:
        half = replace(task.part(seconds / 2, 0.0, 0.5), design=task.design.formulas)
        first = _fitted(half)
        formulas, took, compiling = first.force_field, first.seconds, first.compile_s
        number = first.n_parameters
        said = {"seconds": took, "compile_s": compiling, "n_parameters": number}
        save_force_field(formulas, kept, provenance=said, overwrite=True)
    rest = task.part(max(seconds - took, seconds / 2), 0.5, 0.5)
    second = _looped(rest, partial(train_networks, task.design, formulas), {})
    kept.unlink(missing_ok=True)
    before = took + compiling
    weights = sum(_size(leaf) for leaf in jax.tree.leaves(second.force_field.networks))
    return replace(
        second,
        seconds=took + second.seconds,
        compile_s=compiling + second.compile_s,
        curve=tuple(replace(point, seconds=before + point.seconds) for point in second.curve),
        n_parameters=number + weights,
    )


def _looped(task: _Task, fit: Callable[..., TrainResult], made_of: dict[str, Any]) -> Trained:
    """A run of the training loop; it goes on from its checkpoint, if there is one."""
    before: list[Progress] = []

    def watch(progress: Progress) -> None:
        if not before:
            before.append(progress)
        task.heed(progress.fraction)

    result = fit(
        task.parts.training,
        validation=task.parts.validation,
        settings=task.settings,
        files=task.files,
        resume=task.files.checkpoint.is_file(),
        run={"data": task.parts.hashes, **made_of},
        watch=watch,
        stop=task.stop,
    )
    if result.ending == "stopped":
        raise Stopped
    curve = tuple(
        Point(
            seconds=line["seconds"],
            force_rmse=line.get("validation_force_rmse"),
            energy_rmse=line.get("validation_energy_rmse"),
        )
        for line in result.history
    )
    compiling = before[0].seconds if before else 0.0
    taken = max(result.seconds - compiling, 0.0)
    number = n_parameters(result.force_field)
    return Trained(result.force_field, taken, compiling, curve, number, result.note)
