"""Reader of GBSAOBCForce: implicit solvent."""

from isthmus.deploy.openmm.reader_registry import ForceToRead, Reading, number, numbers, reads
from isthmus.terms.gbsa import ImplicitSolvent

__all__ = ["read_gbsa"]


@reads("GBSAOBCForce")
def read_gbsa(item: ForceToRead) -> Reading:
    """Generalised Born with surface area, with or without a cutoff."""
    force = item.force
    rows = [force.getParticleParameters(n) for n in range(force.getNumParticles())]
    charges, radii, scales = numbers(rows, 3).T
    cut = force.getNonbondedMethod() != force.NoCutoff
    special = ImplicitSolvent(
        item.label,
        charges,
        radii,
        scales,
        solute_dielectric=number(force.getSoluteDielectric()),
        solvent_dielectric=number(force.getSolventDielectric()),
        surface_area_energy=number(force.getSurfaceAreaEnergy()),
        cutoff=number(force.getCutoffDistance()) if cut else None,
        periodic=force.usesPeriodicBoundaryConditions(),
    )
    return Reading(specials=(special,))
