"""OpenMM's own energies, force by force: the other half of a comparison side by side."""

import copy
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from jaxtyping import ArrayLike, Float

from isthmus.deploy.openmm.importing import force_labels
from isthmus.errors import EngineMissingError

__all__ = ["EngineEnergies", "evaluate_openmm"]

_GROUPS: Final = 31
"""Forces evaluated with one context: OpenMM has 32 groups, one is for all the others."""


@dataclass(frozen=True)
class EngineEnergies:
    """Energies and forces of another engine.

    Attributes:
        by_force: energy of each force [kJ/mol], by its label; the same labels as
            `Origin.by_force` gives.
        forces: (atoms, 3) [kJ/mol/nm].
    """

    by_force: dict[str, float]
    forces: Float[np.ndarray, "atoms 3"]

    @property
    def energy(self) -> float:
        """Total energy [kJ/mol]."""
        return sum(self.by_force.values())


def evaluate_openmm(
    system: Any,
    positions: ArrayLike,
    *,
    box: ArrayLike | None = None,
    platform: str = "Reference",
) -> EngineEnergies:
    """Energies of a System in OpenMM.

    Args:
        system: an `openmm.System`; it is copied, not changed.
        positions: (atoms, 3) [nm]; virtual sites are placed by OpenMM.
        box: cell vectors [nm], or None for those of the System.
        platform: of OpenMM; "Reference" computes in float64.

    Raises:
        EngineMissingError: this OpenMM does not have the platform.
    """
    import openmm

    known = [
        openmm.Platform.getPlatform(n).getName() for n in range(openmm.Platform.getNumPlatforms())
    ]
    if platform not in known:
        raise EngineMissingError(
            f"OpenMM has no platform '{platform}' here: choose one of {', '.join(known)}"
        )
    labels = force_labels(system)
    by_force: dict[str, float] = {}
    for start in range(0, max(len(labels), 1), _GROUPS):
        chunk = range(start, min(start + _GROUPS, len(labels)))
        context = _context(system, chunk, positions, box, platform)
        for index in chunk:
            state = context.getState(getEnergy=True, groups={index - start})
            by_force[labels[index]] = _plain(state.getPotentialEnergy())
        if start == 0:
            forces = np.asarray(_plain(context.getState(getForces=True).getForces(asNumpy=True)))
    return EngineEnergies(by_force, forces)


def _plain(quantity: Any) -> Any:
    from openmm import unit

    return quantity.value_in_unit_system(unit.md_unit_system)


def _context(
    system: Any, chunk: range, positions: ArrayLike, box: ArrayLike | None, platform: str
) -> Any:
    """A context in which each force of `chunk` has a group of its own."""
    import openmm

    mine = copy.deepcopy(system)
    for index, force in enumerate(mine.getForces()):
        force.setForceGroup(index - chunk.start if index in chunk else _GROUPS)
        if isinstance(force, openmm.NonbondedForce):
            force.setReciprocalSpaceForceGroup(-1)
    if box is not None:
        mine.setDefaultPeriodicBoxVectors(*np.asarray(box, dtype=np.float64))
    integrator = openmm.VerletIntegrator(0.001)
    context = openmm.Context(mine, integrator, openmm.Platform.getPlatformByName(platform))
    context.setPositions(np.asarray(positions, dtype=np.float64))
    if mine.getNumParticles() and any(mine.isVirtualSite(n) for n in range(mine.getNumParticles())):
        context.computeVirtualSites()
    return context
