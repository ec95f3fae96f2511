"""`isthmus train`: fit the parameters of a design to labelled data."""

from pathlib import Path
from typing import Annotated, Any

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

__all__ = ["train"]


def train(
    design: Annotated[
        str, typer.Argument(metavar="DESIGN", help="class1, class2, class2plus, ..., or own.toml.")
    ],
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA",
            help="HDF5 (SPICE, ANI-1), npz (MD17, rMD17), extended XYZ or another format of ASE.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="MODEL.safetensors",
            help="The model; of networks, checkpoint, metrics (.jsonl) and learning curve (.png) "
            "stand beside.",
        ),
    ],
    source: Annotated[
        str,
        typer.Option(
            metavar="graph|free",
            help="graph: a network gives the parameters of any molecule; free: numbers of their "
            "own for the one molecule of DATA, then networks of the design, if any, for the rest.",
        ),
    ] = "graph",
    split: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.json", help="A split of DATA into train, and perhaps validation and test."
        ),
    ] = None,
    validation: Annotated[
        Path | None,
        typer.Option(
            metavar="DATA",
            help="Data that decide which weights are kept; else a tenth of the molecules (of the "
            "frames, below ten molecules) is held out.",
        ),
    ] = None,
    test: Annotated[
        Path | None, typer.Option(metavar="DATA", help="Data to measure the final errors on.")
    ] = None,
    time: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Limit for all steps, such as 90s, 20m or 3h, those before --resume included; "
            "compilation comes on top (with --source free, it counts).",
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Passes over the data (40; no limit with --time, but --resume keeps those of the "
            "run).",
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(metavar="N", min=0, help="Of all random numbers (0).")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the checkpoint of an interrupted run.")
    ] = False,
    molecules: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Molecules in a step, on each device (16; 5 with networks over neighbours).",
        ),
    ] = None,
    frames: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Frames of each molecule in a step (15; 2)."),
    ] = None,
    optimiser: Annotated[
        str | None, typer.Option(metavar="NAME", help="muon or adam (muon).")
    ] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option(metavar="X", help="Its highest value (0.004 for muon, 0.002 for adam)."),
    ] = None,
    energy_weight: Annotated[
        float | None,
        typer.Option(
            metavar="X",
            help="Of squared energies over the number of atoms, in (kcal/mol)², against squared "
            "forces in (kcal/mol/Å)² (30).",
        ),
    ] = None,
    charge_weight: Annotated[
        float | None, typer.Option(metavar="X", help="Of squared errors of charges, in e² (0).")
    ] = None,
    dipole_weight: Annotated[
        float | None,
        typer.Option(
            metavar="X",
            help="Of squared dipoles over the number of atoms, in (e Å)² (0); those of ions, which "
            "depend on the origin, are left out.",
        ),
    ] = None,
    energy_zero: Annotated[
        str | None,
        typer.Option(
            metavar="molecule|elements",
            help="Compare energies less the mean of each molecule, or less fitted energies of the "
            "elements: atomisation energies, for designs with a constant for each bond (molecule).",
        ),
    ] = None,
    restraint: Annotated[
        float | None,
        typer.Option(
            metavar="X", help="Weight of squared distances of parameters from priors (0)."
        ),
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=0,
            help="End after so many of the 20 validations without progress (0: never).",
        ),
    ] = None,
    width: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Of the network's layers (96).")
    ] = None,
    depth: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Rounds of messages along bonds (3).")
    ] = None,
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
    """Fit the parameters of a design to energies and forces.

    Ctrl-C ends the run after the step at hand, with a checkpoint and the best model so far; the
    same command with --resume goes on. After a crash, --resume loses at most the last minute.
    A run whose gradients are no longer finite ends with the best model so far and exit code 1.
    """
    from isthmus.cli.durations import seconds_of
    from isthmus.cli.train_resume import UNLIMITED
    from isthmus.cli.train_run import Request, run_training
    from isthmus.data.stated import Stated
    from isthmus.designs.schema import find_design
    from isthmus.parameters.graph.source import GraphSettings
    from isthmus.train.settings import TrainSettings

    seconds = None if time is None else seconds_of(time)
    stated = Stated(
        energy_unit=energy_unit,
        length_unit=length_unit,
        energy_key=energy_key,
        forces_key=forces_key,
        smiles=smiles,
        total_charge=charge,
        level_of_theory=level_of_theory,
    )
    network = _given(width=width, head_width=width, depth=depth)
    chosen = _given(
        epochs=epochs,
        molecules=molecules,
        frames=frames,
        optimiser=optimiser,
        learning_rate=learning_rate,
        energy_weight=energy_weight,
        charge_weight=charge_weight,
        dipole_weight=dipole_weight,
        energy_zero=energy_zero,
        restraint=restraint,
        patience=patience,
    )
    for_graph = tuple(network | chosen)
    if seconds is not None:
        chosen.setdefault("epochs", UNLIMITED)
    settings = TrainSettings.suited(
        find_design(design), seconds=seconds, **_given(seed=seed), **chosen
    )
    request = Request(
        design=design,
        data=data,
        output=output,
        source=source,
        split=split,
        validation=validation,
        test=test,
        format=format,
        stated=stated,
        settings=settings,
        network=GraphSettings(**network),
        for_graph=for_graph,
        resume=resume,
        overwrite=overwrite,
    )
    raise typer.Exit(run_training(request))


def _given(**options: Any) -> dict[str, Any]:
    """Options that stand on the command line; the defaults of others are those of the settings."""
    return {name: value for name, value in options.items() if value is not None}
