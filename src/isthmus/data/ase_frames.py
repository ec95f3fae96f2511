"""Datasets from extended XYZ and every other format that ASE reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from isthmus.chemistry.xyz import XyzGroup
from isthmus.data.dataset import Dataset
from isthmus.data.entry import Entry
from isthmus.data.finding import Finding, Severity
from isthmus.data.keys import RECOGNISED, Label, as_array, find_label
from isthmus.data.perceive import check_length_unit, grouped_frames
from isthmus.data.stated import Stated
from isthmus.errors import InputError
from isthmus.geometry.box import reduce_box
from isthmus.units import ANGSTROM

__all__ = ["read_ase"]

_ENERGY, _LENGTH = "eV", "angstrom"
_PER_ATOM = ("forces", "charges")
_SHOWN = 8


@dataclass(frozen=True)
class _Labelled:
    """A frame of ASE and what was found in it; None where it was not."""

    index: int
    atoms: Any
    labels: dict[str, Label | None]
    where: str


def read_ase(
    path: str | Path, *, stated: Stated | None = None, format: str | None = None
) -> Dataset:
    """A dataset from a file of frames, such as extended XYZ or a trajectory of ASE.

    Units are ASE's (eV, Å, e Å), unless stated. Frames with the same atoms and bonds become one
    molecule (see `chemistry.read_xyz_groups`); its name is `name` of the first frame, or the
    SMILES. Labels are looked for under the names of `keys.RECOGNISED`, in the calculator, `info`
    and `arrays`; which were taken stands in the provenance.

    Args:
        path: the file; it is read as a whole.
        stated: units, keys, charge and so on.
        format: of ASE; else recognised by ASE.

    Raises:
        InputError: a file that ASE cannot read, a key that is not there or not unique, a unit
            that is not known, lengths that fit another unit, bonds that cannot be perceived.
    """
    path, stated = Path(path), stated or Stated()
    energy, length = stated.units(_ENERGY, _LENGTH)
    frames = [
        _labelled(index, atoms, stated, path)
        for index, atoms in enumerate(_read_frames(path, format))
    ]
    findings = _key_findings(frames, stated, path)
    for frame in frames:
        frame.atoms.positions *= length / ANGSTROM
        frame.atoms.cell[:] *= length / ANGSTROM
    first = frames[0]
    check_length_unit(
        first.atoms.numbers.astype(np.int32), first.atoms.positions * ANGSTROM, where=first.where
    )
    groups = grouped_frames(
        [_bare(frame.atoms) for frame in frames],
        where=str(path),
        total_charge=stated.total_charge,
        smiles=stated.smiles,
    )
    entries = [
        _entry(group, part, stated, scales=(energy, length), level=level)
        for group in groups
        for level, part in _by_level([frames[i] for i in group.frame_idx.tolist()], stated)
    ]
    facts = stated.described(_ENERGY, _LENGTH) | _found_keys(frames)
    return Dataset.create(entries, source=path.name, provenance=facts, findings=findings)


def _read_frames(path: Path, format: str | None) -> list[Any]:
    import ase.io
    from ase.io.formats import UnknownFileTypeError

    if not path.is_file():
        raise InputError(f"there is no file '{path}'; check the path")
    # ASE calls any .xyz that is not extended plain; its extended reader understands both.
    known = format or ("extxyz" if path.suffix in (".xyz", ".extxyz") else None)
    try:
        frames = ase.io.read(path, index=":", format=known)
    except UnknownFileTypeError as error:
        raise InputError(
            f"{path}: ASE does not know this format ({error}); say which with `format`"
        ) from error
    except (
        ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, OSError,
        RuntimeError, StopIteration, TypeError, ValueError,
    ) as error:  # fmt: skip
        reason = str(error) or type(error).__name__
        raise InputError(f"{path}: ASE cannot read it: {reason}; check that it is whole") from error
    if not frames:
        raise InputError(f"{path} holds no frames: is it a file of molecules with labels?")
    return list(frames)


def _labelled(index: int, atoms: Any, stated: Stated, path: Path) -> _Labelled:
    where = f"frame {index} of {path}"
    keys = {"energy": stated.energy_key, "forces": stated.forces_key}
    labels = {kind: find_label(atoms, kind, key=keys.get(kind), where=where) for kind in RECOGNISED}
    return _Labelled(index, atoms, labels, where)


def _bare(atoms: Any) -> Any:
    """Structure and what perception needs; other labels would only cost time."""
    from ase import Atoms

    wanted = ("smiles", "charge", "total_charge", "name")
    info = {key: atoms.info[key] for key in wanted if key in atoms.info}
    if info.get("smiles") is False:
        info["smiles"] = "F"  # how ASE understands the SMILES of hydrogen fluoride
    return Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc, info=info)


def _key_findings(frames: Sequence[_Labelled], stated: Stated, path: Path) -> list[Finding]:
    findings = []
    first = frames[0]
    for kind, key in (("energy", stated.energy_key), ("forces", stated.forces_key)):
        found = [frame.labels[kind] for frame in frames]
        if not any(found) and (key is not None or kind == "energy"):
            name = f"the {kind} key '{key}'" if key else "an energy under a name that is recognised"
            raise InputError(
                f"{path}: {'energies' if kind == 'energy' else 'forces'}-missing: no frame has "
                f"{name}; the keys of the first frame are {_all_keys(first.atoms)}; state the one "
                "that is meant"
            )
        moved = key is not None and any(label and label.place == "calculator" for label in found)
        if moved:
            text = (
                f"ASE has moved '{key}' from the frame into a calculator; it was taken from there. "
                "Check that the file holds what you mean, or write it under another name"
            )
            findings.append(Finding("key-moved", Severity.WARNING, text))
        names = {(label.name, label.place) for label in found if label}
        if len(names) > 1:
            shown = ", ".join(sorted(f"'{name}' ({place})" for name, place in names))
            text = f"the {kind} stand under different keys in different frames: {shown}"
            findings.append(Finding("key-differs", Severity.WARNING, text))
    return findings


def _all_keys(atoms: Any) -> str:
    results = {} if atoms.calc is None else atoms.calc.results
    names = [*atoms.info, *(name for name in atoms.arrays if name not in ("numbers", "positions"))]
    names += [f"{name} (calculator)" for name in results]
    return ", ".join(names[:_SHOWN]) or "none"


def _found_keys(frames: Sequence[_Labelled]) -> dict[str, str]:
    facts = {}
    for kind in RECOGNISED:
        label = next((f.labels[kind] for f in frames if f.labels[kind]), None)
        if label:
            facts[f"{kind}_key"] = f"{label.name} ({label.place})"
    return facts


def _entry(
    group: XyzGroup,
    chosen: Sequence[_Labelled],
    stated: Stated,
    *,
    scales: tuple[float, float],
    level: str,
) -> Entry:
    topology, box = group.molecule.topology, group.molecule.box
    energy, length = scales
    rotation = np.eye(3)
    if box is not None:
        rotation = reduce_box(np.asarray(chosen[0].atoms.cell) * ANGSTROM).rotation
    forces = _stacked(chosen, "forces", topology.n_atoms)
    dipoles = _stacked(chosen, "dipole", topology.n_atoms)
    temperatures = _stacked(chosen, "temperature", topology.n_atoms)
    if stated.temperature is not None:
        temperatures = np.full(len(chosen), stated.temperature)
    energies = _stacked(chosen, "energy", topology.n_atoms)
    missing = np.full(len(chosen), np.nan)
    return Entry.create(
        group.molecule.name or group.molecule.smiles,
        topology,
        positions=np.array([f.atoms.positions for f in chosen]) @ rotation * ANGSTROM,
        energies=missing if energies is None else energies * energy,
        forces=None if forces is None else forces @ rotation * (energy / length),
        charges=_stacked(chosen, "charges", topology.n_atoms),
        dipoles=None if dipoles is None else dipoles @ rotation * length,
        temperatures=temperatures,
        frame_idx=np.array([f.index for f in chosen]),
        box=box,
        level_of_theory=level,
    )


def _stacked(
    frames: Sequence[_Labelled], kind: str, n_atoms: int
) -> Float[np.ndarray, "frames ..."] | None:
    """One kind of label of all frames, NaN where a frame has none; None if no frame has any."""
    if not any(frame.labels[kind] for frame in frames):
        return None
    shape: tuple[int, ...] = () if kind in ("energy", "temperature") else (3,)
    if kind in _PER_ATOM:
        shape = (n_atoms, 3) if kind == "forces" else (n_atoms,)
    values = []
    for frame in frames:
        label = frame.labels[kind]
        values.append(
            np.full(shape, np.nan) if label is None else as_array(label, shape, where=frame.where)
        )
    return np.array(values)


def _by_level(frames: Sequence[_Labelled], stated: Stated) -> list[tuple[str, Sequence[_Labelled]]]:
    """Frames of one molecule, apart for each level of theory that they state."""
    parts: dict[str, list[_Labelled]] = {}
    for frame in frames:
        label = frame.labels["level_of_theory"]
        level = stated.level_of_theory or ("" if label is None else str(label.value))
        parts.setdefault(level, []).append(frame)
    return list(parts.items())
