"""Checkpoints: the whole state of a run in one safetensors file, which appears whole or not at all.

A checkpoint is for resuming the very same run: it names the design, the data and the settings that
it belongs to, and says which of them differ if it is given to another one.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np

from isthmus.errors import InputError
from isthmus.forcefield.file import write_tensors
from isthmus.train.step import TrainState

__all__ = ["Checkpoint", "read_checkpoint", "run_of_checkpoint", "write_checkpoint"]

FORMAT: Final = "isthmus checkpoint 2"

_NAMED: Final = 4
_LONGEST: Final = 60


@dataclass(frozen=True)
class Checkpoint:
    """A run as it stood after a step.

    Attributes:
        state: weights and optimiser.
        best: the averaged weights with the lowest validation error so far.
        progress: plain numbers: steps done, seconds used, the best error, ...
    """

    state: TrainState
    best: Any
    progress: Mapping[str, Any]


def write_checkpoint(path: Path, checkpoint: Checkpoint, run: Mapping[str, Any]) -> None:
    """Write, replacing the checkpoint before.

    Args:
        path: of the file.
        checkpoint: what to keep.
        run: what the run is made of, as plain data.

    Raises:
        OSError: the disk is full, or the folder cannot be written; the old file stays.
    """
    leaves = jax.tree.leaves((checkpoint.state, checkpoint.best))
    tensors = {f"{index:05d}": np.asarray(leaf) for index, leaf in enumerate(leaves)}
    header = {
        "format": FORMAT,
        "run": json.dumps(dict(run), sort_keys=True),
        "progress": json.dumps(dict(checkpoint.progress)),
    }
    header["sha256"] = _digest(header, tensors)
    write_tensors(path, tensors, header)


def read_checkpoint(path: Path, like: Checkpoint, run: Mapping[str, Any]) -> Checkpoint:
    """The checkpoint in a file.

    Args:
        path: of the file.
        like: a checkpoint of the same shapes, as at the start of the run.
        run: what the run is made of now.

    Raises:
        InputError: no checkpoint, a damaged one, or one of another run.
    """
    header, named = _read(path)
    _check_run(path, json.loads(header["run"]), json.loads(json.dumps(dict(run))))
    leaves, tree = jax.tree.flatten((like.state, like.best))
    tensors = list(named.values())
    shapes = [np.shape(leaf) for leaf in leaves]
    if shapes != [tensor.shape for tensor in tensors]:
        raise InputError(
            f"'{path}' holds a network of another shape: train without --resume, or with the "
            "settings that it was made with"
        )
    state, best = jax.tree.unflatten(tree, [jnp.asarray(tensor) for tensor in tensors])
    return Checkpoint(state, best, json.loads(header["progress"]))


def run_of_checkpoint(path: Path) -> dict[str, Any]:
    """What the run of a checkpoint was made of, as it was written.

    Raises:
        InputError: no checkpoint, or a damaged one.
    """
    header, _ = _read(path)
    return json.loads(header["run"])


def _read(path: Path) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            header = file.metadata() or {}
            named = {name: file.get_tensor(name) for name in sorted(file.keys())}
    except (SafetensorError, OSError) as error:
        raise InputError(
            f"'{path}' cannot be read as a checkpoint ({error}): train without --resume"
        ) from None
    if header.get("format") != FORMAT:
        raise InputError(
            f"'{path}' is no checkpoint of this version of Isthmus: train without --resume"
        )
    if header.pop("sha256", "") != _digest(header, named):
        raise InputError(
            f"'{path}' is damaged or was edited (its checksum differs): train without --resume"
        )
    return header, named


def _digest(header: Mapping[str, str], tensors: Mapping[str, np.ndarray]) -> str:
    sha = hashlib.sha256(json.dumps(dict(header), sort_keys=True).encode())
    for name in sorted(tensors):
        sha.update(np.ascontiguousarray(tensors[name]).tobytes())
    return sha.hexdigest()


def _check_run(path: Path, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    different = list(_differences(found, wanted))
    if not different:
        return
    more = f"; and {len(different) - _NAMED} more" if len(different) > _NAMED else ""
    raise InputError(
        f"'{path}' belongs to a run with another {'; '.join(different[:_NAMED])}{more}: resume it "
        "as it was started, or train without --resume"
    )


def _differences(
    before: Mapping[str, Any], now: Mapping[str, Any], within: str = ""
) -> Iterator[str]:
    """Names of the numbers and texts that differ, with what they were and what they are."""
    for key in sorted(before.keys() | now.keys()):
        one, other = before.get(key), now.get(key)
        if one == other:
            continue
        name = f"{within}{key}"
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            yield from _differences(one, other, f"{name}.")
        elif isinstance(one, str) and isinstance(other, str):
            # Of a long text, such as a design, the first line that is another one
            lines = enumerate(zip_longest(one.split("\n"), other.split("\n")), start=1)
            place, pair = next((k, pair) for k, pair in lines if pair[0] != pair[1])
            line = f", line {place}" if "\n" in one + other else ""
            yield f"{name}{line} ({_short(pair[0])}, here {_short(pair[1])})"
        else:
            yield f"{name} ({_short(one)}, here {_short(other)})"


def _short(value: Any) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) < _LONGEST else f"{text[: _LONGEST - 3]}..."
