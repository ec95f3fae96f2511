"""Ensembles: the mean of several force fields, their spread, and error bars made of it.

The members differ by their random start, say, or by their training data. Their mean is the
prediction; their spread says where it is uncertain:

- of an energy, the standard deviation (n - 1) of the members' energies, each less its mean over
  the frames of the molecule, for the zeros of the members differ;
- of the force on an atom, the root mean square over x, y, z of the members' standard deviation.
  One number an atom: with few members, the spread of a single component is often small by chance.

`isthmus.evaluate.error_bars` makes error bars of the spread.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from isthmus.chemistry.environments import Domain
from isthmus.data.dataset import Dataset
from isthmus.errors import InputError
from isthmus.evaluate.error_bars import Calibration, fit_factor
from isthmus.evaluate.evaluation import Evaluation, judge
from isthmus.evaluate.predict import Model, Prediction, Progress, Refusal, predict
from isthmus.evaluate.reweighting import ROOM_TEMPERATURE

__all__ = [
    "EnsembleEvaluation",
    "Spread",
    "SpreadAndErrors",
    "calibrate",
    "combine",
    "evaluate_ensemble",
    "spread_and_errors",
]


@dataclass(frozen=True, eq=False)
class Spread:
    """How far the members of an ensemble lie apart, on the frames of one molecule.

    Attributes:
        energies: standard deviation [kJ/mol].
        forces: standard deviation of a component, one number an atom [kJ/mol/nm].
    """

    energies: Float[np.ndarray, "frames"]
    forces: Float[np.ndarray, "frames atoms"]


def combine(
    members: Sequence[Sequence[Prediction | Refusal]],
) -> tuple[list[Prediction | Refusal], list[Spread | None]]:
    """The mean of the members, and their spread, molecule by molecule.

    A molecule that one member refuses has no mean: the reason names the member.

    Args:
        members: predictions of each member for the same molecules.

    Raises:
        InputError: fewer than two members.
    """
    if len(members) < 2:
        raise InputError(f"an ensemble of {len(members)}: give at least two members")
    means: list[Prediction | Refusal] = []
    spreads: list[Spread | None] = []
    for of_molecule in zip(*members, strict=True):
        refused = [
            f"member {number}: {found.reason}"
            for number, found in enumerate(of_molecule, start=1)
            if isinstance(found, Refusal)
        ]
        given = [found for found in of_molecule if isinstance(found, Prediction)]
        if refused:
            means.append(Refusal("; ".join(refused)))
            spreads.append(None)
            continue
        energies = np.stack([found.energies for found in given])
        forces = np.stack([found.forces for found in given])
        centred = energies - energies.mean(axis=1, keepdims=True)
        variances = forces.var(axis=0, ddof=1).mean(axis=2)
        charges = [found.charges for found in given if found.charges is not None]
        mean = np.mean(charges, axis=0) if len(charges) == len(given) else None
        means.append(Prediction(energies.mean(axis=0), forces.mean(axis=0), mean))
        spreads.append(Spread(centred.std(axis=0, ddof=1), np.sqrt(variances)))
    return means, spreads


@dataclass(frozen=True, eq=False)
class EnsembleEvaluation:
    """An ensemble on some data.

    Attributes:
        mean: errors of the mean.
        members: errors of each member.
        spreads: by the name of the molecule.
    """

    mean: Evaluation
    members: tuple[Evaluation, ...]
    spreads: Mapping[str, Spread]


def evaluate_ensemble(
    members: Sequence[Model],
    dataset: Dataset,
    *,
    domain: Domain | None = None,
    temperature: float = ROOM_TEMPERATURE,
    precision: str = "float64",
    progress: Progress | None = None,
) -> EnsembleEvaluation:
    """Errors of the mean and of each member; arguments as `isthmus.evaluate.evaluation.evaluate`.

    Raises:
        InputError: fewer than two members, a temperature that is not positive.
    """
    entries = list(dataset)
    found = [predict(m, entries, precision=precision, progress=progress) for m in members]
    means, spreads = combine(found)
    return EnsembleEvaluation(
        judge(entries, means, domain=domain, temperature=temperature),
        tuple(judge(entries, of, domain=domain, temperature=temperature) for of in found),
        {
            entry.name: spread
            for entry, spread in zip(entries, spreads, strict=True)
            if spread is not None
        },
    )


@dataclass(frozen=True, eq=False)
class SpreadAndErrors:
    """Spread and error of every label that was compared; arrays of equal length.

    Attributes:
        energy_spread, energy_error: of frames [kJ/mol].
        force_spread, force_error: of components [kJ/mol/nm].
        molecule_spread: for each molecule with forces, root mean square [kJ/mol/nm].
        molecule_error: the same of its errors.
        n_members: of the ensemble.
    """

    energy_spread: Float[np.ndarray, "energies"]
    energy_error: Float[np.ndarray, "energies"]
    force_spread: Float[np.ndarray, "components"]
    force_error: Float[np.ndarray, "components"]
    molecule_spread: Float[np.ndarray, "molecules"]
    molecule_error: Float[np.ndarray, "molecules"]
    n_members: int

    @property
    def rank_correlation(self) -> float | None:
        """Spearman's, of spread and error of molecules; None for fewer than three, or equal."""
        from scipy.stats import rankdata

        spread, error = self.molecule_spread, self.molecule_error
        if len(spread) < 3 or np.ptp(spread) == 0 or np.ptp(error) == 0:
            return None
        return float(np.corrcoef(rankdata(spread), rankdata(error))[0, 1])


