"""What is checked: a molecule, and a way to bind the force field to it and to its relatives."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from jaxtyping import Float, Int

from isthmus.chemistry.molecule import Molecule
from isthmus.forcefield.potential import Potential
from isthmus.parameters.parameterization import Constraints
from isthmus.simulate.mechanics import Mechanics, mechanics_of
from isthmus.simulate.surface import Surface

__all__ = ["Binder", "Subject", "evaluate_frames"]

Binder = Callable[[Molecule, str], Surface]
"""From a molecule and a precision to a surface; raises `InputError` where there is none."""

_ATOMS: Final = 4000
_MOST: Final = 64
"""Atoms and frames of one call, at most: every call has the same shape, so one is compiled"""


@dataclass(frozen=True, eq=False)
class Subject:
    """A force field on a molecule.

    Attributes:
        molecule: with at least one conformer; the first is used.
        binder: binds the force field to this molecule, or to another order or number of atoms.
    """

    molecule: Molecule
    binder: Binder

    @cached_property
    def double(self) -> Surface:
        """The surface in float64."""
        return self.binder(self.molecule, "float64")

    @cached_property
    def single(self) -> Surface:
        """The surface in float32, as it is simulated."""
        return self.binder(self.molecule, "float32")

    @property
    def n_atoms(self) -> int:
        """Number of particles."""
        return self.molecule.n_atoms

    @property
    def positions(self) -> Float[np.ndarray, "atoms 3"]:
        """Of the first conformer [nm]."""
        return self.molecule.positions

    @property
    def box(self) -> Float[np.ndarray, "3 3"] | None:
        """Cell vectors [nm]."""
        return self.molecule.box

    @cached_property
    def is_periodic(self) -> bool:
        """Whether the energy depends on the box."""
        return self.box is not None and self.double.needs_neighbours

    @cached_property
    def is_one_molecule(self) -> bool:
        """Whether all atoms are connected."""
        return self.molecule.topology.n_components == 1

    def mechanics(self, *, conserves_momentum: bool = False) -> Mechanics:
        """Masses, and the constraints that came with the force field."""
        if isinstance(self.single, Potential):
            return mechanics_of(self.single, conserves_momentum=conserves_momentum)
        masses = np.asarray(self.molecule.topology.masses, dtype=np.float64)
        return Mechanics.create(masses, conserves_momentum=conserves_momentum)

    @property
    def constraints(self) -> Constraints | None:
        """Fixed distances that came with the force field."""
        item = self.single
        return item.parameterization.constraints if isinstance(item, Potential) else None

    @cached_property
    def solid(self) -> Int[np.ndarray, " solid"]:
        """Indices of particles with mass."""
        return np.flatnonzero(np.asarray(self.mechanics().masses) > 0)


def evaluate_frames(
    surface: Surface,
    frames: Float[np.ndarray, "frames atoms 3"],
    box: Float[np.ndarray, "3 3"] | None = None,
) -> tuple[Float[np.ndarray, " frames"], Float[np.ndarray, "frames atoms 3"]]:
    """Energies [kJ/mol] and forces [kJ/mol/nm] of many frames [nm], in calls of one shape.

    Args:
        surface: of any precision.
        frames: none of them may have coincident atoms.
        box: cell vectors [nm], or None.
    """
    size = 1 if surface.needs_neighbours else _batch(frames.shape[1])
    energies = np.empty(len(frames))
    forces = np.empty(frames.shape)
    for first in range(0, len(frames), size):
        part = frames[first : first + size]
        whole = np.concatenate([part, np.repeat(part[-1:], size - len(part), axis=0)])
        given = whole[0] if surface.needs_neighbours else whole
        found = surface.energy_and_forces(given, box)  # pyright: ignore[reportArgumentType]
        stop = first + len(part)
        energies[first:stop] = np.asarray(found.energy, np.float64).reshape(-1)[: len(part)]
        forces[first:stop] = np.asarray(found.forces).reshape(whole.shape)[: len(part)]
    return energies, forces


def _batch(n_atoms: int) -> int:
    """Frames of one call."""
    return max(1, min(_MOST, _ATOMS // max(n_atoms, 1)))
