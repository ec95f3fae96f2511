"""What `isthmus train` does: read, check, fit, save, measure."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from isthmus.cli.train_resume import resumed_settings
from isthmus.cli.train_stop import Interruption, Stopped, interruptions
from isthmus.errors import InputError
from isthmus.words import counted

if TYPE_CHECKING:
    from isthmus.data.dataset import Dataset
    from isthmus.data.split import Split
    from isthmus.data.stated import Stated
    from isthmus.designs.design import Design
    from isthmus.forcefield.forcefield import ForceField
    from isthmus.parameters.graph.source import GraphSettings
    from isthmus.train.parts import Parts
    from isthmus.train.result import TrainResult
    from isthmus.train.run_files import RunFiles
    from isthmus.train.settings import TrainSettings

__all__ = ["Request", "run_training"]


@dataclass(frozen=True)
class Request:
    """What was asked for, as the options of the command.

    `for_graph` names those options given that a fit without a network does not have.
    """

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
    for_graph: tuple[str, ...]
    resume: bool
    overwrite: bool


@dataclass(frozen=True)
class Fitted:
    """What a fit gives, of whatever source; `line` is that of the history for these weights."""

    force_field: "ForceField"
    history: tuple[Mapping[str, Any], ...]
    run: dict[str, Any]
    stopped: bool
    resumable: bool = False
    line: Mapping[str, Any] = field(default_factory=dict)


def run_training(request: Request) -> int:
    """The whole command; gives its exit code: 1 where gradients were no longer finite.

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
    design = find_design(request.design)
    _refuse_source(request, design)
    _refuse_existing(request, files, staged=request.source == "free" and bool(design.networks))
    if request.resume:
        given = "epochs" in request.for_graph
        settings = resumed_settings(request.settings, files.checkpoint, design, epochs_given=given)
        request = replace(request, settings=settings)
    keep_compiled()
    parts = _read(request)
    with interruptions() as stop:
        made: dict[str, Any] = {"source": request.source}
        try:
            if request.source == "graph":
                fitted = _fit_graph(request, design, parts, files, stop)
                made |= {**request.settings.as_json(), "network": asdict(request.network)}
            elif design.networks:
                fitted = _fit_staged(request, design, parts, files, stop)
                made |= request.settings.as_json()
            else:
                seconds = request.settings.seconds
                found = fit_free(design, parts.training, seconds=seconds, stop=stop)
                fitted = Fitted(found[0], (), *found[1:])
        except Stopped:
            typer.echo("isthmus: stopped before the first step: nothing was saved", err=True)
            return stop.exit_code
        measured = _finish(request, parts, files, fitted, made, stop)
    return _ended(fitted, files, stop, measured=measured)


def _ended(fitted: Fitted, files: "RunFiles", stop: Interruption, *, measured: bool) -> int:
    """Say how the run ended, and drop the checkpoint of a complete one; gives the exit code."""
    if not measured:
        what = "stopped early; the best model so far is saved"
        if not fitted.stopped:
            what = "stopped before it was measured; the model is complete and saved"
        again = " (the same command with --resume goes on)" if fitted.resumable else ""
        typer.echo(f"isthmus: {what}{again}", err=True)
        return stop.exit_code
    if fitted.run["ending"] == "time":
        typer.echo(
            f"isthmus: note: --time ended the run; --resume with a longer one goes on from "
            f"{files.checkpoint}",
            err=True,
        )
        return 0
    if fitted.run["ending"] == "diverged":
        typer.echo(
            f"isthmus: error: the run diverged, see the warning above; {files.model} is the best "
            "model before that",
            err=True,
        )
        return 1
    files.checkpoint.unlink(missing_ok=True)
    files.formulas.unlink(missing_ok=True)
    return 0


def _refuse_source(request: Request, design: "Design") -> None:
    if request.source == "free" and not design.terms:
        raise InputError(
            f"--source free: '{design.name}' has networks alone, and no numbers of its own for a "
            "molecule: leave --source out"
        )


