"""Pictures of an evaluation: parity, errors by kind, calibration; kcal/mol and kcal/mol/Å."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Float
from scipy.special import ndtr

from isthmus.errors import EngineMissingError
from isthmus.evaluate.as_json import FORCE
from isthmus.evaluate.ensemble import EnsembleEvaluation, spread_and_errors
from isthmus.evaluate.error_bars import LEVELS, Calibration, error_bars, widened
from isthmus.evaluate.evaluation import Evaluation
from isthmus.evaluate.metrics import metrics
from isthmus.units import KILOCALORIE
from isthmus.words import counted

__all__ = ["draw_calibration", "draw_errors", "draw_parity", "new_figure"]

_COLOUR: Final = "#3b6ea5"
_SECOND: Final = "#c8553d"
_DPI: Final = 150
_MANY: Final = 3000
"""Points from which on their density is drawn instead of each of them"""


def draw_parity(evaluation: Evaluation, path: Path, *, title: str) -> None:
    """Model against reference: energies less the mean of their molecule, and forces.

    Raises:
        EngineMissingError: matplotlib is not installed.
    """
    figure = new_figure(10.4, 5.2)
    left, right = figure.subplots(1, 2)
    figure.suptitle(_title(evaluation, title), fontsize=11)
    energy = _joined([m.energies for m in evaluation.molecules]) / KILOCALORIE
    errors = _joined([m.energy_errors for m in evaluation.molecules]) / KILOCALORIE
    _parity(left, energy, errors, "energy less the mean of its molecule", "kcal/mol")
    force = _joined([m.forces.ravel() for m in evaluation.molecules]) / FORCE
    errors = _joined([m.force_errors.ravel() for m in evaluation.molecules]) / FORCE
    _parity(right, force, errors, "force component", "kcal/mol/Å")
    figure.savefig(path, dpi=_DPI)


def draw_errors(evaluation: Evaluation, path: Path, *, title: str) -> None:
    """Errors by molecule, by element, and by temperature where there are several.

    Raises:
        EngineMissingError: matplotlib is not installed.
    """
    temperatures = {t: m for t, m in evaluation.by_temperature.items() if not math.isnan(t)}
    n_panels = 3 if len(temperatures) > 1 else 2
    figure = new_figure(4.6 * n_panels, 4.2)
    panels = figure.subplots(1, n_panels)
    figure.suptitle(_title(evaluation, title), fontsize=11)
    of_molecules = [metrics([m]).force_rmse for m in evaluation.molecules]
    values = np.array([rmse / FORCE for rmse in of_molecules if rmse is not None])
    panels[0].set(xlabel="force RMSE of a molecule [kcal/mol/Å]", ylabel="molecules")
    if len(values) == 1:
        _say(panels[0], f"one molecule: {values[0]:.2f} kcal/mol/Å")
    elif len(values):
        panels[0].hist(values, bins=min(40, max(5, len(values) // 3)), color=_COLOUR)
        median = float(np.median(values))
        panels[0].axvline(median, color=_SECOND, lw=1.2)
        text = f"median (line) {median:.2f}\nlargest {values.max():.2f} kcal/mol/Å"
        _note(panels[0], text)
        panels[0].yaxis.get_major_locator().set_params(integer=True)
    else:
        _say(panels[0], "no forces")
    rows = {s: rmse / FORCE for s, (rmse, _) in evaluation.by_element.items()}
    _bars(panels[1], list(rows), list(rows.values()), "element", "force RMSE [kcal/mol/Å]")
    if n_panels == 3:
        names = [f"{t:g}" for t in temperatures]
        values = [(m.force_rmse or 0.0) / FORCE for m in temperatures.values()]
        _bars(panels[2], names, values, "temperature [K]", "force RMSE [kcal/mol/Å]")
    for panel in panels:
        panel.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=_DPI)


def draw_calibration(
    evaluation: EnsembleEvaluation, calibration: Calibration | None, path: Path, *, title: str
) -> None:
    """Coverage of the error bars, and uncertainty against error of molecules.

    Raises:
        EngineMissingError: matplotlib is not installed.
    """
    figure = new_figure(14.4, 5.5)
    panels = figure.subplots(1, 3)
    figure.suptitle(_title(evaluation.mean, title), fontsize=11)
    found = spread_and_errors(evaluation)
    factors = calibration or Calibration(None, None)
    energies, forces = (
        1.0 if factor is None else factor for factor in (factors.energies, factors.forces)
    )
    n = found.n_members
    _coverage(panels[0], found.energy_spread, found.energy_error, n, energies, "energies")
    _coverage(panels[1], found.force_spread, found.force_error, n, forces, "force components")
    said = widened(found.molecule_spread, n) * forces / FORCE
    real = found.molecule_error / FORCE
    kind = "error bar" if factors.forces is None else "calibrated error bar"
    panels[2].set(
        xlabel=f"{kind} of forces, RMS [kcal/mol/Å]",
        ylabel="force RMSE of the molecule [kcal/mol/Å]",
    )
    if len(said):
        panels[2].scatter(said, real, s=16, color=_COLOUR, alpha=0.7, lw=0)
        _square(panels[2], 0.0, 1.06 * max(float(said.max()), float(real.max())))
        rank = found.rank_correlation
        if rank is not None:
            _note(panels[2], f"Spearman {rank:.2f}", left=True)
    else:
        _say(panels[2], "no forces")
    for panel in panels:
        panel.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=_DPI)


def new_figure(width: float, height: float) -> Any:
    """An empty figure of matplotlib; sizes in inches.

    Raises:
        EngineMissingError: matplotlib is not installed.
    """
    try:
        # Not pyplot, which would keep the figure and choose a screen.
        from matplotlib.figure import Figure  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise EngineMissingError(
            "pictures need matplotlib, which is not installed: pip install 'isthmus[report]'"
        ) from error
    return Figure(figsize=(width, height), layout="constrained")


def _title(evaluation: Evaluation, title: str) -> str:
    level = evaluation.level_of_theory or "level of theory not stated"
    n_molecules = len(evaluation.molecules)
    size = f"{counted(n_molecules, 'molecule')}, {counted(evaluation.n_frames, 'frame')}"
    return f"{title}: {size}\nreference: {level}"


def _parity(
    panel: Any,
    reference: Float[np.ndarray, "samples"],
    errors: Float[np.ndarray, "samples"],
    what: str,
    unit: str,
) -> None:
    panel.set(xlabel=f"{what}, reference [{unit}]", ylabel=f"{what}, model [{unit}]")
    panel.spines[["top", "right"]].set_visible(False)
    if not len(reference):
        _say(panel, "nothing to compare")
        return
    model = reference + errors
    low = min(float(reference.min()), float(model.min()))
    high = max(float(reference.max()), float(model.max()))
    margin = 0.03 * (high - low) or 1.0
    low, high = low - margin, high + margin
    if len(reference) > _MANY:
        drawn = panel.hexbin(
            reference,
            model,
            gridsize=110,
            extent=(low, high, low, high),
            bins="log",
            mincnt=1,
            cmap="viridis",
            linewidths=0.1,
        )
        panel.figure.colorbar(drawn, ax=panel, label="samples", shrink=0.85)
    else:
        panel.scatter(reference, model, s=9, color=_COLOUR, alpha=0.5, lw=0)
    _square(panel, low, high)
    rmse, mae = np.sqrt(np.square(errors).mean()), np.abs(errors).mean()
    _note(panel, f"RMSE {rmse:.3g} {unit}\nMAE {mae:.3g} {unit}", left=True)


def _square(panel: Any, low: float, high: float) -> None:
    """Equal axes and the line of equality."""
    panel.axline((low, low), slope=1, color="0.35", lw=0.8, zorder=3)
    panel.set(xlim=(low, high), ylim=(low, high), aspect="equal")
    panel.set_yticks([t for t in panel.get_xticks() if low <= t <= high])
    panel.set_xticks([t for t in panel.get_yticks() if low <= t <= high])


def _coverage(
    panel: Any,
    spread: Float[np.ndarray, "samples"],
    error: Float[np.ndarray, "samples"],
    members: int,
    factor: float,
    what: str,
) -> None:
    panel.set(
        xlabel=f"share of {what} that should lie within",
        ylabel="share that does",
    )
    bars = error_bars(spread, error, members=members, factor=factor)
    if bars is None:
        _say(panel, "nothing to compare")
        return
    _square(panel, 0.0, 1.0)
    plain = error_bars(spread, error, members=members)
    if factor != 1.0 and plain is not None:
        panel.plot(LEVELS, plain.coverage, "o-", ms=3, color="0.6", label="factor 1")
    label = f"factor {factor:.2f}" if factor != 1.0 else "factor 1"
    panel.plot(LEVELS, bars.coverage, "o-", ms=4, color=_COLOUR, label=label)
    for sigmas in (1, 2):
        panel.axvline(2 * ndtr(sigmas) - 1, color="0.85", lw=0.8, zorder=0)
    panel.legend(frameon=False, fontsize=8, loc="lower right")
    _note(panel, f"calibration error {bars.expected_calibration_error:.3f}", left=True)


def _bars(
    panel: Any, names: Sequence[str], values: Sequence[float], xlabel: str, ylabel: str
) -> None:
    panel.set(xlabel=xlabel, ylabel=ylabel)
    if not names:
        _say(panel, "no forces")
        return
    bars = panel.bar(names, values, color=_COLOUR)
    panel.bar_label(bars, fmt="%.2f", fontsize=8)
    panel.margins(y=0.12)


def _joined(parts: Sequence[Float[np.ndarray, "_"]]) -> Float[np.ndarray, "samples"]:
    return np.concatenate([np.zeros(0), *parts])


def _note(panel: Any, text: str, *, left: bool = False) -> None:
    panel.text(
        0.03 if left else 0.97,
        0.97,
        text,
        transform=panel.transAxes,
        ha="left" if left else "right",
        va="top",
        fontsize=9,
    )


def _say(panel: Any, text: str) -> None:
    panel.text(0.5, 0.5, text, transform=panel.transAxes, ha="center", color="0.4")
    panel.set(xticks=[], yticks=[])
