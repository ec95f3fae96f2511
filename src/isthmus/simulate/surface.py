"""What can be simulated: energies and forces as functions of positions, and sums of them.

A surface is anything with the methods of `Surface`; a `Potential` is one. From surfaces come
others: some terms of a potential, sums, differences. Forces are linear in the energy, so each is
what its name says, forces and virial included.
"""

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from isthmus.errors import InputError
from isthmus.forcefield.binding import bind_parameterization
from isthmus.forcefield.potential import SKIN, EnergyAndForces, Potential
from isthmus.simulate.selection import chosen_terms

__all__ = [
    "Difference",
    "Evaluation",
    "Neighbours",
    "Part",
    "Sum",
    "Surface",
    "divide",
    "evaluate",
]

Neighbours: TypeAlias = tuple[Any, ...] | None
"""What `Surface.neighbours` gave: a tuple of neighbour lists, or of the tuples of its parts."""

Replicas = Float[Array | np.ndarray, "*replicas atoms 3"]
Energies = Float[Array | np.ndarray, "*replicas"]


@runtime_checkable
class Surface(Protocol):
    """Energies and forces of a system; what a simulation needs to know of a force field."""

    @property
    def n_atoms(self) -> int:
        """Number of particles."""
        ...

    @property
    def precision(self) -> str:
        """Type of its numbers, "float32" or "float64"."""
        ...

    @property
    def needs_neighbours(self) -> bool:
        """Whether energies inside `jax.jit` need neighbour lists."""
        ...

    def neighbours(
        self, positions: ArrayLike, box: ArrayLike | None = None, *, skin: float = SKIN
    ) -> tuple[Any, ...]:
        """Neighbour lists for the other methods; runs on the host. Lengths in nm."""
        ...

    def energy_and_forces(
        self,
        positions: Float[Array, "*replicas atoms 3"],
        box: Float[Array, "*cells 3 3"] | None = None,
        neighbours: Neighbours = None,
    ) -> EnergyAndForces:
        """Energy [kJ/mol] and forces [kJ/mol/nm] at positions [nm]; traceable."""
        ...

    def virial(
        self,
        positions: Float[Array, "*replicas atoms 3"],
        box: Float[Array, "*cells 3 3"] | None = None,
        neighbours: Neighbours = None,
    ) -> Float[Array | np.ndarray, "*replicas 3 3"]:
        """dE/dε [kJ/mol] for a homogeneous strain of positions and box; traceable."""
        ...


class Part(eqx.Module):
    """Some terms of a potential; only these are evaluated.

    Attributes:
        potential: what was bound with these terms alone.
    """

    potential: Potential

    def __init__(self, potential: Potential, term_names: Sequence[str]):
        """Take terms out of a potential.

        Args:
            potential: all terms.
            term_names: which of `potential.term_names` to keep.

        Raises:
            InputError: a term that the potential does not have, one named twice, or none.
        """
        chosen = chosen_terms(potential.parameterization, term_names)
        self.potential = bind_parameterization(chosen, precision=potential.precision)

    @property
    def term_names(self) -> tuple[str, ...]:
        """Names of its terms."""
        return self.potential.term_names

    @property
    def n_atoms(self) -> int:
        """Number of particles."""
        return self.potential.n_atoms

    @property
    def precision(self) -> str:
        """Type of its numbers."""
        return self.potential.precision

    @property
    def needs_neighbours(self) -> bool:
        """Whether a neighbour list must be given."""
        return self.potential.needs_neighbours

    def neighbours(
        self, positions: ArrayLike, box: ArrayLike | None = None, *, skin: float = SKIN
    ) -> tuple[Any, ...]:
        """Neighbour lists of these terms; arguments as `Potential.neighbours`."""
        return self.potential.neighbours(positions, box, skin=skin)

    def energy_and_forces(
        self, positions: Any, box: Any = None, neighbours: Neighbours = None
    ) -> EnergyAndForces:
        """Energy and forces of these terms; arguments as `Potential.energy_and_forces`."""
        return self.potential.energy_and_forces(positions, box, neighbours)

    def virial(
        self, positions: Any, box: Any = None, neighbours: Neighbours = None
    ) -> Float[Array | np.ndarray, "*replicas 3 3"]:
        """Virial of these terms; arguments as `Potential.virial`."""
        return self.potential.virial(positions, box, neighbours)


