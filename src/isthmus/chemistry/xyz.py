"""Molecules from extended XYZ: elements and coordinates, bonds perceived or from a SMILES.

Energies and forces are left to the data readers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from isthmus.chemistry.bond_orders import topology_from_bonds
from isthmus.chemistry.connectivity import BOND_FACTOR, bonding_change, perceived_bonds
from isthmus.chemistry.coordinates import check_positions
from isthmus.chemistry.molecule import Molecule, check_total_charge
from isthmus.chemistry.smiles import from_smiles, is_fully_mapped
from isthmus.chemistry.template import match_template
from isthmus.chemistry.topology import Topology
from isthmus.errors import InputError
from isthmus.geometry.box import reduce_box
from isthmus.units import ANGSTROM

__all__ = ["XyzGroup", "read_xyz", "read_xyz_groups"]

_LONG_BOND_FACTOR = 1.35
"""Tried where no bond orders fit the usual limit (close to what 4-membered rings have across)."""


@dataclass(frozen=True, eq=False)
class XyzGroup:
    """One molecule of an XYZ file, and the frames that its conformers come from.

    Attributes:
        molecule: its conformers are the frames, in the order of the file.
        frame_idx: index of each conformer's frame in the file, counted from 0.
    """

    molecule: Molecule
    frame_idx: Int[np.ndarray, "conformers"]


@dataclass(frozen=True, eq=False)
class _Frame:
    index: int
    atomic_numbers: Int[np.ndarray, "atoms"]
    positions: Float[np.ndarray, "atoms 3"]
    box: Float[np.ndarray, "3 3"] | None
    smiles: str | None
    charge: int
    name: str
    source: str


@dataclass
class _Collected:
    topology: Topology
    separated: Int[np.ndarray, "pairs 2"]
    frames: list[_Frame] = field(default_factory=list)


def read_xyz(
    path: str | Path,
    *,
    total_charge: int | None = None,
    smiles: str | None = None,
    one_molecule: bool = False,
) -> list[Molecule]:
    """Molecules of an extended XYZ file, each with its frames as conformers.

    See `read_xyz_groups` for the arguments, and for the frames that belong to each molecule.
    """
    groups = read_xyz_groups(
        path, total_charge=total_charge, smiles=smiles, one_molecule=one_molecule
    )
    return [group.molecule for group in groups]


def read_xyz_groups(
    path: str | Path,
    *,
    total_charge: int | None = None,
    smiles: str | None = None,
    one_molecule: bool = False,
) -> list[XyzGroup]:
    """Molecules of an extended XYZ file with the frames that they come from.

    Frames with the same atoms in the same order and the same bonds are conformers of one
    molecule. Bonds are perceived in its first frame; later frames are held to them generously,
    so that hot frames pass, and a frame with other bonds starts a molecule of its own.
    A `smiles` in the comment line of a frame (or given) takes the place of perceived orders and
    charges: if it maps every atom, map numbers are atom numbers; otherwise it is matched to
    the perceived bonds.

    Args:
        path: the file; lengths in Å, a `Lattice` counts where `pbc` is true in all directions.
        total_charge: of every molecule [e]; not given, `charge` or `total_charge` of the comment
            line, or else 0.
        smiles: of every frame.
        one_molecule: whether a frame with other atoms or bonds than the first is an error.

    Raises:
        InputError: an empty or unreadable file, an unknown element, coordinates that are not
            finite or overlap, no bond orders that give the stated charge, a SMILES that does not
            fit, or, with `one_molecule`, a frame of another molecule.
    """
    collected: dict[tuple, list[_Collected]] = {}
    in_order: list[_Collected] = []
    for frame in _frames(Path(path), total_charge=total_charge, smiles=smiles):
        box = None if frame.box is None else frame.box.tobytes()
        key = (frame.atomic_numbers.tobytes(), frame.smiles, frame.charge, box)
        known = collected.setdefault(key, [])
        changes = [_change(frame, other) for other in known]
        home = next((k for k, change in zip(known, changes, strict=True) if change is None), None)
        if home is None:
            if one_molecule and in_order:
                raise InputError(_another_molecule(frame, in_order[0], changes))
            topology = _topology(frame, stated=total_charge, changes=changes)
            home = _Collected(topology, _within_two_bonds(topology))
            known.append(home)
            in_order.append(home)
        home.frames.append(frame)
    return [_group(one) for one in in_order]


def _group(collected: _Collected) -> XyzGroup:
    first = collected.frames[0]
    molecule = Molecule.create(
        collected.topology,
        np.array([frame.positions for frame in collected.frames]),
        box=first.box,
        name=first.name,
    )
    return XyzGroup(molecule, np.array([frame.index for frame in collected.frames]))


def _frames(path: Path, *, total_charge: int | None, smiles: str | None) -> list[_Frame]:
    return [
        _frame(index, atoms, path=path, total_charge=total_charge, smiles=smiles)
        for index, atoms in enumerate(_ase_frames(path))
    ]


def _ase_frames(path: Path) -> list[Any]:
    import ase.io  # here, because it takes longer than everything else together
    from ase.io.extxyz import XYZError

    if not path.read_text().strip():
        raise InputError(f"{path} is empty; wanted frames in the extended XYZ format")
    try:
        return ase.io.read(path, index=":", format="extxyz")  # pyright: ignore[reportReturnType]
    except KeyError as error:
        raise InputError(
            f"{path}: unknown element {error}; element symbols from H to Og are understood"
        ) from error
    except (XYZError, ValueError, IndexError, StopIteration) as error:
        raise InputError(
            f"{path} is no complete extended XYZ file: {error}; check the number of atoms that "
            "each frame announces, and that the last frame is whole"
        ) from error


def _frame(
    index: int, atoms: Any, *, path: Path, total_charge: int | None, smiles: str | None
) -> _Frame:
    source = f"frame {index} of {path}"
    info: Mapping[str, object] = atoms.info
    stated = info.get("charge", info.get("total_charge", 0))
    charge = total_charge if total_charge is not None else round(float(str(stated)))
    positions, box = atoms.get_positions() * ANGSTROM, None
    if atoms.pbc.all():
        reduced = reduce_box(np.asarray(atoms.cell) * ANGSTROM)
        positions, box = positions @ reduced.rotation, reduced.box
    numbers = atoms.numbers.astype(np.int32)
    check_positions(Topology.create(numbers, []), positions, where=f" of {source}")
    return _Frame(
        index=index,
        atomic_numbers=numbers,
        positions=positions,
        box=box,
        smiles=smiles if smiles is not None else _stated_smiles(info),
        charge=charge,
        name=str(info.get("name", "")),
        source=source,
    )


def _stated_smiles(info: Mapping[str, object]) -> str | None:
    """The SMILES of a comment line; a number under that name is a label, not a SMILES."""
    text = info.get("smiles")
    if text is False:
        return "F"  # how ASE understands the SMILES of hydrogen fluoride
    return text if isinstance(text, str) and text else None


def _topology(
    frame: _Frame, *, stated: int | None, changes: list[tuple[tuple[int, int], str] | None]
) -> Topology:
    if frame.smiles is not None:
        return _topology_from_smiles(frame, frame.smiles, stated)
    try:
        return _perceived_topology(frame)
    except InputError as error:
        if changes and changes[0] is not None:
            raise InputError(
                f"{error} (an earlier frame has the same atoms, but here the bond between atoms "
                f"{changes[0][0][0]} and {changes[0][0][1]} {changes[0][1]})"
            ) from error
        raise


def _perceived_topology(frame: _Frame) -> Topology:
    """Bonds and their orders; longer bonds are considered only if the usual ones do not work."""
    first_error: InputError | None = None
    for factor in (BOND_FACTOR, _LONG_BOND_FACTOR):
        bonds = perceived_bonds(frame.atomic_numbers, frame.positions, box=frame.box, factor=factor)
        try:
            return topology_from_bonds(
                frame.atomic_numbers,
                bonds,
                frame.positions,
                total_charge=frame.charge,
                source=frame.source,
            )
        except InputError as error:
            first_error = first_error or error
    assert first_error is not None
    raise first_error


def _topology_from_smiles(frame: _Frame, smiles: str, stated: int | None) -> Topology:
    template = from_smiles(smiles).topology
    check_total_charge(template, stated, source=frame.source)
    if is_fully_mapped(smiles):
        if not np.array_equal(template.atomic_numbers, frame.atomic_numbers):
            raise InputError(
                f"{frame.source}: the elements are not in the order of the map numbers of "
                f"'{smiles}'; correct the map numbers, or leave them out"
            )
        return template
    bonds = perceived_bonds(
        frame.atomic_numbers,
        frame.positions,
        box=frame.box,
        known=(template.atomic_numbers, template.bonds),
    )
    return match_template(
        template, frame.atomic_numbers, bonds, frame.positions, source=frame.source
    )


def _change(frame: _Frame, known: _Collected) -> tuple[tuple[int, int], str] | None:
    return bonding_change(
        frame.atomic_numbers,
        known.topology.bonds,
        known.separated,
        frame.positions,
        box=frame.box,
    )


def _within_two_bonds(topology: Topology) -> Int[np.ndarray, "pairs 2"]:
    return np.concatenate([topology.bonds, topology.clusters.angles[:, [0, 2]]])


def _another_molecule(
    frame: _Frame, first: _Collected, changes: list[tuple[tuple[int, int], str] | None]
) -> str:
    if changes and changes[0] is not None:
        (i, j), what = changes[0]
        atoms = f"{first.topology.describe_atom(i)} and {first.topology.describe_atom(j)}"
        why = f"the bond between {atoms} {what}"
    else:
        why = "its atoms are others, or come in another order"
    return (
        f"{frame.source} is not the molecule of frame {first.frames[0].index}: {why}; remove the "
        "frame, or use one_molecule=False to read several molecules"
    )
