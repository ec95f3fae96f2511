"""Errors on validation molecules."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from isthmus.train.model import Residuals
from isthmus.train.settings import TrainSettings
from isthmus.train.stream import Choice
from isthmus.units import ANGSTROM, KILOCALORIE

__all__ = ["score", "validation_errors"]


def validation_errors(
    choices: Sequence[Choice], found: Sequence[Residuals], settings: TrainSettings
) -> dict[str, Any]:
    """RMSE of force components [kcal/mol/Å] and of energies [kcal/mol], None without labels.

    Where they have a weight, also of charges [e] and of components of dipoles [e Å].

    Args:
        choices: molecules and frames of each batch.
        found: errors of each batch.
        settings: with the weights, and the zero of energies: where that is the mean over the
            frames of a molecule, a molecule with one frame has none to compare.
    """
    offsets: dict[int, list[np.ndarray]] = {}
    for choice, residuals in zip(choices, found, strict=True):
        known = np.asarray(residuals.known) > 0
        values = np.asarray(residuals.offsets, dtype=np.float64)
        for row, (index, frames) in enumerate(choice):
            own = slice(0, len(frames))
            offsets.setdefault(index, []).append(values[row, own][known[row, own]])
    joined = [np.concatenate(parts) for parts in offsets.values()]
    if settings.energy_zero == "molecule":
        joined = [values - values.mean() for values in joined if len(values) > 1]
    squares = float(sum(np.square(values).sum() for values in joined))
    force_squares = sum(float(residuals.force_squares) for residuals in found)
    force_count = sum(float(residuals.force_count) for residuals in found)
    errors = {
        "validation_force_rmse": _root(force_squares, force_count, KILOCALORIE / ANGSTROM),
        "validation_energy_rmse": _root(squares, float(sum(map(len, joined))), KILOCALORIE),
    }
    for name, weight, unit in (
        ("charge", settings.charge_weight, 1.0),
        ("dipole", settings.dipole_weight, ANGSTROM),
    ):
        if weight:
            total = sum(float(getattr(r.electric, f"{name}_squares")) for r in found)
            count = sum(float(getattr(r.electric, f"{name}_count")) for r in found)
            errors[f"validation_{name}_rmse"] = _root(total, count, unit)
    return errors


def score(errors: Mapping[str, Any], settings: TrainSettings, n_atoms: float) -> float | None:
    """Weighted mean squares of forces, and of energies over the mean number of atoms.

    Args:
        errors: from `validation_errors`.
        settings: with the weights.
        n_atoms: mean number of atoms of the molecules.

    Returns:
        None where nothing that has a weight is labelled; it may be other than finite.
    """
    parts = [
        weight * error**2
        for weight, error in (
            (settings.force_weight, errors["validation_force_rmse"]),
            (settings.energy_weight / n_atoms, errors["validation_energy_rmse"]),
        )
        if weight and error is not None
    ]
    return sum(parts) if parts else None


def _root(squares: float, count: float, size: float) -> float | None:
    return float(np.sqrt(squares / count)) / size if count else None
