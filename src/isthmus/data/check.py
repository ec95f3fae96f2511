"""All checks of a molecule and of a dataset.

| name | severity | what is wrong |
|---|---|---|
| `no-frames` | error | a molecule without frames |
| `energies-missing`, `forces-missing` | error | some frames have none |
| `forces-missing` | warning | a molecule has none at all |
| `not-finite` | error | numbers that are infinite or not numbers |
| `energies-zero`, `forces-zero` | error | all are zero |
| `energies-constant`, `forces-constant` | error | the same in all frames |
| `duplicate-frames` | warning | frames with the same positions |
| `duplicate-frames-differ` | error | the same, with different energies |
| `forces-not-gradient` | error | forces and energies do not belong together |
| `forces-sign` | error | gradients instead of forces |
| `forces-unit` | error | energies and forces are in units that do not match |
| `forces-magnitude` | warning | bonds are too stiff or too soft: a wrong unit? |
| `net-force`, `net-torque` | warning | forces that do not cancel |
| `bond-graph` | warning | frames with other bonds than their molecule |
| `energies-gap`, `energies-outlier` | warning | frames or molecules with another zero of energy |
| `level-of-theory-missing` | warning | it is not stated |
| `level-of-theory-mixed` | error | several in one dataset |
| `key-moved`, `key-differs` | warning | of the reader of frames of ASE: see `ase_frames` |
| `length-unit` | raised | by readers that perceive bonds: see `perceive` |
"""

from collections.abc import Iterator

import numpy as np

from isthmus.data.dataset import Dataset
from isthmus.data.energy_checks import check_gap, check_outliers
from isthmus.data.entry import Entry
from isthmus.data.finding import Finding, Severity
from isthmus.data.force_checks import check_forces
from isthmus.data.force_statistics import ForceStatistics, force_statistics
from isthmus.data.graph_checks import check_bonds, check_strays
from isthmus.data.label_checks import check_labels

__all__ = ["DatasetChecks", "check_dataset", "check_entry"]

_SHOWN = 4


def check_entry(entry: Entry) -> tuple[Finding, ...]:
    """What is cheap to see in a molecule alone: missing, zero, constant, repeated numbers."""
    return tuple(check_labels(entry))


def check_dataset(dataset: Dataset) -> tuple[Finding, ...]:
    """All findings about a dataset, of its reader first; reads it once, molecule by molecule.

    A dataset opened with `strict` raises at the first molecule with an error.
    """
    checks = DatasetChecks()
    for entry in dataset:
        checks.add(entry)
    return (*dataset.findings, *checks.findings())


class DatasetChecks:
    """The checks of a dataset that is read once; give it every molecule, then ask."""

    def __init__(self) -> None:
        """Nothing has been seen yet."""
        self._found: list[Finding] = []
        self._statistics: list[ForceStatistics] = []
        self._counts: list[tuple[str, bytes, int]] = []
        self._energies: list[float] = []
        self._compositions: list[dict[int, int]] = []
        self._zero_so_far = True
        self._levels: dict[str, list[str]] = {}
        self._without_forces: list[str] = []

    def add(self, entry: Entry) -> None:
        """Check one molecule and keep what the dataset as a whole is judged by."""
        self._found.extend((*check_entry(entry), *check_bonds(entry), *check_gap(entry)))
        self._statistics.append(force_statistics(entry))
        numbers = entry.topology.atomic_numbers
        self._counts.append((entry.name, numbers.tobytes(), entry.n_frames))
        self._levels.setdefault(entry.level_of_theory, []).append(entry.name)
        if entry.forces is None:
            self._without_forces.append(entry.name)
        finite = entry.energies[np.isfinite(entry.energies)]
        self._zero_so_far &= bool((finite == 0).all())
        self._energies.append(float(finite.mean()) if len(finite) else np.nan)
        elements, counts = np.unique(numbers, return_counts=True)
        self._compositions.append(dict(zip(elements.tolist(), counts.tolist(), strict=True)))

    def findings(self) -> tuple[Finding, ...]:
        """Everything that was found."""
        return (*self._found, *self._of_all())

    def _of_all(self) -> Iterator[Finding]:
        names = [name for name, _, _ in self._counts]
        known = {finding.name for finding in self._found}
        if names and self._zero_so_far and not known & {"energies-zero", "energies-missing"}:
            text = "all energies are zero: the labels are probably under another key; state it"
            yield Finding("energies-zero", Severity.ERROR, text)
        if self._without_forces:
            text = (
                f"{len(self._without_forces)} of {len(names)} molecules have no forces: "
                f"{_list(self._without_forces)}; fits to energies alone need many more frames"
            )
            yield Finding("forces-missing", Severity.WARNING, text)
        yield from self._levels_of_theory()
        yield from check_forces(self._statistics)
        yield from check_strays(self._counts)
        elements = sorted({number for one in self._compositions for number in one})
        table = [[float(one.get(z, 0)) for z in elements] for one in self._compositions]
        if table:
            yield from check_outliers(names, np.array(table), np.array(self._energies))

    def _levels_of_theory(self) -> Iterator[Finding]:
        unstated = self._levels.get("", [])
        if unstated:
            text = (
                f"the level of theory of {len(unstated)} molecules is not stated; errors mean "
                "nothing without it: state it with --level-of-theory, which isthmus data convert, "
                "train and evaluate have"
            )
            yield Finding("level-of-theory-missing", Severity.WARNING, text)
        if len(self._levels) > 1:
            shown = "; ".join(
                f"{level or 'not stated'} ({len(names)} molecules: {_list(names)})"
                for level, names in self._levels.items()
            )
            text = f"levels of theory are mixed, which have no common energies: {shown}; split them"
            yield Finding("level-of-theory-mixed", Severity.ERROR, text)


def _list(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
