"""Force fields as files: safetensors with everything else as text in the header.

| key of the header | what it holds |
|---|---|
| `format`, `format_version` | what the file is |
| `design` | the design as TOML, for people and for loading |
| `source` | where the numbers come from, as plain data (`isthmus.forcefield.records`) |
| `units` | of all numbers |
| `networks` | elements, scale and weights of the networks of the design, if it has any |
| `provenance` | JSON: the version of Isthmus, and what the caller says about the numbers |
| `sha256` | of all the above and of every tensor |

Loading reads numbers and text; nothing in a file is ever executed or imported.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from isthmus import __version__
from isthmus.designs.design import Design
from isthmus.designs.schema import parse_design
from isthmus.errors import DesignError, FormulaError, InputError
from isthmus.files import replacing
from isthmus.forcefield.forcefield import ForceField
from isthmus.forcefield.network_records import decode_networks, encode_networks
from isthmus.forcefield.records import decode, encode
from isthmus.parameters.source import Source

__all__ = [
    "FORMAT_VERSION",
    "SavedForceField",
    "load_force_field",
    "read_saved",
    "save_force_field",
    "write_tensors",
]

FORMAT: Final = "isthmus force field"
FORMAT_VERSION: Final = "1"
UNITS: Final = "kJ/mol, nm, ps, Da, e, rad"
_KEYS: Final = frozenset(
    {"format", "format_version", "design", "source", "units", "provenance", "sha256"}
)


@dataclass(frozen=True)
class SavedForceField:
    """What a file holds: the force field, and what was said about it when it was saved."""

    force_field: ForceField
    provenance: Mapping[str, Any]


def save_force_field(
    force_field: ForceField,
    path: str | Path,
    *,
    provenance: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> None:
    """Write a force field; the file appears whole or not at all.

    Args:
        force_field: of any source.
        path: ends in `.safetensors`.
        provenance: where the numbers come from, e.g. the file they were imported from, a date.
        overwrite: whether an existing file may be replaced.

    Raises:
        InputError: another suffix, an existing file, provenance that is no JSON.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise InputError(f"'{path}': a force field is saved as .safetensors; give it that suffix")
    if path.exists() and not overwrite:
        raise InputError(f"'{path}' exists: choose another name, or allow it to be overwritten")
    tensors: dict[str, np.ndarray] = {}
    source = encode(force_field.source, tensors, name="source")
    header = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "design": force_field.design.text,
        "source": json.dumps(source),
        "units": UNITS,
        "provenance": _provenance(provenance or {}),
    }
    if not _is_its_text(force_field.design):
        header["design_record"] = json.dumps(encode(force_field.design, tensors, name="design"))
    if force_field.networks:
        header["networks"] = json.dumps(encode_networks(force_field.networks, tensors))
    header["sha256"] = _digest(header, tensors)
    write_tensors(path, tensors, header)


def load_force_field(path: str | Path) -> ForceField:
    """The force field in a file.

    Raises:
        InputError: no such file; a file that is truncated, edited, of another kind, or of a
            version that this Isthmus does not know.
    """
    return read_saved(path).force_field


def read_saved(path: str | Path) -> SavedForceField:
    """The force field in a file, with its provenance.

    Raises:
        InputError: as `load_force_field`.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"there is no file '{path}'; check the path")
    header, tensors = _read(path)
    _check_header(path, header)
    if header["sha256"] != _digest(header, tensors):
        raise InputError(
            f"'{path}' was changed after it was saved (its checksum does not fit): get it again, "
            "or save the force field anew"
        )
    try:
        design = _design(header)
        source = decode(json.loads(header["source"]), tensors)
        networks = decode_networks(design, json.loads(header.get("networks", "[]")), tensors)
        provenance = json.loads(header["provenance"])
    except (InputError, DesignError, FormulaError, ValueError) as error:
        raise InputError(f"'{path}' holds no force field that can be read: {error}") from error
    if not isinstance(source, Source):
        raise InputError(f"'{path}' holds no source of parameters: save the force field anew")
    return SavedForceField(ForceField(design, source, networks), provenance)


def _provenance(given: Mapping[str, Any]) -> str:
    try:
        return json.dumps({"isthmus": __version__, **given}, sort_keys=True)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"the provenance cannot be written as JSON ({error}): use texts, numbers, lists and "
            "dictionaries"
        ) from None


def _is_its_text(design: Design) -> bool:
    """Whether the text of a design says all of it; imported terms have units that are unknown."""
    try:
        return parse_design(design.text) == design
    except (DesignError, FormulaError):
        return False


def _design(header: Mapping[str, str]) -> Design:
    if "design_record" not in header:
        return parse_design(header["design"])
    design = decode(json.loads(header["design_record"]), {})
    if not isinstance(design, Design):
        raise InputError("its design is of another kind")
    return design


def _check_header(path: Path, header: Mapping[str, str]) -> None:
    if header.get("format") != FORMAT:
        raise InputError(
            f"'{path}' is a safetensors file, but holds no force field of Isthmus: give a file "
            "that was written by `isthmus import` or `save_force_field`"
        )
    version = header.get("format_version")
    if version != FORMAT_VERSION:
        raise InputError(
            f"'{path}' has format version {version}; Isthmus {__version__} reads version "
            f"{FORMAT_VERSION}: update with `pip install --upgrade isthmus`, or save it anew"
        )
    missing = _KEYS - header.keys()
    if missing:
        raise InputError(
            f"'{path}' lacks {', '.join(sorted(missing))} in its header: save the force field anew"
        )


def _digest(header: Mapping[str, str], tensors: Mapping[str, np.ndarray]) -> str:
    sha = hashlib.sha256()
    for key in sorted(header.keys() - {"sha256"}):
        sha.update(f"{key}\0{header[key]}\0".encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        sha.update(f"{name}\0{tensor.dtype.str}\0{tensor.shape}\0".encode())
        sha.update(tensor.tobytes())
    return sha.hexdigest()


def write_tensors(path: Path, tensors: Mapping[str, np.ndarray], header: Mapping[str, str]) -> None:
    """Write a safetensors file that appears whole or not at all.

    Raises:
        OSError: the disk is full, or the folder cannot be written; an old file stays.
        InputError: there is no such folder.
    """
    from safetensors.numpy import save

    with replacing(path, overwrite=True) as temporary, temporary.open("wb") as file:
        file.write(save(dict(tensors), metadata=dict(header)))
        file.flush()
        os.fsync(file.fileno())


def _read(path: Path) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise InputError(
            f"'{path}' is no safetensors file, or was cut off ({error}): get it again"
        ) from None
    for tensor in tensors.values():
        tensor.flags.writeable = False
    return header, tensors
