"""A dataset: named molecules with labelled frames, in memory or read one by one from a file."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType

import numpy as np
from jaxtyping import Int

from isthmus.data.entry import Entry
from isthmus.data.finding import Finding
from isthmus.errors import InputError

__all__ = ["Dataset", "concatenate"]

_NEAREST = 3


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Molecules in order, each loaded when it is asked for.

    `Dataset.create` holds them in memory; `open_dataset` loads them from a file, so that
    iterating needs the memory of one molecule, however large the file is.

    Attributes:
        names: of the molecules, each once.
        level_of_theory: of the whole; empty where it is not stated, or differs from molecule to
            molecule.
        source: file or collection.
        provenance: what else is known, as text, for example versions and licence.
        findings: what the reader noticed.
        load: the entry at an index.
    """

    names: tuple[str, ...]
    level_of_theory: str
    source: str
    provenance: Mapping[str, str]
    findings: tuple[Finding, ...]
    load: Callable[[int], Entry]

    @classmethod
    def create(
        cls,
        entries: Sequence[Entry],
        *,
        source: str = "",
        provenance: Mapping[str, str] | None = None,
        findings: Sequence[Finding] = (),
    ) -> "Dataset":
        """A dataset in memory; names that come again are numbered: `CCO`, `CCO (2)`.

        Raises:
            InputError: no entries.
        """
        if not entries:
            raise InputError("a dataset needs at least one molecule")
        held = tuple(_distinctly_named(entries))
        levels = {entry.level_of_theory for entry in held}
        return cls(
            names=tuple(entry.name for entry in held),
            level_of_theory=levels.pop() if len(levels) == 1 else "",
            source=source,
            provenance=MappingProxyType(dict(provenance or {})),
            findings=tuple(findings),
            load=held.__getitem__,
        )

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[Entry]:
        return map(self.load, range(len(self)))

    def __getitem__(self, key: int | str) -> Entry:
        if isinstance(key, str):
            return self.load(self._position(key))
        if not -len(self) <= key < len(self):
            raise IndexError(f"molecule {key} of {len(self)}")
        return self.load(key % len(self))

    def __contains__(self, name: object) -> bool:
        return name in self._index

    @cached_property
    def _index(self) -> Mapping[str, int]:
        return {name: index for index, name in enumerate(self.names)}

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all molecules and frames in order; reads the whole dataset once."""
        sha = hashlib.sha256()
        for entry in self:
            sha.update(bytes.fromhex(entry.digest))
        return sha.hexdigest()

    def select(
        self,
        chosen: Sequence[str] | Sequence[int] | Int[np.ndarray, "chosen"],
        *,
        frames: Mapping[str, Sequence[int] | Int[np.ndarray, "chosen_frames"]] | None = None,
    ) -> "Dataset":
        """Some of the molecules, in the order given, loaded as before.

        Args:
            chosen: names or indices, each once.
            frames: for molecules that should keep only some frames.

        Raises:
            InputError: a molecule that does not exist or is chosen twice, or nothing is chosen.
        """
        indices = [
            self._position(item) if isinstance(item, str) else self._checked(int(item))
            for item in chosen
        ]
        if not indices:
            raise InputError("no molecule is chosen; choose at least one")
        if len(set(indices)) < len(indices):
            twice = next(i for i in indices if indices.count(i) > 1)
            raise InputError(f"molecule '{self.names[twice]}' is chosen twice; choose each once")
        wanted = dict(frames or {})
        for name in wanted:
            self._position(name)

        def load(index: int) -> Entry:
            entry = self.load(indices[index])
            return entry.take(wanted[entry.name]) if entry.name in wanted else entry

        return replace(self, names=tuple(self.names[i] for i in indices), load=load)

    def in_memory(self) -> "Dataset":
        """The same with every molecule loaded."""
        return replace(self, load=tuple(self).__getitem__)

    def _checked(self, index: int) -> int:
        if not 0 <= index < len(self):
            raise InputError(f"there is no molecule {index}: there are {len(self)}, counted from 0")
        return index

    def _position(self, name: str) -> int:
        if name not in self._index:
            import difflib

            close = difflib.get_close_matches(name, self.names, n=_NEAREST, cutoff=0.5)
            hint = f"; close are {', '.join(close)}" if close else ""
            raise InputError(
                f"there is no molecule '{name}' among the {len(self)} of "
                f"{self.source or 'the dataset'}{hint}"
            )
        return self._index[name]

    def __repr__(self) -> str:
        level = self.level_of_theory or "no level of theory stated"
        return f"Dataset({len(self)} molecules, {level}, {self.source or 'in memory'})"


def concatenate(datasets: Sequence[Dataset], *, source: str = "") -> Dataset:
    """One dataset of several, in memory; levels of theory stay with their molecules.

    Raises:
        InputError: nothing to concatenate.
    """
    if not datasets:
        raise InputError("nothing to concatenate: give at least one dataset")
    provenance: dict[str, str] = {}
    for number, dataset in enumerate(datasets, start=1):
        for key, text in dataset.provenance.items():
            provenance[f"{number}.{key}"] = text
    return Dataset.create(
        [entry for dataset in datasets for entry in dataset],
        source=source or " + ".join(dataset.source for dataset in datasets),
        provenance=provenance,
        findings=[finding for dataset in datasets for finding in dataset.findings],
    )


def _distinctly_named(entries: Sequence[Entry]) -> Iterator[Entry]:
    taken: set[str] = set()
    count: dict[str, int] = {}
    for entry in entries:
        name = entry.name
        while name in taken:
            count[entry.name] = count.get(entry.name, 1) + 1
            name = f"{entry.name} ({count[entry.name]})"
        taken.add(name)
        yield entry if name == entry.name else entry.renamed(name)
