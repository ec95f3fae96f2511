"""Energies and forces of a force field for the frames of many molecules.

`predict` is the one place where a force field is evaluated on data. Molecules whose energies are
formulas without cutoff are evaluated together (`isthmus.evaluate.bundle`); the others one by one.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import numpy as np
from jaxtyping import Float

from isthmus.chemistry.topology import concatenate
from isthmus.data.entry import Entry
from isthmus.errors import IsthmusError
from isthmus.evaluate.bundle import bundle, can_be_bundled, terms_of
from isthmus.forcefield.binding import EXPLICIT_PAIRS, bind_parameterization
from isthmus.forcefield.check import check_positions
from isthmus.forcefield.forcefield import ForceField
from isthmus.networks.bound import DENSE
from isthmus.parameters.graph.source import GraphSource
from isthmus.parameters.parameterization import Parameterization
from isthmus.parameters.source import NoParameters

__all__ = ["Model", "Prediction", "Progress", "Refusal", "predict"]

_PAIRS: Final = 40_000
"""Pairs of atoms evaluated together, for molecules; more would only take memory"""

_PAIR_FRAMES: Final = 1_000_000
"""Pairs of atoms times frames evaluated together"""

_NETWORK_PAIR_FRAMES: Final = 150_000
"""The same for networks, which keep hundreds of numbers for each pair"""

Model: TypeAlias = ForceField | Callable[[Entry], ForceField]
"""A force field for any molecule, or what gives the one for a molecule"""

Progress: TypeAlias = Callable[[int], None]
"""Is told how many more frames are done"""


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a force field says of the frames of one molecule.

    Attributes:
        energies: [kJ/mol]; their zero is that of the force field.
        forces: [kJ/mol/nm].
        charges: of the atoms [e], the same in all frames; None where the force field has none.
    """

    energies: Float[np.ndarray, "frames"]
    forces: Float[np.ndarray, "frames atoms 3"]
    charges: Float[np.ndarray, "atoms"] | None = None


@dataclass(frozen=True)
class Refusal:
    """Why a force field says nothing of a molecule."""

    reason: str


@dataclass(frozen=True, eq=False)
class _Task:
    """Molecules that one call of a source gave numbers for; `alone` if by themselves."""

    indices: tuple[int, ...]
    parameterization: Parameterization
    alone: bool = False


def predict(
    force_field: Model,
    entries: Sequence[Entry],
    *,
    precision: str = "float64",
    progress: Progress | None = None,
) -> list[Prediction | Refusal]:
    """Energies and forces of every frame, in the order of the entries.

    Args:
        force_field: for any molecule, or a function that gives the one for each.
        entries: molecules with frames.
        precision: "float32" or "float64"; sums over frames are always in float64.
        progress: is told how many more frames are done.

    Returns:
        For each molecule its prediction, or why there is none: no numbers for it, a box that the
        force field would not see, positions that cannot be evaluated.
    """
    results: dict[int, Prediction | Refusal] = {}
    progress = progress or (lambda _frames: None)
    networks = isinstance(force_field, ForceField) and bool(force_field.networks)
    for chunk in _network_chunks(entries) if networks else _chunks(entries):
        tasks: list[_Task] = []
        for found in _parameterised(force_field, entries, chunk):
            if isinstance(found, _Task):
                tasks.append(found)
            else:
                results |= found
        for group in _grouped(tasks, entries):
            if group[0].alone:
                (i,) = group[0].indices
                results[i] = _bound(group[0].parameterization, entries[i], precision)
                progress(entries[i].n_frames)
            else:
                results |= _together(group, entries, precision, progress)
    return [results[i] for i in range(len(entries))]


def _chunks(entries: Sequence[Entry]) -> Iterator[list[int]]:
    """Molecules with about as many frames, and not too many of them."""
    chunk: list[int] = []
    pairs = 0
    for i in sorted(range(len(entries)), key=lambda i: -entries[i].n_frames):
        own = entries[i].n_atoms ** 2 // 2
        fewer = chunk and 2 * entries[i].n_frames < entries[chunk[0]].n_frames
        if chunk and (fewer or pairs + own > _PAIRS):
            yield chunk
            chunk, pairs = [], 0
        chunk.append(i)
        pairs += own
    if chunk:
        yield chunk


def _network_chunks(entries: Sequence[Entry]) -> Iterator[list[int]]:
    """Molecules of about one size with about as many frames: rows are as long as the longest."""
    order = sorted(
        range(len(entries)),
        key=lambda i: (-entries[i].n_frames.bit_length(), -entries[i].n_atoms),
    )
    chunk: list[int] = []
    for i in order:
        first = entries[chunk[0]] if chunk else entries[i]
        alike = (
            entries[i].n_frames.bit_length() == first.n_frames.bit_length()
            and 4 * entries[i].n_atoms >= 3 * first.n_atoms
            and first.n_atoms <= DENSE
        )
        full = (len(chunk) + 1) * first.n_atoms**2 > _NETWORK_PAIR_FRAMES
        if chunk and (full or not alike):
            yield chunk
            chunk = []
        chunk.append(i)
    if chunk:
        yield chunk


def _unusable(entry: Entry) -> str | None:
    if not entry.n_frames:
        return "it has no frames"
    solid = entry.topology.masses > 0
    try:
        check_positions(entry.positions, placed=np.zeros_like(solid), solid=solid)
    except IsthmusError as error:
        return str(error)
    return None


