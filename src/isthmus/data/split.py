"""Splits of a dataset into parts: which molecules, or which frames of them, belong to each."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

from isthmus.data.dataset import Dataset
from isthmus.data.frame_ranges import as_ranges, from_ranges
from isthmus.errors import InputError
from isthmus.files import replacing

__all__ = ["Part", "Split", "read_split", "write_split"]

Part: TypeAlias = Mapping[str, tuple[int, ...] | None]
"""Molecules of a part by name, each with its frames; None for all of them"""

_FORMAT = "isthmus split 1"
_OWN = ("format", "method", "seed", "data_sha256", "split_sha256")


@dataclass(frozen=True)
class Split:
    """Parts by name, usually `train`, `validation` and `test`.

    Attributes:
        parts: molecules, or some of their frames, of each part.
        method: how it was made; empty where that is not known.
        seed: of the random numbers; None where there were none.
        data_digest: `Dataset.digest` of the data that were split; empty where not recorded.
    """

    parts: Mapping[str, Part]
    method: str = ""
    seed: int | None = None
    data_digest: str = ""

    def __post_init__(self) -> None:
        """Refuse parts that share frames."""
        taken: dict[str, list[tuple[str, tuple[int, ...] | None]]] = {}
        for part, molecules in self.parts.items():
            for name, frames in molecules.items():
                for other, known in taken.get(name, []):
                    shared = frames is None or known is None or set(frames) & set(known)
                    if shared:
                        raise InputError(
                            f"'{part}' and '{other}' of the split share frames of '{name}'; each "
                            "frame may stand in one part"
                        )
                taken.setdefault(name, []).append((part, frames))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the parts."""
        text = json.dumps(_as_json(self.parts), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def apply(self, dataset: Dataset, *, check_data: bool = True) -> dict[str, Dataset]:
        """The parts of a dataset, each loaded as the dataset is; empty parts are left out.

        Args:
            dataset: that was split.
            check_data: whether to compare its digest with the one recorded, which reads it once.

        Raises:
            InputError: a molecule that the dataset lacks, or other data than were split.
        """
        if check_data and self.data_digest and dataset.digest != self.data_digest:
            raise InputError(
                f"the split was made for other data (SHA-256 {self.data_digest[:12]}...) than "
                f"{dataset.source} ({dataset.digest[:12]}...); split these data anew"
            )
        return {
            part: dataset.select(
                list(molecules),
                frames={name: f for name, f in molecules.items() if f is not None},
            )
            for part, molecules in self.parts.items()
            if molecules
        }


def write_split(split: Split, path: str | Path, *, overwrite: bool = False) -> None:
    """Write a split as JSON; frames as ranges such as `0-449`, both ends included.

    Raises:
        InputError: the file exists.
    """
    content: dict[str, Any] = {
        "format": _FORMAT,
        "method": split.method,
        "seed": split.seed,
        "data_sha256": split.data_digest,
        "split_sha256": split.digest,
    }
    with replacing(Path(path), overwrite=overwrite) as temporary:
        text = json.dumps(content | _as_json(split.parts), indent=1, ensure_ascii=False)
        temporary.write_text(text + "\n", encoding="utf-8")


def read_split(path: str | Path) -> Split:
    """A split from JSON: the parts by name, each a list of molecules, or molecules with frames.

    Raises:
        InputError: no such file, no JSON, parts of another form, or parts that were changed after
            they were written.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"there is no file '{path}'; check the path")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is no JSON: {error}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: wanted an object with one entry a part, got a {type(content)}")
    if content.get("format", _FORMAT) != _FORMAT:
        raise InputError(
            f"{path} has the format '{content['format']}', this version reads '{_FORMAT}'; update"
        )
    parts = {
        name: _part(value, where=f"{path}, part '{name}'")
        for name, value in content.items()
        if name not in _OWN
    }
    if not any(parts.values()):
        raise InputError(f"{path} has no parts with molecules")
    split = Split(
        parts,
        method=str(content.get("method", "")),
        seed=content.get("seed"),
        data_digest=str(content.get("data_sha256", "")),
    )
    if content.get("split_sha256", split.digest) != split.digest:
        raise InputError(
            f"{path} was changed after it was written: its parts do not give its split_sha256; "
            "make it anew, or remove split_sha256 if the change is wanted"
        )
    return split


def _as_json(parts: Mapping[str, Part]) -> dict[str, Any]:
    """Lists of names where all frames are meant, objects otherwise."""
    return {
        part: list(molecules)
        if all(frames is None for frames in molecules.values())
        else {
            name: None if frames is None else as_ranges(frames)
            for name, frames in molecules.items()
        }
        for part, molecules in parts.items()
    }


def _part(value: object, *, where: str) -> Part:
    if isinstance(value, list):
        value = dict.fromkeys(_names(value, where))
    if not isinstance(value, dict):
        raise InputError(
            f"{where}: wanted a list of molecules, or an object of molecules with frames such as "
            f"'0-449', got {value!r}"
        )
    return {
        name: None if frames is None else from_ranges(frames, where=f"{where}, '{name}'")
        for name, frames in value.items()
    }


def _names(value: Sequence[object], where: str) -> list[str]:
    names = [name for name in value if isinstance(name, str)]
    if len(names) < len(value):
        raise InputError(f"{where}: wanted names of molecules, got {value!r:.80}")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"{where}: '{twice}' stands there twice")
    return names
