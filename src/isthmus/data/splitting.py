"""Ways to split a dataset, all reproducible from a seed."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np

from isthmus.data.dataset import Dataset
from isthmus.data.entry import Entry
from isthmus.data.split import Part, Split
from isthmus.errors import InputError

__all__ = ["METHODS", "part_names", "split_dataset", "split_frames"]

_NAMES = {
    1: ("train",),
    2: ("train", "test"),
    3: ("train", "validation", "test"),
}
_WHOLE = 1e-6


def split_dataset(
    dataset: Dataset,
    method: str,
    *,
    fractions: Sequence[float] = (0.8, 0.1, 0.1),
    names: Sequence[str] | None = None,
    seed: int = 0,
) -> Split:
    """Split a dataset; it is read twice, molecule by molecule, the second time for its digest.

    | method | what stays together |
    |---|---|
    | `molecule` | all with the same graph, whatever their stereo |
    | `scaffold` | all with the same Murcko scaffold; each molecule without rings on its own |
    | `formula` | all with the same formula |
    | `frames` | nothing: the frames of each molecule are drawn at random |
    | `temperature` | all frames of a temperature, the coldest in the first part |

    Groups are drawn at random, and each goes to the part that lacks most of its share.

    Args:
        dataset: at least as many groups as parts.
        method: one of `METHODS`.
        fractions: of the molecules (frames, with `frames` and `temperature`); they add up to 1.
        names: of the parts; not given, train, validation, test, or train, test.
        seed: of the random numbers.

    Raises:
        InputError: an unknown method, fractions that are not positive or do not add up to 1, or
            too little to split.
    """
    wanted = _checked(fractions)
    parts = part_names(len(wanted), names)
    if method == "frames":
        made = _random_frames(dataset, wanted, parts, seed=seed)
    elif method == "temperature":
        made = _by_temperature(dataset, wanted, parts)
    elif method in _GROUPS:
        made = _by_group(dataset, wanted, parts, key=_GROUPS[method], seed=seed)
    else:
        raise InputError(f"unknown method '{method}': choose one of {', '.join(METHODS)}")
    empty = [part for part in parts if not made[part]]
    if empty:
        raise InputError(
            f"too little to split by {method}: nothing is left for {', '.join(empty)}; ask for "
            "fewer parts, other fractions or another method"
        )
    return Split(
        made,
        method=f"{method} {','.join(f'{f:g}' for f in wanted)}",
        seed=None if method == "temperature" else seed,
        data_digest=dataset.digest,
    )


def split_frames(dataset: Dataset, ranges: Mapping[str, Sequence[int]]) -> Split:
    """A split of the frames of a dataset of one molecule, as given for each part.

    The published split of 3BPA, for example:
    `split_frames(dataset, {"train": range(450), "test": range(450, 500)})`.

    Raises:
        InputError: several molecules, frames that do not exist or stand in two parts.
    """
    if len(dataset) > 1:
        raise InputError(f"ranges of frames need one molecule, there are {len(dataset)}")
    entry = dataset[0]
    for frames in ranges.values():
        entry.take(np.array(frames, dtype=np.int64))
    parts = {part: {entry.name: tuple(frames)} for part, frames in ranges.items()}
    return Split(parts, method="frames as given", data_digest=dataset.digest)


def part_names(number: int, names: Sequence[str] | None = None) -> tuple[str, ...]:
    """Names of parts: those given, or the usual ones.

    Raises:
        InputError: another number of names than parts, a name twice, or no usual names.
    """
    if names is None and number in _NAMES:
        return _NAMES[number]
    if names is None or len(names) != number or len(set(names)) < number:
        raise InputError(f"{number} parts need {number} different names, got {names}")
    return tuple(names)


def _checked(fractions: Sequence[float]) -> tuple[float, ...]:
    wanted = tuple(float(fraction) for fraction in fractions)
    if not wanted or min(wanted) <= 0 or abs(sum(wanted) - 1) > _WHOLE:
        raise InputError(
            f"fractions {', '.join(f'{f:g}' for f in wanted)}: wanted positive numbers that add up "
            "to 1, such as 0.8,0.1,0.1"
        )
    return wanted


def _by_group(
    dataset: Dataset,
    fractions: Sequence[float],
    parts: Sequence[str],
    *,
    key: Callable[[Entry], str],
    seed: int,
) -> dict[str, Part]:
    groups: dict[str, list[str]] = {}
    for entry in dataset:
        groups.setdefault(key(entry), []).append(entry.name)
    # Sorted first, so that the order of the file does not matter.
    order = sorted(groups)
    shuffled = [order[i] for i in np.random.default_rng(seed).permutation(len(order))]
    quota = np.array(fractions) * len(dataset)
    filled = np.zeros(len(parts))
    home: dict[str, int] = {}
    for group in shuffled:
        part = int(np.argmax((quota - filled) / quota))
        filled[part] += len(groups[group])
        home.update(dict.fromkeys(groups[group], part))
    return {
        part: {name: None for name in dataset.names if home[name] == index}
        for index, part in enumerate(parts)
    }


def _random_frames(
    dataset: Dataset, fractions: Sequence[float], parts: Sequence[str], *, seed: int
) -> dict[str, Part]:
    """Shares of each molecule are rounded at random, so that single frames are shared out too."""
    rng = np.random.default_rng(seed)
    made: dict[str, dict[str, tuple[int, ...]]] = {part: {} for part in parts}
    edges = np.cumsum(fractions)
    edges[-1] = 1.0
    for entry in dataset:
        place = (rng.permutation(entry.n_frames) + rng.random()) / entry.n_frames
        home = np.searchsorted(edges, place % 1.0, side="right")
        for index, part in enumerate(parts):
            frames = np.flatnonzero(home == index)
            if len(frames):
                made[part][entry.name] = tuple(frames.tolist())
    return dict(made)


def _by_temperature(
    dataset: Dataset, fractions: Sequence[float], parts: Sequence[str]
) -> dict[str, Part]:
    found: dict[str, np.ndarray] = {}
    for entry in dataset:
        if entry.temperatures is None:
            raise InputError(
                f"molecule '{entry.name}' has no temperatures; state them when converting, or "
                "split another way"
            )
        lacking = np.isnan(entry.temperatures)
        if lacking.any():
            raise InputError(
                f"{lacking.sum()} of {entry.n_frames} frames of molecule '{entry.name}' have no "
                f"temperature, frame {entry.frame_idx[lacking.argmax()]} for one; add them, or "
                "split another way"
            )
        found[entry.name] = entry.temperatures
    every = np.concatenate(list(found.values()))
    levels, counts = np.unique(every, return_counts=True)
    middle = (np.cumsum(counts) - counts / 2) / len(every)
    edges = np.cumsum(fractions)[:-1]
    home = np.searchsorted(edges, middle, side="right")
    if len(levels) == len(parts):
        home = np.arange(len(parts))
    made: dict[str, dict[str, tuple[int, ...]]] = {part: {} for part in parts}
    for name, temperatures in found.items():
        place = home[np.searchsorted(levels, temperatures)]
        for index, part in enumerate(parts):
            frames = np.flatnonzero(place == index)
            if len(frames):
                made[part][name] = tuple(frames.tolist())
    return dict(made)


def _graph(entry: Entry) -> str:
    from rdkit import Chem

    mol = Chem.MolFromSmiles(entry.smiles)
    return entry.smiles if mol is None else Chem.MolToSmiles(mol, isomericSmiles=False)


def _scaffold(entry: Entry) -> str:
    """Murcko scaffold (G. W. Bemis, M. A. Murcko, J. Med. Chem. 39, 2887 (1996))."""
    from rdkit import Chem
    from rdkit.Chem.Scaffolds.MurckoScaffold import MurckoScaffoldSmiles

    mol = Chem.MolFromSmiles(entry.smiles)
    scaffold = "" if mol is None else MurckoScaffoldSmiles(mol=mol, includeChirality=False)
    return scaffold or f"no ring: {_graph(entry)}"


def _formula(entry: Entry) -> str:
    return entry.formula


_GROUPS: Final[Mapping[str, Callable[[Entry], str]]] = {
    "molecule": _graph,
    "scaffold": _scaffold,
    "formula": _formula,
}

METHODS: Final = (*_GROUPS, "frames", "temperature")
"""Ways to split"""
