"""Checks of the numbers of one molecule: missing, not finite, zero, constant, repeated."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool

from isthmus.data.entry import Entry
from isthmus.data.finding import Finding, Severity

__all__ = ["check_labels", "distinct_frames"]

_SAME_POSITION = 1e-7
"""Positions that differ by less [nm] are the same"""

_SAME_ENERGY = 0.01
"""Energies of one frame, given twice, may differ by this much [kJ/mol]"""

_FEW = 3


def check_labels(entry: Entry) -> Iterator[Finding]:
    """What can be said of a molecule without physics."""
    if not entry.n_frames:
        yield _error(entry, "no-frames", "there are no frames; leave the molecule out")
        return
    yield from _check_missing(entry)
    yield from _check_energies(entry)
    yield from _check_forces(entry)
    yield from _check_duplicates(entry)


def distinct_frames(entry: Entry) -> dict[bytes, list[int]]:
    """The frames that have each set of positions, by those positions."""
    rounded = np.round(np.nan_to_num(entry.positions) / _SAME_POSITION).astype(np.int64)
    found: dict[bytes, list[int]] = {}
    for frame, row in enumerate(rounded):
        found.setdefault(row.tobytes(), []).append(frame)
    return found


def _check_missing(entry: Entry) -> Iterator[Finding]:
    lacking = np.isnan(entry.energies)
    if lacking.any():
        text = f"{lacking.sum()} of {entry.n_frames} frames have no energy; add it or drop them"
        yield _error(entry, "energies-missing", text, lacking)
    if np.isinf(entry.energies).any():
        yield _error(
            entry, "not-finite", "energies are infinite; drop the frames", np.isinf(entry.energies)
        )
    broken = np.asarray(~np.isfinite(entry.positions).all(axis=(1, 2)))
    if broken.any():
        text = f"positions of {broken.sum()} frames are not finite numbers; drop the frames"
        yield _error(entry, "not-finite", text, broken)
    if entry.forces is None:
        return
    lacking = np.asarray(np.isnan(entry.forces).all(axis=(1, 2)))
    if lacking.any():
        text = f"{lacking.sum()} of {entry.n_frames} frames have no forces; add them or drop these"
        yield _error(entry, "forces-missing", text, lacking)
    broken = np.asarray(~np.isfinite(entry.forces).all(axis=(1, 2)) & ~lacking)
    if broken.any():
        text = f"forces of {broken.sum()} frames are not finite numbers; drop the frames"
        yield _error(entry, "not-finite", text, broken)


def _check_energies(entry: Entry) -> Iterator[Finding]:
    energies, different = entry.energies, len(distinct_frames(entry))
    if different < 2:
        return
    if (energies == 0).all():
        text = (
            f"all {entry.n_frames} energies are zero: the labels are probably under another key; "
            "state it"
        )
        yield _error(entry, "energies-zero", text)
    elif different >= _FEW and np.ptp(energies) == 0:
        text = (
            f"all {entry.n_frames} energies are {energies[0]:.6g} kJ/mol, though the frames differ"
        )
        yield _error(entry, "energies-constant", text)


def _check_forces(entry: Entry) -> Iterator[Finding]:
    if entry.forces is None or entry.n_atoms < 2:
        return
    if (entry.forces == 0).all():
        text = (
            "all forces are zero: the labels are probably under another key, or not there; state "
            "the key, or leave the forces out"
        )
        yield _error(entry, "forces-zero", text)
    elif len(distinct_frames(entry)) > 1 and (entry.forces == entry.forces[0]).all():
        text = f"the forces are the same in all {entry.n_frames} frames, though the frames differ"
        yield _error(entry, "forces-constant", text)


def _check_duplicates(entry: Entry) -> Iterator[Finding]:
    groups = [frames for frames in distinct_frames(entry).values() if len(frames) > 1]
    if not groups:
        return
    repeated = np.zeros(entry.n_frames, dtype=bool)
    repeated[[frame for frames in groups for frame in frames[1:]]] = True
    text = f"{repeated.sum()} of {entry.n_frames} frames repeat the positions of an earlier one"
    worst = max(float(np.ptp(entry.energies[frames])) for frames in groups)
    if worst > _SAME_ENERGY:
        text += f", and their energies differ by up to {worst:.4g} kJ/mol; find out which is right"
        yield _error(entry, "duplicate-frames-differ", text, repeated)
    else:
        text += "; drop them, or they count twice and may stand in both parts of a split"
        frames = tuple(np.flatnonzero(repeated).tolist())
        yield Finding("duplicate-frames", Severity.WARNING, text, entry.name, frames)


def _error(
    entry: Entry, name: str, text: str, frames: Bool[np.ndarray, "frames"] | None = None
) -> Finding:
    chosen = () if frames is None else tuple(np.flatnonzero(frames).tolist())
    return Finding(name, Severity.ERROR, text, entry.name, chosen)
