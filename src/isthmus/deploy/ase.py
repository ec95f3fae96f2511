"""A potential as a calculator of ASE: energy [eV], forces [eV/Å], stress [eV/Å³]."""

from collections.abc import Sequence
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from ase.calculators.calculator import Calculator, PropertyNotImplementedError, all_changes
from jaxtyping import Float

from isthmus.errors import InputError
from isthmus.forcefield.potential import Potential
from isthmus.geometry.box import reduce_box
from isthmus.geometry.neighbours import NeighbourList, is_stale
from isthmus.units import ANGSTROM, ELECTRONVOLT

__all__ = ["IsthmusCalculator"]


class IsthmusCalculator(Calculator):
    """Energies and forces of a `Potential`, for all that ASE can do with them.

    Atoms must be in the order of the topology that the potential was bound to. Without periodic
    directions the box of the potential counts, if it has one; with three, that of the atoms.
    Neighbour lists are kept until an atom has moved by half of the skin; nothing is compiled
    anew as long as their capacity is enough.

    `stress` is (1/V) dE/dε, in ASE's order and sign. Where the potential has charges of the
    atoms [e], `charges` are these, and without a box `dipole` [e Å] is theirs.

    Attributes:
        potential: what computes.
        skin: extra reach of neighbour lists [nm].
    """

    implemented_properties: ClassVar[list[str]] = [
        "energy",
        "free_energy",
        "forces",
        "stress",
        "charges",
        "dipole",
    ]

    def __init__(self, potential: Potential, *, skin: float = 0.1) -> None:
        """A calculator for one system; see the class."""
        super().__init__()
        self.potential = potential
        self.skin = skin
        self._neighbours: tuple[NeighbourList | None, ...] | None = None
        self._charges = _charges(potential)

    def calculate(
        self,
        atoms: Any = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Fill `results`; ASE calls it.

        Raises:
            InputError: another number of atoms, one or two periodic directions, and what
                `Potential.energy` refuses.
            PropertyNotImplementedError: a stress without a box.
        """
        super().calculate(atoms, list(properties), list(system_changes))
        atoms, potential = self.atoms, self.potential
        assert atoms is not None
        if len(atoms) != potential.n_atoms:
            raise InputError(
                f"{len(atoms)} atoms came to a potential of {potential.n_atoms}: give those it was "
                "bound to, in their order"
            )
        positions, box, rotation = _placed(atoms)
        lists = self._lists(positions, box)
        found = potential.energy_and_forces(positions, box, lists)
        energy = float(found.energy) / ELECTRONVOLT
        forces = np.asarray(found.forces, dtype=np.float64) @ rotation.T
        self.results["energy"] = self.results["free_energy"] = energy
        self.results["forces"] = forces * (ANGSTROM / ELECTRONVOLT)
        if self._charges is not None:
            self.results["charges"] = self._charges.copy()
            if box is None:
                self.results["dipole"] = self._charges @ atoms.positions
        if "stress" in properties:
            if box is None:
                raise PropertyNotImplementedError(
                    "stress needs a box: make the atoms periodic in three directions"
                )
            virial = rotation @ np.asarray(potential.virial(positions, box, lists)) @ rotation.T
            stress = virial / ELECTRONVOLT / atoms.get_volume()
            self.results["stress"] = stress.flat[[0, 4, 8, 5, 2, 1]]

    def _lists(
        self, positions: Float[np.ndarray, "atoms 3"], box: Float[np.ndarray, "3 3"] | None
    ) -> tuple[NeighbourList | None, ...] | None:
        """Neighbour lists that hold for these positions [nm]; None where none are needed."""
        if not self.potential.needs_neighbours:
            return None
        if self._neighbours is None or self._stale(positions, box):
            self._neighbours = self.potential.neighbours(positions, box, skin=self.skin)
        return self._neighbours

    def _stale(
        self, positions: Float[np.ndarray, "atoms 3"], box: Float[np.ndarray, "3 3"] | None
    ) -> bool:
        cell = self.potential.parameterization.box if box is None else box
        with jax.enable_x64(self.potential.precision == "float64"):
            return any(
                (listed.box is None) != (cell is None)
                or bool(
                    is_stale(
                        listed,
                        jnp.asarray(positions, listed.positions.dtype),
                        None if cell is None else jnp.asarray(cell, listed.positions.dtype),
                    )
                )
                for listed in self._neighbours or ()
                if listed is not None
            )


def _placed(
    atoms: Any,
) -> tuple[Float[np.ndarray, "atoms 3"], Float[np.ndarray, "3 3"] | None, Float[np.ndarray, "3 3"]]:
    """Positions and box [nm] as Isthmus wants them, and the rotation that took them there."""
    positions = np.asarray(atoms.positions, dtype=np.float64) * ANGSTROM
    if not atoms.pbc.any():
        return positions, None, np.eye(3)
    if not atoms.pbc.all():
        raise InputError(
            f"the atoms are periodic in {int(atoms.pbc.sum())} of three directions; wanted is all "
            "(atoms.pbc = True) or none"
        )
    reduced = reduce_box(np.asarray(atoms.cell) * ANGSTROM)
    return positions @ reduced.rotation, reduced.box, reduced.rotation


def _charges(potential: Potential) -> Float[np.ndarray, "atoms"] | None:
    """Charges [e] of the first term over pairs that has them, one for each atom."""
    item = potential.parameterization
    pairs = [bound for bound in item.terms if bound.term.over == "pair"]
    pairs += [bound for group in item.pair_groups for bound in group.terms]
    for bound in pairs:
        values = bound.values.get("charge")
        if values is not None and np.shape(values) == (potential.n_atoms,):
            return np.asarray(values, dtype=np.float64)
    return None
