"""Files of a training run: the model, and beside it checkpoint, metrics and learning curve."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isthmus.errors import InputError
from isthmus.files import replacing

__all__ = ["RunFiles", "append_metrics", "keep_metrics"]


@dataclass(frozen=True)
class RunFiles:
    """Where a run writes; all names follow from that of the model.

    Attributes:
        model: `NAME.safetensors`, written at the end, with the best weights.
        checkpoint: `NAME.checkpoint.safetensors`, which the command removes when the model is
            saved and measured.
        metrics: `NAME.metrics.jsonl`, one line a validation.
        curve: `NAME.png`, the learning curve.
        formulas: `NAME.formulas.safetensors`, of a hybrid that is trained in stages: the first of
            them; goes together with the checkpoint.
    """

    model: Path
    checkpoint: Path
    metrics: Path
    curve: Path
    formulas: Path

    @classmethod
    def of(cls, model: str | Path) -> "RunFiles":
        """The files that go with a model.

        Raises:
            InputError: another suffix, or a folder that does not exist.
        """
        path = Path(model)
        if path.suffix != ".safetensors":
            raise InputError(f"'{path}': a model is saved as .safetensors; give it that suffix")
        if not path.parent.is_dir():
            raise InputError(f"there is no folder '{path.parent}' for '{path.name}': make it first")
        return cls(
            path,
            path.with_suffix(".checkpoint.safetensors"),
            path.with_suffix(".metrics.jsonl"),
            path.with_suffix(".png"),
            path.with_suffix(".formulas.safetensors"),
        )


def append_metrics(path: Path, line: Mapping[str, Any]) -> None:
    """Add one line of strict JSON.

    Raises:
        OSError: the disk is full, or the file cannot be written.
        ValueError: a number is not finite.
    """
    text = json.dumps(dict(line), allow_nan=False)
    with path.open("a") as file:
        file.write(text + "\n")


def keep_metrics(path: Path, last_step: int) -> list[dict[str, Any]]:
    """Drop what was written after a step, and give what is left."""
    if not path.is_file():
        return []
    kept = []
    for text in path.read_text().splitlines():
        try:
            line = json.loads(text)
        except ValueError:
            # The process was killed while it wrote this line
            continue
        if line["step"] <= last_step:
            kept.append(line)
    with replacing(path, overwrite=True) as temporary:
        temporary.write_text("".join(json.dumps(line) + "\n" for line in kept))
    return kept
