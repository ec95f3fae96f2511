"""`isthmus train --source free`: numbers of their own for one molecule."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import typer

from isthmus.cli.train_stop import Stopped, raise_if
from isthmus.errors import InputError

if TYPE_CHECKING:
    from isthmus.data.dataset import Dataset
    from isthmus.designs.design import Design
    from isthmus.forcefield.forcefield import ForceField
    from isthmus.train.bespoke import BespokeFit, BespokeStep

__all__ = ["fit_free", "refuse_graph_options"]


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


def fit_free(
    design: "Design", training: "Dataset", *, seconds: float | None, stop: Callable[[], bool]
) -> "tuple[ForceField, dict[str, Any], bool]":
    """The force field, what is to be said of the run, and whether it was stopped.

    Raises:
        InputError: several molecules, no labels.
    """
    from isthmus.train.bespoke import BespokeSettings, fit_bespoke
    from isthmus.units import ANGSTROM, KILOCALORIE

    settings = BespokeSettings()
    last: list[BespokeStep] = []

    def note(step: "BespokeStep") -> None:
        last[:] = [step]
        typer.echo(
            f"isthmus: step {step.number:3} ({step.stage})  training RMSE "
            f"{_number(step.force_rmse / (KILOCALORIE / ANGSTROM))} kcal/mol/Å, "
            f"{_number(step.energy_rmse / KILOCALORIE)} kcal/mol  {step.seconds:.0f} s",
            err=True,
        )
        raise_if(stop)

    typer.echo("isthmus: compiling (up to a minute), then fitting", err=True)
    stopped, more, notes = False, {}, []
    try:
        fit = fit_bespoke(design, training, settings=settings, on_step=note, seconds=seconds)
        more = {
            "n_parameters": fit.n_parameters,
            "n_values": fit.n_values,
            "ending": "complete" if fit.converged else "limit of steps or time",
        }
        notes = list(_doubts(fit, training, seconds))
    except Stopped:
        stopped, more = True, {"ending": "stopped"}
    for text in notes:
        typer.echo(f"isthmus: warning: {text}", err=True)
    step = last[0]
    run = {"steps": step.number, "seconds": round(step.seconds, 1), **more}
    run["bespoke_settings"] = asdict(settings) | {"widths": dict(settings.widths)}
    return step.force_field, run, stopped


def _number(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.3g}"


def _doubts(fit: "BespokeFit", training: "Dataset", seconds: float | None) -> Iterator[str]:
    """What speaks against using the result as it stands."""
    if not fit.converged:
        late = seconds is not None and fit.seconds > seconds
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
            f"{labels} labels for {fit.n_parameters} numbers: most of them stay near their priors; "
            "label more frames, with forces"
        )
