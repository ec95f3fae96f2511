"""`isthmus check`: whether a force field is fit to be simulated on."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from isthmus.cli.options import Charge, Ligands, Overwrite, SmilesFlag, read_one
from isthmus.words import counted

if TYPE_CHECKING:
    from isthmus.chemistry.molecule import Molecule
    from isthmus.evaluate.physics.engine import Engine
    from isthmus.evaluate.physics.gate import Checks
    from isthmus.evaluate.physics.geometry import Reference
    from isthmus.evaluate.physics.settings import Settings
    from isthmus.evaluate.physics.subject import Subject

__all__ = ["check"]

FAILED = 1
"""Exit code where a check failed"""

_ENGINES = ("jax", "openmm")

_Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="A saved force field (.safetensors), mmff94, an untrained design (class2plus, "
        "own.toml), or another force field as `isthmus energy --ff` takes it.",
    ),
]
_Structure = Annotated[
    str,
    typer.Argument(
        metavar="STRUCTURE",
        help="SDF, MOL, PDB or XYZ of one molecule or system; a SMILES with --smiles.",
    ),
]
_Quick = Annotated[bool, typer.Option("--quick", help="A first look: fewer and shorter.")]
_Json = Annotated[
    str | None,
    typer.Option("--json", metavar="FILE.json", help="Write all numbers; - for stdout alone."),
]
_Report = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Write pictures, and a page that holds them.")
]
_Temperatures = Annotated[
    str,
    typer.Option(
        metavar="K,K", help="Of dynamics; the first serves all checks, all serve that of stability."
    ),
]
_Only = Annotated[
    str | None,
    typer.Option(
        metavar="NAME,NAME",
        help="Only these: forces, symmetry, extensivity, smoothness, clashes, geometry, "
        "stability, ensembles, conservation, time-steps.",
    ),
]
_Reference = Annotated[
    Path | None,
    typer.Option(
        metavar="DATA",
        help="Labelled data with this molecule: its frame of lowest energy is the geometry that "
        "the minimum is compared with.",
    ),
]
_Engine = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="What moves the atoms in checks of dynamics: jax (our own), or openmm, whose forces "
        "are then compared with ours too.",
    ),
]
_Seed = Annotated[int, typer.Option(metavar="N", min=0, help="Of all random numbers.")]


def check(
    model: _Model,
    structure: _Structure,
    quick: _Quick = False,
    json_file: _Json = None,
    report: _Report = None,
    temperatures: _Temperatures = "300,500",
    only: _Only = None,
    reference: _Reference = None,
    engine: _Engine = "jax",
    seed: _Seed = 0,
    charge: Charge = None,
    ligand: Ligands = None,
    smiles: SmilesFlag = False,
    overwrite: Overwrite = False,
) -> None:
    """Acceptance tests: forces, symmetry, smoothness, clashes, dynamics and its ensemble.

    Each check compares one number with the threshold that a trusted code uses. The exit code is
    1 where one fails. Ctrl-C, and SIGTERM too, shows what was done until then.
    """
    from isthmus.cli.check_stop import interrupted_by_signals
    from isthmus.cli.compilation_cache import keep_compiled
    from isthmus.cli.console import working
    from isthmus.cli.evaluate_input import check_outputs
    from isthmus.evaluate.physics.gate import checked_groups
    from isthmus.evaluate.physics.settings import Settings

    check_outputs(json_file, report, overwrite=overwrite)
    settings = Settings.create(quick=quick, temperatures=_numbers(temperatures), seed=seed)
    groups = checked_groups(None if only is None else [n.strip() for n in only.split(",")])
    _check_engine(engine)
    keep_compiled()
    with working(f"reading {structure}"):
        molecule = read_one(structure, charge=charge, ligands=ligand, smiles=smiles)
        geometry = None if reference is None else _geometry(reference, molecule)
        subject = _subject(model, molecule)
        other = _other_engine(engine, model, molecule)
    with interrupted_by_signals() as ended:
        found = _made(subject, settings, groups, geometry, other)
    moved = "isthmus (JAX)" if other is None else other.name
    title = f"{model} on {molecule.name or molecule.formula}, moved by {moved}"
    _show(found, title, to_stdout=json_file == "-")
    if json_file is not None:
        content = _content(found, settings, model, structure, molecule, moved)
        _write(content, json_file)
    if report is not None:
        _write_page(found, report, title, _told(settings, molecule))
    if not found.complete:
        raise typer.Exit(ended.exit_code)
    if not found.passed:
        raise typer.Exit(FAILED)


def _check_engine(name: str) -> None:
    from isthmus.errors import InputError

    if name not in _ENGINES:
        raise InputError(f"--engine {name}: choose one of {', '.join(_ENGINES)}")


def _other_engine(name: str, model: str, molecule: "Molecule") -> "Engine | None":
    """What moves atoms in place of our own engine."""
    if name == "jax":
        return None
    from isthmus.cli.check_openmm import OpenMMEngine

    return OpenMMEngine(model, molecule)


def _numbers(text: str) -> list[float]:
    from isthmus.errors import InputError

    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise InputError(
            f"--temperatures {text}: wanted are numbers in K with commas, e.g. 300,500"
        ) from None


def _geometry(path: Path, molecule: "Molecule") -> "Reference":
    from isthmus.data.read import read_dataset
    from isthmus.evaluate.physics.geometry import reference_geometry

    return reference_geometry(read_dataset(path), molecule.topology)


def _subject(model: str, molecule: "Molecule") -> "Subject":
    from isthmus.deploy.spec import resolve_force_field
    from isthmus.evaluate.physics.subject import Subject

    note = resolve_force_field(model, molecule).note
    if note is not None:
        typer.echo(f"isthmus: note: {note}", err=True)

    def bind(other: "Molecule", precision: str) -> Any:
        return resolve_force_field(model, other).bind(other, precision=precision)

    return Subject(molecule, bind)


def _made(
    subject: "Subject",
    settings: "Settings",
    groups: tuple[str, ...],
    geometry: "Reference | None",
    engine: "Engine | None",
) -> "Checks":
    """Checks under a bar; those until an interruption if there was one."""
    from isthmus.cli.check_progress import progress_bar
    from isthmus.evaluate.physics.check import Check
    from isthmus.evaluate.physics.gate import Checks, run_checks

    found: list[Check] = []
    with progress_bar(len(groups)) as bar:
        try:
            for _, made in run_checks(
                subject,
                settings,
                groups=groups,
                reference=geometry,
                engine=engine,
                begins=bar.begins,
                heed=bar.heed,
            ):
                found += made
                bar.ended()
        except KeyboardInterrupt:
            return Checks(tuple(found), complete=False)
    return Checks(tuple(found))


def _show(found: "Checks", title: str, *, to_stdout: bool) -> None:
    """The table, unless the JSON goes to stdout."""
    from isthmus.cli.check_tables import check_table, summary
    from isthmus.cli.console import results

    if not to_stdout:
        console = results()
        console.print(check_table(found, title=title))
        console.print(summary(found), markup=False, soft_wrap=True)
    if not found.complete:
        typer.echo("isthmus: interrupted: these are the checks made until then", err=True)


def _write_page(found: "Checks", folder: Path, title: str, told: str) -> None:
    from isthmus.evaluate.physics.page import write_check_report

    write_check_report(found, folder, title=title, told=told)
    typer.echo(f"isthmus: wrote {folder / 'index.html'}", err=True)


def _told(settings: "Settings", molecule: "Molecule") -> str:
    size = "Quick look" if settings.quick else "Full checks"
    shown = ", ".join(f"{t:g}" for t in settings.temperatures)
    return f"{size} of {counted(molecule.n_atoms, 'atom')} at {shown} K, seed {settings.seed}."


def _content(
    found: "Checks",
    settings: "Settings",
    model: str,
    structure: str,
    molecule: "Molecule",
    engine: str,
) -> dict[str, Any]:
    """What the JSON says."""
    from isthmus.evaluate.physics.as_json import checks_as_json

    return checks_as_json(
        found,
        settings,
        model=_identity(model),
        structure={
            "name": structure,
            "formula": molecule.formula,
            "n_atoms": molecule.n_atoms,
            "periodic": molecule.box is not None,
        },
        engine=engine,
    )


def _write(content: dict[str, Any], json_file: str) -> None:
    from isthmus.files import replacing

    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    if json_file == "-":
        typer.echo(text)
        return
    with replacing(Path(json_file), overwrite=True) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def _identity(model: str) -> dict[str, Any]:
    """Name, and SHA-256 of the file if it is one."""
    import hashlib

    path = Path(model)
    held = path.is_file()
    return {
        "name": model,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest() if held else None,
    }
