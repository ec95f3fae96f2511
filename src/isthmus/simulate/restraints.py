"""Restraints: harmonic energies that hold atoms, distances, angles and torsions near a value.

Each is a formula term with its clusters, as those of a force field are, so that formulas, units
and derivatives are those of the rest of the package. All are flat-bottomed: within `width` of the
target the energy is 0; a width of 0 is the plain harmonic.

| restraint | energy |
|---|---|
| position | k/2 max(0, distance from the point − width)² |
| distance, angle | k/2 max(0, distance or angle from the target − width)² |
| torsion | the same, by the shorter way around the circle |
"""

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import numpy as np
from jaxtyping import Array, Float

from isthmus.chemistry.topology_input import ArrayInput
from isthmus.errors import InputError
from isthmus.forcefield.binding import bind_parameterization
from isthmus.forcefield.potential import Potential
from isthmus.parameters.parameterization import Parameterization
from isthmus.simulate.surface import Sum, Surface
from isthmus.terms.bound import BoundTerm
from isthmus.terms.formula import FormulaTerm
from isthmus.terms.parameter import Parameter

__all__ = [
    "Restrained",
    "angle_restraint",
    "distance_restraint",
    "position_restraint",
    "restraint_surface",
    "torsion_restraint",
]

Numbers: TypeAlias = ArrayInput | float | int
"""One number for all restraints, or one each"""

_SQUARE: Final = "(x-x0)^2+(y-y0)^2+(z-z0)^2"


