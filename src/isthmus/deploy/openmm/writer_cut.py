"""Everything that acts within one molecule taken out of a System.

OpenMM has no way to remove a bond from a force, so the System is copied through its XML, from
which the entries are left out.
"""

import re
from itertools import combinations
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree

import numpy as np
from jaxtyping import Int

from isthmus.errors import InputError, UnsupportedForceError

if TYPE_CHECKING:
    import openmm

__all__ = ["cut_molecule"]

_CLUSTERED: Final = {
    "CMAPTorsionForce",
    "CustomAngleForce",
    "CustomBondForce",
    "CustomCompoundBondForce",
    "CustomNonbondedForce",
    "CustomTorsionForce",
    "HarmonicAngleForce",
    "HarmonicBondForce",
    "NonbondedForce",
    "PeriodicTorsionForce",
    "RBTorsionForce",
}
"""Forces with entries that name particles: bonds, exceptions, exclusions."""

_UNTOUCHED: Final = {
    "AndersenThermostat",
    "CMMotionRemover",
    "CustomExternalForce",
    "GBSAOBCForce",
    "MonteCarloAnisotropicBarostat",
    "MonteCarloBarostat",
    "MonteCarloFlexibleBarostat",
    "MonteCarloMembraneBarostat",
}
"""Forces that act on single particles or on the whole."""

_PARTICLE: Final = re.compile(r"[pab][1-9]\d*")
"""Attributes of an entry that name a particle; p1, p2, ..., and a1 ... b4 in CMAP."""


def cut_molecule(
    system: "openmm.System", atoms: Int[np.ndarray, " atoms"], *, keep_constraints: bool
) -> "openmm.System":
    """A copy without bonded terms, exceptions and constraints among the given particles.

    In CustomNonbondedForces, every pair of these particles becomes an exclusion.

    Raises:
        InputError: an entry with particles inside and outside: no whole molecule.
        UnsupportedForceError: a force that is not known here.
    """
    import openmm

    inside = frozenset(atoms.tolist())
    _check_forces(system, inside)
    root = ElementTree.fromstring(openmm.XmlSerializer.serialize(system))
    for force in root.iterfind("Forces/Force"):
        if force.get("type") in _CLUSTERED:
            for entries in force:
                _remove_entries(entries, inside, force.get("name") or str(force.get("type")))
    constraints = root.find("Constraints")
    if constraints is not None:
        _remove_entries(constraints, inside, "constraints", keep=keep_constraints)
    result = openmm.XmlSerializer.deserialize(ElementTree.tostring(root, encoding="unicode"))
    for force in result.getForces():
        if isinstance(force, openmm.CustomNonbondedForce):
            for i, j in combinations(sorted(inside), 2):
                force.addExclusion(i, j)
    return result


def _check_forces(system: "openmm.System", inside: frozenset[int]) -> None:
    import openmm

    for force in system.getForces():
        kind = type(force).__name__
        if kind not in _CLUSTERED | _UNTOUCHED:
            raise UnsupportedForceError(
                f"the System has a {kind} '{force.getName()}', of which combine does not know "
                "which part belongs to the molecule: remove it"
            )
        if isinstance(force, openmm.NonbondedForce) and (
            force.getNumParticleParameterOffsets() or force.getNumExceptionParameterOffsets()
        ):
            raise UnsupportedForceError(
                "the System's NonbondedForce has parameter offsets: make a System without them"
            )
    for particle in range(system.getNumParticles()):
        if system.isVirtualSite(particle):
            site = system.getVirtualSite(particle)
            parents = {site.getParticle(a) for a in range(site.getNumParticles())}
            _is_inside({particle, *parents}, inside, "virtual sites")


def _remove_entries(
    entries: ElementTree.Element, inside: frozenset[int], where: str, *, keep: bool = False
) -> None:
    for entry in list(entries):
        particles = {int(v) for name, v in entry.attrib.items() if _PARTICLE.fullmatch(name)}
        if particles and _is_inside(particles, inside, where) and not keep:
            entries.remove(entry)


def _is_inside(particles: set[int], inside: frozenset[int], where: str) -> bool:
    """Whether all particles are in the molecule; some of them are an error."""
    common = particles & inside
    if common and common != particles:
        raise InputError(
            f"atom_idx is no whole molecule: {where} of the System connect particle "
            f"{min(common)} with particle {min(particles - inside)}, which is not in it; name all "
            "atoms of the molecule"
        )
    return bool(common)