def _refuse_existing(request: Request, files: "RunFiles", *, staged: bool) -> None:
    from isthmus.cli.files import refuse_existing
    from isthmus.cli.train_free import refuse_graph_options

    replaced = request.overwrite or request.resume
    refuse_existing(files.model, suffix=".safetensors", overwrite=replaced)
    if request.source == "free" and not staged:
        refuse_graph_options(request.for_graph, resume=request.resume)
        return
    if request.resume and not files.checkpoint.is_file():
        if files.model.exists():
            raise InputError(
                f"there is no checkpoint '{files.checkpoint}' to resume: the run was completed; "
                "train without --resume"
            )
        typer.echo(
            f"isthmus: note: there is no checkpoint '{files.checkpoint}' yet: starting anew",
            err=True,
        )
    if files.checkpoint.exists() and not replaced:
        raise InputError(
            f"'{files.checkpoint}' is the checkpoint of an interrupted run: go on with --resume, "
            "or start anew with --overwrite"
        )
    refuse_existing(files.metrics, suffix=".jsonl", overwrite=replaced)
    refuse_existing(files.curve, suffix=".png", overwrite=replaced)


def _read(request: Request) -> "Parts":
    from isthmus.cli.console import working
    from isthmus.data.split import read_split
    from isthmus.train.parts import make_parts

    with working(f"reading {request.data}"):
        split = None if request.split is None else read_split(request.split)
        parts = make_parts(
            _checked(request.data, request, split, training=True),
            split=split,
            validation=None
            if request.validation is None
            else _checked(request.validation, request),
            test=None if request.test is None else _checked(request.test, request),
            seed=request.settings.seed,
        )
    sizes = [
        f"{name} {counted(len(data), 'molecule')} "
        f"({counted(sum(e.n_frames for e in data), 'frame')})"
        for name, data in (
            ("training", parts.training),
            ("validation", parts.validation),
            ("test", parts.test),
        )
        if data is not None
    ]
    typer.echo(f"isthmus: {', '.join(sizes)}", err=True)
    return parts


def _checked(
    path: Path, request: Request, split: "Split | None" = None, *, training: bool = False
) -> "Dataset":
    """A dataset that passed the checks; warnings are shown.

    Raises:
        InputError: what the readers refuse, or the checks call an error.
    """
    from isthmus.cli.data_checked import refuse_structures, refuse_unfit
    from isthmus.cli.train_free import refuse_several
    from isthmus.data.read import read_dataset

    refuse_structures(path, request.format)
    given = {"format": request.format, "stated": request.stated, "strict": False}
    dataset = read_dataset(path, **given)
    if training and request.source == "free":
        refuse_several(dataset, split)
    dataset = dataset.in_memory()
    refuse_unfit(dataset, path)
    return dataset


def _fit_graph(
    request: Request, design: "Design", parts: "Parts", files: "RunFiles", stop: Interruption
) -> Fitted:
    """Weights of networks, on the graph and over neighbours, by gradients."""
    from isthmus.forcefield.forcefield import ForceField
    from isthmus.train.loop import train
    from isthmus.train.staged import elements_of

    start = ForceField.graph(
        design,
        seed=request.settings.seed,
        settings=request.network,
        elements=elements_of((*parts.training, *parts.validation)),
    )
    run = {"data": parts.hashes, "network": asdict(request.network)}
    return _looped(partial(train, start), request, parts, files, stop, run)


