"""Readers of custom forces over listed atoms: bonds, angles, torsions, compounds, externals."""

import re
from typing import Any

import numpy as np

from isthmus.deploy.openmm.reader_expression import custom_term, identifiers, renamed
from isthmus.deploy.openmm.reader_registry import ForceToRead, Reading, numbers, reads
from isthmus.terms.bound import BoundTerm

__all__ = [
    "read_custom_angles",
    "read_custom_bonds",
    "read_custom_compounds",
    "read_custom_external",
    "read_custom_torsions",
]

_KINDS = {1: "atom", 2: "bond", 3: "angle", 4: "torsion", 5: "path5"}
"""Kind of a compound by its number of particles."""


@reads("CustomBondForce")
def read_custom_bonds(item: ForceToRead) -> Reading:
    """Any function of one distance r."""
    force = item.force
    names = [force.getPerBondParameterName(n) for n in range(force.getNumPerBondParameters())]
    rows = [force.getBondParameters(n) for n in range(force.getNumBonds())]
    rows = [((i, j), values) for i, j, values in rows]
    return _listed(item, "bond", force.getEnergyFunction(), names, rows)


@reads("CustomAngleForce")
def read_custom_angles(item: ForceToRead) -> Reading:
    """Any function of one angle theta."""
    force = item.force
    names = [force.getPerAngleParameterName(n) for n in range(force.getNumPerAngleParameters())]
    rows = [force.getAngleParameters(n) for n in range(force.getNumAngles())]
    rows = [((i, j, k), values) for i, j, k, values in rows]
    return _listed(item, "angle", force.getEnergyFunction(), names, rows)


@reads("CustomTorsionForce")
def read_custom_torsions(item: ForceToRead) -> Reading:
    """Any function of one dihedral, which OpenMM calls theta and we call phi."""
    force = item.force
    count = force.getNumPerTorsionParameters()
    names = [force.getPerTorsionParameterName(n) for n in range(count)]
    rows = [force.getTorsionParameters(n) for n in range(force.getNumTorsions())]
    rows = [(tuple(atoms), values) for *atoms, values in rows]
    text = force.getEnergyFunction()
    free = "phi" not in identifiers(text)
    text = renamed(text, {"theta": "phi" if free else "dihedral(p1,p2,p3,p4)"})
    return _listed(item, "torsion", text, names, rows)


@reads("CustomCompoundBondForce")
def read_custom_compounds(item: ForceToRead) -> Reading:
    """Functions of distances, angles and dihedrals of up to five particles."""
    force = item.force
    size = force.getNumParticlesPerBond()
    if size not in _KINDS:
        raise item.unsupported(
            f"its bonds have {size} particles",
            f"formulas over 1 to {max(_KINDS)} particles can be imported",
        )
    _no_tables(item)
    text = force.getEnergyFunction()
    if size == 1:
        text = renamed(text, {"x1": "x", "y1": "y", "z1": "z"})
    elif coordinates := sorted(n for n in identifiers(text) if re.fullmatch(r"[xyz][1-5]", n)):
        raise item.unsupported(
            f"its expression has the Cartesian coordinates {', '.join(coordinates)}",
            "write it with distance(p1,p2), angle(p1,p2,p3) and dihedral(p1,p2,p3,p4); if Isthmus "
            "exported it, export it again with --readable (in Python, readable=True)",
        )
    names = [force.getPerBondParameterName(n) for n in range(force.getNumPerBondParameters())]
    rows = [force.getBondParameters(n) for n in range(force.getNumBonds())]
    return _listed(item, _KINDS[size], text, names, [(tuple(a), values) for a, values in rows])


@reads("CustomExternalForce")
def read_custom_external(item: ForceToRead) -> Reading:
    """Functions of the position x, y, z of one particle."""
    force = item.force
    text = force.getEnergyFunction()
    if "periodicdistance" in identifiers(text):
        raise item.unsupported(
            "its expression uses periodicdistance", "write it with x, y and z, without a box"
        )
    count = force.getNumPerParticleParameters()
    names = [force.getPerParticleParameterName(n) for n in range(count)]
    rows = [force.getParticleParameters(n) for n in range(force.getNumParticles())]
    return _listed(item, "atom", text, names, [((i,), values) for i, values in rows])


def _no_tables(item: ForceToRead) -> None:
    if item.force.getNumTabulatedFunctions():
        name = item.force.getTabulatedFunctionName(0)
        raise item.unsupported(
            f"it uses the tabulated function '{name}'", "replace it by a formula"
        )


def _listed(item: ForceToRead, over: str, text: str, names: list[str], rows: list[Any]) -> Reading:
    """A term whose clusters and parameters are listed as (atoms, values)."""
    if not rows:
        return Reading()
    formula = custom_term(item, over, text, names=names)
    table = numbers([values for _, values in rows], len(names))
    values = {name: table[:, column] for name, column in formula.columns.items()}
    atoms_idx = np.array([atoms for atoms, _ in rows], dtype=np.int32)
    periodic = over != "atom" and item.force.usesPeriodicBoundaryConditions()
    return Reading((BoundTerm(formula.term, atoms_idx, values, periodic),), notes=formula.notes)
