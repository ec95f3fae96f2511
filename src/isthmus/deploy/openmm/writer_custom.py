"""Merged formulas as OpenMM's custom bonded forces.

The plainest force that knows the variables is chosen: a distance alone makes a CustomBondForce,
an angle alone a CustomAngleForce, a dihedral alone a CustomTorsionForce, and anything else a
CustomCompoundBondForce, whose geometry is written as `isthmus.deploy.openmm.writer_geometry`
says. cos(nφ) becomes a polynomial in cos φ, so that the cosine is evaluated once.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import sympy

from isthmus.deploy.openmm.writer_geometry import (
    CoordinateGeometry,
    FunctionGeometry,
    Geometer,
    PlainGeometry,
)
from isthmus.deploy.openmm.writer_merge import Merged, merge
from isthmus.deploy.openmm.writer_parts import Part
from isthmus.deploy.openmm.writer_text import Formula, formula_text
from isthmus.errors import UnsupportedForceError
from isthmus.terms.compiled import COS, SIN, trigonometric_form
from isthmus.terms.expression import symbol
from isthmus.terms.kinds import KINDS

if TYPE_CHECKING:
    import openmm

__all__ = ["custom_force"]


def custom_force(parts: Sequence[Part], *, readable: bool) -> "openmm.Force | None":
    """One custom force for parts over one kind of cluster; None if nothing is left of them.

    Args:
        parts: over one kind, all periodic or none.
        readable: write distances, angles and dihedrals, not coordinates, at a third of the speed.

    Raises:
        UnsupportedForceError: positions of single atoms in a periodic system.
    """
    merged = merge(parts)
    if merged.value == 0 or not len(merged.atoms_idx):
        return None
    periodic, over = parts[0].periodic, parts[0].over
    if over == "atom":
        if periodic:
            raise UnsupportedForceError(
                f"term '{parts[0].name}': positions of single atoms have no meaning with periodic "
                "images; make the term non-periodic"
            )
        force = _external(merged)
    else:
        force = _bonded(merged, n_atoms=KINDS[over].n_atoms, functions=readable or periodic)
        force.setUsesPeriodicBoundaryConditions(periodic)
    force.setName(" + ".join(part.name for part in parts))
    return force


def _bonded(merged: Merged, *, n_atoms: int, functions: bool) -> Any:
    import openmm

    used = set(merged.geometry.values())
    primitive, local = next(iter(used)) if len(used) == 1 else ("", ())
    if primitive == "distance":
        force = openmm.CustomBondForce(_text(merged, PlainGeometry("r")))
        add_parameter, add = force.addPerBondParameter, force.addBond
    elif primitive == "angle":
        force = openmm.CustomAngleForce(_text(merged, PlainGeometry("theta")))
        add_parameter, add = force.addPerAngleParameter, force.addAngle
    elif primitive == "dihedral":
        force = openmm.CustomTorsionForce(_text(merged, PlainGeometry("theta")))
        add_parameter, add = force.addPerTorsionParameter, force.addTorsion
    else:
        geometer = FunctionGeometry() if functions else CoordinateGeometry()
        force = openmm.CustomCompoundBondForce(n_atoms, _text(merged, geometer))
        add_parameter = force.addPerBondParameter
        for name in merged.columns:
            add_parameter(name)
        for atoms, row in zip(merged.atoms_idx.tolist(), _rows(merged), strict=True):
            force.addBond(atoms, row)
        return force
    for name in merged.columns:
        add_parameter(name)
    columns = [a - 1 for a in local]
    for atoms, row in zip(merged.atoms_idx[:, columns].tolist(), _rows(merged), strict=True):
        add(*atoms, row)
    return force


def _external(merged: Merged) -> "openmm.Force":
    import openmm

    force = openmm.CustomExternalForce(formula_text(merged.value))
    for name in merged.columns:
        force.addPerParticleParameter(name)
    for atoms, row in zip(merged.atoms_idx.tolist(), _rows(merged), strict=True):
        force.addParticle(atoms[0], row)
    return force


def _rows(merged: Merged) -> list[list[float]]:
    if not merged.columns:
        return [[] for _ in merged.atoms_idx]
    return np.stack(list(merged.columns.values()), axis=1).tolist()


def _text(merged: Merged, geometer: Geometer) -> str:
    """The formula with derived coordinates and geometry as definitions after it."""
    kinds = {p: frozenset(n for n, (q, _) in merged.geometry.items() if q == p) for p in _BENT}

    others = {*merged.definitions, *(n for n, (p, _) in merged.geometry.items() if p not in _BENT)}
    others |= {COS + name for name in kinds["angle"]} | kinds["angle"]

    def rewritten(value: Formula) -> Formula:
        form = trigonometric_form(value, dihedrals=kinds["dihedral"], angles=kinds["angle"])
        cosines = [symbol(COS + name) for name in sorted(kinds["dihedral"])]
        derived = frozenset(symbol(name) for name in merged.definitions)
        return _polynomial(form, cosines, [symbol(name) for name in sorted(others)], derived)

    main = rewritten(merged.value)
    derived = {name: rewritten(value) for name, value in merged.definitions.items()}
    used = {s.name for value in (main, *derived.values()) for s in value.free_symbols}
    geometry = {}
    for name, (primitive, atoms) in merged.geometry.items():
        for prefix, function in (("", ""), (COS, "cos"), (SIN, "sin")):
            if prefix + name in used:
                geometry[prefix + name] = geometer.write(function + primitive, atoms)
    definitions = {name: formula_text(value) for name, value in derived.items()}
    definitions |= {n: text for n, text in geometry.items() if n != text}
    # A definition may use those after it: what was written first is used by nothing before it.
    definitions |= dict(reversed(geometer.definitions.items()))
    return "; ".join([formula_text(main), *(f"{n}={text}" for n, text in definitions.items())])


_BENT = ("dihedral", "angle")


def _polynomial(
    value: Formula,
    cosines: list[sympy.Symbol],
    others: list[sympy.Symbol],
    derived: frozenset[sympy.Symbol],
) -> Formula:
    """As a nested polynomial in each cosine, whose coefficients are collected by `others`.

    What a definition stands for is copied wherever its name stands before OpenMM differentiates:
    the fewer times the long ones are named, the faster a simulation starts.
    """
    for cosine in cosines:
        if not value.has(cosine) or not value.is_polynomial(cosine):
            continue
        kept: dict[Formula, Formula] = {}
        nested: Formula = sympy.Integer(0)
        for coefficient in sympy.Poly(
            _with_names(value, cosine, kept, derived), cosine
        ).all_coeffs():
            nested = nested * cosine + _factored(coefficient, [*kept.values(), *others])
        value = nested.xreplace({name: node for node, name in kept.items()})
    return value


def _factored(value: Formula, names: list[sympy.Symbol]) -> Formula:
    """A polynomial in `names` with each of them named as few times as can be had cheaply.

    The name that stands in the most terms is taken out of them, and so on with what is left.
    """
    used = [name for name in names if value.has(name)]
    if not used or not value.is_polynomial(*used):
        return value
    return _nested(sympy.Poly(value, *used).terms(), used)


def _nested(
    terms: Sequence[tuple[tuple[int, ...], Formula]], names: Sequence[sympy.Symbol]
) -> Formula:
    counts = [sum(powers[n] > 0 for powers, _ in terms) for n in range(len(names))]
    most = max(range(len(names)), key=counts.__getitem__)
    if counts[most] < 2:
        return sum(
            (
                c * sympy.prod(n**k for n, k in zip(names, powers, strict=True))
                for powers, c in terms
            ),
            sympy.Integer(0),
        )
    inside = [
        ((*powers[:most], powers[most] - 1, *powers[most + 1 :]), c)
        for powers, c in terms
        if powers[most]
    ]
    outside = [(powers, c) for powers, c in terms if not powers[most]]
    rest = _nested(outside, names) if outside else sympy.Integer(0)
    return names[most] * _nested(inside, names) + rest


def _with_names(
    value: Formula,
    cosine: sympy.Symbol,
    kept: dict[Formula, Formula],
    derived: frozenset[sympy.Symbol],
) -> Formula:
    """Sums and functions without the cosine replaced by names: r − r0 stays what it is.

    Sums over derived coordinates are opened, so that those can be taken out of several of them.
    """
    opened = value.is_Add and bool(value.free_symbols & derived)
    if value.has(cosine) or value.is_Mul or opened:
        if not value.args:
            return value
        return value.func(*(_with_names(a, cosine, kept, derived) for a in value.args))
    if value.is_Symbol or value.is_number or (value.is_Pow and value.base in derived):
        return value
    return kept.setdefault(value, sympy.Dummy(f"kept_{len(kept)}", real=True))
