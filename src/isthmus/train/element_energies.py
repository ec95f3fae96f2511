"""Energies of elements, from which the energies of molecules may be counted."""

from collections.abc import Iterable

import numpy as np

from isthmus.data.entry import Entry
from isthmus.errors import InputError

__all__ = ["fit_element_energies"]


def fit_element_energies(entries: Iterable[Entry]) -> dict[int, float]:
    """Energy of an atom of each element [kJ/mol], such that their sums fit the molecules best.

    The least-squares solution of smallest norm, over the mean energies of all molecules.

    Raises:
        InputError: no molecule has an energy.
    """
    rows, means = [], []
    for entry in entries:
        known = np.isfinite(entry.energies)
        if known.any():
            rows.append(np.bincount(entry.topology.atomic_numbers, minlength=120))
            means.append(entry.energies[known].mean())
    if not rows:
        raise InputError("no molecule has an energy: count energies from the mean of each molecule")
    counts = np.array(rows, dtype=float)
    present = np.flatnonzero(counts.any(axis=0))
    solution, *_ = np.linalg.lstsq(counts[:, present], np.array(means), rcond=None)
    return {int(z): float(e) for z, e in zip(present, solution, strict=True)}