class Sum(eqx.Module):
    """The sum of several surfaces, each with a factor.

    Attributes:
        surfaces: of the same particles, in the same precision.
        factors: one each [1].
    """

    surfaces: tuple[Any, ...]
    factors: tuple[float, ...] = eqx.field(static=True)

    def __init__(self, surfaces: Sequence[Surface], factors: Sequence[float] | None = None):
        """Add surfaces up.

        Args:
            surfaces: one or more.
            factors: one each, 1 where not given.

        Raises:
            InputError: no surface, or surfaces that differ in particles or precision.
        """
        self.surfaces = tuple(surfaces)
        self.factors = (1.0,) * len(self.surfaces) if factors is None else tuple(factors)
        _check_alike(self.surfaces)
        if len(self.factors) != len(self.surfaces):
            raise InputError(
                f"{len(self.factors)} factors came for {len(self.surfaces)} surfaces: give one each"
            )

    @property
    def n_atoms(self) -> int:
        """Number of particles."""
        return self.surfaces[0].n_atoms

    @property
    def precision(self) -> str:
        """Type of the numbers."""
        return self.surfaces[0].precision

    @property
    def needs_neighbours(self) -> bool:
        """Whether any of the surfaces needs neighbour lists."""
        return any(surface.needs_neighbours for surface in self.surfaces)

    def neighbours(
        self, positions: ArrayLike, box: ArrayLike | None = None, *, skin: float = SKIN
    ) -> tuple[Any, ...]:
        """Neighbour lists of each surface; arguments as `Potential.neighbours`."""
        return tuple(s.neighbours(positions, box, skin=skin) for s in self.surfaces)

    def energy_and_forces(
        self, positions: Any, box: Any = None, neighbours: Neighbours = None
    ) -> EnergyAndForces:
        """Sum of energies and of forces; arguments as `Potential.energy_and_forces`."""
        parts = [
            surface.energy_and_forces(positions, box, lists)
            for surface, lists in self._with_lists(neighbours)
        ]
        return EnergyAndForces(
            self._added([part.energy for part in parts]),
            self._added([part.forces for part in parts]),
        )

    def virial(
        self, positions: Any, box: Any = None, neighbours: Neighbours = None
    ) -> Float[Array | np.ndarray, "*replicas 3 3"]:
        """Sum of virials; arguments as `Potential.virial`."""
        return self._added(
            [
                surface.virial(positions, box, lists)
                for surface, lists in self._with_lists(neighbours)
            ]
        )

    def _with_lists(self, neighbours: Neighbours) -> list[tuple[Any, Neighbours]]:
        lists = (None,) * len(self.surfaces) if neighbours is None else neighbours
        return list(zip(self.surfaces, lists, strict=True))

    def _added(self, values: list[Any]) -> Any:
        scaled = [v if f == 1 else v * f for v, f in zip(values, self.factors, strict=True)]
        total = sum(scaled[1:], scaled[0])
        # numpy makes numbers of sums of its arrays without axes
        return np.asarray(total) if isinstance(total, np.generic) else total


def Difference(dear: Surface, cheap: Surface) -> Sum:
    """What a dear surface has over a cheap one: the outer part of a split in time.

    Raises:
        InputError: surfaces that differ in particles or precision.
    """
    return Sum((dear, cheap), (1.0, -1.0))


def divide(potential: Potential, inner: Sequence[str]) -> tuple[Part, Part]:
    """Some terms of a potential, and all others.

    Raises:
        InputError: a term that the potential does not have, one named twice, or nothing left.
    """
    first = Part(potential, inner)
    return first, Part(potential, [n for n in potential.term_names if n not in inner])


class Evaluation(eqx.Module):
    """Energy [kJ/mol] and forces [kJ/mol/nm] as arrays of JAX."""

    energy: Float[Array, "*replicas"]
    forces: Float[Array, "*replicas atoms 3"]


def evaluate(
    surface: Surface,
    positions: Float[Array, "*replicas atoms 3"],
    box: Float[Array, "*cells 3 3"] | None,
    neighbours: Neighbours,
) -> Evaluation:
    """Energy [kJ/mol] and forces [kJ/mol/nm] in the precision of the surface.

    Positions and box [nm] may have more digits; they are rounded here.
    """
    cell = None if box is None else jnp.asarray(box, surface.precision)
    found = surface.energy_and_forces(jnp.asarray(positions, surface.precision), cell, neighbours)
    return Evaluation(jnp.asarray(found.energy), jnp.asarray(found.forces))


def _check_alike(surfaces: tuple[Any, ...]) -> None:
    if not surfaces:
        raise InputError("a sum of no surfaces came: give at least one")
    kinds = {(surface.n_atoms, surface.precision) for surface in surfaces}
    if len(kinds) > 1:
        shown = ", ".join(f"{n} particles in {p}" for n, p in sorted(kinds))
        raise InputError(
            f"surfaces that do not fit together came ({shown}): bind all of them to the same "
            "system with the same precision"
        )
