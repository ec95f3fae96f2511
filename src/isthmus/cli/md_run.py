"""What `isthmus md` does: read, check, build, run, sum up."""

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from isthmus.cli.md_built import BROKEN
from isthmus.cli.md_request import Request, Settled, settle
from isthmus.cli.train_stop import Interruption, interruptions

if TYPE_CHECKING:
    from isthmus.chemistry.molecule import Molecule
    from isthmus.cli.md_built import Built
    from isthmus.simulate.run import Outcome
    from isthmus.simulate.run_paths import RunPaths

__all__ = ["run_dynamics"]


def run_dynamics(request: Request, *, checkpoint_seconds: float = 60.0) -> int:
    """The whole command; gives its exit code.

    Args:
        request: the options.
        checkpoint_seconds: between checkpoints [s].

    Raises:
        InputError: wrong options, files that exist, a structure or model that cannot be used.
        OSError: the disk is full; the message says how to go on.
    """
    from isthmus.cli.compilation_cache import keep_compiled
    from isthmus.cli.console import working
    from isthmus.cli.md_summary import show_start, show_summary
    from isthmus.cli.options import read_one
    from isthmus.simulate.run import refuse_existing_run

    settled = settle(request)
    made_of = _made_of(settled)
    _refuse_early(request, made_of)
    keep_compiled()
    with working(f"reading {request.structure}"):
        molecule = read_one(
            request.structure,
            charge=request.charge,
            ligands=list(request.ligands),
            smiles=request.smiles,
        )
    paths = _paths(request, molecule)
    refuse_existing_run(paths, overwrite=request.overwrite, resume=request.resume)
    if request.resume and not paths.checkpoint.is_file():
        typer.echo(
            f"isthmus: note: there is no checkpoint '{paths.checkpoint}' yet: starting anew",
            err=True,
        )
    resuming = request.resume and paths.checkpoint.is_file()
    # Before the run there is nothing to save: Ctrl-C may end it at once
    built = _build(settled, molecule, resuming=resuming)
    show_start(settled, built)
    paths = _paths(request, built.molecule)
    with interruptions() as stop:
        made_of |= built.made_of
        outcome = _run(settled, built, paths, made_of, stop, checkpoint_seconds)
    if resuming:
        _tell_resumed(settled, outcome)
    show_summary(settled, outcome, paths)
    if outcome.breakage is not None:
        _explain_break(outcome, paths)
        return BROKEN
    if outcome.ending == "stopped":
        typer.echo(
            "isthmus: stopped early; all frames are saved (the same command with --resume goes on)",
            err=True,
        )
        return stop.exit_code
    return 0


def _made_of(settled: Settled) -> dict[str, Any]:
    """What a checkpoint must agree with, as far as the command line says it."""
    request = settled.request
    return {
        "MODEL": _identity(request.model),
        "STRUCTURE": _identity(request.structure),
        **({} if request.inner is None else {"inner": _identity(request.inner)}),
        **settled.made_of(),
    }


def _refuse_early(request: Request, made_of: dict[str, Any]) -> None:
    """What can be refused before the structure is read.

    Raises:
        InputError: no folder for the output, files that exist, a checkpoint of another run, no
            such model.
    """
    from isthmus.cli.md_model import refuse_unknown_model
    from isthmus.simulate.checkpoint import refuse_other_run
    from isthmus.simulate.run import refuse_existing_run

    paths = _paths(request, None)
    refuse_existing_run(paths, overwrite=request.overwrite, resume=request.resume)
    if request.resume and paths.checkpoint.is_file():
        refuse_other_run(paths.checkpoint, made_of)
    refuse_unknown_model(request.model)
    if request.inner is not None:
        refuse_unknown_model(request.inner)


def _paths(request: Request, molecule: "Molecule | None") -> "RunPaths":
    """Of the files of the run; as of a small system, where the molecule is not known yet."""
    from isthmus.simulate.run_paths import RunPaths
    from isthmus.simulate.structure_file import structure_suffix

    return RunPaths.of(
        request.output,
        format=request.format,
        structure=structure_suffix(1 if molecule is None else molecule.n_atoms),
        replicas=request.replicas,
    )


def _build(settled: Settled, molecule: "Molecule", *, resuming: bool) -> "Built":
    """The system in the engine that was asked for, minimised unless it is only to be resumed."""
    if settled.request.engine == "openmm":
        from isthmus.cli.md_openmm import build
    else:
        from isthmus.cli.md_jax import build
    return build(settled, molecule, resuming=resuming)


def _run(
    settled: Settled,
    built: "Built",
    paths: "RunPaths",
    made_of: dict[str, Any],
    stop: Interruption,
    checkpoint_seconds: float,
) -> "Outcome":
    from isthmus.cli.md_progress import RunBar
    from isthmus.cli.md_versions import Versioned, made_with
    from isthmus.deploy.openmm.topology import openmm_topology
    from isthmus.simulate.run import RunSettings, System, carry_out

    request, molecule = settled.request, built.molecule
    settings = RunSettings(
        n_steps=settled.n_steps,
        timestep=settled.timestep,
        report_every=settled.report_every,
        temperature=settled.temperature,
        checkpoint_seconds=checkpoint_seconds,
    )
    engine = Versioned(built.engine, made_with(built.device), _warn)
    system = System(molecule.topology, openmm_topology(molecule.topology, molecule.box))
    try:
        with RunBar(
            timestep=settled.timestep, replicas=request.replicas, compiles=built.compiles
        ) as bar:
            return carry_out(
                engine,
                system,
                settings,
                paths,
                run=made_of,
                resume=request.resume,
                overwrite=request.overwrite,
                stop=stop,
                watch=bar.show,
            )
    except OSError as error:
        if paths.checkpoint.is_file():
            typer.echo(
                "isthmus: all frames up to here are saved; make room, then the same command with "
                "--resume goes on",
                err=True,
            )
        raise error


def _tell_resumed(settled: Settled, outcome: "Outcome") -> None:
    """Where a run went on, or that it was as long already."""
    done = outcome.started_at * settled.timestep
    text = f"went on from the checkpoint at {done:g} ps"
    if outcome.step == outcome.started_at and outcome.ending == "complete":
        text = f"the run is {done:g} ps long already: nothing was done (a longer --ns goes on)"
    typer.echo(f"isthmus: note: {text}", err=True)


def _warn(text: str) -> None:
    typer.echo(f"isthmus: warning: {text}", err=True)


def _identity(text: str) -> dict[str, str]:
    """A name, or what the files that it names hold."""
    from isthmus.simulate.checkpoint import identity

    parts = []
    for part in text.split(","):
        if os.path.isfile(part):
            digest = hashlib.sha256(Path(part).read_bytes()).hexdigest()
            parts.append(f"sha256 {digest[:16]}")
        else:
            parts.append(part)
    return identity(", ".join(parts), called=text)


def _explain_break(outcome: "Outcome", paths: "RunPaths") -> None:
    found = outcome.breakage
    assert found is not None
    where = f" of replica {found.replica}" if len(paths.trajectories) > 1 else ""
    lines = [
        f"isthmus: error: the run broke at step {found.step} ({found.time:.6g} ps){where}: "
        f"{found.what}."
    ]
    if found.term:
        lines.append(f"  The term with the largest energy is {found.term}.")
    lines.append(
        f"  The state at step {found.last_good.step} is kept in '{paths.last_good}', all frames "
        "before stay. Try a smaller --timestep or another start; if it breaks again, the force "
        "field does not hold this molecule together there."
    )
    typer.echo("\n".join(lines), err=True)
