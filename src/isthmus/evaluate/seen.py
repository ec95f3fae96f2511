"""Whether a saved model was made with the data that judge it, as far as its file says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["Seen", "TestedData", "seen_in_training"]

_PARTS: Final = ("training", "validation", "test")


@dataclass(frozen=True)
class Seen:
    """Whether a model was made with the data that judge it.

    Attributes:
        answer: None where that cannot be told.
        notes: for the reader of the numbers.
    """

    answer: bool | None
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class TestedData:
    """Data that judge.

    Attributes:
        name: for the reader.
        sha256: digest of their content.
        n_frames: of all molecules.
        source: where they came from.
        part: of a split, if they are one.
        split_sha256: digest of the split.
    """

    __test__ = False  # not a test of pytest

    name: str
    sha256: str
    n_frames: int
    source: str
    part: str | None = None
    split_sha256: str | None = None


def seen_in_training(
    models: Sequence[tuple[str, Mapping[str, Any] | None]], tested: TestedData
) -> Seen:
    """Compare the digest of the data with those that the files of the models state.

    The same data: seen, if any model learnt from them or was chosen by them. The test data of
    its run, or the part `test` of the same split: not seen. Anything else cannot be told, for
    other data may share frames.

    Args:
        models: one model, or those of an ensemble: a name, and the provenance in its file; None
            for what is no saved file, and states nothing.
        tested: what they are evaluated on.
    """
    answers: list[bool | None] = []
    notes: list[str] = []
    for name, provenance in models:
        stated = _stated(provenance)
        part = next((part for part in _PARTS if _digest(stated, part) == tested.sha256), None)
        same_split = tested.split_sha256 is not None and (
            tested.split_sha256 == stated.get("split_sha256")
        )
        if part in ("training", "validation"):
            answers.append(True)
            notes.append(
                f"{tested.name} are the {part} data of {name}: these errors say nothing about new "
                "data"
            )
        elif part == "test" or (same_split and tested.part == "test"):
            answers.append(False)
        else:
            answers.append(None)
            if provenance is not None:
                notes.append(_unknown(name, tested, stated))
    if any(answers):
        return Seen(True, tuple(notes))
    return Seen(None if None in answers else False, tuple(notes))


def _stated(provenance: Mapping[str, Any] | None) -> Mapping[str, Any]:
    found = (provenance or {}).get("data")
    return found if isinstance(found, Mapping) else {}


def _digest(stated: Mapping[str, Any], part: str) -> str | None:
    found = stated.get(part)
    return found.get("sha256") if isinstance(found, Mapping) else None


def _unknown(name: str, tested: TestedData, stated: Mapping[str, Any]) -> str:
    start = f"could not tell whether {name} was trained on {tested.name}: "
    made_of = [stated[part] for part in ("training", "validation") if _digest(stated, part)]
    if not made_of:
        return start + "its file does not say what it was trained on"
    frames = sum(data.get("n_frames", 0) for data in made_of)
    if frames == tested.n_frames and tested.source in {data.get("source") for data in made_of}:
        return (
            start + f"its training and validation data are {frames} frames of the same source, so "
            "probably yes"
        )
    return start + "its data are others, which may share molecules or frames"
