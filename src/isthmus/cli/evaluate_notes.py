"""What `isthmus evaluate` says about its numbers: data seen in training, small ensembles."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from isthmus.cli.evaluate_input import Data, NamedModel
    from isthmus.evaluate.ensemble import EnsembleEvaluation
    from isthmus.evaluate.seen import Seen

__all__ = ["few_members", "seen_by"]


def seen_by(members: "Sequence[NamedModel]", tested: "Data") -> "Seen":
    """Whether one model, or any of an ensemble, was made with the data that judge it."""
    from isthmus.evaluate.seen import TestedData, seen_in_training

    stated = [(member.spec, member.identity.get("provenance")) for member in members]
    data = TestedData(
        name=tested.name,
        sha256=tested.identity["sha256"],
        n_frames=tested.n_frames,
        source=tested.dataset.source,
        part=tested.part,
        split_sha256=tested.identity["split_sha256"],
    )
    return seen_in_training(stated, data)


def few_members(judged: "EnsembleEvaluation | None") -> Iterator[str]:
    """A note for an ensemble that is too small for its error bars."""
    from isthmus.evaluate.error_bars import FEWEST_MEMBERS

    if judged is not None and len(judged.members) < FEWEST_MEMBERS:
        yield (
            f"an ensemble of {len(judged.members)}: its spread is mostly chance, and its error "
            f"bars are a guide; take at least {FEWEST_MEMBERS} members"
        )
