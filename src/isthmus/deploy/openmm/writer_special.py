"""Energies with code of their own, virtual sites, masses, constraints and box."""

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Int

from isthmus.errors import UnsupportedForceError
from isthmus.parameters.parameterization import Parameterization
from isthmus.terms.cmap import Cmap
from isthmus.terms.gbsa import ImplicitSolvent
from isthmus.terms.special import Special
from isthmus.terms.virtual_sites import LinearSites, LocalFrameSites, OutOfPlaneSites

if TYPE_CHECKING:
    import openmm

__all__ = ["empty_system", "special_force", "virtual_sites"]


def empty_system(parameterization: Parameterization) -> "openmm.System":
    """Particles, virtual sites, constraints and box of a parameterization, without forces."""
    import openmm

    system = openmm.System()
    for mass in parameterization.masses.tolist():
        system.addParticle(mass)
    if parameterization.box is not None:
        system.setDefaultPeriodicBoxVectors(*np.asarray(parameterization.box).tolist())
    for site, definition in virtual_sites(parameterization, np.arange(parameterization.n_atoms)):
        system.setVirtualSite(site, definition)
    constraints = parameterization.constraints
    if constraints is not None:
        for (i, j), distance in zip(
            constraints.pairs.tolist(), constraints.distances.tolist(), strict=True
        ):
            system.addConstraint(i, j, distance)
    return system


def virtual_sites(
    parameterization: Parameterization, particles: Int[np.ndarray, " atoms"]
) -> list[tuple[int, "openmm.VirtualSite"]]:
    """Particle and definition of each virtual site, where atom a is `particles[a]`."""
    if parameterization.virtual_sites is None:
        return []
    return [
        (int(particles[site]), _site(group, row, particles[group.parents[row]].tolist()))
        for group in parameterization.virtual_sites.groups
        for row, site in enumerate(group.sites.tolist())
    ]


def special_force(special: Special) -> "openmm.Force":
    """The native force of a special energy.

    Raises:
        UnsupportedForceError: there is none.
    """
    if isinstance(special, Cmap):
        return _cmap(special)
    if isinstance(special, ImplicitSolvent):
        return _implicit_solvent(special)
    raise UnsupportedForceError(
        f"term '{special.name}' ({type(special).__name__}) has no counterpart in OpenMM: leave it "
        "out, or write it as a formula"
    )


def _cmap(special: Cmap) -> "openmm.Force":
    import openmm

    force = openmm.CMAPTorsionForce()
    for table in np.asarray(special.maps, dtype=np.float64):
        # OpenMM lists the first angle fastest; our maps have it along the first axis.
        force.addMap(len(table), table.T.reshape(-1).tolist())
    for which, atoms in zip(special.map_idx.tolist(), special.atoms_idx.tolist(), strict=True):
        force.addTorsion(which, *atoms)
    force.setUsesPeriodicBoundaryConditions(special.periodic)
    return force


def _implicit_solvent(special: ImplicitSolvent) -> "openmm.Force":
    import openmm

    force = openmm.GBSAOBCForce()
    columns = (special.charges, special.radii, special.scales)
    for row in np.stack([np.asarray(c, dtype=np.float64) for c in columns], axis=1).tolist():
        force.addParticle(*row)
    force.setSoluteDielectric(special.solute_dielectric)
    force.setSolventDielectric(special.solvent_dielectric)
    force.setSurfaceAreaEnergy(special.surface_area_energy)
    force.setNonbondedMethod(force.NoCutoff)
    if special.cutoff is not None:
        cut = force.CutoffPeriodic if special.periodic else force.CutoffNonPeriodic
        force.setNonbondedMethod(cut)
        force.setCutoffDistance(special.cutoff)
    return force


def _site(
    group: LinearSites | OutOfPlaneSites | LocalFrameSites, row: int, parents: list[int]
) -> "openmm.VirtualSite":
    import openmm

    if isinstance(group, OutOfPlaneSites):
        return openmm.OutOfPlaneSite(*parents, *group.weights[row].tolist())
    if isinstance(group, LocalFrameSites):
        frames = (group.origin_weights, group.x_weights, group.y_weights)
        weights = [frame[row].tolist() for frame in frames]
        return openmm.LocalCoordinatesSite(parents, *weights, openmm.Vec3(*group.local[row]))
    weights = group.weights[row].tolist()
    if weights[2] == 0:
        return openmm.TwoParticleAverageSite(*parents[:2], *weights[:2])
    return openmm.ThreeParticleAverageSite(*parents, *weights)
