"""Which molecules and frames each step sees: a function of the seed and of nothing else."""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Int

from isthmus.train.batch import Prepared, Sizes

__all__ = ["Choice", "batch_capacity", "batches", "batches_in_a_pass", "one_pass"]

Choice = list[tuple[int, Int[np.ndarray, " _"]]]
"""Molecules of a batch by index, each with its frames."""

_SPREAD = 3.0
"""Room of a batch above the mean, in standard deviations of its size."""

_COUNTED = 4
"""Passes over the data that tell how many batches are in one"""


def batch_capacity(
    molecules: Sequence[Prepared],
    n_molecules: int,
    n_frames: int,
    others: Sequence[Prepared] = (),
) -> dict[str, int]:
    """Rows of each table that a batch of `n_molecules` has room for.

    Any single molecule fits; most batches of `n_molecules` do, and those that do not are closed
    earlier. One row more, so that what is added to fill a batch has an atom of its own.

    Args:
        molecules: that batches are drawn from; one with many frames is in several pieces.
        n_molecules: pieces in a batch.
        n_frames: of a piece.
        others: molecules that need only fit one at a time, as for validation.
    """
    pieces = [-(-m.frames.energies.size // n_frames) for m in molecules]
    n = min(n_molecules, sum(pieces))
    capacity = {}
    for table in molecules[0].sizes:
        counts = np.repeat([float(m.sizes[table]) for m in molecules], pieces)
        typical = n * counts.mean() + _SPREAD * np.sqrt(n) * counts.std()
        largest = max((m.sizes[table] for m in others), default=0)
        wanted = max(counts.max(), largest, min(typical, n * counts.max())) + 1
        capacity[table] = -(-int(np.ceil(wanted)) // 8) * 8
    return capacity


def batches_in_a_pass(stream: Iterator[tuple[int, Choice]]) -> float:
    """On the average over a few passes, since few molecules do not fill their last batch."""
    for n_batches, (n_passes, _) in enumerate(stream, start=1):
        # The batch at hand was filled, at least in part, in the pass before
        if n_passes >= _COUNTED:
            return n_batches / n_passes
    raise AssertionError("the stream has no end")


def batches(
    molecules: Sequence[Prepared],
    *,
    capacity: Sizes,
    n_molecules: int,
    n_frames: int,
    seed: int,
) -> Iterator[tuple[int, Choice]]:
    """Batches without end: all frames in random order, again and again, packed until full.

    In a pass every frame comes once; molecules with more than `n_frames` come several times, with
    other frames each.

    Yields:
        The number of whole passes over the frames before this batch, and the batch.
    """
    random = np.random.default_rng([seed, 1])
    waiting: Choice = []
    rows = dict.fromkeys(capacity, 0)
    n_passes = 0
    while True:
        pieces: Choice = []
        for index, molecule in enumerate(molecules):
            order = random.permutation(molecule.frames.energies.size)
            starts = range(0, len(order), n_frames)
            pieces += [(index, np.sort(order[start : start + n_frames])) for start in starts]
        for place in random.permutation(len(pieces)).tolist():
            index, chosen = pieces[place]
            molecule = molecules[index]
            if len(waiting) == n_molecules or not _fits(rows, molecule, capacity):
                yield n_passes, waiting
                waiting, rows = [], dict.fromkeys(capacity, 0)
            waiting.append((index, chosen))
            for table, count in molecule.sizes.items():
                rows[table] += count
        n_passes += 1


def one_pass(
    molecules: Sequence[Prepared], *, capacity: Sizes, n_molecules: int, n_frames: int
) -> Iterator[Choice]:
    """Every frame of every molecule once, in order."""
    waiting: Choice = []
    rows = dict.fromkeys(capacity, 0)
    for index, molecule in enumerate(molecules):
        n_own = molecule.frames.energies.size
        for start in range(0, n_own, n_frames):
            if len(waiting) == n_molecules or not _fits(rows, molecule, capacity):
                yield waiting
                waiting, rows = [], dict.fromkeys(capacity, 0)
            waiting.append((index, np.arange(start, min(start + n_frames, n_own))))
            for table, count in molecule.sizes.items():
                rows[table] += count
    if waiting:
        yield waiting


def _fits(rows: Sizes, molecule: Prepared, capacity: Sizes) -> bool:
    return all(rows[t] + count < capacity[t] for t, count in molecule.sizes.items())
