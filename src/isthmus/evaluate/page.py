"""The report of an evaluation: a folder with pictures, and one page that holds them all."""

import base64
import html
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from isthmus.chemistry.rdkit_bridge import rdkit_from_topology
from isthmus.errors import InputError
from isthmus.evaluate.as_json import FORCE
from isthmus.evaluate.ensemble import EnsembleEvaluation
from isthmus.evaluate.error_bars import Calibration
from isthmus.evaluate.evaluation import Evaluation
from isthmus.evaluate.metrics import metrics
from isthmus.evaluate.molecule_errors import MoleculeErrors
from isthmus.evaluate.pictures import draw_calibration, draw_errors, draw_parity, new_figure
from isthmus.files import replacing
from isthmus.units import KILOCALORIE
from isthmus.words import counted

__all__ = ["PAGE", "refuse_report", "write_report"]

PAGE: Final = "index.html"

_SIZE: Final = (330, 250)

_STYLE: Final = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 1100px; color: #222 }
h1 { font-size: 1.4em } h2 { font-size: 1.15em; margin-top: 2em }
img { max-width: 100% } table { border-collapse: collapse }
td, th { padding: .2em 1.2em .2em 0; text-align: left } td.n { text-align: right }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(330px, 1fr)); gap: 1em }
.card { border: 1px solid #ddd; border-radius: 6px; padding: .6em }
.card p { margin: .2em 0; overflow-wrap: anywhere } .dim { color: #666; font-size: .9em }
"""


def refuse_report(folder: Path, *, overwrite: bool) -> None:
    """Before any work is done: a folder that is in use, or that cannot be written.

    Raises:
        EngineMissingError: matplotlib is not installed.
        InputError: a file of that name, an existing folder, a folder around it that is missing or
            not writable.
    """
    new_figure(1.0, 1.0)
    if folder.is_file():
        raise InputError(f"'{folder}' is a file: choose another name for the folder of the report")
    if folder.is_dir() and any(folder.iterdir()) and not overwrite:
        raise InputError(f"the folder '{folder}' is not empty: choose another, or add --overwrite")
    place = folder if folder.is_dir() else folder.parent
    if not place.is_dir():
        raise InputError(f"there is no folder '{place}': make it, or choose another")
    if not os.access(place, os.W_OK | os.X_OK):
        raise InputError(f"the folder '{place}' cannot be written to: choose another")


def write_report(
    evaluation: Evaluation,
    folder: Path,
    *,
    title: str,
    worst: int,
    ensemble: EnsembleEvaluation | None = None,
    calibration: Calibration | None = None,
    sampled: str | None = None,
) -> None:
    """Write pictures and page; files of the same names are replaced, others stay.

    Args:
        evaluation: of a force field, or of the mean of an ensemble.
        folder: made if it is not there.
        title: of page and pictures: which force field on which data.
        worst: number of molecules that are drawn.
        ensemble: its spread is drawn as well.
        calibration: of its error bars.
        sampled: the note of `isthmus.evaluate.reweighting.sample_note`.

    Raises:
        EngineMissingError: matplotlib is not installed.
    """
    folder.mkdir(exist_ok=True)
    pictures = []
    with replacing(folder / "parity.png", overwrite=True) as path:
        draw_parity(evaluation, path, title=title)
    pictures.append(("Model against reference", folder / "parity.png"))
    with replacing(folder / "errors.png", overwrite=True) as path:
        draw_errors(evaluation, path, title=title)
    pictures.append(("Where the errors are", folder / "errors.png"))
    if ensemble is not None:
        with replacing(folder / "calibration.png", overwrite=True) as path:
            draw_calibration(ensemble, calibration, path, title=title)
        pictures.append(("Uncertainty of the ensemble", folder / "calibration.png"))
    with replacing(folder / PAGE, overwrite=True) as path:
        text = _page(evaluation, pictures, title, worst, sampled)
        path.write_text(text, encoding="utf-8")


def _page(
    evaluation: Evaluation,
    pictures: Sequence[tuple[str, Path]],
    title: str,
    worst: int,
    sampled: str | None,
) -> str:
    level = evaluation.level_of_theory or "level of theory not stated"
    parts = [
        f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{html.escape(title)}</title>",
        f"<style>{_STYLE}</style><h1>{html.escape(title)}</h1>",
        f"<p>{counted(len(evaluation.molecules), 'molecule')}, "
        f"{counted(evaluation.n_frames, 'frame')}; reference: "
        f"<b>{html.escape(level)}</b>. Energies are less the mean of their molecule.</p>",
        _numbers(evaluation, sampled),
    ]
    for heading, path in pictures:
        data = base64.b64encode(path.read_bytes()).decode()
        parts.append(f"<h2>{heading}</h2><img alt='{heading}' src='data:image/png;base64,{data}'>")
    chosen = evaluation.worst(worst)
    if chosen:
        most = max(float(np.nanmax(m.atom_force_rmse(), initial=0.0)) for m in chosen)
        parts.append(
            f"<h2>The {counted(len(chosen), 'molecule')} with the largest errors</h2>"
            "<p class='dim'>Red: force "
            f"RMSE of an atom, up to {most / FORCE:.2f} kcal/mol/Å against {html.escape(level)}. "
            "Hydrogens are shown.</p><div class='grid'>"
        )
        parts += [_card(m, most) for m in chosen]
        parts.append("</div>")
    if evaluation.refused:
        without = counted(len(evaluation.refused), "molecule")
        parts.append(f"<h2>{without} without a prediction</h2><ul>")
        parts += [
            f"<li>{html.escape(r.name)}: {html.escape(r.reason)}</li>" for r in evaluation.refused
        ]
        parts.append("</ul>")
    return "\n".join(parts) + "</html>\n"


def _numbers(evaluation: Evaluation, sampled: str | None) -> str:
    overall, intervals = evaluation.overall, evaluation.intervals

    def row(name: str, value: float | None, size: float, unit: str, key: str = "") -> str:
        shown = "none" if value is None else f"{value / size:.3f}"
        found = intervals.get(key)
        between = "" if found is None else f"{found.low / size:.3f} to {found.high / size:.3f}"
        return f"<tr><td>{name} {unit}<td class='n'>{shown}<td class='dim'>{between}"

    rows = [
        "<table><tr><th><th>value<th>95 % interval, molecules resampled",
        row("force RMSE", overall.force_rmse, FORCE, "[kcal/mol/Å]", "force_rmse"),
        row("force MAE", overall.force_mae, FORCE, "[kcal/mol/Å]"),
        row("energy RMSE", overall.energy_rmse, KILOCALORIE, "[kcal/mol]", "energy_rmse"),
        row("energy MAE", overall.energy_mae, KILOCALORIE, "[kcal/mol]"),
        row("σ(ΔU) within a molecule", overall.sigma_delta_u, KILOCALORIE, "[kcal/mol]"),
        row("effective sample size, reference to model", overall.effective_sample_size, 1.0, ""),
    ]
    said = sampled or "exact only where the frames sample the reference"
    return "".join(rows) + f"</table><p class='dim'>Effective sample size: {html.escape(said)}.</p>"


def _card(m: MoleculeErrors, most: float) -> str:
    own = metrics([m])
    force = "none" if own.force_rmse is None else f"{own.force_rmse / FORCE:.2f} kcal/mol/Å"
    energy = "none" if own.energy_rmse is None else f"{own.energy_rmse / KILOCALORIE:.2f} kcal/mol"
    domain = (
        "" if m.verdict is None else f"<p class='dim'>domain: {html.escape(m.verdict.text)}</p>"
    )
    return (
        f"<div class='card'>{_drawing(m, most)}<p><b>{html.escape(m.name)}</b></p>"
        f"<p>force RMSE {force}</p><p>energy RMSE {energy}</p>"
        f"<p class='dim'>{counted(len(m.elements), 'atom')}, {counted(m.n_frames, 'frame')}</p>"
        f"{domain}</div>"
    )


def _drawing(m: MoleculeErrors, most: float) -> str:
    """The molecule as SVG, each atom the redder the larger its error."""
    from rdkit.Chem import rdDepictor
    from rdkit.Chem.Draw import rdMolDraw2D

    mol: Any = rdkit_from_topology(m.entry.topology)
    rdDepictor.Compute2DCoords(mol)
    errors = np.nan_to_num(m.atom_force_rmse())
    shares = errors / most if most > 0 else errors
    drawer = rdMolDraw2D.MolDraw2DSVG(*_SIZE)
    drawer.drawOptions().useBWAtomPalette()
    rdMolDraw2D.PrepareAndDrawMolecule(
        drawer,
        mol,
        highlightAtoms=list(range(len(errors))),
        highlightBonds=[],
        highlightAtomColors={
            atom: (1.0, 1.0 - 0.75 * float(share), 1.0 - 0.85 * float(share))
            for atom, share in enumerate(shares)
        },
        kekulize=False,
    )
    drawer.FinishDrawing()
    drawing = drawer.GetDrawingText()
    return drawing[drawing.index("<svg") :]