def position_restraint(
    atoms: ArrayInput,
    centres: ArrayInput,
    *,
    force_constant: Numbers,
    width: float = 0.0,
    name: str = "position-restraint",
) -> BoundTerm:
    """Hold atoms near points in space; positions are not wrapped into a box.

    Args:
        atoms: indices (restraints,).
        centres: (restraints, 3) [nm].
        force_constant: one, or one each [kJ/mol/nm²].
        width: radius of the sphere in which the atom is free [nm].
        name: of the term; unique in a set of restraints.

    Raises:
        InputError: shapes that do not fit, or numbers that are negative or not finite.
    """
    points = np.asarray(centres, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 3:
        raise InputError(f"centres of shape {points.shape} came: (restraints, 3) in nm are wanted")
    values = {"x0": points[:, 0], "y0": points[:, 1], "z0": points[:, 2]}
    # Without a width there is no root, and no derivative of one at the centre
    energy = f"k/2*max(0,sqrt({_SQUARE})-width)^2" if width else f"k/2*({_SQUARE})"
    columns = np.asarray(atoms).reshape(-1, 1)
    return _bound(name, "atom", energy, columns, values, force_constant, width)


def distance_restraint(
    pairs: ArrayInput,
    distances: Numbers,
    *,
    force_constant: Numbers,
    width: float = 0.0,
    periodic: bool = False,
    name: str = "distance-restraint",
) -> BoundTerm:
    """Hold distances of pairs of atoms near values.

    Args:
        pairs: (restraints, 2).
        distances: one, or one each [nm].
        force_constant: one, or one each [kJ/mol/nm²].
        width: how far the distance is free to either side [nm].
        periodic: whether the distance is that of the nearest images.
        name: of the term; unique in a set of restraints.

    Raises:
        InputError: shapes that do not fit, or numbers that are negative or not finite.
    """
    energy = "k/2*max(0,abs(r-target)-width)^2" if width else "k/2*(r-target)^2"
    values = {"target": distances}
    return _bound(name, "bond", energy, pairs, values, force_constant, width, periodic)


def angle_restraint(
    triples: ArrayInput,
    angles: Numbers,
    *,
    force_constant: Numbers,
    width: float = 0.0,
    periodic: bool = False,
    name: str = "angle-restraint",
) -> BoundTerm:
    """Hold angles near values; the middle atom of a triple is the vertex.

    Args:
        triples: (restraints, 3).
        angles: one, or one each [rad].
        force_constant: one, or one each [kJ/mol/rad²].
        width: how far the angle is free to either side [rad].
        periodic: whether displacements are those of the nearest images.
        name: of the term; unique in a set of restraints.

    Raises:
        InputError: shapes that do not fit, or numbers that are negative or not finite.
    """
    energy = "k/2*max(0,abs(theta-target)-width)^2" if width else "k/2*(theta-target)^2"
    values = {"target": angles}
    return _bound(name, "angle", energy, triples, values, force_constant, width, periodic)


def torsion_restraint(
    quadruples: ArrayInput,
    torsions: Numbers,
    *,
    force_constant: Numbers,
    width: float = 0.0,
    periodic: bool = False,
    name: str = "torsion-restraint",
) -> BoundTerm:
    """Hold torsion angles (of any four atoms) near values, by the shorter way around.

    Args:
        quadruples: (restraints, 4).
        torsions: one, or one each [rad]; any multiple of 2π may be added.
        force_constant: one, or one each [kJ/mol/rad²].
        width: how far the torsion is free to either side [rad].
        periodic: whether displacements are those of the nearest images.
        name: of the term; unique in a set of restraints.

    Raises:
        InputError: shapes that do not fit, or numbers that are negative or not finite.
    """
    # The target lies in [-π, π], and so does φ: one turn is the most that has to be taken off
    wrapped = np.remainder(np.asarray(torsions, dtype=np.float64) + np.pi, 2 * np.pi) - np.pi
    way = "; way=min(apart,2*pi-apart); apart=abs(phi-target)"
    energy = ("k/2*max(0,way-width)^2" if width else "k/2*way^2") + way
    values = {"target": wrapped}
    return _bound(name, "torsion", energy, quadruples, values, force_constant, width, periodic)


def restraint_surface(
    restraints: Sequence[BoundTerm], *, n_atoms: int, precision: str
) -> Potential:
    """Restraints as a surface of their own, for sums and for splits in time.

    Args:
        restraints: from the functions of this module; or any formula term with its clusters.
        n_atoms: of the system.
        precision: "float32" or "float64", that of the surfaces it will be added to.

    Raises:
        InputError: atoms that the system does not have, or two restraints of the same name.
    """
    names = [item.term.name for item in restraints]
    if len(set(names)) < len(names):
        raise InputError(
            f"restraints of the same name came ({', '.join(sorted(names))}): give each a name"
        )
    for item in restraints:
        largest = int(np.max(item.atoms_idx, initial=-1))
        if largest >= n_atoms or np.min(item.atoms_idx, initial=0) < 0:
            raise InputError(
                f"'{item.term.name}' restrains atom {largest}, and the system has {n_atoms} "
                "atoms, counted from 0"
            )
    # Particles without mass: nothing is known here of which may coincide
    item = Parameterization(np.zeros(n_atoms), terms=tuple(restraints))
    return bind_parameterization(item, precision=precision)


def Restrained(surface: Surface, restraints: Sequence[BoundTerm]) -> Sum:
    """A surface with restraints: a surface itself, so every integrator takes it.

    Its second part, `.surfaces[1]`, is a `Potential` that tells what each restraint costs.

    Args:
        surface: any.
        restraints: from the functions of this module.

    Raises:
        InputError: atoms that the system does not have, or two restraints of the same name.
    """
    own = restraint_surface(restraints, n_atoms=surface.n_atoms, precision=surface.precision)
    return Sum((surface, own))


def _bound(
    name: str,
    over: str,
    energy: str,
    atoms: ArrayInput,
    values: dict[str, Any],
    force_constant: Numbers,
    width: float,
    periodic: bool = False,
) -> BoundTerm:
    """A restraint as a formula term, with its numbers checked."""
    unit = {"atom": "nm", "bond": "nm"}.get(over, "rad")
    numbers = values | {"k": force_constant} | ({"width": width} if width else {})
    parameters = tuple(
        Parameter(key, f"kJ/mol/{unit}^2" if key == "k" else unit) for key in numbers
    )
    # Imported: clusters come as a list, and no symmetry of the topology is asked for
    term = FormulaTerm(name, over, energy, parameters, imported=True)
    idx = np.asarray(atoms)
    size = term.kind.n_atoms
    if idx.ndim != 2 or idx.shape[1] != size or idx.dtype.kind not in "iu":
        raise InputError(
            f"'{name}': atom indices (restraints, {size}) are wanted, {idx.shape} came"
        )
    columns: dict[str, Float[Array | np.ndarray, " _"]] = {}
    for key, value in numbers.items():
        column = np.asarray(value, dtype=np.float64)
        if column.shape not in ((), (len(idx),)):
            raise InputError(
                f"'{name}': {key} of shape {column.shape} came for {len(idx)} restraints: give "
                "one number, or one each"
            )
        if not np.all(np.isfinite(column)) or (key in ("k", "width") and np.any(column < 0)):
            raise InputError(f"'{name}': {key} must be finite, force constant and width not < 0")
        columns[key] = np.broadcast_to(column, (len(idx),)).copy()
    return BoundTerm(term, idx.astype(np.int32), columns, periodic)
