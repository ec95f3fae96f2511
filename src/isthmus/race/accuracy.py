"""Errors on a test set, of whatever gives energies and forces."""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from isthmus.data.entry import Entry
from isthmus.evaluate.evaluation import Evaluation, judge
from isthmus.evaluate.molecule_errors import MoleculeErrors
from isthmus.evaluate.predict import Prediction, Refusal
from isthmus.race.record import Errors, Estimate
from isthmus.race.rivals.caller import Caller, RivalError
from isthmus.units import ANGSTROM, KILOCALORIE

__all__ = ["called", "errors_of", "over_seeds"]

_RESAMPLES: Final = 2000
_LEVEL: Final = (2.5, 97.5)
_AT_ONCE: Final = 8
"""Frames of one call of a rival"""

_UNITS: Final = {"force_rmse": KILOCALORIE / ANGSTROM, "energy_rmse": KILOCALORIE}


def called(
    caller: Caller, entries: Sequence[Entry], heed: Callable[[int], None]
) -> list[Prediction | Refusal]:
    """Predictions of a rival; `heed` is told how many more frames are done."""
    found: list[Prediction | Refusal] = []
    for entry in entries:
        energies, forces = [], []
        try:
            for first in range(0, entry.n_frames, _AT_ONCE):
                part = entry.positions[first : first + _AT_ONCE]
                energy, force = caller.evaluate(entry, part)
                energies.append(energy)
                forces.append(force)
                heed(len(part))
        except RivalError as error:
            found.append(Refusal(str(error)))
            continue
        found.append(Prediction(np.concatenate(energies), np.concatenate(forces)))
    return found


def errors_of(entries: Sequence[Entry], predictions: Sequence[Prediction | Refusal]) -> Errors:
    """RMSE of forces, and of energies less the mean of their molecule, with 95 % intervals."""
    found = judge(entries, predictions)
    return Errors(
        force_rmse=_estimate(found, "force_rmse"),
        energy_rmse=_estimate(found, "energy_rmse"),
        n_frames=found.n_frames,
        n_refused=sum(one.n_frames for one in found.refused),
        refusal=found.refused[0].reason if found.refused else None,
    )


def over_seeds(every: Sequence[Errors]) -> Errors:
    """One record of several trainings: the mean, with the lowest and the highest of them."""
    if len(every) == 1:
        return every[0]
    worst = max(every, key=lambda one: one.n_refused)
    return Errors(
        force_rmse=_joined([one.force_rmse for one in every]),
        energy_rmse=_joined([one.energy_rmse for one in every]),
        n_frames=worst.n_frames,
        n_refused=worst.n_refused,
        refusal=worst.refusal,
    )


def _joined(every: Sequence[Estimate | None]) -> Estimate | None:
    values = [one.value for one in every if one is not None]
    if not values:
        return None
    mean = float(np.mean(values))
    return Estimate(value=mean, low=min(values), high=max(values), seeds=tuple(values))


def _estimate(found: Evaluation, name: str) -> Estimate | None:
    value = getattr(found.overall, name)
    if value is None:
        return None
    unit = _UNITS[name]
    interval = found.intervals.get(name)
    if interval is not None:
        low, high = interval.low, interval.high
    else:
        low, high = _over_frames(found.molecules, name)
    return Estimate(
        value=value / unit,
        low=None if low is None else low / unit,
        high=None if high is None else high / unit,
    )


def _over_frames(
    molecules: Sequence[MoleculeErrors], name: str
) -> tuple[float | None, float | None]:
    """Interval of the errors of one molecule: its frames are drawn with replacement."""
    parts = [m.force_errors if name == "force_rmse" else m.energy_errors for m in molecules]
    parts = [part for part in parts if len(part)]
    if len(parts) != 1 or len(parts[0]) < 2:
        return None, None
    squares = np.square(parts[0]).reshape(len(parts[0]), -1).mean(axis=1)
    drawn = np.random.default_rng(0).integers(len(squares), size=(_RESAMPLES, len(squares)))
    low, high = np.percentile(np.sqrt(squares[drawn].mean(axis=1)), _LEVEL)
    return float(low), float(high)
