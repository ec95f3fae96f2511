"""What a run is fed with: the batches of all its steps, and those of a validation."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from isthmus.data.entry import Entry
from isthmus.forcefield.forcefield import ForceField
from isthmus.train.batch import Batch, Plan, Prepared, collate, prepare
from isthmus.train.labels import refuse_unlabelled, refuse_weights_without_labels
from isthmus.train.settings import TrainSettings
from isthmus.train.stream import Choice, batch_capacity, batches, one_pass

__all__ = ["Feed"]


@dataclass(frozen=True)
class Feed:
    """Molecules ready for batches, and the shape that all batches have.

    Attributes:
        plan: of the design.
        training: molecules to learn from.
        validation: molecules to measure errors on.
        capacity: rows of each table of a batch.
        n_molecules, n_frames: shape of a batch.
        seed: of the order.
    """

    plan: Plan
    training: Sequence[Prepared]
    validation: Sequence[Prepared]
    capacity: Mapping[str, int]
    n_molecules: int
    n_frames: int
    seed: int

    @classmethod
    def of(
        cls,
        force_field: ForceField,
        training: Sequence[Entry],
        validation: Sequence[Entry],
        settings: TrainSettings,
        element_energies: Mapping[int, float] | None,
    ) -> "Feed":
        """Prepare all molecules.

        Raises:
            InputError: molecules that cannot be trained on, or no label for what has a weight.
            DesignError: the design has parameters that belong to pairs.
        """
        entries = (*training, *validation)
        design, networks = force_field.design, force_field.networks
        plan, prepared = prepare(
            design, entries, element_energies=element_energies, networks=networks
        )
        own, others = prepared[: len(training)], prepared[len(training) :]
        refuse_unlabelled(own, settings)
        refuse_weights_without_labels(design, own, settings)
        n_frames = min(settings.frames, max(m.frames.energies.size for m in own))
        capacity = batch_capacity(own, settings.molecules, n_frames, others)
        return cls(plan, own, others, capacity, settings.molecules, n_frames, settings.seed)

    def stream(self) -> Iterator[tuple[int, Choice]]:
        """Batches of the whole run, from its start."""
        return batches(
            self.training,
            capacity=self.capacity,
            n_molecules=self.n_molecules,
            n_frames=self.n_frames,
            seed=self.seed,
        )

    def next_batches(
        self, choices: Iterator[tuple[int, Choice]], n: int
    ) -> list[tuple[Batch, list[str]]]:
        """The next batches of a stream, one a device, with the names of their molecules."""
        return [
            (self._collated(self.training, chosen), [self.training[i].name for i, _ in chosen])
            for _, chosen in islice(choices, n)
        ]

    def validation_batches(self) -> Iterator[tuple[Choice, Batch]]:
        """Every validation molecule once."""
        choices = one_pass(
            self.validation,
            capacity=self.capacity,
            n_molecules=self.n_molecules,
            n_frames=self.n_frames,
        )
        for choice in choices:
            yield choice, self._collated(self.validation, choice)

    def _collated(self, molecules: Sequence[Prepared], choice: Choice) -> Batch:
        return collate(
            self.plan,
            [molecules[index] for index, _ in choice],
            [frames for _, frames in choice],
            capacity=self.capacity,
            n_molecules=self.n_molecules,
            n_frames=self.n_frames,
        )