def _fit_staged(
    request: Request, design: "Design", parts: "Parts", files: "RunFiles", stop: Interruption
) -> Fitted:
    """Formulas with numbers of their own for one molecule, then networks for what they leave.

    Formulas take at most half of the time, networks the rest of it.
    """
    from isthmus.cli.train_free import fit_free
    from isthmus.forcefield.file import read_saved, save_force_field
    from isthmus.train.staged import train_networks

    seconds = request.settings.seconds
    if request.resume and files.checkpoint.is_file() and files.formulas.is_file():
        saved = read_saved(files.formulas)
        formulas, took = saved.force_field, float(saved.provenance["seconds"])
    else:
        half = None if seconds is None else seconds / 2
        formulas, said, stopped = fit_free(design.formulas, parts.training, seconds=half, stop=stop)
        if stopped:
            raise Stopped
        took = float(said["seconds"])
        provenance = {"seconds": took}
        save_force_field(formulas, files.formulas, provenance=provenance, overwrite=True)
    if seconds is not None:
        settings = replace(request.settings, seconds=max(seconds - took, seconds / 2))
        request = replace(request, settings=settings)
    fit = partial(train_networks, design, formulas)
    return _looped(fit, request, parts, files, stop, {"data": parts.hashes})


def _looped(
    fit: "Callable[..., TrainResult]",
    request: Request,
    parts: "Parts",
    files: "RunFiles",
    stop: Interruption,
    run: dict[str, Any],
) -> Fitted:
    """A run of the training loop with its progress, and what is to be said of it."""
    from isthmus.cli.train_progress import TrainingBar

    resuming = request.resume and files.checkpoint.is_file()
    with TrainingBar(request.settings, resuming=resuming) as bar:
        result = fit(
            parts.training,
            validation=parts.validation,
            settings=request.settings,
            files=files,
            resume=request.resume,
            run=run,
            watch=bar.show,
            stop=stop,
        )
    said: dict[str, Any] = {
        "steps": result.steps,
        "seconds": round(result.seconds, 1),
        "ending": result.ending,
    }
    if result.note:
        said["note"] = result.note
        typer.echo(f"isthmus: warning: {result.note}", err=True)
    if result.skipped:
        said["steps_without_gradient"] = result.skipped
    if result.element_energies is not None:
        said["element_energies"] = {str(z): e for z, e in result.element_energies.items()}
    if resuming and not bar.begun:
        done = counted(result.steps, "step")
        typer.echo(f"isthmus: note: the run was at its end already, after {done}", err=True)
    stopped = result.ending == "stopped"
    return Fitted(result.force_field, result.history, said, stopped, result.resumable, result.line)


def _finish(
    request: Request,
    parts: "Parts",
    files: "RunFiles",
    fitted: Fitted,
    settings: dict[str, Any],
    stop: Interruption,
) -> bool:
    """Save the model first, then measure it, and save it again with what was measured.

    Returns:
        Whether all of this was done, and nobody asked to stop.
    """
    from isthmus.cli.train_tables import measure_and_show
    from isthmus.forcefield.file import save_force_field
    from isthmus.train.model_file import provenance

    def save(metrics: dict[str, Any]) -> None:
        said = provenance(parts, settings=settings, metrics=metrics, run=fitted.run)
        save_force_field(fitted.force_field, files.model, provenance=said, overwrite=True)

    known = {"best_validation": dict(fitted.line)} if fitted.line else {}
    save(known)
    measured = False
    if not fitted.stopped:
        title = request.output.name
        with suppress(Stopped):
            metrics = measure_and_show(fitted.force_field, parts, title=title, stop=stop)
            save(known | metrics)
            measured = True
    if fitted.history:
        _draw(request, parts, files, fitted)
    typer.echo(f"isthmus: wrote {files.model}", err=True)
    return measured


def _draw(request: Request, parts: "Parts", files: "RunFiles", fitted: Fitted) -> None:
    from isthmus.train.curve import draw_curve

    level = parts.training.level_of_theory or "level of theory not stated"
    title = f"{Path(request.design).stem} on {request.data.name} ({level})"
    try:
        draw_curve(fitted.history, files.curve, title=title, kept=fitted.line)
    except (InputError, OSError) as error:
        typer.echo(f"isthmus: note: no learning curve: {error}", err=True)
