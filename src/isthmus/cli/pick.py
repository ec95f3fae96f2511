"""`isthmus pick`: the model file at a point of a race's frontier."""

import shutil
from pathlib import Path
from typing import Annotated

import typer

from isthmus.cli.options import Overwrite

__all__ = ["pick"]


def pick(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Of a race; holds results.json and the models.")
    ],
    accuracy: Annotated[
        float | None,
        typer.Option(
            metavar="X",
            help="The fastest model with an error, RMSE, of at most X [kcal/mol/Å of forces].",
        ),
    ] = None,
    speed: Annotated[
        float | None,
        typer.Option(metavar="X", help="The most accurate model at no more than X [µs/step]."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE.safetensors", help="Copy the model there."),
    ] = None,
    test: Annotated[
        str | None, typer.Option(metavar="NAME", help="Test set; else the main one of the race.")
    ] = None,
    quantity: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Error in force, or energy [kcal/mol]; else force if anybody has errors of it.",
        ),
    ] = None,
    engine: Annotated[
        str | None, typer.Option(metavar="NAME", help="Engine of the cost; else the fastest.")
    ] = None,
    batch: Annotated[int, typer.Option(metavar="N", help="Molecules at once, of the cost.")] = 1,
    molecule: Annotated[
        str | None, typer.Option(metavar="NAME", help="Molecule of the cost; else the first.")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Print the model file that is fast or accurate enough on stdout, and why on stderr.

    The exit code is 1 where no model is; the best there is is named then. Rivals have no model
    file: a note says where one would be better.
    """
    from isthmus.cli.files import refuse_existing, refuse_missing
    from isthmus.errors import InputError
    from isthmus.files import replacing
    from isthmus.race.choice import NobodyEnough
    from isthmus.race.choice import pick as choose
    from isthmus.race.frontier import Axes
    from isthmus.race.results_file import read_race

    if output is not None:
        refuse_existing(output, suffix=".safetensors", overwrite=overwrite)
    axes = Axes(test=test, quantity=quantity, engine=engine, batch=batch, molecule=molecule)
    race = read_race(folder)
    try:
        choice = choose(race, accuracy=accuracy, speed=speed, axes=axes)
    except NobodyEnough as error:
        typer.echo(f"isthmus: {error}", err=True)
        raise typer.Exit(1) from error
    held = folder if folder.is_dir() else folder.parent
    model = held / choice.model
    inside = model.resolve().is_relative_to(held.resolve())
    if not inside and choice.entrant.kind != "model":
        raise InputError(
            f"{held} names '{choice.model}' as a model that was trained in it, which lies outside "
            "of the folder: nothing is handed over; race again"
        )
    refuse_missing(model)
    if output is not None:
        with replacing(output, overwrite=overwrite) as path:
            shutil.copyfile(model, path)
    typer.echo(str(output or model))
    typer.echo(f"isthmus: {choice.sentence}", err=True)
    for note in choice.notes:
        typer.echo(f"isthmus: note: {note}", err=True)
