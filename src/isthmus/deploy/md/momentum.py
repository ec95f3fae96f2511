"""Whether a system keeps its total momentum, which decides what a temperature counts.

Forces between particles keep it; a position in the laboratory that acts on a particle, and a
particle that never moves, do not. Only where it is kept may the motion of the centre of mass be
taken out, and count for nothing in the temperature.
"""

from typing import TYPE_CHECKING

import numpy as np

from isthmus.deploy.openmm.reader_registry import number
from isthmus.forcefield.potential import Potential

if TYPE_CHECKING:
    import openmm

__all__ = ["conserves_momentum", "degrees_of_freedom"]


def conserves_momentum(subject: "Potential | openmm.System") -> bool:
    """Whether nothing holds particles in the laboratory.

    Args:
        subject: a potential, or a System of OpenMM.
    """
    if isinstance(subject, Potential):
        return _potential_conserves(subject)
    return not (_any_frozen(subject) or any(_is_outer(force) for force in subject.getForces()))


def degrees_of_freedom(system: "openmm.System") -> int:
    """Of the motion that OpenMM will make of a System: 3 N less what is held.

    N counts particles with mass. Three are taken off where a CMMotionRemover takes out the motion
    of the centre of mass, whatever the thermostat.
    """
    import openmm

    moving = [_mass(system, particle) > 0 for particle in range(system.getNumParticles())]
    pairs = [system.getConstraintParameters(n)[:2] for n in range(system.getNumConstraints())]
    held = sum(moving[i] or moving[j] for i, j in pairs)
    at_rest = any(isinstance(force, openmm.CMMotionRemover) for force in system.getForces())
    return 3 * sum(moving) - held - 3 * at_rest


def _potential_conserves(potential: Potential) -> bool:
    item = potential.parameterization
    frozen = np.asarray(item.masses) == 0
    if item.virtual_sites is not None:
        frozen[item.virtual_sites.sites] = False
    positions = {"x", "y", "z"}
    outer = any(
        bound.term.over == "atom" and bound.n_clusters and positions & bound.term.expression.names
        for bound in item.terms
    )
    return not (frozen.any() or outer)


def _any_frozen(system: "openmm.System") -> bool:
    return any(
        _mass(system, particle) == 0 and not system.isVirtualSite(particle)
        for particle in range(system.getNumParticles())
    )


def _is_outer(force: "openmm.Force") -> bool:
    """Whether a force depends on where particles are in the laboratory."""
    import openmm

    if isinstance(force, openmm.CustomExternalForce):
        return force.getNumParticles() > 0
    # Of a single particle, or centre, there is nothing else to depend on
    if isinstance(force, openmm.CustomCompoundBondForce):
        return force.getNumParticlesPerBond() == 1 and force.getNumBonds() > 0
    if isinstance(force, openmm.CustomCentroidBondForce):
        return force.getNumGroupsPerBond() == 1 and force.getNumBonds() > 0
    return False


def _mass(system: "openmm.System", particle: int) -> float:
    return number(system.getParticleMass(particle))
