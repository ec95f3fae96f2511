"""`isthmus race`: designs, models and rivals side by side, and the frontier that they make."""

from pathlib import Path
from typing import Annotated

import typer

from isthmus.cli.options import (
    Charge,
    EnergyKey,
    EnergyUnit,
    ForcesKey,
    Format,
    LengthUnit,
    LevelOfTheory,
    MoleculeSmiles,
    Overwrite,
)

__all__ = ["race"]


def race(
    entrants: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[DESIGN|MODEL]...",
            help="Designs, trained here (class1, class2plus, ..., own.toml), and saved models "
            "(.safetensors); NAME=... gives a name. Without any: class1 class2 class2plus.",
        ),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(metavar="DATA", help="Labelled data to train the designs on.")
    ] = None,
    split: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.json", help="A split of DATA: its part `test` is a test set, the first."
        ),
    ] = None,
    test: Annotated[
        list[str] | None,
        typer.Option(
            metavar="DATA",
            help="A test set, or NAME=DATA; can be repeated. The first decides the frontier.",
        ),
    ] = None,
    rival: Annotated[
        list[str] | None,
        typer.Option(
            metavar="RIVAL",
            help="mmff94, mmff94s, uff, gfn2, gfn1, openmm:SYSTEM.xml, pyscf:..., ase:..., or "
            "module:factory or file.py:factory of a calculator of ASE; NAME=... gives a name; "
            "can be repeated.",
        ),
    ] = None,
    rival_python: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATH",
            help="Interpreter for module:factory, with ASE and the rival; once for all, or once "
            "for each, in their order.",
        ),
    ] = None,
    time: Annotated[
        str, typer.Option(metavar="TIME", help="Training of each design, such as 60s or 20m.")
    ] = "60s",
    seeds: Annotated[
        int, typer.Option(metavar="N", min=1, help="How often each design is trained.")
    ] = 1,
    output: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Folder of results and models.")
    ] = Path("race"),
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the race in DIR; others may join it.")
    ] = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="Shorter dynamics and scans, fewer timings.")
    ] = False,
    format: Format = None,
    energy_unit: EnergyUnit = None,
    length_unit: LengthUnit = None,
    energy_key: EnergyKey = None,
    forces_key: ForcesKey = None,
    smiles: MoleculeSmiles = None,
    charge: Charge = None,
    level_of_theory: LevelOfTheory = None,
    overwrite: Overwrite = False,
) -> None:
    """Train, then measure: errors, cost, stability, smoothness, all on the same frames.

    Writes results.json after every stage, and at the end a report. An entrant that fails is
    reported and does not stop the others. Ctrl-C ends the race; the same command with --resume
    goes on. The exit code is 1 where no entrant finished.
    """
    from isthmus.cli.durations import seconds_of
    from isthmus.cli.race_run import Request, run
    from isthmus.data.stated import Stated
    from isthmus.race.settings import RaceSettings

    settings = RaceSettings(seconds=seconds_of(time), seeds=seeds)
    stated = Stated(
        energy_unit=energy_unit,
        length_unit=length_unit,
        energy_key=energy_key,
        forces_key=forces_key,
        smiles=smiles,
        total_charge=charge,
        level_of_theory=level_of_theory,
    )
    request = Request(
        entrants=tuple(entrants or ()),
        rivals=tuple(rival or ()),
        pythons=tuple(rival_python or ()),
        data=data,
        split=split,
        tests=tuple(test or ()),
        settings=settings.quicker() if quick else settings,
        time=time,
        output=output,
        resume=resume,
        overwrite=overwrite,
        quick=quick,
        format=format,
        stated=stated,
    )
    raise typer.Exit(run(request))
