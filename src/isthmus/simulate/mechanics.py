"""Masses, constraints and degrees of freedom: what dynamics needs beside a surface.

    kinetic energy   K = Σ m v² / 2
    temperature      T = 2 K / (f k)
    degrees          f = 3 N − constraints (− 3 where the total momentum stays 0)

N counts particles with mass; k is Boltzmann's constant, `units.BOLTZMANN` [kJ/mol/K].
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from isthmus.errors import InputError
from isthmus.forcefield.potential import Potential
from isthmus.parameters.parameterization import Constraints
from isthmus.simulate.constraints import ConstraintSolver
from isthmus.terms.virtual_sites import VirtualSites
from isthmus.units import BOLTZMANN

__all__ = ["Mechanics", "mechanics_of"]

Vectors = Float[Array, "*replicas atoms 3"]
Scalars = Float[Array, "*replicas"]


class Mechanics(eqx.Module):
    """How particles move; made by `Mechanics.create` or `mechanics_of`.

    Attributes:
        masses: [Da]; 0 for virtual sites and fixed particles, which never move by themselves.
        inverse_masses: [1/Da]; 0 where the mass is 0.
        degrees_of_freedom: of the motion [1].
        conserves_momentum: whether the total momentum is kept at 0.
        constraints: fixed distances, or None.
        virtual_sites: particles whose positions follow from others, or None.
    """

    masses: Float[np.ndarray | Array, " atoms"]
    inverse_masses: Float[np.ndarray | Array, "atoms 1"]
    degrees_of_freedom: int = eqx.field(static=True)
    conserves_momentum: bool = eqx.field(static=True)
    constraints: ConstraintSolver | None
    virtual_sites: VirtualSites | None

    @classmethod
    def create(
        cls,
        masses: Float[np.ndarray, " atoms"],
        *,
        constraints: Constraints | None = None,
        virtual_sites: VirtualSites | None = None,
        conserves_momentum: bool = False,
    ) -> "Mechanics":
        """Check masses, and find what constraints have to do with each other.

        Args:
            masses: (atoms,) [Da]; 0 for virtual sites and fixed particles.
            constraints: fixed distances [nm].
            virtual_sites: particles placed by others.
            conserves_momentum: true for dynamics without friction, noise or outer forces that
                starts at rest; three degrees of freedom are then none.

        Raises:
            InputError: masses that are negative or not finite, constraints that cannot hold, or
                nothing that could move.
        """
        masses = np.array(masses, dtype=np.float64)
        _check_masses(masses)
        solver = ConstraintSolver.create(constraints, masses)
        held = solver.n_constraints
        degrees = 3 * int(np.sum(masses > 0)) - held - 3 * conserves_momentum
        if degrees < 1:
            raise InputError(
                f"{int(np.sum(masses > 0))} particles with mass and {held} constraints have no "
                "degree of freedom left: nothing could move"
            )
        safe = np.where(masses > 0, masses, 1.0)
        return cls(
            masses,
            np.where(masses > 0, 1 / safe, 0.0)[:, None],
            degrees,
            conserves_momentum,
            solver if held else None,
            virtual_sites,
        )

    @property
    def n_atoms(self) -> int:
        """Number of particles."""
        return len(self.masses)

    @property
    def moving(self) -> Bool[np.ndarray | Array, "atoms 1"]:
        """Which particles have a mass."""
        return self.inverse_masses > 0

    def kinetic_energy(self, velocities: Vectors) -> Scalars:
        """Σ m v² / 2 [kJ/mol], from velocities [nm/ps]."""
        mass = jnp.asarray(self.masses, velocities.dtype)[:, None]
        return 0.5 * jnp.sum(mass * velocities * velocities, axis=(-2, -1))

    def temperature(self, kinetic_energy: Scalars) -> Scalars:
        """2 K / (f k) [K], from kinetic energy [kJ/mol]."""
        return kinetic_energy * (2 / (self.degrees_of_freedom * BOLTZMANN))

    def maxwell_velocities(
        self, key: PRNGKeyArray, positions: Vectors, temperature: Any
    ) -> Vectors:
        """Velocities [nm/ps] of the canonical distribution.

        Velocities along constraints are taken out, and where the total momentum is conserved it
        is taken out too: a projection of the distribution, which is what the degrees of freedom
        count.

        Args:
            key: for all replicas.
            positions: where constraints hold [nm].
            temperature: [K], one for all or one for each replica.
        """
        noise = jax.random.normal(key, positions.shape, positions.dtype)
        thermal = BOLTZMANN * np.asarray(temperature)[..., None, None] * self.inverse_masses
        velocities = noise * jnp.asarray(jnp.sqrt(thermal), positions.dtype)
        if self.conserves_momentum:
            velocities = self.at_rest(velocities)
        if self.constraints is not None:
            velocities = self.constraints.constrain_velocities(velocities, positions)
        return velocities

    def at_rest(self, velocities: Vectors) -> Vectors:
        """Velocities [nm/ps] with the motion of the centre of mass taken out."""
        mass = jnp.asarray(self.masses, velocities.dtype)[:, None]
        drift = jnp.sum(mass * velocities, axis=-2, keepdims=True) / jnp.sum(mass)
        return jnp.where(self.moving, velocities - drift, velocities)

    def place(self, positions: Vectors) -> Vectors:
        """Positions [nm] with every virtual site where it belongs."""
        if self.virtual_sites is None:
            return positions
        columns = jnp.moveaxis(positions, (-1, -2), (0, 1))
        return jnp.moveaxis(self.virtual_sites.apply(columns), (0, 1), (-1, -2))


def mechanics_of(
    potential: Potential,
    *,
    masses: Float[np.ndarray, " atoms"] | None = None,
    constraints: Constraints | None = None,
    conserves_momentum: bool = False,
) -> Mechanics:
    """Mechanics of what a potential was bound to.

    Args:
        potential: gives the masses where none are given, the virtual sites, and the constraints
            that came with the force field.
        masses: (atoms,) [Da], e.g. repartitioned ones.
        constraints: in place of those of the potential.
        conserves_momentum: see `Mechanics.create`.

    Raises:
        InputError: see `Mechanics.create`.
    """
    item = potential.parameterization
    return Mechanics.create(
        np.asarray(item.masses if masses is None else masses),
        constraints=item.constraints if constraints is None else constraints,
        virtual_sites=item.virtual_sites,
        conserves_momentum=conserves_momentum,
    )


def _check_masses(masses: Float[np.ndarray, " atoms"]) -> None:
    bad = np.flatnonzero(~(np.isfinite(masses) & (masses >= 0)))
    if len(bad):
        raise InputError(
            f"particle {bad[0]} has a mass of {masses[bad[0]]} Da: wanted are numbers above 0, or "
            "0 for particles that do not move by themselves"
        )
