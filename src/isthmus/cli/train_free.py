"""`isthmus train --source free`: numbers of their own for one molecule."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer

from isthmus.cli.train_stop import Stopped, raise_if
from isthmus.errors import InputError

if TYPE_CHECKING:
    from isthmus.data.dataset import Dataset
    from isthmus.designs.design import Design
    from isthmus.forcefield.forcefield import ForceField
    from isthmus.train.bespoke import BespokeStep

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
            f"{step.force_rmse / (KILOCALORIE / ANGSTROM):.3g} kcal/mol/Å, "
            f"{step.energy_rmse / KILOCALORIE:.3g} kcal/mol  {step.seconds:.0f} s",
            err=True,
        )
        raise_if(stop)

    typer.echo("isthmus: compiling (up to a minute), then fitting", err=True)
    stopped, more = False, {}
    try:
        fit = fit_bespoke(design, training, settings=settings, on_step=note, seconds=seconds)
        more = {
            "n_parameters": fit.n_parameters,
            "n_values": fit.n_values,
            "ending": "complete" if fit.converged else "limit of steps or time",
        }
    except Stopped:
        stopped, more = True, {"ending": "stopped"}
    step = last[0]
    run = {"steps": step.number, "seconds": round(step.seconds, 1), **more}
    run["bespoke_settings"] = asdict(settings) | {"widths": dict(settings.widths)}
    return step.force_field, run, stopped
