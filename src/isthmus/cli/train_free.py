"""`isthmus train --source free`: numbers of their own for one molecule."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import typer

from isthmus.cli.train_stop import Stopped
from isthmus.errors import InputError
from isthmus.words import counted

if TYPE_CHECKING:
    from isthmus.data.dataset import Dataset
    from isthmus.data.split import Split
    from isthmus.designs.design import Design
    from isthmus.forcefield.forcefield import ForceField
    from isthmus.train.bespoke import BespokeFit, BespokeStep

__all__ = ["fit_free", "refuse_graph_options", "refuse_several"]


def refuse_graph_options(given: Sequence[str], *, resume: bool) -> None:
    """Refuse options that mean nothing here.

    Args:
        given: names of options for networks that stand on the command line.
        resume: whether --resume does.

    Raises:
        InputError: names the first of them.
    """
    if resume:
        raise InputError("--resume: a free fit takes minutes and has no checkpoint; run it again")
    for name in given:
        raise InputError(f"--{name.replace('_', '-')} belongs to --source graph, not to a free fit")


def refuse_several(dataset: "Dataset", split: "Split | None") -> None:
    """Refuse training data of several molecules before they are loaded and checked.

    Args:
        dataset: all of the data.
        split: whose part `train` counts; None: all of them.

    Raises:
        InputError: names two of the molecules.
    """
    whole = split is None or "train" not in split.parts
    training = dataset if split is None or whole else split.apply(dataset)["train"]
    first = training[0]
    for entry in training:
        if entry.topology.digest != first.topology.digest:
            raise InputError(
                f"--source free fits the numbers of one molecule, and '{first.name}' and "
                f"'{entry.name}' of {dataset.source or 'the data'} are two: take --source graph, "
                "or data (or a --split whose part `train` is) of one molecule"
            )


def fit_free(
    design: "Design", training: "Dataset", *, seconds: float | None, stop: Callable[[], bool]
) -> "tuple[ForceField, dict[str, Any], bool]":
    """The force field, what is to be said of the run, and whether it was stopped.

    Raises:
        InputError: several molecules, no labels, or a limit of time that leaves no step.
        Stopped: it was asked to end before there was anything to keep.
    """
    from isthmus.train.bespoke import BespokeSettings, fit_bespoke

    settings = BespokeSettings()
    typer.echo("isthmus: compiling (up to a minute), then fitting", err=True)
    fit = fit_bespoke(
        design, training, settings=settings, on_step=_show, seconds=seconds, stop=stop
    )
    if not fit.history and fit.ending == "stopped":
        raise Stopped
    if not fit.history:
        raise InputError(
            f"--time {seconds:g}s was over while the fit was prepared (compilation counts), so "
            "nothing was fitted or saved: give more time"
        )
    stopped = fit.ending == "stopped"
    for text in () if stopped else _doubts(fit, training, seconds):
        typer.echo(f"isthmus: warning: {text}", err=True)
    run = {
        "steps": len(fit.history) - 1,
        "seconds": round(fit.seconds, 1),
        "n_parameters": fit.n_parameters,
        "n_values": fit.n_values,
        "ending": _ENDINGS[fit.ending],
        "bespoke_settings": asdict(settings) | {"widths": dict(settings.widths)},
    }
    return fit.force_field, run, stopped


_ENDINGS = {
    "converged": "complete",
    "steps": "limit of steps or time",
    "time": "limit of steps or time",
    "stopped": "stopped",
}


def _show(step: "BespokeStep") -> None:
    from isthmus.units import ANGSTROM, KILOCALORIE

    typer.echo(
        f"isthmus: step {step.number:3} ({step.stage})  training RMSE "
        f"{_number(step.force_rmse / (KILOCALORIE / ANGSTROM))} kcal/mol/Å, "
        f"{_number(step.energy_rmse / KILOCALORIE)} kcal/mol  {step.seconds:.0f} s",
        err=True,
    )


def _number(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.3g}"


def _doubts(fit: "BespokeFit", training: "Dataset", seconds: float | None) -> Iterator[str]:
    """What speaks against using the result as it stands."""
    if not fit.converged:
        late = fit.ending == "time"
        limit = f"--time {seconds:g}s" if late else "the limit of steps"
        more = "give more time" if late else "the data may not say enough of this design"
        yield (
            f"{limit} ended the fit after step {len(fit.history) - 1}, before it had "
            f"converged: {more}"
        )
    labels = sum(
        np.isfinite(entry.energies).sum()
        + (0 if entry.forces is None else np.isfinite(entry.forces).sum())
        for entry in training
    )
    if labels < fit.n_parameters:
        yield (
            f"{counted(int(labels), 'label')} for {counted(fit.n_parameters, 'number')}: most of "
            "them stay near their priors; label more frames, with forces"
        )
