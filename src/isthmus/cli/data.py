"""`isthmus data`: look at, split and convert labelled data."""

import json
from pathlib import Path
from typing import Annotated

import typer

from isthmus.cli.console import results, working
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
from isthmus.words import counted

__all__ = ["app"]

app = typer.Typer(
    name="data",
    help="Labelled data: look at them, split them, convert them.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

_EXAMPLE = "Example: `isthmus data "
_File = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        help="HDF5 (SPICE, ANI-1), npz (MD17, rMD17), extended XYZ or another format of ASE.",
    ),
]
_Temperature = Annotated[
    float | None, typer.Option(metavar="K", help="At which the frames were sampled [K].")
]


@app.command(epilog=_EXAMPLE + "info data.h5 --plot data.png`")
def info(
    file: _File,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of a table.")] = False,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="Draw distributions into a picture.")
    ] = None,
    format: Format = None,
    energy_unit: EnergyUnit = None,
    length_unit: LengthUnit = None,
    energy_key: EnergyKey = None,
    forces_key: ForcesKey = None,
    smiles: MoleculeSmiles = None,
    charge: Charge = None,
    overwrite: Overwrite = False,
) -> None:
    """Counts, elements, charges, sizes, distributions, and what the checks find.

    The exit code is 0 even where they find errors; `split`, `convert`, training and `evaluate`
    refuse such data.
    """
    from isthmus.cli.data_checked import refuse_structures
    from isthmus.cli.data_tables import finding_lines, summary_dictionary, summary_table
    from isthmus.cli.files import refuse_existing
    from isthmus.data.picture import draw_summary
    from isthmus.data.read import read_dataset
    from isthmus.data.stated import Stated
    from isthmus.data.summary import summarise

    if plot is not None:
        refuse_existing(plot, suffix=".png", overwrite=overwrite)
    stated = Stated(
        energy_unit=energy_unit,
        length_unit=length_unit,
        energy_key=energy_key,
        forces_key=forces_key,
        smiles=smiles,
        total_charge=charge,
    )
    refuse_structures(file, format)
    with working(f"reading {file}"):
        dataset = read_dataset(file, format=format, stated=stated, strict=False)
        summary = summarise(dataset)
    if as_json:
        content = summary_dictionary(str(file), dataset, summary)
        typer.echo(json.dumps(content, indent=1, ensure_ascii=False))
    else:
        results().print(summary_table(dataset, summary))
        for line in finding_lines(summary.findings) or ["no findings: all checks passed"]:
            results().print(line, markup=False, soft_wrap=True)
    if plot is not None:
        draw_summary(summary, plot, title=file.name)


@app.command(
    epilog=_EXAMPLE + "split data.h5 --by molecule --fractions 0.8,0.1,0.1 --seed 0 -o split.json`"
)
def split(
    file: _File,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE.json", help="The split, as JSON.")
    ],
    by: Annotated[
        str,
        typer.Option(metavar="METHOD", help="molecule, scaffold, formula, frames or temperature."),
    ] = "molecule",
    fractions: Annotated[
        str, typer.Option(metavar="F,F,F", help="Shares of the parts; they add up to 1.")
    ] = "0.8,0.1,0.1",
    names: Annotated[
        str | None,
        typer.Option(metavar="N,N,N", help="Names of the parts; else train, validation, test."),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Of the random numbers.")] = 0,
    format: Format = None,
    energy_unit: EnergyUnit = None,
    length_unit: LengthUnit = None,
    energy_key: EnergyKey = None,
    forces_key: ForcesKey = None,
    smiles: MoleculeSmiles = None,
    charge: Charge = None,
    overwrite: Overwrite = False,
) -> None:
    """Split into parts, and record the hashes of the data and of the split.

    Data in which `info` finds an error are refused.
    """
    from isthmus.cli.data_checked import refuse_structures, refuse_unfit
    from isthmus.cli.files import refuse_existing
    from isthmus.data.read import read_dataset
    from isthmus.data.split import write_split
    from isthmus.data.splitting import split_dataset
    from isthmus.data.stated import Stated

    refuse_existing(output, suffix=".json", overwrite=overwrite)
    stated = Stated(
        energy_unit=energy_unit,
        length_unit=length_unit,
        energy_key=energy_key,
        forces_key=forces_key,
        smiles=smiles,
        total_charge=charge,
    )
    refuse_structures(file, format)
    with working(f"splitting {file}"):
        dataset = read_dataset(file, format=format, stated=stated, strict=False)
        refuse_unfit(dataset, file)
        made = split_dataset(
            dataset,
            by,
            fractions=_fractions(fractions),
            names=None if names is None else names.split(","),
            seed=seed,
        )
    write_split(made, output, overwrite=overwrite)
    sizes = [
        f"{part} {counted(len(molecules), 'molecule')}"
        + (f" ({counted(frames, 'frame')})" if (frames := _n_frames(molecules.values())) else "")
        for part, molecules in made.parts.items()
    ]
    results().print(f"{output}: {', '.join(sizes)}", markup=False, soft_wrap=True)


