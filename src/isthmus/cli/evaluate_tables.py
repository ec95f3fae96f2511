"""Tables of `isthmus evaluate`; the level of theory stands over each of them."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from rich.console import Group as Lines
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from isthmus.chemistry.environments import EDGE
from isthmus.evaluate.as_json import FORCE
from isthmus.evaluate.metrics import Metrics, metrics
from isthmus.units import ANGSTROM, KILOCALORIE
from isthmus.words import counted

if TYPE_CHECKING:
    from isthmus.evaluate.ensemble import EnsembleEvaluation
    from isthmus.evaluate.error_bars import Calibration, ErrorBars
    from isthmus.evaluate.evaluation import Evaluation

__all__ = ["ensemble_tables", "evaluation_tables", "missing_lines"]

_MOST_TEMPERATURES: Final = 12
_MOST_REFUSED: Final = 20


def evaluation_tables(
    evaluation: "Evaluation", *, worst: int, sampled: str | None = None
) -> Iterator[RenderableType]:
    """Overall, by element, by temperature, by domain, and the worst molecules.

    Args:
        evaluation: of any data.
        worst: number of the worst molecules.
        sampled: the note of `isthmus.evaluate.reweighting.sample_note`.
    """
    level = _level(evaluation)
    yield _overall(evaluation, level, sampled)
    if evaluation.by_element:
        yield _elements(evaluation, level)
    stated = {t: m for t, m in evaluation.by_temperature.items() if not math.isnan(t)}
    if 1 < len(stated) <= _MOST_TEMPERATURES:
        groups = {f"{t:g}": m for t, m in stated.items()}
        yield _groups("temperature [K]", groups, f"by temperature, against {level}")
    if evaluation.inside is not None and evaluation.outside is not None:
        groups = {"inside": evaluation.inside}
        for radius, found in evaluation.by_radius.items():
            place = "inside, at the edge:" if radius >= EDGE else "outside,"
            groups[f"{place} new at radius {radius}"] = found
        groups["outside, all"] = evaluation.outside
        title = f"inside and outside the domain of the training data, against {level}"
        yield _groups("", groups, title)
    if worst and evaluation.molecules:
        yield _worst(evaluation, worst, level)


def missing_lines(evaluation: "Evaluation") -> Iterator[str]:
    """What was not compared, and why."""
    short = sum(not m.energy_errors.size for m in evaluation.molecules)
    if short:
        few = counted(short, "molecule")
        yield f"{few} with fewer than two frames with energies: no energy errors"
    frames = sum(m.without_forces for m in evaluation.molecules)
    if frames:
        yield f"{counted(frames, 'frame')} without forces, or not of all atoms: no force errors"
    frames = sum(m.without_energy for m in evaluation.molecules if m.energy_errors.size)
    if frames:
        yield f"{counted(frames, 'frame')} without an energy: no energy errors"
    for refused in evaluation.refused[:_MOST_REFUSED]:
        yield f"not evaluated: {refused.name}: {refused.reason}"
    if len(evaluation.refused) > _MOST_REFUSED:
        yield f"and {len(evaluation.refused) - _MOST_REFUSED} more: --json lists all"


def ensemble_tables(
    evaluation: "EnsembleEvaluation", calibration: "Calibration | None", names: Sequence[str]
) -> Iterator[RenderableType]:
    """The members beside their mean, and how well their spread fits the errors."""
    from isthmus.evaluate.ensemble import spread_and_errors
    from isthmus.evaluate.error_bars import error_bars

    level = _level(evaluation.mean)
    groups = {"mean of all": evaluation.mean.overall}
    groups |= {
        f"{number}: {name}": member.overall
        for number, (name, member) in enumerate(
            zip(names, evaluation.members, strict=True), start=1
        )
    }
    yield _groups("member", groups, f"ensemble, against {level}")
    found = spread_and_errors(evaluation)
    rank = found.rank_correlation
    title = f"error bars from the spread, against {level}"
    table = _table("", "factor", "within 1σ", "within 2σ", "calibration error", "RMS bar")
    table.add_row("Gaussian", "", "0.683", "0.954", "0.000", "")
    kinds = [("energies [kcal/mol]", found.energy_spread, found.energy_error, KILOCALORIE)]
    kinds.append(("forces [kcal/mol/Å]", found.force_spread, found.force_error, FORCE))
    factors: list[tuple[str, tuple[float | None, float | None]]] = [("uncalibrated", (1.0, 1.0))]
    if calibration is not None:
        factors.append(("calibrated", (calibration.energies, calibration.forces)))
    for kind, (what, spread, error, size) in enumerate(kinds):
        for called, given in factors:
            if (factor := given[kind]) is None:
                table.add_row(Text(f"{what}, {called}"), "none")
                continue
            bars = error_bars(spread, error, members=found.n_members, factor=factor)
            table.add_row(Text(f"{what}, {called}"), f"{factor:.3f}", *_bars(bars, size))
    shown = "none" if rank is None else f"{rank:.3f}"
    caption = (
        "Error bar: factor √(1 + 1/n) spread of the n members. "
        f"Spearman of spread and force RMSE of molecules: {shown}"
    )
    yield _titled(title, table, caption)


def _level(evaluation: "Evaluation") -> str:
    return evaluation.level_of_theory or "a level of theory that is not stated"


def _table(first: str, *columns: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column(Text(first), style="cyan", overflow="fold")
    for column in columns:
        table.add_column(Text(column), justify="right")
    return table


def _titled(title: str, table: Table, caption: str = "") -> RenderableType:
    parts = [Text(title, style="bold"), table]
    return Lines(*parts, *([Text(caption, style="dim")] if caption else []))


def _overall(evaluation: "Evaluation", level: str, sampled: str | None) -> RenderableType:
    overall, intervals = evaluation.overall, evaluation.intervals
    sizes = {"force_rmse": FORCE, "energy_rmse": KILOCALORIE}
    between = {
        name: f"{found.low / sizes[name]:.3f} to {found.high / sizes[name]:.3f}"
        for name, found in intervals.items()
    }
    table = _table("", "value", "95 % interval", "reference itself")
    rows = [
        ("force RMSE [kcal/mol/Å]", overall.force_rmse, FORCE, "force_rmse", overall.force_rms),
        ("force MAE [kcal/mol/Å]", overall.force_mae, FORCE, "", None),
        (
            "energy RMSE [kcal/mol]",
            overall.energy_rmse,
            KILOCALORIE,
            "energy_rmse",
            overall.energy_sd,
        ),
        ("energy MAE [kcal/mol]", overall.energy_mae, KILOCALORIE, "", None),
        ("σ(ΔU) [kcal/mol]", overall.sigma_delta_u, KILOCALORIE, "", None),
        ("effective sample size [fraction]", overall.effective_sample_size, 1.0, "", None),
    ]
    if overall.charge_rmse is not None:
        rows.append(("charge RMSE [e]", overall.charge_rmse, 1.0, "", None))
    if overall.dipole_rmse is not None:
        rows.append(("dipole RMSE [e Å]", overall.dipole_rmse, ANGSTROM, "", None))
    for name, value, size, key, reference in rows:
        itself = "" if reference is None else f"RMS {reference / size:.3f}"
        table.add_row(Text(name), _number(value, size), between.get(key, ""), itself)
    caption = (
        "Forces per component; energies less the mean of their molecule; intervals by resampling "
        "molecules. Effective sample size: frames reweighted from the reference to the model, at "
        f"the temperature of each frame or {evaluation.temperature:g} K; "
        + (f"note: {sampled}." if sampled else "exact only where the frames sample the reference.")
    )
    return _titled(f"errors against {level}", table, caption)


def _elements(evaluation: "Evaluation", level: str) -> RenderableType:
    table = _table("element", "force RMSE [kcal/mol/Å]", "atoms × frames")
    for symbol, (rmse, n) in evaluation.by_element.items():
        table.add_row(symbol, f"{rmse / FORCE:.3f}", str(n // 3))
    return _titled(f"by element, against {level}", table)


def _groups(what: str, groups: Mapping[str, Metrics], title: str) -> RenderableType:
    columns = ("molecules", "force RMSE [kcal/mol/Å]", "energy RMSE [kcal/mol]", "σ(ΔU) [kcal/mol]")
    table = _table(what, *columns)
    for name, found in groups.items():
        table.add_row(
            Text(name),
            str(found.n_molecules),
            _number(found.force_rmse, FORCE),
            _number(found.energy_rmse, KILOCALORIE),
            _number(found.sigma_delta_u, KILOCALORIE),
        )
    return _titled(title, table)


def _worst(evaluation: "Evaluation", worst: int, level: str) -> RenderableType:
    chosen = evaluation.worst(worst)
    title = f"the {counted(len(chosen), 'worst molecule')}, against {level}"
    columns = ["atoms", "frames", "force RMSE [kcal/mol/Å]", "energy RMSE [kcal/mol]"]
    table = _table("molecule", *columns)
    with_domain = evaluation.inside is not None
    if with_domain:
        table.add_column("domain", no_wrap=True)
    for m in chosen:
        own = metrics([m])
        cells: list[str | Text] = [
            Text(m.name),
            str(len(m.elements)),
            str(m.n_frames),
            _number(own.force_rmse, FORCE),
            _number(own.energy_rmse, KILOCALORIE),
        ]
        if with_domain:
            radius = None if m.verdict is None else m.verdict.radius
            cells.append("inside" if radius is None else f"new at radius {radius}")
        table.add_row(*cells)
    return _titled(title, table)


def _bars(bars: "ErrorBars | None", size: float) -> list[str]:
    if bars is None:
        return ["", "", "", ""]
    shares = (bars.coverage_1_sigma, bars.coverage_2_sigma, bars.expected_calibration_error)
    return [*(f"{share:.3f}" for share in shares), f"{bars.rms / size:.3f}"]


def _number(value: float | None, size: float) -> str:
    return "none" if value is None else f"{value / size:.3f}"
