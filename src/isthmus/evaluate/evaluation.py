"""Evaluate a force field on labelled data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from isthmus.chemistry.environments import Domain
from isthmus.data.dataset import Dataset
from isthmus.data.entry import Entry
from isthmus.errors import InputError
from isthmus.evaluate.metrics import (
    Interval,
    Metrics,
    bootstrap,
    by_element,
    by_temperature,
    metrics,
)
from isthmus.evaluate.molecule_errors import MoleculeErrors, Refused, molecule_errors
from isthmus.evaluate.predict import Model, Prediction, Progress, Refusal, predict
from isthmus.evaluate.reweighting import ROOM_TEMPERATURE

__all__ = ["Evaluation", "evaluate", "judge", "level_of_theory"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Evaluation:
    """What a force field gets right and wrong on some data.

    Attributes:
        molecules: errors of each, in the order of the data.
        refused: molecules without a prediction.
        overall: over all molecules with a prediction.
        intervals: 95 % confidence intervals of some numbers of `overall`, by name.
        by_element: force RMSE [kJ/mol/nm] and number of components.
        by_temperature: by temperature [K]; NaN where frames state none.
        inside, outside: over molecules inside and outside the domain of the force field; None
            where the domain is not known.
        by_radius: over the molecules with a new environment, by the smallest radius of one.
        temperature: of frames that state none, for the effective sample size [K].
        level_of_theory: of the labels; empty where not stated.
    """

    molecules: tuple[MoleculeErrors, ...]
    refused: tuple[Refused, ...]
    overall: Metrics
    intervals: Mapping[str, Interval]
    by_element: Mapping[str, tuple[float, int]]
    by_temperature: Mapping[float, Metrics]
    inside: Metrics | None
    outside: Metrics | None
    by_radius: Mapping[int, Metrics]
    temperature: float
    level_of_theory: str

    @property
    def n_frames(self) -> int:
        """Frames that were evaluated."""
        return sum(m.n_frames for m in self.molecules)

    def worst(self, number: int) -> list[MoleculeErrors]:
        """The molecules with the largest force RMSE; with the largest energy RMSE if no forces."""
        by_forces = any(m.force_errors.size for m in self.molecules)

        def size(m: MoleculeErrors) -> float:
            own = metrics([m])
            return (own.force_rmse if by_forces else own.energy_rmse) or 0.0

        return sorted(self.molecules, key=size, reverse=True)[:number]


def evaluate(
    force_field: Model,
    dataset: Dataset,
    *,
    domain: Domain | None = None,
    temperature: float = ROOM_TEMPERATURE,
    precision: str = "float64",
    progress: Progress | None = None,
) -> Evaluation:
    """Errors of a force field on labelled data.

    Args:
        force_field: for any molecule, or a function that gives the one for each.
        dataset: molecules with labelled frames.
        domain: environments of atoms that the force field was made for.
        temperature: of frames that state none, for the effective sample size [K].
        precision: "float32" or "float64".
        progress: is told how many more frames are done.

    Raises:
        InputError: a temperature that is not positive.
    """
    entries = list(dataset)
    found = predict(force_field, entries, precision=precision, progress=progress)
    return judge(entries, found, domain=domain, temperature=temperature)


def judge(
    entries: Sequence[Entry],
    predictions: Sequence[Prediction | Refusal],
    *,
    domain: Domain | None = None,
    temperature: float = ROOM_TEMPERATURE,
) -> Evaluation:
    """Compare predictions with labels; arguments as `evaluate`.

    Raises:
        InputError: a temperature that is not positive.
    """
    if not temperature > 0:
        raise InputError(f"a temperature of {temperature} K: wanted a positive number")
    molecules: list[MoleculeErrors] = []
    refused: list[Refused] = []
    for entry, prediction in zip(entries, predictions, strict=True):
        if isinstance(prediction, Refusal):
            refused.append(Refused(entry.name, entry.smiles, entry.n_frames, prediction.reason))
            continue
        verdict = None if domain is None else domain.verdict(entry.topology)
        found = molecule_errors(entry, prediction, verdict=verdict)
        if isinstance(found, Refused):
            refused.append(found)
        else:
            molecules.append(found)
    judged = [(m, m.verdict) for m in molecules if m.verdict is not None]
    inside = [m for m, verdict in judged if verdict.inside]
    outside = [m for m, verdict in judged if not verdict.inside]
    groups: dict[int, list[MoleculeErrors]] = {}
    for m, verdict in judged:
        if verdict.radius is not None:
            groups.setdefault(verdict.radius, []).append(m)
    return Evaluation(
        molecules=tuple(molecules),
        refused=tuple(refused),
        overall=metrics(molecules, temperature=temperature),
        intervals=bootstrap(molecules),
        by_element=by_element(molecules),
        by_temperature=by_temperature(molecules, temperature=temperature),
        inside=None if domain is None else metrics(inside, temperature=temperature),
        outside=None if domain is None else metrics(outside, temperature=temperature),
        by_radius={
            radius: metrics(chosen, temperature=temperature)
            for radius, chosen in sorted(groups.items(), reverse=True)
        },
        temperature=temperature,
        level_of_theory=level_of_theory(entries),
    )


def level_of_theory(entries: Sequence[Entry]) -> str:
    """Of the labels; several are joined; empty where none is stated."""
    levels = dict.fromkeys(entry.level_of_theory or "not stated" for entry in entries)
    return "" if list(levels) == ["not stated"] else " and ".join(levels)
