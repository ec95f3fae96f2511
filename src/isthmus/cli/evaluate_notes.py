"""What `isthmus evaluate` says about its numbers: data seen in training, small ensembles."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from isthmus.cli.evaluate_input import Data, NamedModel
    from isthmus.evaluate.ensemble import EnsembleEvaluation

__all__ = ["Seen", "few_members", "seen_in_training"]


@dataclass(frozen=True)
class Seen:
    """Whether a model was made with the data that judge it.

    Attributes:
        answer: None where that cannot be told.
        notes: for the reader of the numbers.
    """

    answer: bool | None
    notes: tuple[str, ...]


def seen_in_training(members: "Sequence[NamedModel]", tested: "Data") -> Seen:
    """Compare the digest of the data with those that the files of the models state.

    The same data: seen, if any member learnt from them or was chosen by them. The test data of
    its run, or the part `test` of the same split: not seen. Anything else cannot be told, for
    other data may share frames. Models that are no saved files state nothing.

    Args:
        members: one model, or those of an ensemble.
        tested: what they are evaluated on.
    """
    answers: list[bool | None] = []
    notes: list[str] = []
    for member in members:
        stated = _stated(member)
        part = next((name for name in _PARTS if _digest(stated, name) == _of(tested)), None)
        same_split = tested.identity["split_sha256"] is not None and (
            tested.identity["split_sha256"] == stated.get("split_sha256")
        )
        if part in ("training", "validation"):
            answers.append(True)
            notes.append(
                f"{tested.name} are the {part} data of {member.spec}: these errors say nothing "
                "about new data"
            )
        elif part == "test" or (same_split and tested.part == "test"):
            answers.append(False)
        else:
            answers.append(None)
            if "provenance" in member.identity:
                notes.append(_unknown(member, tested, stated))
    if any(answers):
        return Seen(True, tuple(notes))
    return Seen(None if None in answers else False, tuple(notes))


def few_members(judged: "EnsembleEvaluation | None") -> Iterator[str]:
    """A note for an ensemble that is too small for its error bars."""
    from isthmus.evaluate.error_bars import FEWEST_MEMBERS

    if judged is not None and len(judged.members) < FEWEST_MEMBERS:
        yield (
            f"an ensemble of {len(judged.members)}: its spread is mostly chance, and its error "
            f"bars are a guide; take at least {FEWEST_MEMBERS} members"
        )


_PARTS = ("training", "validation", "test")


def _stated(member: "NamedModel") -> Mapping[str, Any]:
    found = member.identity.get("provenance", {}).get("data")
    return found if isinstance(found, Mapping) else {}


def _digest(stated: Mapping[str, Any], part: str) -> str | None:
    found = stated.get(part)
    return found.get("sha256") if isinstance(found, Mapping) else None


def _of(tested: "Data") -> str:
    return tested.identity["sha256"]


def _unknown(member: "NamedModel", tested: "Data", stated: Mapping[str, Any]) -> str:
    start = f"could not tell whether {member.spec} was trained on {tested.name}: "
    made_of = [stated[name] for name in ("training", "validation") if _digest(stated, name)]
    if not made_of:
        return start + "its file does not say what it was trained on"
    frames = sum(data.get("n_frames", 0) for data in made_of)
    if frames == tested.n_frames and tested.dataset.source in {d.get("source") for d in made_of}:
        return (
            start + f"its training and validation data are {frames} frames of the same source, so "
            "probably yes"
        )
    return start + "its data are others, which may share molecules or frames"
