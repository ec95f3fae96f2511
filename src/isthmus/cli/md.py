"""`isthmus md`: molecular dynamics of a structure with a force field."""

from pathlib import Path
from typing import Annotated

import typer

from isthmus.cli.options import Charge, Ligands, Overwrite, SmilesFlag

__all__ = ["md"]


def md(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="A saved force field (.safetensors), mmff94, amber14, an OpenMM System (.xml), "
            "class2plus, ...: as --ff of `isthmus energy`.",
        ),
    ],
    structure: Annotated[
        str,
        typer.Argument(
            metavar="STRUCTURE",
            help="SDF, MOL, PDB or XYZ with one molecule or system; a SMILES with --smiles.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="NAME",
            help="Files are called NAME.dcd, NAME.csv, NAME.pdb, NAME.checkpoint.safetensors; in a "
            "folder that exists, md.dcd and so on.",
        ),
    ] = Path("md"),
    engine: Annotated[str, typer.Option(metavar="jax|openmm", help="Who moves the atoms.")] = "jax",
    ns: Annotated[float | None, typer.Option(metavar="NS", help="Length of the run [ns].")] = None,
    steps: Annotated[
        int | None, typer.Option(metavar="N", help="Length of the run in time steps, instead.")
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option(
            metavar="K", help="300 unless given; with --thermostat nve, of the first velocities."
        ),
    ] = None,
    pressure: Annotated[
        float | None,
        typer.Option(metavar="BAR", help="Keep this pressure; without, the box stays as it is."),
    ] = None,
    timestep: Annotated[
        float | None,
        typer.Option(
            metavar="FS",
            help="1 fs unless given; 2 with --constraints hydrogens, or with --respa (where it is "
            "the outer step); 4 with --constraints hydrogens --hmr.",
        ),
    ] = None,
    thermostat: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="langevin, nose-hoover, bussi; isokinetic with --respa, whose velocities show "
            "four fifths of the temperature; nve for none.",
        ),
    ] = "langevin",
    friction: Annotated[
        float | None,
        typer.Option(
            metavar="1/PS",
            help="How fast the thermostat acts: Langevin's friction, one over the time constant "
            "of others. Unless given 1/ps for langevin, 5/ps for isokinetic, 10/ps for others.",
        ),
    ] = None,
    barostat: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="monte-carlo (unless given), monte-carlo-anisotropic, cell-rescaling.",
        ),
    ] = None,
    report_every: Annotated[
        float, typer.Option(metavar="PS", help="Time between frames and lines of the CSV [ps].")
    ] = 1.0,
    format: Annotated[str, typer.Option(metavar="dcd|xtc", help="Of the trajectory.")] = "dcd",
    replicas: Annotated[
        int,
        typer.Option(
            metavar="N", help="Run N copies with different velocities at once, a file for each."
        ),
    ] = 1,
    seed: Annotated[int, typer.Option(metavar="N", help="Of all random numbers.")] = 0,
    minimise: Annotated[
        bool,
        typer.Option("--minimise/--no-minimise", help="Relax the structure first."),
    ] = True,
    constraints: Annotated[
        str | None,
        typer.Option(
            metavar="none|hydrogens",
            help="Hold bonds to hydrogen at their length, and water rigid. Unless given: what the "
            "force field brings along; files of OpenMM, such as amber14, bring none to jax, and "
            "hydrogens to openmm.",
        ),
    ] = None,
    hmr: Annotated[
        bool,
        typer.Option(
            "--hmr",
            help="Make hydrogens heavier (3 Da), at the cost of their partners; not those of "
            "water, which must be rigid for long steps.",
        ),
    ] = False,
    respa: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Evaluate bonded terms, or the model of --inner, N times a step, and what MODEL "
            "has beyond that once (RESPA).",
        ),
    ] = None,
    inner: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="With --respa: a cheaper model for the inner steps."),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(
            metavar="TYPE",
            help="jax: float32 (unless given), compensated (float32 with longer sums) or float64. "
            "openmm: mixed (unless given), single, double.",
        ),
    ] = None,
    solvent: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="openmm: add water: tip3p, tip3pfb, spce, opc, ..."),
    ] = None,
    padding: Annotated[
        float | None,
        typer.Option(
            metavar="NM",
            help="Least distance between images of the structure in its box of water, half of it "
            "on each side; 1 nm unless given.",
        ),
    ] = None,
    ions: Annotated[
        float | None,
        typer.Option(metavar="MOL/L", help="Salt (NaCl) beyond what neutralises; 0 unless given."),
    ] = None,
    protein_force_field: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="openmm: what describes all that MODEL does not: amber14, charmm36, or files.",
        ),
    ] = None,
    equilibrate: Annotated[
        float | None,
        typer.Option(
            metavar="PS",
            help="openmm: warm up and let the box settle before the run; 120 ps with --solvent, "
            "else 0 unless given.",
        ),
    ] = None,
    deterministic: Annotated[
        bool,
        typer.Option(
            "--deterministic",
            help="openmm: the same bits again after --resume on the same kind of machine; on CPU "
            "with one thread. --engine jax always is.",
        ),
    ] = False,
    charge: Charge = None,
    ligand: Ligands = None,
    smiles: SmilesFlag = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a run that was stopped, or make it longer.")
    ] = False,
    overwrite: Overwrite = False,
) -> None:
    """Molecular dynamics: trajectory, energies and checkpoints as files.

    Ctrl-C ends the run with a checkpoint; the same command with --resume goes on, also after a
    crash. With a longer --ns, --resume makes a finished run longer. With the same versions on the
    same kind of machine it goes on bit by bit; with openmm on several threads or a GPU only with
    --deterministic.
    """
    from isthmus.cli.md_request import Request
    from isthmus.cli.md_run import run_dynamics

    request = Request(
        model=model,
        structure=structure,
        output=str(output),
        engine=engine,
        ns=ns,
        steps=steps,
        temperature=temperature,
        pressure=pressure,
        timestep_fs=timestep,
        thermostat=thermostat,
        friction=friction,
        barostat=barostat,
        report_ps=report_every,
        format=format,
        replicas=replicas,
        seed=seed,
        minimise=minimise,
        constraints=constraints,
        hmr=hmr,
        respa=respa,
        inner=inner,
        precision=precision,
        solvent=solvent,
        padding=padding,
        ions=ions,
        protein_force_field=protein_force_field,
        equilibrate_ps=equilibrate,
        deterministic=deterministic,
        charge=charge,
        ligands=tuple(ligand or ()),
        smiles=smiles,
        resume=resume,
        overwrite=overwrite,
    )
    raise typer.Exit(run_dynamics(request))
