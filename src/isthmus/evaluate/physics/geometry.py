"""The structure at its minimum against the one given, or against reference data.

Heavy atoms are superposed (W. Kabsch, Acta Cryst. A 32, 922 (1976)). Without reference data the
numbers say how far the structure moves; they are not judged, since nobody knows how good it was.
"""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from jaxtyping import Float

from isthmus.chemistry.rdkit_bridge import rdkit_from_topology
from isthmus.chemistry.topology import Topology
from isthmus.data.dataset import Dataset
from isthmus.errors import InputError
from isthmus.evaluate.physics.check import (
    NOT_JUDGED,
    Check,
    Line,
    Panel,
    judged,
    not_applicable,
)
from isthmus.evaluate.physics.laboratory import Laboratory
from isthmus.units import ANGSTROM, DEGREE, KILOCALORIE

__all__ = ["GROUP", "Reference", "check_geometry", "reference_geometry", "superposed_rmsd"]

GROUP: Final = "geometry"
_SOURCE: Final = "mlipaudit: reference geometry stability"
_FORCE: Final = KILOCALORIE / ANGSTROM
_NAMES: Final = ("RMSD at the minimum", "bond lengths at the minimum", "angles at the minimum")

Frame = Float[np.ndarray, "atoms 3"]
Reference = tuple[Frame, str]
"""A geometry [nm] in the order of the molecule's atoms, and where it comes from"""


def check_geometry(laboratory: Laboratory, reference: Reference | None = None) -> Iterator[Check]:
    """RMSD, bonds and angles at the minimum that lies downhill from the reference."""
    subject = laboratory.subject
    if subject.is_periodic or not subject.is_one_molecule:
        for name in _NAMES:
            yield not_applicable(GROUP, name, "this needs one molecule without a box")
        return
    if reference is None:
        wanted, told = subject.positions, "against the structure given"
        found = laboratory.start
    else:
        wanted, told = reference
        found = laboratory.minimum(wanted)
    topology = subject.molecule.topology
    heavy = topology.atomic_numbers > 1
    chosen = heavy if heavy.sum() >= 3 else np.ones(len(heavy), dtype=bool)
    rmsd = superposed_rmsd(wanted[chosen], found[chosen]) / ANGSTROM
    if reference is None:
        yield Check(
            GROUP, _NAMES[0], NOT_JUDGED, rmsd, "Å", note=f"{told}; heavy atoms, superposed"
        )
    else:
        yield judged(
            GROUP,
            _NAMES[0],
            rmsd,
            threshold=0.3,
            unit="Å",
            source=_SOURCE,
            note=f"{told}; heavy atoms, superposed",
        )
    bonds = [_lengths(x, topology.bonds) / ANGSTROM for x in (wanted, found)]
    angles = [_angles(x, topology.clusters.angles) / DEGREE for x in (wanted, found)]
    yield _deviation(_NAMES[1], bonds[0], bonds[1], "Å", told)
    yield _deviation(_NAMES[2], angles[0], angles[1], "degree", told)


def _deviation(name: str, wanted: np.ndarray, found: np.ndarray, unit: str, told: str) -> Check:
    if not len(wanted):
        return not_applicable(GROUP, name, "there are none")
    worst = float(np.abs(found - wanted).max())
    panel = Panel(
        name.capitalize(),
        f"reference [{unit}]",
        f"model less reference [{unit}]",
        (Line(wanted, found - wanted, points=True),),
        level=0.0,
    )
    return Check(
        GROUP,
        name,
        NOT_JUDGED,
        float(np.sqrt(np.mean((found - wanted) ** 2))),
        unit,
        note=f"root mean square, {told}; largest {worst:.3f} {unit}",
        panels=(panel,),
    )


def superposed_rmsd(one: Frame, other: Frame) -> float:
    """Root mean square distance of atoms after superposition [nm]."""
    a, b = one - one.mean(axis=0), other - other.mean(axis=0)
    u, sizes, v = np.linalg.svd(a.T @ b)
    sizes[-1] *= np.sign(np.linalg.det(u @ v))
    squares = (a**2).sum() + (b**2).sum() - 2 * sizes.sum()
    return float(np.sqrt(max(squares, 0.0) / len(one)))


def reference_geometry(dataset: Dataset, topology: Topology) -> Reference:
    """The frame of lowest energy of a molecule in labelled data.

    Args:
        dataset: any.
        topology: of the molecule.

    Raises:
        InputError: the molecule is not in the data.
    """
    for entry in dataset:
        order = _same(entry.topology, topology)
        if order is None:
            continue
        known = np.isfinite(entry.energies)
        frame = int(np.nanargmin(entry.energies)) if known.any() else 0
        told = f"against frame {int(entry.frame_idx[frame])} of '{entry.name}'"
        if entry.level_of_theory:
            told += f", {entry.level_of_theory}"
        if entry.forces is not None and np.isfinite(entry.forces[frame]).all():
            largest = float(np.linalg.norm(entry.forces[frame], axis=1).max()) / _FORCE
            told += f", largest force there {largest:.1f} kcal/mol/Å"
        return entry.positions[frame][order], told
    raise InputError(
        f"the reference data ({dataset.source or 'no source'}) do not hold this molecule: give "
        "data with frames of it"
    )


def _same(one: Topology, other: Topology) -> np.ndarray | None:
    """The atoms of one topology in the order of another; None for another molecule."""
    if one.n_atoms != other.n_atoms:
        return None
    if np.array_equal(one.atomic_numbers, other.atomic_numbers) and np.array_equal(
        one.bonds, other.bonds
    ):
        return np.arange(one.n_atoms)
    if sorted(one.atomic_numbers.tolist()) != sorted(other.atomic_numbers.tolist()):
        return None
    mols: list[Any] = [rdkit_from_topology(topology) for topology in (one, other)]
    match = mols[0].GetSubstructMatch(mols[1], useChirality=True)
    return np.array(match) if len(match) == one.n_atoms else None


def _lengths(x: Frame, bonds: np.ndarray) -> np.ndarray:
    return np.linalg.norm(x[bonds[:, 1]] - x[bonds[:, 0]], axis=1)


def _angles(x: Frame, angles: np.ndarray) -> np.ndarray:
    u, v = x[angles[:, 0]] - x[angles[:, 1]], x[angles[:, 2]] - x[angles[:, 1]]
    return np.arctan2(np.linalg.norm(np.cross(u, v), axis=1), (u * v).sum(axis=1))
