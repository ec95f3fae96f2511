"""Terms that OpenMM's native bonded forces can say, written as those."""

from typing import TYPE_CHECKING, Any

import numpy as np

from isthmus.deploy.openmm.writer_parts import Part
from isthmus.deploy.openmm.writer_recognise import (
    Cosine,
    cosine_polynomial,
    cosine_series,
    perfect_square,
)

if TYPE_CHECKING:
    import openmm

__all__ = ["native_bonded_force"]


def native_bonded_force(part: Part) -> "openmm.Force | None":
    """The native force that equals a part, or None if there is none.

    Clusters with a force constant of zero are left out.
    """
    if len(part.variables) != 1:
        return None
    variable = part.variables[0]
    primitive, local = part.geometry[variable]
    atoms_idx = part.atoms_idx[:, [a - 1 for a in local]]
    force: Any = None
    if primitive in ("distance", "angle"):
        force = _harmonic(part, variable, primitive, atoms_idx)
    elif primitive == "dihedral":
        force = _periodic(part, variable, atoms_idx) or _polynomial(part, variable, atoms_idx)
    if force is not None:
        force.setUsesPeriodicBoundaryConditions(part.periodic)
    return force


def _harmonic(
    part: Part, variable: str, primitive: str, atoms_idx: np.ndarray
) -> "openmm.Force | None":
    import openmm

    found = perfect_square(part.expanded, variable)
    if found is None:
        return None
    constants, centres = (part.numbers(value) for value in found)
    used, longest = centres[constants != 0], np.inf if primitive == "distance" else np.pi
    if not np.all((used >= 0) & (used <= longest) & np.isfinite(used)):
        return None  # OpenMM refuses negative lengths and angles beyond π
    force = openmm.HarmonicBondForce() if primitive == "distance" else openmm.HarmonicAngleForce()
    add = getattr(force, "addBond" if primitive == "distance" else "addAngle")
    for atoms, k, centre in zip(atoms_idx.tolist(), constants, centres, strict=True):
        if k != 0:
            add(*atoms, float(centre), float(k))
    return force


def _periodic(part: Part, variable: str, atoms_idx: np.ndarray) -> "openmm.Force | None":
    import openmm

    cosines, rest = cosine_series(part.expanded, variable)
    if rest != 0 or not cosines or not all(_has_whole_order(part, c) for c in cosines):
        return None
    force = openmm.PeriodicTorsionForce()
    columns = [
        (part.numbers(c.order), part.numbers(c.phase), part.numbers(c.amplitude)) for c in cosines
    ]
    for row, atoms in enumerate(atoms_idx.tolist()):
        for orders, phases, amplitudes in columns:
            if amplitudes[row] != 0:
                i, j, k, l = atoms
                phase, amplitude = float(phases[row]), float(amplitudes[row])
                force.addTorsion(i, j, k, l, int(orders[row]), phase, amplitude)
    return force


def _has_whole_order(part: Part, cosine: Cosine) -> bool:
    """Whether every cluster's periodicity is 1, 2, 3, ..."""
    orders = part.numbers(cosine.order)
    return bool(np.all((orders == np.rint(orders)) & (orders >= 1)))


def _polynomial(part: Part, variable: str, atoms_idx: np.ndarray) -> "openmm.Force | None":
    """RBTorsionForce; its angle is φ − π, so that odd powers change sign."""
    import openmm

    found = cosine_polynomial(part.expanded, variable)
    if found is None:
        return None
    columns = [(-1) ** n * part.numbers(value) for n, value in enumerate(found)]
    table = np.stack(columns, axis=1)
    force = openmm.RBTorsionForce()
    for atoms, row in zip(atoms_idx.tolist(), table, strict=True):
        if row.any():
            force.addTorsion(*atoms, *row.tolist())
    return force
