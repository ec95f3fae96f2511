"""Numbers that sum errors up, over any set of molecules.

| number | what it is |
|---|---|
| `force_rmse`, `force_mae` | over all force components [kJ/mol/nm] |
| `energy_rmse`, `energy_mae` | of energies less the mean of their molecule, over frames [kJ/mol] |
| `charge_rmse` | over atoms and frames with a label [e] |
| `dipole_rmse` | over components of the dipoles of neutral molecules [e nm] |
| `sigma_delta_u` | standard deviation of ΔU within a molecule, pooled [kJ/mol] |
| `effective_sample_size` | mean over molecules of the fraction of `isthmus.evaluate.reweighting` |

Pooled is σ = √(Σ d² / Σ (n - 1)), over molecules with n ≥ 2 frames in the group at hand, with d =
ΔU less its mean over these n frames: within a temperature, only what varies there counts.

A number that nothing can be computed from is None.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float

from isthmus.evaluate.molecule_errors import MoleculeErrors
from isthmus.evaluate.reweighting import ROOM_TEMPERATURE, effective_fraction

__all__ = ["Interval", "Metrics", "bootstrap", "by_element", "by_temperature", "metrics"]

RESAMPLES: Final = 2000
"""Resamples of a bootstrap"""

_LEVEL: Final = (2.5, 97.5)


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """See the table of this module.

    Attributes:
        n_molecules: with an error of any kind.
        n_energies: energies that were compared.
        n_forces: force components that were compared.
        force_rms: root mean square of the force components of the reference [kJ/mol/nm].
        energy_sd: of the energies of the reference, less the mean of their molecule [kJ/mol].
    """

    n_molecules: int
    n_energies: int
    n_forces: int
    force_rmse: float | None
    force_mae: float | None
    force_rms: float | None
    energy_rmse: float | None
    energy_mae: float | None
    energy_sd: float | None
    sigma_delta_u: float | None
    effective_sample_size: float | None
    charge_rmse: float | None
    dipole_rmse: float | None


@dataclass(frozen=True)
class Interval:
    """95 % confidence interval of a number, in its unit."""

    low: float
    high: float


def metrics(
    molecules: Sequence[MoleculeErrors], *, temperature: float = ROOM_TEMPERATURE
) -> Metrics:
    """Sum up the errors of some molecules.

    Args:
        molecules: any number.
        temperature: of frames that state none [K].
    """
    energy = _joined([m.energy_errors for m in molecules])
    force = _joined([m.force_errors.ravel() for m in molecules])
    fractions = [
        fraction
        for m in molecules
        if (
            fraction := effective_fraction(
                m.energy_errors, m.energy_temperatures, otherwise=temperature
            )
        )
        is not None
    ]
    return Metrics(
        n_molecules=sum(bool(m.force_errors.size or m.energy_errors.size) for m in molecules),
        n_energies=len(energy),
        n_forces=len(force),
        force_rmse=_rms(force),
        force_mae=_mean(np.abs(force)),
        force_rms=_rms(_joined([m.forces.ravel() for m in molecules])),
        energy_rmse=_rms(energy),
        energy_mae=_mean(np.abs(energy)),
        energy_sd=_rms(_joined([m.energies for m in molecules])),
        sigma_delta_u=_pooled_sd([m.energy_errors for m in molecules]),
        effective_sample_size=_mean(np.array(fractions)),
        charge_rmse=_rms(_known([m.charge_errors for m in molecules])),
        dipole_rmse=_rms(_known([m.dipole_errors for m in molecules])),
    )


def by_element(molecules: Sequence[MoleculeErrors]) -> dict[str, tuple[float, int]]:
    """Force RMSE [kJ/mol/nm] and number of components, for each element."""
    sums: dict[str, tuple[float, int]] = {}
    for m in molecules:
        squares = np.square(m.force_errors).sum(axis=(0, 2))
        for symbol, square in zip(m.elements, squares.tolist(), strict=True):
            known, n = sums.get(symbol, (0.0, 0))
            sums[symbol] = known + square, n + 3 * len(m.force_errors)
    return {s: ((square / n) ** 0.5, n) for s, (square, n) in sorted(sums.items()) if n}


def by_temperature(
    molecules: Sequence[MoleculeErrors], *, temperature: float = ROOM_TEMPERATURE
) -> dict[float, Metrics]:
    """Metrics of the frames at each temperature [K]; NaN for frames that state none.

    Energy errors are less the mean of their molecule over all its frames, so that an error that
    grows with the temperature is seen; for `sigma_delta_u` they are less the mean over the frames
    at the temperature. Arguments as `metrics`.
    """
    every = _joined([a for m in molecules for a in (m.energy_temperatures, m.force_temperatures)])
    levels = np.unique(np.round(every, 2))
    return {
        float(level): metrics([m.at(float(level)) for m in molecules], temperature=temperature)
        for level in levels
    }


def bootstrap(molecules: Sequence[MoleculeErrors], *, seed: int = 0) -> Mapping[str, Interval]:
    """95 % intervals of `force_rmse` and `energy_rmse`: molecules are drawn with replacement.

    Frames of one molecule are alike; molecules are what a new sample would bring. Percentile
    method: B. Efron, R. J. Tibshirani, An Introduction to the Bootstrap (1993), chapter 13.

    Args:
        molecules: with fewer than two that have errors there is no interval.
        seed: of the random numbers.
    """
    wanted: dict[str, Callable[[MoleculeErrors], np.ndarray]] = {
        "force_rmse": lambda m: m.force_errors,
        "energy_rmse": lambda m: m.energy_errors,
    }
    intervals = {}
    for name, errors in wanted.items():
        parts = [errors(m) for m in molecules if errors(m).size]
        if len(parts) < 2:
            continue
        squares = np.array([np.square(part).sum() for part in parts])
        counts = np.array([part.size for part in parts])
        rng = np.random.default_rng(seed)
        drawn = (rng.integers(len(parts), size=len(parts)) for _ in range(RESAMPLES))
        values = [np.sqrt(squares[k].sum() / counts[k].sum()) for k in drawn]
        low, high = np.percentile(values, _LEVEL)
        intervals[name] = Interval(float(low), float(high))
    return intervals


def _joined(parts: Sequence[Float[np.ndarray, "_"]]) -> Float[np.ndarray, "samples"]:
    return np.concatenate([np.zeros(0), *parts])


def _known(parts: Sequence[Float[np.ndarray, "_ _"]]) -> Float[np.ndarray, "samples"]:
    values = _joined([part.ravel() for part in parts])
    return values[np.isfinite(values)]


def _mean(values: Float[np.ndarray, "samples"]) -> float | None:
    return float(values.mean()) if len(values) else None


def _pooled_sd(parts: Sequence[Float[np.ndarray, "_"]]) -> float | None:
    """Standard deviation about the mean of each part; parts of one value say nothing."""
    several = [part for part in parts if len(part) > 1]
    if not several:
        return None
    squares = sum(float(np.square(part - part.mean()).sum()) for part in several)
    return float(np.sqrt(squares / sum(len(part) - 1 for part in several)))


def _rms(values: Float[np.ndarray, "samples"]) -> float | None:
    return float(np.sqrt(np.square(values).mean())) if len(values) else None
