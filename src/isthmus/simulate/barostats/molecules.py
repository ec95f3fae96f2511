"""Molecules as what a change of the box moves: their centres scale, their shapes stay.

Bond lengths, constraints and virtual sites are untouched by such a scaling, so the pressure that
belongs to it is the molecular one: of the kinetic energy of the centres of mass and the forces on
them. Forces within a molecule, those of constraints too, have no part in it.

    x' = x + (s − 1) R,   v' = v + (1/s − 1) V,   R, V of the centre of mass
    P_aa = (Σ M V_a² − W_aa) / volume
    W_ab = dE/dε_ab + Σ (x − R)_a F_b
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from isthmus.errors import InputError
from isthmus.geometry.gather import rows_of

__all__ = ["Molecules"]

Vectors = Float[Array, "atoms 3"]
Axes = Float[Array, "3"]


class Molecules(eqx.Module):
    """Which atoms belong together; made by `Molecules.create`.

    Attributes:
        labels: (atoms,) molecule of each atom.
        masses: of the atoms [Da].
        weights: share of each atom in the centre of its molecule [1].
        count: number of molecules.
    """

    labels: Int[np.ndarray | Array, " atoms"]
    masses: Float[np.ndarray | Array, " atoms"]
    weights: Float[np.ndarray | Array, " atoms"]
    count: int = eqx.field(static=True)

    @classmethod
    def create(
        cls, labels: Int[np.ndarray, " atoms"], masses: Float[np.ndarray, " atoms"]
    ) -> "Molecules":
        """From the component of each atom, e.g. `topology.components`.

        Atoms that are all components of their own, without constraints, give the atomic pressure.

        Args:
            labels: (atoms,) any integers; the same within a molecule.
            masses: (atoms,) [Da]; 0 for virtual sites, which belong to their molecule's label.

        Raises:
            InputError: arrays of different lengths, or a molecule without mass.
        """
        if len(labels) != len(masses):
            raise InputError(
                f"{len(labels)} labels of molecules came for {len(masses)} atoms: give one each"
            )
        _, index = np.unique(labels, return_inverse=True)
        masses = np.asarray(masses, dtype=np.float64)
        total = np.bincount(index, weights=masses)
        if np.any(total <= 0):
            atom = int(np.flatnonzero(index == np.argmin(total))[0])
            raise InputError(
                f"the molecule of atom {atom} has no mass: a barostat cannot move fixed "
                "particles; give virtual sites the label of the molecule that places them"
            )
        return cls(index.astype(np.int32), masses, masses / total[index], len(total))

    def centres(self, values: Vectors) -> Float[Array, "molecules 3"]:
        """Mean of positions or velocities over each molecule, weighted by mass."""
        weights = jnp.asarray(self.weights, values.dtype)[:, None]
        return jax.ops.segment_sum(weights * values, self.labels, self.count)

    def scaled(
        self, positions: Vectors, velocities: Vectors, scale: Axes
    ) -> tuple[Vectors, Vectors]:
        """Positions with the centres scaled along x, y, z, velocities with theirs scaled back."""
        scale = scale.astype(positions.dtype)
        shift = (scale - 1) * rows_of(self.centres(positions), self.labels)
        change = (1 / scale - 1) * rows_of(self.centres(velocities), self.labels)
        # What has no mass has no velocity of its own
        solid = jnp.asarray(self.masses)[:, None] > 0
        return positions + shift, velocities + jnp.where(solid, change, 0)

    def pressure(
        self,
        positions: Vectors,
        velocities: Vectors,
        forces: Vectors,
        virial: Float[Array, "3 3"],
        volume: Float[Array, ""],
    ) -> Axes:
        """P_xx, P_yy, P_zz [kJ/mol/nm³] of the moment.

        Args:
            positions: [nm].
            velocities: [nm/ps].
            forces: [kJ/mol/nm], without those of constraints.
            virial: dE/dε of the surface [kJ/mol].
            volume: [nm³].
        """
        inside = positions - rows_of(self.centres(positions), self.labels)
        molecular = jnp.diagonal(virial) + jnp.sum(inside * forces, axis=0)
        mean = rows_of(self.centres(velocities), self.labels)
        mass = jnp.asarray(self.masses, velocities.dtype)[:, None]
        return (jnp.sum(mass * mean**2, axis=0) - molecular) / volume
