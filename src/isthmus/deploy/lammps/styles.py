"""What LAMMPS' class2 styles know: each term with its place in a data file.

Which term is which is told by its formula, not by its name: a term is LAMMPS' own if its formula
is that of a term of the preset `class2`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np

from isthmus.designs.schema import preset
from isthmus.errors import UnsupportedForceError
from isthmus.parameters.parameterization import Parameterization
from isthmus.terms.formula import FormulaTerm
from isthmus.units import ANGSTROM, DEGREE, KILOCALORIE

__all__ = ["SECTIONS", "Section", "lammps_unit", "recognised", "rows_of_types", "units_of"]


@dataclass(frozen=True)
class Section:
    """One block of coefficients.

    Attributes:
        term: of the preset `class2`.
        over: cluster kind.
        header: of the block in a data file.
        names: parameters in LAMMPS' order.
    """

    term: str
    over: str
    header: str
    names: tuple[str, ...]


_THREE: Final = (1, 2, 3)

SECTIONS: Final = (
    Section("bond", "bond", "Bond Coeffs # class2", ("r0", "k2", "k3", "k4")),
    Section("angle", "angle", "Angle Coeffs # class2", ("theta0", "k2", "k3", "k4")),
    Section("bond-bond", "angle", "BondBond Coeffs", ("k", "r12_0", "r23_0")),
    Section("bond-angle", "angle", "BondAngle Coeffs", ("k12", "k23", "r12_0", "r23_0")),
    Section(
        "torsion",
        "torsion",
        "Dihedral Coeffs # class2",
        tuple(f"{name}{n}" for n in _THREE for name in ("k", "phi")),
    ),
    Section(
        "middle-bond-torsion", "torsion", "MiddleBondTorsion Coeffs", ("k1", "k2", "k3", "r23_0")
    ),
    Section(
        "end-bond-torsion",
        "torsion",
        "EndBondTorsion Coeffs",
        (*(f"k{b}_{n}" for b in (12, 34) for n in _THREE), "r12_0", "r34_0"),
    ),
    Section(
        "angle-torsion",
        "torsion",
        "AngleTorsion Coeffs",
        (*(f"k{a}_{n}" for a in (123, 234) for n in _THREE), "theta123_0", "theta234_0"),
    ),
    Section(
        "angle-angle-torsion",
        "torsion",
        "AngleAngleTorsion Coeffs",
        ("k", "theta123_0", "theta234_0"),
    ),
    Section("bond-bond-13", "torsion", "BondBond13 Coeffs", ("k", "r12_0", "r34_0")),
    Section("out-of-plane", "branch", "Improper Coeffs # class2", ("k", "chi0")),
    # LAMMPS names the couplings by the angles 1-2-3, 1-2-4, 3-2-4 about its second atom: first
    # that of the angles that share the bond to its third atom, then to its first, then its fourth
    Section(
        "angle-angle",
        "branch",
        "AngleAngle Coeffs",
        ("k13", "k12", "k14", "theta213_0", "theta214_0", "theta314_0"),
    ),
)
"""Blocks of a data file in LAMMPS' order; the first of each kind of cluster is its main one"""


@cache
def _known() -> Mapping[str, FormulaTerm]:
    return {term.name: term for term in preset("class2").terms}


def units_of(term: str) -> dict[str, str]:
    """Units of the parameters of a term of the preset, which one that was imported may lack."""
    return {p.name: p.unit or "1" for p in _known()[term].parameters}


def recognised(item: Parameterization) -> dict[str, str]:
    """Which term of the preset each term is: name there -> name here.

    Raises:
        UnsupportedForceError: a term that LAMMPS' class2 styles do not have, or one twice.
    """
    found: dict[str, str] = {}
    terms = [t.term for t in item.terms]
    terms += [t.term for group in item.pair_groups for t in group.terms]
    for term in terms:
        name = next((n for n, known in _known().items() if _is_same(term, known)), None)
        if name is None:
            raise UnsupportedForceError(
                f"term '{term.name}' (over {term.over}: {' '.join(term.energy.split())}) is none "
                "of LAMMPS' class2 styles; what can be written are the terms of the preset class2 "
                "(isthmus design show class2); leave this one out, or export to OpenMM"
            )
        if name in found:
            raise UnsupportedForceError(
                f"terms '{found[name]}' and '{term.name}' are both LAMMPS' {name}: make them one"
            )
        found[name] = term.name
    for special in item.specials:
        raise UnsupportedForceError(
            f"'{special.name}' is none of LAMMPS' class2 styles; export to OpenMM"
        )
    for network in item.networks:
        raise UnsupportedForceError(
            f"'{network.name}' is a network, which is none of LAMMPS' class2 styles"
        )
    if item.virtual_sites is not None or item.constraints is not None:
        raise UnsupportedForceError(
            "virtual sites and constraints are not written for LAMMPS; export to OpenMM"
        )
    return found


def _is_same(term: FormulaTerm, known: FormulaTerm) -> bool:
    return (
        term.over == known.over
        and term.coordinate_names == known.coordinate_names
        and {p.name for p in term.parameters} == {p.name for p in known.parameters}
        and term.expression.value == known.expression.value
    )


def lammps_unit(unit: str) -> float:
    """Factor from one of our units to that of LAMMPS' `units real`.

    Lengths are in Å and energies in kcal/mol; an angle is in degrees, but a force constant is per
    radian.
    """
    if unit == "rad":
        return 1 / DEGREE
    factor = 1.0
    for place, part in enumerate(unit.split("/")):
        base, _, power = part.partition("^")
        size = {"nm": ANGSTROM, "kJ": KILOCALORIE, "rad": 1.0, "mol": 1.0, "e": 1.0}[base]
        factor *= size ** (int(power or 1) * (1 if place else -1))
    return factor


def rows_of_types(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Different rows of a table, and which of them each row is, counted from 0."""
    if not len(rows):
        return rows, np.zeros(0, dtype=np.int64)
    kinds, which = np.unique(rows, axis=0, return_inverse=True)
    return kinds, which.reshape(-1)
