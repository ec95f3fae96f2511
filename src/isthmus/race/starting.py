"""Entrants made ready: designs are trained, models read, rivals started."""

import math
import os
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from isthmus.designs.schema import find_design
from isthmus.errors import InputError
from isthmus.evaluate.seen import Seen, TestedData, seen_in_training
from isthmus.forcefield.file import read_saved
from isthmus.race.course import Course, TestSet
from isthmus.race.entrants import Competitor
from isthmus.race.record import Entrant, TrainingRun
from isthmus.race.rivals.named import force_field_of, is_factory, make_caller
from isthmus.race.runners import CalledRunner, OurRunner, Runner
from isthmus.race.settings import RaceSettings
from isthmus.race.stopping import raise_if
from isthmus.race.training import Trained, n_parameters, source_of, train_design
from isthmus.words import counted

__all__ = ["MODELS", "Command", "Started", "from_models", "started", "training_command"]

MODELS: Final = "models"
"""Folder of the models, in that of the race"""


@dataclass(frozen=True, eq=False)
class Started:
    """An entrant ready to be measured; the other attributes are those of `Entrant`.

    Attributes:
        seen: of a saved model, whether it was trained on each test set, by its name.
    """

    runner: Runner
    description: str
    models: tuple[str, ...] = ()
    n_parameters: int | None = None
    training: TrainingRun | None = None
    notes: tuple[str, ...] = ()
    seen: Mapping[str, Seen] = field(default_factory=dict)


def started(
    competitor: Competitor,
    course: Course,
    settings: RaceSettings,
    folder: Path,
    *,
    known: Entrant,
    stop: Callable[[], bool],
    heed: Callable[[float], None] = lambda _share: None,
    keep: Callable[[Started], None] = lambda _begun: None,
) -> Started:
    """Make an entrant ready.

    Args:
        competitor: who.
        course: data to train on.
        settings: time and seeds.
        folder: of the race; models come into its folder `models`.
        known: what is known of it: a design that was trained is only read, seed by seed.
        stop: asked again and again.
        heed: is told which share of the training is done.
        keep: is given what there is after each seed.

    Raises:
        IsthmusError: whatever the entrant needs and lacks.
        Stopped: the race was asked to end.
    """
    if competitor.kind == "rival":
        return _rival(competitor, course, settings)
    if competitor.kind == "model":
        saved = read_saved(competitor.target)
        level = saved.provenance.get("level_of_theory")
        told = f"{saved.force_field.design.name}, as saved"
        text = f"{told}; fitted to {level}" if isinstance(level, str) else told
        run = saved.provenance.get("run")
        fitted = run.get("n_parameters") if isinstance(run, Mapping) else None
        number = fitted if isinstance(fitted, int) else n_parameters(saved.force_field)
        path = Path(os.path.relpath(competitor.target, folder)).as_posix()
        seen = {test.name: _seen(competitor, saved.provenance, test) for test in course.tests}
        return Started(OurRunner((saved.force_field,)), text, (path,), number, seen=seen)
    if "training" in known.done:
        paths = [folder / name for name in known.models]
        runner = OurRunner(tuple(read_saved(path).force_field for path in paths))
        return Started(
            runner, known.description, known.models, known.n_parameters, known.training, known.notes
        )
    return _trained(competitor, course, settings, folder, known, stop, heed, keep)


def _seen(competitor: Competitor, provenance: Mapping[str, Any], test: TestSet) -> Seen:
    record = test.record
    tested = TestedData(
        name=record.name, sha256=record.sha256, n_frames=record.n_frames, source=record.source
    )
    return seen_in_training([(competitor.name, provenance)], tested)


def from_models(entrant: Entrant, folder: Path) -> Runner:
    """A runner of the models that an entrant of an earlier race left.

    Raises:
        InputError: there are none, or they cannot be read.
    """
    if not entrant.models:
        raise InputError("it has no model file; name it again to race it")
    return OurRunner(tuple(read_saved(folder / name).force_field for name in entrant.models))


@dataclass(frozen=True)
class Command:
    """A command line, and what its reader should know of it."""

    line: str
    notes: tuple[str, ...] = ()


