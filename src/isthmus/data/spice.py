"""Datasets from HDF5 files in the layout of SPICE, molecule by molecule."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from isthmus.chemistry.smiles import from_smiles, is_fully_mapped
from isthmus.chemistry.topology import Topology
from isthmus.data.check import check_entry
from isthmus.data.dataset import Dataset
from isthmus.data.entry import Entry
from isthmus.data.finding import raise_errors
from isthmus.data.layout import FIELDS, size_of
from isthmus.data.perceive import perceived_topology
from isthmus.errors import InputError

if TYPE_CHECKING:
    import h5py

__all__ = ["file_attributes", "h5_groups", "is_spice", "open_dataset"]


def open_dataset(
    path: str | Path,
    *,
    level_of_theory: str | None = None,
    strict: bool = True,
) -> Dataset:
    """A dataset in the layout of SPICE, from which molecules are read when they are asked for.

    The file is opened for each molecule and closed again, so a dataset may be sent to other
    processes. Opening lists the names only.

    Args:
        path: the file.
        level_of_theory: where the file states none; SPICE's own files do not.
        strict: whether a molecule with an error (see `check_entry`) is refused when it is read.

    Raises:
        InputError: no such file, no HDF5, another layout, or a level of theory that contradicts
            the file. Loading a molecule raises it for arrays that are missing or do not fit,
            units that are not known, and with `strict` for what the checks call an error.
    """
    path = Path(path)
    stated = file_attributes(path)
    own = str(stated.get("level_of_theory", ""))
    if level_of_theory and own and level_of_theory != own:
        raise InputError(
            f"{path} states the level of theory '{own}', but '{level_of_theory}' was given; leave "
            "it out"
        )
    level = own or level_of_theory or ""
    groups = [name for name, group in h5_groups(path) if is_spice(group)]
    if not groups:
        raise InputError(
            f"{path} has no molecule in the layout of SPICE: wanted groups with atomic_numbers, "
            "conformations and dft_total_energy; say another format with `format`"
        )
    names = _names(path, groups)

    def load(index: int) -> Entry:
        with _opened(path) as file:
            entry = _entry(_group(file, groups[index]), names[index], level=level, path=path)
        if strict:
            raise_errors(check_entry(entry), source=str(path))
        return entry

    return Dataset(
        names=names,
        level_of_theory=level,
        source=str(stated.get("source", "")) or path.name,
        provenance=MappingProxyType(_provenance(stated)),
        findings=(),
        load=load,
    )


def is_spice(group: "h5py.Group") -> bool:
    """Whether a group is a molecule in the layout of SPICE."""
    return "atomic_numbers" in group and "conformations" in group


def h5_groups(path: Path) -> Iterator[tuple[str, Any]]:
    """Path and group of all groups that hold arrays, at any depth, in the order of the file."""
    import h5py

    def walk(group: h5py.Group, prefix: str) -> Iterator[tuple[str, Any]]:
        holds_arrays = False
        for name in group:
            if group.get(name, getclass=True) is h5py.Group:
                yield from walk(group[name], f"{prefix}/{name}")  # pyright: ignore[reportArgumentType]
            else:
                holds_arrays = True
        if holds_arrays:
            yield prefix.lstrip("/"), group

    with _opened(path) as file:
        yield from walk(file, "")


def file_attributes(path: Path) -> dict[str, Any]:
    """What the file says of itself.

    Raises:
        InputError: no such file, or no HDF5.
    """
    if not path.is_file():
        raise InputError(f"there is no file '{path}'; check the path")
    with _opened(path) as file:
        return {name: _text(value) for name, value in file.attrs.items()}


def _opened(path: Path) -> "h5py.File":
    import h5py

    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise InputError(f"{path} is no HDF5 file, or is not complete: {error}") from error


def _group(file: "h5py.File", name: str) -> "h5py.Group":
    return file[name]  # pyright: ignore[reportReturnType]


def _names(path: Path, groups: list[str]) -> tuple[str, ...]:
    """Names of the molecules: the attribute `name`, where the name of the group cannot be it."""
    with _opened(path) as file:
        names = tuple(str(_text(file[group].attrs.get("name", group))) for group in groups)
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"{path} has two molecules of the name '{twice}'; rename one")
    return names


def _provenance(stated: dict[str, Any]) -> dict[str, str]:
    """Further facts: our own attribute is JSON, what others wrote is taken as it is."""
    facts = {
        name: str(value)
        for name, value in stated.items()
        if name not in ("level_of_theory", "source", "provenance")
    }
    try:
        own = json.loads(str(stated.get("provenance", "{}")))
    except json.JSONDecodeError:
        own = {"provenance": stated["provenance"]}
    own = own if isinstance(own, dict) else {"provenance": own}
    return facts | {str(key): str(value) for key, value in own.items()}


def _entry(group: "h5py.Group", name: str, *, level: str, path: Path) -> Entry:
    where = f"{path}, molecule '{name}'"
    if "dft_total_energy" not in group:
        raise InputError(
            f"{where}: energies-missing: there is no dft_total_energy; found are {', '.join(group)}"
        )
    arrays: dict[str, np.ndarray] = {}
    for field, (key, unit, _) in FIELDS.items():
        if key in group:
            stored = group[key]
            factor = size_of(str(_text(stored.attrs.get("units", unit))), field)  # pyright: ignore[reportAttributeAccessIssue]
            arrays[field] = np.asarray(stored[()], dtype=np.float64) * factor  # pyright: ignore[reportIndexIssue]
    if "charges" in arrays:
        arrays["charges"] = arrays["charges"].reshape(arrays["charges"].shape[:2])
    frame_idx = np.asarray(group["frame_idx"][()]) if "frame_idx" in group else None  # pyright: ignore[reportIndexIssue]
    return Entry.create(
        name,
        _topology(group, arrays, where=where),
        frame_idx=frame_idx,
        level_of_theory=str(_text(group.attrs.get("level_of_theory", level))),
        source=_string(group, "subset"),
        **arrays,
    )


def _topology(group: "h5py.Group", arrays: dict[str, np.ndarray], *, where: str) -> Topology:
    numbers = np.asarray(group["atomic_numbers"][()], dtype=np.int32)  # pyright: ignore[reportIndexIssue]
    smiles = _string(group, "smiles")
    if smiles and is_fully_mapped(smiles):
        topology = from_smiles(smiles).topology
        if not np.array_equal(topology.atomic_numbers, numbers):
            raise InputError(
                f"{where}: the elements are not in the order of the map numbers of '{smiles}'"
            )
        return topology
    return perceived_topology(
        numbers,
        arrays["positions"],
        energies=arrays["energies"],
        smiles=smiles or None,
        where=where,
    )


def _string(group: "h5py.Group", name: str) -> str:
    """A string that stands alone, as we write it, or in an array of one, as SPICE does."""
    if name not in group:
        return ""
    values = np.asarray(group[name][()]).reshape(-1)  # pyright: ignore[reportIndexIssue]
    return str(_text(values[0])) if len(values) else ""


def _text(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value
