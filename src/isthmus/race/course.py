"""What is raced on: data to train on, and test sets that nothing is fitted to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from isthmus.data.dataset import Dataset
from isthmus.data.entry import Entry
from isthmus.data.split import Split
from isthmus.errors import InputError
from isthmus.race.record import Test, TrainingData

__all__ = ["Course", "TestSet", "coldest", "lay_out"]


@dataclass(frozen=True, eq=False)
class TestSet:
    """Molecules with labelled frames, and what the results say of them."""

    __test__ = False  # not a test of pytest

    record: Test
    entries: tuple[Entry, ...]

    @property
    def name(self) -> str:
        """Unique in its race."""
        return self.record.name

    def molecules(self) -> tuple[Entry, ...]:
        """Of the median size and the largest; one where they are the same."""
        ordered = sorted(self.entries, key=lambda entry: entry.n_atoms)
        found = {entry.name: entry for entry in (ordered[len(ordered) // 2], ordered[-1])}
        return tuple(found.values())


@dataclass(frozen=True, eq=False)
class Course:
    """What is raced on.

    Attributes:
        training: all data that designs may learn from; None where nothing is trained.
        validation: the part of a split that decides which weights are kept; None leaves the
            choice to the training.
        record: what the results say of them.
        tests: the first is the main one.
    """

    training: Dataset | None
    validation: Dataset | None
    record: TrainingData | None
    tests: tuple[TestSet, ...]

    @property
    def validation_record(self) -> TrainingData | None:
        """What the results say of the validation data of a split."""
        return None if self.validation is None else TrainingData(**_facts(None, self.validation))

    @property
    def one_molecule(self) -> bool:
        """Whether all data to train on are of one molecule."""
        return len({entry.topology.digest for entry in self.training or ()}) == 1


def lay_out(
    data: Dataset | None, tests: Mapping[str, Dataset], *, split: Split | None = None
) -> Course:
    """Check that the data go together.

    Args:
        data: to train on; with a split, its part `train`, and its part `test` is a test set.
        tests: other test sets, by name.
        split: of the data.

    Raises:
        InputError: no test set; a split without a part `train`; several levels of theory; a frame
            that is both trained on and tested on.
    """
    training, validation, given = data, None, dict(tests)
    if split is not None:
        if data is None:
            raise InputError("a split without data came: name the data that it divides")
        parts = split.apply(data)
        if "train" not in parts:
            raise InputError(f"the split has no part 'train': it has {', '.join(parts)}")
        training, validation = parts["train"], parts.get("validation")
        if "test" in parts:
            given = {"test" if "test" not in given else "split test": parts["test"], **given}
    if not given:
        raise InputError("there is nothing to measure on: give --test, or a split with a part test")
    training = None if training is None else training.in_memory()
    validation = None if validation is None else validation.in_memory()
    seen = [*(training or ()), *(validation or ())]
    made = tuple(_test_set(name, found.in_memory(), seen) for name, found in given.items())
    _refuse_other_levels(seen, made)
    record = None if training is None else TrainingData(**_facts(None, training))
    return Course(training, validation, record, made)


def _test_set(name: str, data: Dataset, seen: Sequence[Entry]) -> TestSet:
    """With whether its molecules are among those of the training data.

    Raises:
        InputError: a frame is among theirs, or the test set has no labels.
    """
    entries = tuple(data)
    known = {(e.topology.digest, frame.tobytes()) for e in seen for frame in e.positions}
    for entry in entries:
        if any((entry.topology.digest, frame.tobytes()) in known for frame in entry.positions):
            raise InputError(
                f"'{entry.name}' has a frame that stands in the data to train on and in the test "
                f"set '{name}': an error measured on it would mean nothing; take other data, or "
                "make a split with `isthmus data split`"
            )
    graphs = {entry.topology.digest for entry in seen}
    shared = any(entry.topology.digest in graphs for entry in entries)
    held_out = "unknown" if not seen else "frames" if shared else "molecules"
    return TestSet(Test(**_facts(name, data), held_out=held_out), entries)


def _facts(name: str | None, data: Dataset) -> dict:
    """As in the results; without a name, that of the file."""
    levels = {entry.level_of_theory for entry in data} - {""}
    return {
        "name": _stem(data) if name is None else name,
        "source": data.source,
        "n_molecules": len(data),
        "n_frames": sum(entry.n_frames for entry in data),
        "sha256": data.digest,
        "level_of_theory": "; ".join(sorted(levels)) or None,
    }


def _stem(data: Dataset) -> str:
    return data.source.replace("\\", "/").rpartition("/")[2].rpartition(".")[0] or data.source


def _refuse_other_levels(seen: Sequence[Entry], tests: Sequence[TestSet]) -> None:
    trained = {entry.level_of_theory for entry in seen} - {""}
    for test in tests:
        levels = {entry.level_of_theory for entry in test.entries} - {""}
        if trained and levels and levels != trained:
            raise InputError(
                f"the test set '{test.name}' is {', '.join(sorted(levels))}, the data to train on "
                f"{', '.join(sorted(trained))}: errors against another level of theory mean "
                "nothing; take data of one level"
            )


def coldest(entry: Entry) -> Float[np.ndarray, "atoms 3"]:
    """The frame of the lowest energy [nm]: its bonds have about the lengths that they should."""
    known = np.isfinite(entry.energies)
    lowest = int(np.argmin(np.where(known, entry.energies, np.inf))) if known.any() else 0
    return entry.positions[lowest]
