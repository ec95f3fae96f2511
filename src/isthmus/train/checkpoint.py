"""Checkpoints: the whole state of a run in one safetensors file, which appears whole or not at all.

A checkpoint is for resuming the very same run: it names the design, the data and the settings that
it belongs to, and says which of them differ if it is given to another one.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np

from isthmus.errors import InputError
from isthmus.forcefield.file import write_tensors
from isthmus.train.step import TrainState

__all__ = ["Checkpoint", "read_checkpoint", "write_checkpoint"]

FORMAT: Final = "isthmus checkpoint 1"


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


def _digest(header: Mapping[str, str], tensors: Mapping[str, np.ndarray]) -> str:
    sha = hashlib.sha256(json.dumps(dict(header), sort_keys=True).encode())
    for name in sorted(tensors):
        sha.update(np.ascontiguousarray(tensors[name]).tobytes())
    return sha.hexdigest()


def _check_run(path: Path, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    for key in sorted(found.keys() | wanted.keys()):
        if found.get(key) != wanted.get(key):
            raise InputError(
                f"'{path}' belongs to a run with another {key} ({_short(found.get(key))}, here "
                f"{_short(wanted.get(key))}): resume it as it was started, or train without "
                "--resume"
            )


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) < 60 else f"{text[:57]}..."
