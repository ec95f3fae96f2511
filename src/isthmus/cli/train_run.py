"""What `isthmus train` does: read, check, fit, save, measure."""

import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from isthmus.errors import InputError

if TYPE_CHECKING:
    from isthmus.data.dataset import Dataset
    from isthmus.data.stated import Stated
    from isthmus.designs.design import Design
    from isthmus.forcefield.forcefield import ForceField
    from isthmus.parameters.graph.source import GraphSettings
    from isthmus.train.parts import Parts
    from isthmus.train.run_files import RunFiles
    from isthmus.train.settings import TrainSettings

__all__ = ["Request", "run_training"]

INTERRUPTED = 130


@dataclass(frozen=True)
class Request:
    """What was asked for, as the options of the command."""

    design: str
    data: Path
    output: Path
    source: str
    split: Path | None
    validation: Path | None
    test: Path | None
    format: str | None
    stated: "Stated"
    settings: "TrainSettings"
    network: "GraphSettings"
    resume: bool
    overwrite: bool


@dataclass(frozen=True)
class Fitted:
    """What a fit gives, of whatever source."""

    force_field: "ForceField"
    history: tuple[Mapping[str, Any], ...]
    run: dict[str, Any]
    stopped: bool


def run_training(request: Request) -> int:
    """The whole command; gives its exit code.

    Raises:
        InputError: wrong options, unfit data, files that exist.
    """
    from isthmus.cli.compilation_cache import keep_compiled
    from isthmus.cli.train_free import fit_free
    from isthmus.designs.schema import find_design
    from isthmus.train.run_files import RunFiles

    if request.source not in ("graph", "free"):
        raise InputError(f"--source {request.source}: choose graph or free")
    files = RunFiles.of(request.output)
    _refuse_existing(request, files)
    design = find_design(request.design)
    keep_compiled()
    parts = _read(request)
    with _interruptions() as stop:
        settings: dict[str, Any] = {"source": request.source}
        if request.source == "graph":
            fitted = _fit_graph(request, design, parts, files, stop)
            settings |= {**request.settings.as_json(), "network": asdict(request.network)}
        else:
            seconds = request.settings.seconds
            found = fit_free(design, parts.training, seconds=seconds, stop=stop)
            force_field, run, stopped = found
            fitted = Fitted(force_field, (), run, stopped)
        _finish(request, parts, files, fitted, settings)
    if fitted.stopped:
        again = " (the same command with --resume goes on)" if request.source == "graph" else ""
        typer.echo(f"isthmus: stopped early; the best model so far is saved{again}", err=True)
        return INTERRUPTED
    files.checkpoint.unlink(missing_ok=True)
    return 0


def _refuse_existing(request: Request, files: "RunFiles") -> None:
    from isthmus.cli.files import refuse_existing
    from isthmus.cli.train_free import refuse_graph_options

    replaced = request.overwrite or request.resume
    refuse_existing(files.model, suffix=".safetensors", overwrite=replaced)
    if request.source == "free":
        refuse_graph_options(request.settings, resume=request.resume)
    if request.resume and not files.checkpoint.is_file():
        raise InputError(
            f"there is no checkpoint '{files.checkpoint}' to resume: the run was completed, or "
            "ended within its first minute; train without --resume"
        )
    if files.checkpoint.exists() and not replaced:
        raise InputError(
            f"'{files.checkpoint}' is the checkpoint of an interrupted run: go on with --resume, "
            "or start anew with --overwrite"
        )


def _read(request: Request) -> "Parts":
    from isthmus.cli.console import working
    from isthmus.data.split import read_split
    from isthmus.train.parts import make_parts

    with working(f"reading {request.data}"):
        split = None if request.split is None else read_split(request.split)
        parts = make_parts(
            _checked(request.data, request),
            split=split,
            validation=None
            if request.validation is None
            else _checked(request.validation, request),
            test=None if request.test is None else _checked(request.test, request),
            seed=request.settings.seed,
        )
    sizes = [
        f"{name} {len(data)} molecules ({sum(e.n_frames for e in data)} frames)"
        for name, data in (
            ("training", parts.training),
            ("validation", parts.validation),
            ("test", parts.test),
        )
        if data is not None
    ]
    typer.echo(f"isthmus: {', '.join(sizes)}", err=True)
    return parts


