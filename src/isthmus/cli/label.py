"""`isthmus label`: thermal frames of molecules with energies and forces of quantum chemistry."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from isthmus.cli.console import results, working
from isthmus.cli.options import Overwrite

if TYPE_CHECKING:
    from isthmus.label.assemble import Outcome
    from isthmus.label.plan import Plan
    from isthmus.label.targets import Options

__all__ = ["label"]

_FEMTOSECOND = 1e-3
"""[ps]"""

_SHOWN = 10


def label(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT...",
            help="SMILES, and files: .smi (a SMILES and, optionally, a name on each line), SDF, "
            "PDB, XYZ, or a dataset (.h5), whose molecules are taken.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="OUT.h5", help="The dataset, in SPICE's layout."),
    ],
    method: Annotated[
        str,
        typer.Option(
            metavar="LEVEL",
            help="Level of theory: gfn2, gfn1 (tblite); pyscf:FUNCTIONAL[-d3bj|-d4]/BASIS, e.g. "
            "pyscf:b3lyp-d3bj/def2-svp (dispersion needs `pip install pyscf-dispersion`); "
            "ase:NAME or ase:module:Class, any calculator of ASE.",
        ),
    ] = "gfn2",
    method_arguments: Annotated[
        str | None,
        typer.Option(metavar="JSON", help="Arguments of an ase: calculator, e.g. '{\"k\": 1}'."),
    ] = None,
    sampler: Annotated[
        str | None,
        typer.Option(
            metavar="SPEC",
            help="Level of the dynamics: mmff94, mmff94s; label, that of --method; or a force "
            "field as --ff of `isthmus energy` takes it. Else mmff94 where it can type the "
            "molecule, and label where not.",
        ),
    ] = None,
    temperature: Annotated[
        str, typer.Option(metavar="K,K,...", help="[K]; frames are divided among them.")
    ] = "300,500",
    conformers: Annotated[
        int, typer.Option(metavar="N", help="Starts of each molecule (ETKDG).")
    ] = 3,
    frames: Annotated[int, typer.Option(metavar="N", help="Frames of each molecule.")] = 30,
    interval: Annotated[float, typer.Option(metavar="FS", help="Between frames [fs].")] = 100.0,
    timestep: Annotated[float, typer.Option(metavar="FS", help="Of the dynamics [fs].")] = 1.0,
    equilibration: Annotated[
        float, typer.Option(metavar="FS", help="Thrown away before the first interval [fs].")
    ] = 500.0,
    friction: Annotated[
        float, typer.Option(metavar="1/PS", help="Of the Langevin thermostat [1/ps].")
    ] = 20.0,
    multiplicity: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Of every molecule; else 1, and odd electrons are a failure."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Of the random numbers.")] = 0,
    jobs: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Processes; else one for each core.")
    ] = None,
    relabel: Annotated[
        bool,
        typer.Option(
            "--relabel", help="INPUT is one dataset: label its frames as they are, sample nothing."
        ),
    ] = False,
    given_coordinates: Annotated[
        bool,
        typer.Option("--given-coordinates", help="Start from the coordinates in the files."),
    ] = False,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Accept an output that is complete; parts are always used."),
    ] = False,
    overwrite: Overwrite = False,
) -> None:
    """Sample molecules by Langevin dynamics, and label the frames with energies and forces.

    Every finished part is kept in OUT.h5.parts until all are there: the same command goes on
    where a run was interrupted. A part whose process died, for want of memory perhaps, is tried
    once more, alone; if it dies again, the parts are kept, and the same command tries what is
    missing. Charges come from the formal charges. Molecules and frames that fail are listed here
    and in OUT.h5.failures.json; the exit code is 1 if no molecule is labelled.
    """
    from isthmus.label.sampling import Dynamics
    from isthmus.label.targets import Options

    _refuse_output(output, inputs, overwrite=overwrite, resume=resume)
    options = Options(
        method=method,
        method_arguments=_arguments(method_arguments),
        sampler=sampler,
        temperatures=_temperatures(temperature),
        conformers=conformers,
        frames=frames,
        dynamics=Dynamics(
            timestep=timestep * _FEMTOSECOND,
            interval=interval * _FEMTOSECOND,
            equilibration=equilibration * _FEMTOSECOND,
            friction=friction,
        ),
        multiplicity=multiplicity,
        seed=seed,
        given_coordinates=given_coordinates,
    )
    with _planned(inputs, options, relabel=relabel) as plan:
        _carry_out(plan, output, jobs=jobs, overwrite=overwrite)


def _carry_out(plan: "Plan", output: Path, *, jobs: int | None, overwrite: bool) -> None:
    from isthmus.cli.label_progress import Shown
    from isthmus.label.run import carry_out, is_begun, refuse_unlike

    if output.exists() and not overwrite:
        refuse_unlike(plan, output)
        if not is_begun(output):
            results().print(f"{output}: complete, nothing to do", markup=False, soft_wrap=True)
            return
    try:
        with Shown() as shown:
            outcome = carry_out(plan, output, jobs=jobs, overwrite=overwrite, progress=shown)
    except KeyboardInterrupt:
        typer.echo(
            f"isthmus: interrupted: what is finished is kept in {output}.parts; the same command "
            "goes on from there",
            err=True,
        )
        raise
    _show(plan, outcome, output)
    if not outcome.labelled:
        raise typer.Exit(1)


@contextmanager
def _planned(inputs: list[str], options: "Options", *, relabel: bool) -> "Iterator[Plan]":
    """What will be done; a file of frames that is needed for it lasts as long."""
    from isthmus.data.read import read_dataset
    from isthmus.errors import InputError
    from isthmus.label.inputs import molecules_of
    from isthmus.label.run import readable
    from isthmus.label.targets import plan_relabelling, plan_sampling

    if not relabel:
        with working("reading molecules"):
            molecules = molecules_of(inputs)
            plan = plan_sampling(molecules, options)
        known = len(plan.targets) + len(plan.failures)
        if known < len(molecules):
            typer.echo(
                f"isthmus: warning: {len(molecules) - known} of {len(molecules)} molecules come "
                "again and count once",
                err=True,
            )
        yield plan
        return
    if len(inputs) != 1:
        raise InputError(f"--relabel takes one dataset, {len(inputs)} inputs came")
    with working(f"reading {inputs[0]}"):
        dataset = read_dataset(inputs[0], strict=False)
    with readable(dataset, Path(inputs[0])) as data:
        with working(f"reading {inputs[0]}"):
            plan = plan_relabelling(dataset, options, data=str(data))
        yield plan


def _refuse_output(output: Path, inputs: list[str], *, overwrite: bool, resume: bool) -> None:
    from isthmus.cli.files import refuse_existing
    from isthmus.errors import InputError
    from isthmus.label.run import is_begun

    replaced = overwrite or resume or is_begun(output)
    refuse_existing(output, suffix=".h5", overwrite=replaced)
    if output.exists() and any(Path(text).resolve() == output.resolve() for text in inputs):
        raise InputError(f"'{output}' is the input itself: choose another output")


def _show(plan: "Plan", outcome: "Outcome", output: Path) -> None:
    """What came out on stdout, what is missing on stderr."""
    for one in outcome.failures[:_SHOWN]:
        typer.echo(f"isthmus: failed: {one.molecule}: {one.reason}", err=True)
    for one in outcome.dropped[:_SHOWN]:
        typer.echo(f"isthmus: dropped: {one.n_frames} of {one.molecule}: {one.reason}", err=True)
    rest = max(len(outcome.failures) - _SHOWN, 0) + max(len(outcome.dropped) - _SHOWN, 0)
    if outcome.failures or outcome.dropped:
        more = f" and {rest} more lines" if rest else ""
        typer.echo(
            f"isthmus: warning: {len(outcome.failures)} of {outcome.n_molecules} molecules failed "
            f"and {outcome.n_dropped} frames were dropped: {output}.failures.json lists them{more}",
            err=True,
        )
    if outcome.n_crashed:
        typer.echo(
            f"isthmus: warning: the processes of {outcome.n_crashed} parts died, perhaps for want "
            f"of memory: the others are kept in {output}.parts, and the same command, with fewer "
            "--jobs or on another machine, tries these again",
            err=True,
        )
    if not outcome.labelled:
        typer.echo("isthmus: error: no molecule could be labelled; there is no output", err=True)
        return
    by = ", ".join(f"{name} ({n} molecules)" for name, n in outcome.samplers.items())
    results().print(
        f"{output}: {len(outcome.labelled)} of {outcome.n_molecules} molecules, {outcome.n_frames} "
        f"of {outcome.n_wanted} frames, {plan.level_of_theory}"
        + (f"; sampled with {by}" if by else ""),
        markup=False,
        soft_wrap=True,
    )


def _temperatures(text: str) -> tuple[float, ...]:
    from isthmus.errors import InputError

    try:
        return tuple(float(piece) for piece in text.split(","))
    except ValueError:
        raise InputError(
            f"--temperature {text}: wanted numbers with commas [K], such as 300,500"
        ) from None


def _arguments(text: str | None) -> dict[str, Any]:
    from isthmus.errors import InputError

    try:
        found = json.loads(text or "{}")
    except ValueError as error:
        raise InputError(f"--method-arguments {text}: no JSON ({error})") from None
    if not isinstance(found, dict):
        raise InputError(f'--method-arguments {text}: wanted an object, such as {{"k": 1}}')
    return found