def spread_and_errors(evaluation: EnsembleEvaluation) -> SpreadAndErrors:
    """Put the spread beside the error, for all labels that the mean was compared with."""
    energies, forces, by_molecule = [np.zeros((2, 0))], [np.zeros((2, 0))], []
    for m in evaluation.mean.molecules:
        spread = evaluation.spreads[m.name]
        energies.append(np.stack([spread.energies[m.energy_frames], m.energy_errors]))
        own = np.repeat(spread.forces[m.force_frames][:, :, None], 3, axis=2)
        forces.append(np.stack([own.ravel(), m.force_errors.ravel()]))
        if own.size:
            by_molecule.append(np.sqrt(np.square(forces[-1]).mean(axis=1)))
    energy, force = np.concatenate(energies, axis=1), np.concatenate(forces, axis=1)
    per_molecule = np.stack(by_molecule, axis=1) if by_molecule else np.zeros((2, 0))
    n_members = len(evaluation.members)
    return SpreadAndErrors(
        energy[0], energy[1], force[0], force[1], *per_molecule, n_members=n_members
    )


def calibrate(evaluation: EnsembleEvaluation, *, data: str = "") -> Calibration:
    """Factors for energies and forces, fitted on data that the ensemble was evaluated on.

    Args:
        evaluation: on data that neither made the members nor will judge the error bars.
        data: name of the data, for the reader.

    Raises:
        InputError: neither can be fitted.
    """
    found = spread_and_errors(evaluation)
    energies = _factor(found.energy_spread, found.energy_error, found.n_members, "energies")
    forces = _factor(found.force_spread, found.force_error, found.n_members, "forces")
    if energies is None and forces is None:
        raise InputError(
            f"error bars cannot be calibrated on {data or 'these data'}: of "
            f"{len(found.energy_error)} energies and {len(found.force_error)} components of forces "
            "that were compared, the members differ on none; give labelled data and members that "
            "differ"
        )
    return Calibration(energies, forces, data)


def _factor(
    spread: Float[np.ndarray, "samples"],
    error: Float[np.ndarray, "samples"],
    members: int,
    what: str,
) -> float | None:
    """None where there is nothing to fit it to."""
    if not (spread > 0).any():
        return None
    return fit_factor(spread, error, members=members, what=what)
