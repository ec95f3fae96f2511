"""`isthmus evaluate`: errors of a force field on labelled data."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
    Precision,
)
from isthmus.words import counted

if TYPE_CHECKING:
    from isthmus.cli.evaluate_input import Data, NamedModel
    from isthmus.evaluate.ensemble import EnsembleEvaluation
    from isthmus.evaluate.error_bars import Calibration
    from isthmus.evaluate.evaluation import Evaluation

__all__ = ["evaluate"]

UNSUPPORTED = 1
"""Exit code where molecules have no prediction"""


_Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="A saved force field (.safetensors), mmff94, mmff94s, an untrained design "
        "(class2plus, own.toml), or another force field as `isthmus energy --ff` takes it.",
    ),
]
_File = Annotated[
    Path,
    typer.Argument(
        metavar="DATA",
        help="HDF5 (SPICE, ANI-1), npz (MD17, rMD17), extended XYZ or another format of ASE.",
    ),
]
_Split = Annotated[
    Path | None,
    typer.Option(metavar="FILE.json", help="A split of DATA, of `isthmus data split`."),
]
_Part = Annotated[
    str | None, typer.Option(metavar="NAME", help="The part of --split to evaluate on (test).")
]
_Json = Annotated[
    str | None,
    typer.Option("--json", metavar="FILE.json", help="Write all numbers; - for stdout alone."),
]
_Report = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Write pictures, and a page with the worst molecules."),
]
_Worst = Annotated[
    int, typer.Option(metavar="N", min=0, help="Molecules with the largest errors to show.")
]
_Ensemble = Annotated[
    list[str] | None,
    typer.Option(
        metavar="MODEL",
        help="A further member of an ensemble, whose mean is evaluated; can be repeated.",
    ),
]
_Calibrate = Annotated[
    Path | None,
    typer.Option(metavar="DATA2", help="Fit the error bars of the ensemble on these data first."),
]
_CalibratePart = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="The part of the split of DATA2; else all of DATA2."),
]
_SkipUnsupported = Annotated[
    bool,
    typer.Option(
        "--skip-unsupported",
        help="Exit with 0 although the force field has no numbers for some molecules.",
    ),
]
_Temperature = Annotated[
    float,
    typer.Option(metavar="K", help="Of frames that state none, for the effective sample size [K]."),
]


def evaluate(
    model: _Model,
    data: _File,
    split: _Split = None,
    part: _Part = None,
    json_file: _Json = None,
    report: _Report = None,
    worst: _Worst = 5,
    ensemble: _Ensemble = None,
    calibrate: _Calibrate = None,
    calibrate_part: _CalibratePart = None,
    skip_unsupported: _SkipUnsupported = False,
    temperature: _Temperature = 300.0,
    precision: Precision = "float64",
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
    """Errors of energies and forces, by molecule, element and temperature.

    Energies are compared less the mean of their molecule: the zeros of a force field and of
    quantum chemistry have nothing in common. The exit code is 1 where the force field has no
    numbers for some of the molecules, unless --skip-unsupported is given; they are listed.
    """
    from isthmus.cli.compilation_cache import keep_compiled
    from isthmus.cli.evaluate_input import Data, check_outputs, check_request, named_model
    from isthmus.cli.evaluate_notes import few_members, seen_by
    from isthmus.data.stated import Stated

    check_outputs(json_file, report, overwrite=overwrite)
    check_request(
        model=model,
        split=split,
        part=part,
        ensemble=ensemble,
        calibrate=calibrate,
        calibrate_part=calibrate_part,
        precision=precision,
    )
    keep_compiled()
    stated = Stated(
        energy_unit=energy_unit,
        length_unit=length_unit,
        energy_key=energy_key,
        forces_key=forces_key,
        smiles=smiles,
        total_charge=charge,
        level_of_theory=level_of_theory,
    )
    members = [named_model(spec) for spec in (model, *(ensemble or ()))]
    tested = Data.read(data, format=format, stated=stated, split=split, part=part or "test")
    held = None
    if calibrate is not None:
        chosen = split if calibrate_part else None
        held = Data.read(calibrate, format=format, stated=stated, split=chosen, part=calibrate_part)
        held.refuse_overlap(tested)
    evaluation, judged, calibration = _evaluated(
        members, tested, held, temperature=temperature, precision=precision
    )
    seen = seen_by(members, tested)
    content = _content(evaluation, judged, calibration, members, tested)
    content["data_seen_in_training"] = seen.answer
    for note in (*seen.notes, *few_members(judged)):
        typer.echo(f"isthmus: note: {note}", err=True)
    _show(evaluation, judged, calibration, members, tested, worst=worst, to_stdout=json_file == "-")
    _write(content, json_file)
    if report is not None:
        from isthmus.evaluate.page import write_report

        write_report(
            evaluation,
            report,
            title=_title(members, tested),
            worst=max(worst, 1),
            ensemble=judged,
            calibration=calibration,
            sampled=content["effective_sample_size_note"],
        )
        typer.echo(f"isthmus: wrote {report / 'index.html'}", err=True)
    if evaluation.refused and not skip_unsupported:
        raise typer.Exit(UNSUPPORTED)


def _evaluated(
    members: "list[NamedModel]",
    tested: "Data",
    held: "Data | None",
    *,
    temperature: float,
    precision: str,
) -> "tuple[Evaluation, EnsembleEvaluation | None, Calibration | None]":
    from isthmus.cli.evaluate_input import frames_bar
    from isthmus.errors import InputError
    from isthmus.evaluate.ensemble import calibrate, evaluate_ensemble
    from isthmus.evaluate.evaluation import evaluate as evaluate_one

    domain = members[0].domain
    n_passes = len(members)
    models = [member.model for member in members]
    judged, calibration = None, None
    if held is not None:
        with frames_bar(n_passes * held.n_frames, f"calibrating on {held.path.name}") as progress:
            fitted = evaluate_ensemble(models, held.dataset, precision=precision, progress=progress)
        calibration = calibrate(fitted, data=held.name)
    with frames_bar(n_passes * tested.n_frames, f"evaluating {tested.path.name}") as progress:
        options: dict[str, Any] = {
            "domain": domain,
            "temperature": temperature,
            "precision": precision,
            "progress": progress,
        }
        if n_passes > 1:
            judged = evaluate_ensemble(models, tested.dataset, **options)
            evaluation = judged.mean
        else:
            evaluation = evaluate_one(models[0], tested.dataset, **options)
    if not evaluation.molecules:
        first = evaluation.refused[0]
        raise InputError(
            f"'{members[0].spec}' can evaluate none of what came "
            f"({counted(len(evaluation.refused), 'molecule')}); the first, {first.name}: "
            f"{first.reason}"
        )
    return evaluation, judged, calibration


def _title(members: "list[NamedModel]", tested: "Data") -> str:
    more = f" and {counted(len(members) - 1, 'more member')}" if len(members) > 1 else ""
    return f"{members[0].spec}{more} on {tested.name}"


def _content(
    evaluation: "Evaluation",
    judged: "EnsembleEvaluation | None",
    calibration: "Calibration | None",
    members: "list[NamedModel]",
    tested: "Data",
) -> dict[str, Any]:
    from isthmus.evaluate.as_json import ensemble_as_json, evaluation_as_json

    content = evaluation_as_json(evaluation, model=members[0].identity, data=tested.identity)
    if judged is not None:
        identities = [member.identity for member in members]
        content["ensemble"] = ensemble_as_json(judged, calibration, members=identities)
    return content


def _show(
    evaluation: "Evaluation",
    judged: "EnsembleEvaluation | None",
    calibration: "Calibration | None",
    members: "list[NamedModel]",
    tested: "Data",
    *,
    worst: int,
    to_stdout: bool,
) -> None:
    """Tables on stdout, unless the JSON goes there; what was not compared on stderr."""
    from isthmus.cli.console import results
    from isthmus.cli.evaluate_tables import ensemble_tables, evaluation_tables, missing_lines
    from isthmus.evaluate.reweighting import sample_note

    for note in dict.fromkeys(note for member in members for note in member.notes):
        typer.echo(f"isthmus: note: {note}", err=True)
    for line in missing_lines(evaluation):
        typer.echo(f"isthmus: {line}", err=True)
    if to_stdout:
        return
    console = results()
    console.print(
        f"{_title(members, tested)}: {counted(len(evaluation.molecules), 'molecule')}, "
        f"{counted(evaluation.n_frames, 'frame')}; "
        f"{counted(len(evaluation.refused), 'molecule')} not evaluated",
        markup=False,
        soft_wrap=True,
    )
    sampled = sample_note(tested.dataset, tested.dataset.provenance)
    for table in evaluation_tables(evaluation, worst=worst, sampled=sampled):
        console.print()
        console.print(table)
    if judged is not None:
        for table in ensemble_tables(judged, calibration, [member.spec for member in members]):
            console.print()
            console.print(table)


def _write(content: dict[str, Any], json_file: str | None) -> None:
    if json_file is None:
        return
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    if json_file == "-":
        typer.echo(text)
        return
    from isthmus.files import replacing

    with replacing(Path(json_file), overwrite=True) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
    typer.echo(f"isthmus: wrote {json_file}", err=True)