def training_command(
    competitor: Competitor,
    course: Course,
    settings: RaceSettings,
    options: str,
    training: TrainingRun | None,
) -> Command | None:
    """The command that trains the first model of a design alone; None for others.

    `isthmus train` counts the compilation of a bespoke fit in its limit of time, the race does not.

    Args:
        competitor: who.
        course: with data to train on.
        settings: time of training.
        options: how the data are to be read, as on the command line.
        training: how long it took.
    """
    if competitor.kind != "design" or course.record is None:
        return None
    design, seconds, notes = find_design(competitor.target), settings.seconds, []
    source = source_of(design, course)
    if source == "free" and design.networks:
        notes.append(
            "the command counts the compilation of its first stage, the formulas, in --time; the "
            "race did not"
        )
    elif source == "free" and training is not None and training.compile_s:
        seconds += math.ceil(training.compile_s[0])
    words = [
        *("isthmus", "train", competitor.target, course.record.source),
        *("--source", source, "--time", f"{seconds:g}s", "--seed", "0"),
        *shlex.split(options),
        *("-o", f"{_slug(competitor.name)}.safetensors"),
    ]
    return Command(shlex.join(words), tuple(notes))


def _rival(competitor: Competitor, course: Course, settings: RaceSettings) -> Started:
    found = force_field_of(competitor.target)
    if found is not None:
        force_field, text = found
        return Started(OurRunner((force_field,)), text)
    caller = make_caller(
        competitor.target, python=competitor.python, timeout=settings.rival_seconds
    )
    notes = _charged(course) if is_factory(competitor.target) else ()
    return Started(CalledRunner(caller), caller.description, notes=tuple(notes))


def _charged(course: Course) -> Iterator[str]:
    """What is said of a calculator of its own where molecules are charged."""
    for test in course.tests:
        n_charged = sum(entry.total_charge != 0 for entry in test.entries)
        if n_charged:
            yield (
                f"{test.name} has {counted(n_charged, 'charged molecule')}: it is told the charge "
                "as atoms.info['charge'] and as initial charges of the atoms; whether it heeds "
                "them is its own matter"
            )


def _trained(
    competitor: Competitor,
    course: Course,
    settings: RaceSettings,
    folder: Path,
    known: Entrant,
    stop: Callable[[], bool],
    heed: Callable[[float], None],
    keep: Callable[[Started], None],
) -> Started:
    (folder / MODELS).mkdir(exist_ok=True)
    found = _kept(known, folder)
    for seed in range(len(found), settings.seeds):
        raise_if(stop)
        name = f"{MODELS}/{_slug(competitor.name)}_seed{seed}.safetensors"
        trained = train_design(
            competitor.target,
            course,
            folder / name,
            seed=seed,
            seconds=settings.seconds,
            stop=stop,
            heed=lambda share, k=seed: heed((k + share) / settings.seeds),
        )
        found.append((name, trained))
        keep(_of_seeds(competitor, found))
    return _of_seeds(competitor, found)


def _kept(known: Entrant, folder: Path) -> list[tuple[str, Trained]]:
    """Seeds that were trained before, as long as their models are there, and their names."""
    run, found = known.training, []
    if run is None:
        return found
    every = zip(known.models, run.seconds, run.compile_s, run.curves, strict=False)
    for name, seconds, compile_s, curve in every:
        if not (folder / name).is_file():
            break
        force_field = read_saved(folder / name).force_field
        found.append(
            (name, Trained(force_field, seconds, compile_s, curve, known.n_parameters or 0))
        )
    return found


def _of_seeds(competitor: Competitor, found: Sequence[tuple[str, Trained]]) -> Started:
    every = [trained for _, trained in found]
    return Started(
        OurRunner(tuple(one.force_field for one in every)),
        find_design(competitor.target).description,
        tuple(name for name, _ in found),
        every[0].n_parameters,
        TrainingRun(
            seconds=tuple(one.seconds for one in every),
            compile_s=tuple(one.compile_s for one in every),
            curves=tuple(one.curve for one in every),
        ),
        tuple(dict.fromkeys(one.note for one in every if one.note)),
    )


def _slug(name: str) -> str:
    """A name as a part of a file name."""
    return re.sub(r"[^A-Za-z0-9._+-]+", "_", name).strip("._") or "entrant"
