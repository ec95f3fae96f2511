"""Checkpoints of simulations: one safetensors file, which appears whole or not at all.

A checkpoint is for resuming the very same run on the same kind of machine, bit by bit. It names
what the run is made of, and says what differs if it is given to another one.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from isthmus.errors import InputError
from isthmus.forcefield.file import write_tensors

__all__ = [
    "RunCheckpoint",
    "identity",
    "read_run_checkpoint",
    "refuse_other_run",
    "write_run_checkpoint",
]

_FORMAT: Final = "isthmus simulation checkpoint 1"
_ENGINE: Final = "engine."
_LENGTHS: Final = "lengths"
_ANEW: Final = "start anew with --overwrite"
_IS: Final = "is"
_CALLED: Final = "called"
_LONGEST: Final = 40


@dataclass(frozen=True, eq=False)
class RunCheckpoint:
    """A run as it stood after a step.

    Attributes:
        step: steps done.
        frames: that the trajectories held.
        sizes: of the files of the run, in bytes, by name.
        lengths: of bonds at the start of the run (replicas, bonds) [nm].
        state: all that the engine needs.
    """

    step: int
    frames: int
    sizes: Mapping[str, int]
    lengths: np.ndarray
    state: Mapping[str, np.ndarray]


def identity(what: str, *, called: str) -> dict[str, str]:
    """Of a part of a run that is recognised by one text and shown to people by another.

    Args:
        what: the part is the same where this is, such as the hash of a file.
        called: such as the name of the file.
    """
    return {_IS: what, _CALLED: called}


def write_run_checkpoint(path: Path, checkpoint: RunCheckpoint, run: Mapping[str, Any]) -> None:
    """Write, replacing the checkpoint before.

    Args:
        path: of the file.
        checkpoint: what to keep.
        run: what the run is made of, as plain data; its keys are words for people.

    Raises:
        OSError: the disk is full, or the folder cannot be written; the old file stays.
    """
    tensors = {
        _ENGINE + name: np.asarray(array, order="C") for name, array in checkpoint.state.items()
    }
    tensors[_LENGTHS] = np.asarray(checkpoint.lengths, order="C")
    progress = {
        "step": checkpoint.step,
        "frames": checkpoint.frames,
        "sizes": dict(checkpoint.sizes),
    }
    header = {
        "format": _FORMAT,
        "run": json.dumps(dict(run), sort_keys=True),
        "progress": json.dumps(progress, sort_keys=True),
    }
    header["sha256"] = _digest(header, tensors)
    write_tensors(path, tensors, header)


def read_run_checkpoint(path: Path, run: Mapping[str, Any]) -> RunCheckpoint:
    """The checkpoint in a file.

    Args:
        path: of the file.
        run: what the run is made of now.

    Raises:
        InputError: no checkpoint, a damaged one, or one of another run; says what differs.
    """
    header, tensors = _read(path)
    _check_run(path, json.loads(header["run"]), json.loads(json.dumps(dict(run))))
    progress = json.loads(header["progress"])
    lengths = tensors.pop(_LENGTHS)
    state = {name.removeprefix(_ENGINE): tensor for name, tensor in tensors.items()}
    return RunCheckpoint(progress["step"], progress["frames"], progress["sizes"], lengths, state)


def refuse_other_run(path: Path, known: Mapping[str, Any]) -> None:
    """Before any work is done: a checkpoint of another run, as far as that is known already.

    Args:
        path: of the file.
        known: some of what the run is made of.

    Raises:
        InputError: as `read_run_checkpoint`, for what is known.
    """
    found = json.loads(_read(path)[0]["run"])
    some = {key: found.get(key) for key in known}
    _check_run(path, some, json.loads(json.dumps(dict(known))))


def _read(path: Path) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise InputError(f"'{path}' cannot be read as a checkpoint ({error}): {_ANEW}") from None
    if header.get("format") != _FORMAT:
        raise InputError(
            f"'{path}' is no checkpoint of a simulation by this version of Isthmus: {_ANEW}"
        )
    if header.pop("sha256", "") != _digest(header, tensors):
        raise InputError(f"'{path}' is damaged or was edited (its checksum differs): {_ANEW}")
    return header, tensors


def _digest(header: Mapping[str, str], tensors: Mapping[str, np.ndarray]) -> str:
    sha = hashlib.sha256(json.dumps(dict(header), sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        sha.update(f"{name} {tensor.dtype.str} {tensor.shape}".encode())
        sha.update(tensor.tobytes())
    return sha.hexdigest()


def _check_run(path: Path, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    different = [
        f"{key} ({_told(found.get(key), wanted.get(key))})"
        for key in sorted(found.keys() | wanted.keys())
        if _essence(found.get(key)) != _essence(wanted.get(key))
    ]
    if different:
        raise InputError(
            f"'{path}' belongs to another run; these differ: {', '.join(different)}. Resume it as "
            f"it was started, or {_ANEW}"
        )


def _essence(value: Any) -> Any:
    """What decides whether two parts are the same."""
    return value.get(_IS) if isinstance(value, Mapping) else value


def _told(there: Any, here: Any) -> str:
    """Two parts that differ; what they are too, where they are called the same."""
    said = f"{_short(there)} there, {_short(here)} here"
    if _called(there) == _called(here):
        said += f": the content is another, {_essence(there)} there, {_essence(here)} here"
    return said


def _short(value: Any) -> str:
    if value is None:
        return "none"
    text = str(_called(value))
    if len(text) < _LONGEST:
        return text
    # Of a path, the end says more
    ends = isinstance(value, Mapping)
    return f"...{text[3 - _LONGEST :]}" if ends else f"{text[: _LONGEST - 3]}..."


def _called(value: Any) -> Any:
    return value.get(_CALLED) if isinstance(value, Mapping) else value