@app.command(
    epilog=_EXAMPLE + 'convert md.xyz md.h5 --energy-key REF_energy --level-of-theory "PBE0/def2"`'
)
def convert(
    file: _File,
    output: Annotated[
        Path,
        typer.Argument(metavar="OUT", help=".h5 or .hdf5 (layout of SPICE), .xyz or .extxyz."),
    ],
    format: Format = None,
    energy_unit: EnergyUnit = None,
    length_unit: LengthUnit = None,
    energy_key: EnergyKey = None,
    forces_key: ForcesKey = None,
    smiles: MoleculeSmiles = None,
    charge: Charge = None,
    temperature: _Temperature = None,
    level_of_theory: LevelOfTheory = None,
    overwrite: Overwrite = False,
) -> None:
    """Convert to HDF5 in the layout of SPICE (bohr, hartree), or extended XYZ (Å, eV).

    Data in which `info` finds an error are refused.
    """
    from isthmus.cli.data_checked import refuse_structures, refuse_unfit
    from isthmus.cli.files import refuse_existing
    from isthmus.data.read import read_dataset
    from isthmus.data.spice_writer import write_dataset
    from isthmus.data.stated import Stated
    from isthmus.data.xyz_writer import write_xyz
    from isthmus.errors import InputError

    writers = {
        ".h5": write_dataset,
        ".hdf5": write_dataset,
        ".xyz": write_xyz,
        ".extxyz": write_xyz,
    }
    if output.suffix not in writers:
        raise InputError(
            f"'{output}': this command writes {', '.join(writers)}; choose one of them"
        )
    refuse_existing(output, suffix=output.suffix, overwrite=overwrite)
    if output.exists() and file.exists() and output.samefile(file):
        raise InputError(f"'{output}' is the input itself: choose another output")
    stated = Stated(
        energy_unit=energy_unit,
        length_unit=length_unit,
        energy_key=energy_key,
        forces_key=forces_key,
        smiles=smiles,
        total_charge=charge,
        temperature=temperature,
        level_of_theory=level_of_theory,
    )
    refuse_structures(file, format)
    with working(f"converting {file}"):
        dataset = read_dataset(file, format=format, stated=stated, strict=False)
        refuse_unfit(dataset, file)
        writers[output.suffix](dataset, output, overwrite=overwrite)
    results().print(f"{output}: {counted(len(dataset), 'molecule')}", markup=False, soft_wrap=True)


def _fractions(text: str) -> list[float]:
    from isthmus.errors import InputError

    try:
        return [float(piece) for piece in text.split(",")]
    except ValueError as error:
        raise InputError(
            f"--fractions {text}: wanted numbers with commas, such as 0.8,0.1,0.1"
        ) from error


def _n_frames(frames) -> int:
    return sum(len(some) for some in frames if some is not None)