def _checked(path: Path, request: Request) -> "Dataset":
    """A dataset that passed the checks; warnings are shown.

    Raises:
        InputError: what the readers refuse, or the checks call an error.
    """
    from isthmus.data.check import check_dataset
    from isthmus.data.finding import Severity, raise_errors
    from isthmus.data.read import read_dataset

    dataset = read_dataset(path, format=request.format, stated=request.stated).in_memory()
    findings = check_dataset(dataset)
    raise_errors(findings, source=str(path))
    warnings = [f for f in findings if f.severity is Severity.WARNING]
    for finding in warnings[:_SHOWN]:
        typer.echo(f"isthmus: warning: {path}: {finding}", err=True)
    if len(warnings) > _SHOWN:
        rest = len(warnings) - _SHOWN
        typer.echo(
            f"isthmus: warning: {path}: {rest} more (`isthmus data info` lists them)", err=True
        )
    return dataset


_SHOWN = 5


def _fit_graph(
    request: Request, design: "Design", parts: "Parts", files: "RunFiles", stop
) -> Fitted:
    from isthmus.cli.train_progress import TrainingBar
    from isthmus.forcefield.forcefield import ForceField
    from isthmus.train.loop import train

    start = ForceField.graph(design, seed=request.settings.seed, settings=request.network)
    with TrainingBar(request.settings) as bar:
        result = train(
            start,
            parts.training,
            validation=parts.validation,
            settings=request.settings,
            files=files,
            resume=request.resume,
            run={"data": parts.identity, "network": asdict(request.network)},
            watch=bar.show,
            stop=stop,
        )
    run: dict[str, Any] = {
        "steps": result.steps,
        "seconds": round(result.seconds, 1),
        "ending": result.ending,
    }
    if result.element_energies is not None:
        run["element_energies"] = {str(z): e for z, e in result.element_energies.items()}
    return Fitted(result.force_field, result.history, run, result.ending == "stopped")


def _finish(
    request: Request,
    parts: "Parts",
    files: "RunFiles",
    fitted: Fitted,
    settings: dict[str, Any],
) -> None:
    """Save the model first, then measure it, and save it again with what was measured."""
    from isthmus.forcefield.file import save_force_field
    from isthmus.train.model_file import provenance

    def save(metrics: dict[str, Any]) -> None:
        said = provenance(parts, settings=settings, metrics=metrics, run=fitted.run)
        save_force_field(fitted.force_field, files.model, provenance=said, overwrite=True)

    last = dict(fitted.history[-1]) if fitted.history else {}
    save({"last_validation": last})
    if not fitted.stopped:
        from isthmus.cli.train_tables import measure_and_show

        metrics = measure_and_show(fitted.force_field, parts, title=request.output.name)
        save({"last_validation": last, **metrics})
    if fitted.history:
        _draw(request, parts, files, fitted)
    typer.echo(f"isthmus: wrote {files.model}", err=True)


def _draw(request: Request, parts: "Parts", files: "RunFiles", fitted: Fitted) -> None:
    from isthmus.train.curve import draw_curve

    level = parts.training.level_of_theory or "level of theory not stated"
    title = f"{Path(request.design).stem} on {request.data.name} ({level})"
    try:
        draw_curve(fitted.history, files.curve, title=title)
    except (InputError, OSError) as error:
        typer.echo(f"isthmus: note: no learning curve: {error}", err=True)


@contextmanager
def _interruptions() -> "Iterator[Any]":
    """A function that says whether Ctrl-C was pressed, or the process was asked to end.

    A second Ctrl-C ends at once.
    """
    asked: list[int] = []

    def note(number: int, _frame: object) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)
        # Not by echo: the signal may have come in the midst of a write to the same stream
        with suppress(OSError):
            os.write(2, b"\nisthmus: stopping after this step; Ctrl-C again ends at once\n")

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
