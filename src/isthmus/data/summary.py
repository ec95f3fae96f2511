"""What a dataset holds, in numbers: one pass, molecule by molecule."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float, Int

from isthmus.data.check import DatasetChecks
from isthmus.data.dataset import Dataset
from isthmus.data.finding import Finding

__all__ = ["FORCE_EDGES", "Summary", "summarise"]

FORCE_EDGES: Final = np.geomspace(0.1, 1e6, 141)
"""Edges of the histogram of lengths of forces [kJ/mol/nm]"""


@dataclass(frozen=True, eq=False, kw_only=True)
class Summary:
    """Counts and distributions of a dataset.

    Attributes:
        n_molecules: number of molecules.
        n_frames: number of frames of all molecules.
        elements: number of molecules with each element, by symbol.
        charges: number of molecules of each total charge [e].
        sizes: atoms of each molecule.
        frames: frames of each molecule.
        levels_of_theory: number of molecules of each; empty text where not stated.
        temperatures: number of frames at each temperature [K].
        fields: number of molecules that have forces, charges, dipoles.
        energies: of all frames, less the mean of their molecule [kJ/mol]; of molecules with
            several frames.
        force_rms: root mean square of force components [kJ/mol/nm]; NaN without.
        force_max: length of the largest force [kJ/mol/nm]; NaN without.
        force_histogram: number of atoms with a force between `FORCE_EDGES`.
        findings: of all checks.
        digest: of the dataset.
    """

    n_molecules: int
    n_frames: int
    elements: Mapping[str, int]
    charges: Mapping[int, int]
    sizes: Int[np.ndarray, "molecules"]
    frames: Int[np.ndarray, "molecules"]
    levels_of_theory: Mapping[str, int]
    temperatures: Mapping[float, int]
    fields: Mapping[str, int]
    energies: Float[np.ndarray, "samples"]
    force_rms: float
    force_max: float
    force_histogram: Int[np.ndarray, "bins"]
    findings: tuple[Finding, ...]
    digest: str


def summarise(dataset: Dataset) -> Summary:
    """Count, check and hash a dataset, reading each molecule once."""
    checks, sha = DatasetChecks(), hashlib.sha256()
    elements: Counter[str] = Counter()
    charges: Counter[int] = Counter()
    levels: Counter[str] = Counter()
    temperatures: Counter[float] = Counter()
    fields = {"forces": 0, "charges": 0, "dipoles": 0}
    sizes, frames, energies = [], [], [np.zeros(0)]
    squares, components, largest = 0.0, 0, 0.0
    histogram = np.zeros(len(FORCE_EDGES) - 1, dtype=np.int64)
    for entry in dataset:
        checks.add(entry)
        sha.update(bytes.fromhex(entry.digest))
        elements.update(dict.fromkeys(entry.topology.elements, 1))
        charges[entry.total_charge] += 1
        levels[entry.level_of_theory] += 1
        sizes.append(entry.n_atoms)
        frames.append(entry.n_frames)
        finite = entry.energies[np.isfinite(entry.energies)]
        if len(finite) > 1:
            energies.append(finite - finite.mean())
        if entry.temperatures is not None:
            known = entry.temperatures[np.isfinite(entry.temperatures)]
            temperatures.update(np.round(known, 2).tolist())
        for name in fields:
            fields[name] += getattr(entry, name) is not None
        if entry.forces is not None:
            lengths = np.linalg.norm(entry.forces, axis=2)
            lengths = lengths[np.isfinite(lengths)]
            squares += float(np.square(lengths).sum())
            components += 3 * lengths.size
            largest = max(largest, float(lengths.max(initial=0.0)))
            histogram += np.histogram(lengths, bins=FORCE_EDGES)[0]
    return Summary(
        n_molecules=len(sizes),
        n_frames=sum(frames),
        elements=dict(sorted(elements.items(), key=lambda item: (-item[1], item[0]))),
        charges=dict(sorted(charges.items())),
        sizes=np.array(sizes),
        frames=np.array(frames),
        levels_of_theory=dict(levels),
        temperatures=dict(sorted(temperatures.items())),
        fields=fields,
        energies=np.concatenate(energies),
        force_rms=(squares / components) ** 0.5 if components else float("nan"),
        force_max=largest if components else float("nan"),
        force_histogram=histogram,
        findings=(*dataset.findings, *checks.findings()),
        digest=sha.hexdigest(),
    )
