"""Readers of the native bonded forces: bonds, angles, torsions, and CMAP."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Int

from isthmus.deploy.openmm import native
from isthmus.deploy.openmm.reader_registry import ForceToRead, Reading, numbers, reads
from isthmus.terms.bound import BoundTerm
from isthmus.terms.cmap import Cmap
from isthmus.terms.formula import FormulaTerm

__all__ = [
    "read_cmap",
    "read_harmonic_angles",
    "read_harmonic_bonds",
    "read_periodic_torsions",
    "read_rb_torsions",
]


@reads("HarmonicBondForce")
def read_harmonic_bonds(item: ForceToRead) -> Reading:
    """Bonds; also Urey-Bradley terms, which OpenMM writes as bonds between atoms 1 and 3."""
    force = item.force
    rows = [force.getBondParameters(n) for n in range(force.getNumBonds())]
    return _plain(item, native.harmonic_bond, rows, ("r0", "k"))


@reads("HarmonicAngleForce")
def read_harmonic_angles(item: ForceToRead) -> Reading:
    """Angles."""
    force = item.force
    rows = [force.getAngleParameters(n) for n in range(force.getNumAngles())]
    return _plain(item, native.harmonic_angle, rows, ("theta0", "k"))


@reads("RBTorsionForce")
def read_rb_torsions(item: ForceToRead) -> Reading:
    """Ryckaert-Bellemans torsions."""
    force = item.force
    rows = [force.getTorsionParameters(n) for n in range(force.getNumTorsions())]
    return _plain(item, native.rb_torsion, rows, tuple(f"c{n}" for n in range(6)))


def _plain(
    item: ForceToRead,
    template: Callable[[str], FormulaTerm],
    rows: list[Any],
    parameters: tuple[str, ...],
) -> Reading:
    """A force whose rows are atoms, followed by parameters in this order."""
    if not rows:
        return Reading()
    term = template(item.label)
    size = term.kind.n_atoms
    table = numbers([row[size:] for row in rows], len(parameters))
    values = {name: table[:, column] for column, name in enumerate(parameters)}
    periodic = item.force.usesPeriodicBoundaryConditions()
    return Reading((BoundTerm(term, _atoms(rows, size), values, periodic),))


def _atoms(rows: list[Any], size: int) -> Int[np.ndarray, "clusters size"]:
    return np.array([row[:size] for row in rows], dtype=np.int32).reshape(len(rows), size)


@reads("PeriodicTorsionForce")
def read_periodic_torsions(item: ForceToRead) -> Reading:
    """Torsions: one row for all periodicities of the same four atoms.

    A second entry with the same atoms and periodicity starts a second row.
    """
    force = item.force
    rows = [force.getTorsionParameters(n) for n in range(force.getNumTorsions())]
    if not rows:
        return Reading()
    place: dict[tuple, int] = {}
    seen: Counter[tuple] = Counter()
    entries: list[tuple[int, int]] = []
    for *atoms, order, _, _ in rows:
        quartet = tuple(atoms) if atoms[0] < atoms[3] else tuple(reversed(atoms))
        repeat = seen[quartet, order]
        seen[quartet, order] += 1
        entries.append((place.setdefault((*quartet, repeat), len(place)), order))
    orders = sorted({order for _, order in entries})
    table = numbers([row[5:] for row in rows], 2)
    values = {f"{name}{n}": np.zeros(len(place)) for n in orders for name in ("k", "phase")}
    for (row, order), (phase, k) in zip(entries, table, strict=True):
        values[f"phase{order}"][row] = phase
        values[f"k{order}"][row] = k
    term = native.periodic_torsion(item.label, orders)
    atoms_idx = np.array([key[:4] for key in place], dtype=np.int32)
    periodic = force.usesPeriodicBoundaryConditions()
    return Reading((BoundTerm(term, atoms_idx, values, periodic),))


@reads("CMAPTorsionForce")
def read_cmap(item: ForceToRead) -> Reading:
    """CMAP corrections; maps of different sizes become terms of their own."""
    force = item.force
    maps = []
    for n in range(force.getNumMaps()):
        size, energy = force.getMapParameters(n)
        # OpenMM lists the first angle fastest; our maps have it along the first axis.
        maps.append(numbers([energy], size * size).reshape(size, size).T)
    rows = [force.getTorsionParameters(n) for n in range(force.getNumTorsions())]
    map_idx = np.array([row[0] for row in rows], dtype=np.int32)
    atoms_idx = np.array([row[1:] for row in rows], dtype=np.int32).reshape(len(rows), 8)
    sizes = np.array([len(table) for table in maps], dtype=np.int64)
    used = sorted(set(sizes[map_idx].tolist())) if rows else []
    specials = []
    for size in used:
        chosen = np.flatnonzero(sizes == size)
        mine = sizes[map_idx] == size
        specials.append(
            Cmap.from_maps(
                item.label if len(used) == 1 else item.part(f"{size} x {size}"),
                atoms_idx=atoms_idx[mine],
                map_idx=np.searchsorted(chosen, map_idx[mine]).astype(np.int32),
                maps=np.stack([maps[n] for n in chosen]),
                periodic=force.usesPeriodicBoundaryConditions(),
            )
        )
    return Reading(specials=tuple(specials))
