"""An evaluation as plain values for JSON: kcal/mol, kcal/mol/Å; null where there is no number."""

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from isthmus import __version__
from isthmus.evaluate.ensemble import EnsembleEvaluation, SpreadAndErrors, spread_and_errors
from isthmus.evaluate.error_bars import LEVELS, Calibration, ErrorBars, error_bars
from isthmus.evaluate.evaluation import Evaluation
from isthmus.evaluate.metrics import Interval, Metrics, metrics
from isthmus.evaluate.molecule_errors import MoleculeErrors
from isthmus.evaluate.reweighting import sample_note
from isthmus.units import ANGSTROM, KILOCALORIE

__all__ = ["FORCE", "FORMAT", "UNITS", "ensemble_as_json", "evaluation_as_json"]

FORMAT: Final = "isthmus evaluation 2"
"""Of the whole dictionary; changes when an entry changes its meaning"""

FORCE: Final = KILOCALORIE / ANGSTROM
"""1 kcal/mol/Å [kJ/mol/nm]"""

UNITS: Final = {
    "force": "kcal/mol/Å, per component",
    "energy": "kcal/mol, less the mean of the molecule",
    "sigma_delta_u": "kcal/mol, standard deviation of U_model - U_reference within a molecule, "
    "and within a temperature where numbers are by temperature",
    "effective_sample_size": "fraction of the frames left when they are reweighted from the "
    "reference to the model: Kish, weights exp(-(U_model - U_reference)/kT); mean over molecules "
    "with at least 5 frames at one temperature; exact only where the frames sample the reference",
    "charge": "e, over the atoms of frames with labels",
    "dipole": "e Å, per component; of neutral molecules, from the charges of the force field",
    "temperature": "K",
}
"""What the numbers are"""


def evaluation_as_json(
    evaluation: Evaluation, *, model: Mapping[str, Any], data: Mapping[str, Any]
) -> dict[str, Any]:
    """Everything that an evaluation says.

    Args:
        evaluation: of any data.
        model: what identifies the force field: name or path, digest.
        data: what identifies the data: path, part, digest, and perhaps `provenance`.
    """
    sampled = sample_note((m.entry for m in evaluation.molecules), data.get("provenance", {}))
    content = {
        "format": FORMAT,
        "isthmus": __version__,
        "model": dict(model),
        "data": dict(data),
        "level_of_theory": evaluation.level_of_theory or None,
        "units": UNITS,
        **_metrics(evaluation.overall),
        "effective_sample_size_note": sampled,
        **{
            f"{name}_95": _interval(evaluation.intervals.get(name), size)
            for name, size in (("force_rmse", FORCE), ("energy_rmse", KILOCALORIE))
        },
        "n_frames": evaluation.n_frames,
        "n_molecules": len(evaluation.molecules),
        "n_unsupported": len(evaluation.refused),
        "n_molecules_without_energy_error": sum(
            not m.energy_errors.size for m in evaluation.molecules
        ),
        "n_frames_without_energy_error": sum(m.without_energy for m in evaluation.molecules),
        "n_frames_without_forces": sum(m.without_forces for m in evaluation.molecules),
        "temperature_where_not_stated": evaluation.temperature,
        "per_element": {
            symbol: {"force_rmse": rmse / FORCE, "n_components": n}
            for symbol, (rmse, n) in evaluation.by_element.items()
        },
        "per_temperature": [
            {"temperature": None if math.isnan(t) else t, **_metrics(found)}
            for t, found in evaluation.by_temperature.items()
        ],
        "domain": _domain(evaluation),
        "per_molecule": [_molecule(m, evaluation.temperature) for m in evaluation.molecules],
        "unsupported": [
            {"name": r.name, "smiles": r.smiles, "n_frames": r.n_frames, "reason": r.reason}
            for r in evaluation.refused
        ],
    }
    return _strict(content)


def ensemble_as_json(
    evaluation: EnsembleEvaluation,
    calibration: Calibration | None,
    *,
    members: list[dict[str, Any]],
) -> dict[str, Any]:
    """What there is to say beyond the errors of the mean.

    Args:
        evaluation: of the ensemble.
        calibration: factors for its error bars, if they were fitted.
        members: what identifies each member.
    """
    found = spread_and_errors(evaluation)
    content = {
        "n_members": found.n_members,
        "error_bar": "factor √(1 + 1/n_members) spread; uncalibrated: factor 1",
        "members": [
            {**said, **_metrics(member.overall)}
            for said, member in zip(members, evaluation.members, strict=True)
        ],
        "spearman_molecule_force": found.rank_correlation,
        "uncalibrated": _bars(found, 1.0, 1.0),
        "calibrated": None
        if calibration is None
        else {
            "data": calibration.data,
            "energy_factor": calibration.energies,
            "force_factor": calibration.forces,
            **_bars(found, calibration.energies, calibration.forces),
        },
        "per_molecule": [
            {
                "name": m.name,
                "energy_spread": _rms(evaluation.spreads[m.name].energies, KILOCALORIE),
                "force_spread": _rms(evaluation.spreads[m.name].forces, FORCE),
                "energy_spread_of_frames": (
                    evaluation.spreads[m.name].energies / KILOCALORIE
                ).tolist(),
                "force_spread_of_frames": [
                    _rms(frame, FORCE) for frame in evaluation.spreads[m.name].forces
                ],
            }
            for m in evaluation.mean.molecules
        ],
    }
    return _strict(content)


