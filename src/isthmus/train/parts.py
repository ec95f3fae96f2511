"""Which molecules and frames a run learns from, which decide, and which judge."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from isthmus.data.dataset import Dataset
from isthmus.data.entry import Entry
from isthmus.data.split import Split
from isthmus.data.splitting import split_dataset
from isthmus.errors import InputError

__all__ = ["Parts", "make_parts"]

_ENOUGH = 10
"""From this many molecules on, whole molecules are held out for validation"""

_HELD_OUT = 0.1


@dataclass(frozen=True)
class Parts:
    """Parts of the data of one run.

    Attributes:
        training: what the weights are fitted to.
        validation: what decides which weights are kept.
        test: what nothing is fitted to or decided by; None without.
        held_out: "molecules" or "frames": what validation holds out.
        identity: sources, sizes and hashes, as plain data.
    """

    training: Dataset
    validation: Dataset
    test: Dataset | None
    held_out: str
    identity: Mapping[str, Any]

    @property
    def hashes(self) -> dict[str, str | None]:
        """What two runs on the same data have in common, wherever their files lie."""
        named = {"training": self.training, "validation": self.validation, "test": self.test}
        return {name: None if data is None else data.digest for name, data in named.items()}


def make_parts(
    dataset: Dataset,
    *,
    split: Split | None = None,
    validation: Dataset | None = None,
    test: Dataset | None = None,
    seed: int = 0,
) -> Parts:
    """Parts of a dataset, loaded into memory.

    Args:
        dataset: all of the data, or those to train on.
        split: with parts `train`, and perhaps `validation` and `test`, of the dataset.
        validation: other data that decide; without, a tenth of the molecules is held out, or a
            tenth of the frames where there are fewer than ten molecules.
        test: other data that judge.
        seed: of what is held out.

    Raises:
        InputError: a split without a part `train`; data named twice; frames in two parts; parts
            with different levels of theory.
    """
    training = dataset
    if split is not None:
        parts = {name: part for name, part in split.parts.items() if part}
        if "train" not in parts:
            raise InputError(f"the split has no part 'train': it has {', '.join(parts)}")
        for name, given in (("validation", validation), ("test", test)):
            if name in parts and given is not None:
                raise InputError(f"{name} data are in the split, and given by name: choose one")
        applied = split.apply(dataset)
        training = applied["train"]
        validation = applied["validation"] if "validation" in parts else validation
        test = applied["test"] if "test" in parts else test
    training = training.in_memory()
    held_out = "molecules"
    if validation is None:
        by_molecule = len(training) >= _ENOUGH
        held_out = "molecules" if by_molecule else "frames"
        made = split_dataset(
            training,
            "molecule" if by_molecule else "frames",
            fractions=(1 - _HELD_OUT, _HELD_OUT),
            names=("train", "validation"),
            seed=seed,
        ).apply(training)
        training, validation = made["train"], made["validation"]
    training, validation = training.in_memory(), validation.in_memory()
    test = None if test is None else test.in_memory()
    named = {"training": training, "validation": validation, "test": test}
    found = Parts(training, validation, test, held_out, _identity(named, split))
    _refuse_other_levels(found)
    _refuse_overlap(found)
    return found


def _identity(named: Mapping[str, Dataset | None], split: Split | None) -> dict[str, Any]:
    return {
        name: None
        if data is None
        else {
            "source": data.source,
            "sha256": data.digest,
            "n_molecules": len(data),
            "n_frames": sum(entry.n_frames for entry in data),
        }
        for name, data in named.items()
    } | {"split_sha256": None if split is None else split.digest}


def _refuse_other_levels(parts: Parts) -> None:
    trained = {entry.level_of_theory for entry in parts.training} - {""}
    for name, data in (("validation", parts.validation), ("test", parts.test)):
        levels = {entry.level_of_theory for entry in data or ()} - {""}
        if trained and levels and levels != trained:
            raise InputError(
                f"the {name} data are {', '.join(sorted(levels))}, the training data "
                f"{', '.join(sorted(trained))}: errors against another level of theory mean "
                "nothing; take data of one level"
            )


def _refuse_overlap(parts: Parts) -> None:
    known = dict.fromkeys((frame for _, frame in _frames(parts.training)), "training")
    for name, data in (("validation", parts.validation), ("test", parts.test)):
        own = list(_frames(data or ()))
        for molecule, frame in own:
            if frame in known:
                raise InputError(
                    f"'{molecule}' has a frame that stands in the {known[frame]} data and in the "
                    f"{name} data: an error measured on it would mean nothing; drop repeated "
                    "frames, take other data, or make a split with `isthmus data split`"
                )
        known |= dict.fromkeys((frame for _, frame in own), name)


def _frames(data: Iterable[Entry]) -> Iterator[tuple[str, bytes]]:
    """Names of molecules, each with a short digest of one frame."""
    for entry in data:
        start = hashlib.blake2b(entry.topology.digest.encode(), digest_size=16)
        for frame in entry.positions:
            own = start.copy()
            own.update(frame.tobytes())
            yield entry.name, own.digest()
