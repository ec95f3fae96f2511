"""Energies that have another zero than the rest: frames or molecules of another level of theory."""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float

from isthmus.data.entry import Entry
from isthmus.data.finding import Finding, Severity

__all__ = ["check_gap", "check_outliers"]

_GAP_PER_ATOM = 10.0
"""Smallest gap that is suspected, per atom [kJ/mol]; thermal energy at 1200 K is 15 in all"""

_GAP_SPREADS = 3.0

_OUTLIER_SPREADS = 20.0
_OUTLIER_PER_ATOM = 40.0
"""Smallest misfit of a sum of atomic energies that is suspected, per atom [kJ/mol]"""

_SHOWN = 5
_ROUNDS = 30


def check_gap(entry: Entry) -> Iterator[Finding]:
    """Frames of one molecule whose energies fall into two groups, far apart."""
    finite = np.flatnonzero(np.isfinite(entry.energies))
    if len(finite) < 4:
        return
    order = finite[np.argsort(entry.energies[finite], kind="stable")]
    energies = entry.energies[order]
    gaps = np.diff(energies)
    cut = int(np.argmax(gaps))
    spread = max(energies[cut] - energies[0], energies[-1] - energies[cut + 1])
    if gaps[cut] > max(_GAP_SPREADS * spread, _GAP_PER_ATOM * entry.n_atoms):
        smaller = order[: cut + 1] if cut + 1 <= len(order) / 2 else order[cut + 1 :]
        text = (
            f"the energies of {len(smaller)} of {entry.n_frames} frames lie {gaps[cut]:.4g} kJ/mol "
            "apart from the others: another level of theory, zero or unit?"
        )
        frames = tuple(sorted(smaller.tolist()))
        yield Finding("energies-gap", Severity.WARNING, text, entry.name, frames)


def check_outliers(
    names: Sequence[str],
    compositions: Float[np.ndarray, "molecules elements"],
    energies: Float[np.ndarray, "molecules"],
) -> Iterator[Finding]:
    """Molecules whose energy is far from the sum of atomic energies that fits the others.

    Args:
        names: of the molecules.
        compositions: number of atoms of each element.
        energies: of each molecule, averaged over its frames [kJ/mol].
    """
    finite = np.isfinite(energies)
    n_elements = compositions.shape[1]
    if finite.sum() < 4 * n_elements:
        return
    known, wanted = compositions[finite], energies[finite]
    size = known.sum(axis=1)
    weights = 1.0 / size
    misfit = np.zeros_like(wanted)
    # Least absolute deviations, by reweighting: outliers shall not bend the fit towards them.
    for _ in range(_ROUNDS):
        root = np.sqrt(weights)
        atomic = np.linalg.lstsq(known * root[:, None], wanted * root, rcond=None)[0]
        misfit = (wanted - known @ atomic) / size
        weights = 1.0 / (size * np.maximum(np.abs(misfit), 1.0))
    limit = max(_OUTLIER_SPREADS * float(np.median(np.abs(misfit))), _OUTLIER_PER_ATOM)
    far = np.flatnonzero(np.abs(misfit) > limit)
    if len(far):
        named = np.flatnonzero(finite)[far]
        shown = ", ".join(f"'{names[i]}'" for i in named[:_SHOWN].tolist())
        more = f" and {len(far) - _SHOWN} more" if len(far) > _SHOWN else ""
        text = (
            f"the energies of {len(far)} molecules do not fit atomic energies that fit the others "
            f"(by more than {limit:.3g} kJ/mol per atom): {shown}{more}; another level of theory, "
            "zero or unit?"
        )
        yield Finding("energies-outlier", Severity.WARNING, text)