def _parameterised(
    force_field: Model, entries: Sequence[Entry], chunk: Sequence[int]
) -> Iterator[_Task | dict[int, Refusal]]:
    """Numbers for all molecules of a chunk: by one call of a network, or molecule by molecule."""
    refused = {i: why for i in chunk if (why := _unusable(entries[i])) is not None}
    yield {i: Refusal(why) for i, why in refused.items()}
    chunk = [i for i in chunk if i not in refused]
    together = (
        isinstance(force_field, ForceField)
        and isinstance(force_field.source, (GraphSource, NoParameters))
        and all(entries[i].box is None for i in chunk)
    )
    if together and len(chunk) > 1:
        assert isinstance(force_field, ForceField)
        try:
            topology = concatenate([entries[i].topology for i in chunk])
            yield _Task(tuple(chunk), force_field.parameterise(topology))
        except IsthmusError:
            # One by one, to see which molecule it is
            pass
        else:
            return
    for i in chunk:
        try:
            own = force_field if isinstance(force_field, ForceField) else force_field(entries[i])
            found = own.parameterise(entries[i].topology)
        except IsthmusError as error:
            yield {i: Refusal(str(error))}
            continue
        yield _Task((i,), found)


def _grouped(tasks: Sequence[_Task], entries: Sequence[Entry]) -> list[list[_Task]]:
    """Those that can be evaluated together; a large molecule or one with a box stays alone."""
    groups: dict[object, list[_Task]] = {}
    for task in tasks:
        item = task.parameterization
        most = DENSE if item.networks else EXPLICIT_PAIRS
        large = len(task.indices) == 1 and item.n_atoms > most
        boxed = any(entries[i].box is not None for i in task.indices)
        if large or boxed or not can_be_bundled(item):
            groups[task.indices] = [replace(task, alone=True)]
        else:
            groups.setdefault(terms_of(item), []).append(task)
    return list(groups.values())


def _bound(item: Parameterization, entry: Entry, precision: str) -> Prediction | Refusal:
    """One molecule by a potential of its own."""
    far = (*item.pair_groups, *item.networks)
    sees_box = far and all(group.periodic for group in item.pair_groups)
    if entry.box is not None and not sees_box:
        return Refusal(
            "its frames are in a box, which this force field would not see: evaluate it on "
            "molecules without a box, or use a force field with a cutoff, such as amber14"
        )
    try:
        potential = bind_parameterization(item, precision=precision, box=entry.box)
        found = potential.energy_and_forces(entry.positions)
    except IsthmusError as error:
        return Refusal(str(error))
    return Prediction(
        np.asarray(found.energy, dtype=np.float64),
        np.asarray(found.forces, dtype=np.float64),
        _charges(item),
    )


def _charges(item: Parameterization) -> Float[np.ndarray, "atoms"] | None:
    """The charges of the atoms, of the first term that has any; None without."""
    for term in (*(t for group in item.pair_groups for t in group.terms), *item.terms):
        for parameter in term.term.parameters:
            if parameter.per == "atom" and parameter.unit == "e":
                return np.asarray(term.values[parameter.name], dtype=np.float64)
    return None


def _together(
    group: Sequence[_Task], entries: Sequence[Entry], precision: str, progress: Progress
) -> dict[int, Prediction | Refusal]:
    """Many molecules in one program, a block of frames at a time."""
    chosen = [(i, entries[i]) for task in group for i in task.indices]
    sizes = [[entries[i].n_atoms for i in task.indices] for task in group]
    program = bundle([task.parameterization for task in group], sizes, precision=precision)
    n_pairs = sum(entry.n_atoms**2 // 2 for _, entry in chosen)
    most = max(entry.n_frames for _, entry in chosen)
    limit = _PAIR_FRAMES
    if group[0].parameterization.networks:
        n_pairs = len(chosen) * max(entry.n_atoms for _, entry in chosen) ** 2
        limit = _NETWORK_PAIR_FRAMES
    n_blocks = max(1, -(-most * max(n_pairs, 1) // limit))
    size = -(-most // n_blocks)
    # Every block has as many frames, so that the program is compiled once; short ones are filled.
    energies = {i: np.zeros(entry.n_frames) for i, entry in chosen}
    forces = {i: np.zeros((entry.n_frames, entry.n_atoms, 3)) for i, entry in chosen}
    for start in range(0, most, size):
        frames = np.arange(start, start + size)
        positions = np.concatenate(
            [e.positions[np.minimum(frames, e.n_frames - 1)] for _, e in chosen], axis=1
        )
        energy, force = program.energies_and_forces(positions.transpose(2, 1, 0))
        first_atom = 0
        for row, (i, entry) in enumerate(chosen):
            n_new = int((frames < entry.n_frames).sum())
            new = slice(start, start + n_new)
            atoms = slice(first_atom, first_atom + entry.n_atoms)
            energies[i][new] = energy[row, :n_new]
            forces[i][new] = force[:, atoms, :n_new].transpose(2, 1, 0)
            first_atom += entry.n_atoms
            progress(n_new)
    charges: dict[int, np.ndarray] = {}
    for task, own in zip(group, sizes, strict=True):
        if (found := _charges(task.parameterization)) is not None:
            ends = np.cumsum(own)[:-1].tolist()
            charges |= dict(zip(task.indices, np.split(found, ends), strict=True))
    return {i: Prediction(energies[i], forces[i], charges.get(i)) for i, _ in chosen}