def _bars(
    found: SpreadAndErrors, energy_factor: float | None, force_factor: float | None
) -> dict[str, Any]:
    energy = (found.energy_spread, found.energy_error, energy_factor)
    force = (found.force_spread, found.force_error, force_factor)
    return {
        name: None
        if factor is None
        else _of_kind(error_bars(spread, error, members=found.n_members, factor=factor), size)
        for name, (spread, error, factor), size in (
            ("energy", energy, KILOCALORIE),
            ("force", force, FORCE),
        )
    }


def _of_kind(bars: ErrorBars | None, size: float) -> dict[str, Any] | None:
    if bars is None:
        return None
    return {
        "coverage_1_sigma": bars.coverage_1_sigma,
        "coverage_2_sigma": bars.coverage_2_sigma,
        "expected_calibration_error": bars.expected_calibration_error,
        "rms_error_bar": bars.rms / size,
        "rms_error": bars.rms_error / size,
        "n": bars.n,
        "n_without_spread": bars.n_without_spread,
        "levels": LEVELS.round(2).tolist(),
        "coverage": bars.coverage.tolist(),
    }


def _metrics(found: Metrics) -> dict[str, Any]:
    return {
        "force_rmse": _scaled(found.force_rmse, FORCE),
        "force_mae": _scaled(found.force_mae, FORCE),
        "force_rms_of_reference": _scaled(found.force_rms, FORCE),
        "energy_rmse": _scaled(found.energy_rmse, KILOCALORIE),
        "energy_mae": _scaled(found.energy_mae, KILOCALORIE),
        "energy_sd_of_reference": _scaled(found.energy_sd, KILOCALORIE),
        "sigma_delta_u": _scaled(found.sigma_delta_u, KILOCALORIE),
        "effective_sample_size": found.effective_sample_size,
        "charge_rmse": found.charge_rmse,
        "dipole_rmse": _scaled(found.dipole_rmse, ANGSTROM),
        "n_force_components": found.n_forces,
        "n_energies": found.n_energies,
    }


def _molecule(m: MoleculeErrors, temperature: float) -> dict[str, Any]:
    content: dict[str, Any] = {
        "name": m.name,
        "smiles": m.smiles,
        "n_atoms": len(m.elements),
        "n_frames": m.n_frames,
        **_metrics(metrics([m], temperature=temperature)),
        "force_rmse_of_atoms": [_scaled(float(x), FORCE) for x in m.atom_force_rmse()],
    }
    if m.verdict is not None:
        content["domain"] = {
            "inside": m.verdict.inside,
            "text": m.verdict.text,
            "unseen": [{"atom": atom, "radius": radius} for atom, radius in m.verdict.unseen],
        }
    return content


def _domain(evaluation: Evaluation) -> dict[str, Any] | None:
    if evaluation.inside is None or evaluation.outside is None:
        return None
    verdicts = [m.verdict for m in evaluation.molecules if m.verdict is not None]
    return {
        "n_inside": sum(verdict.inside for verdict in verdicts),
        "n_outside": sum(not verdict.inside for verdict in verdicts),
        "inside": _metrics(evaluation.inside),
        "outside": _metrics(evaluation.outside),
        "new_by_radius": [
            {"radius": radius, "n_molecules": found.n_molecules, **_metrics(found)}
            for radius, found in evaluation.by_radius.items()
        ],
    }


def _interval(interval: Interval | None, size: float) -> list[float] | None:
    return None if interval is None else [interval.low / size, interval.high / size]


def _scaled(value: float | None, size: float) -> float | None:
    return None if value is None else value / size


def _rms(values: np.ndarray, size: float) -> float:
    return float(np.sqrt(np.square(values).mean())) / size


def _strict(value: Any) -> Any:
    """Without NaN and infinities, which JSON cannot say."""
    if isinstance(value, dict):
        return {key: _strict(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_strict(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
