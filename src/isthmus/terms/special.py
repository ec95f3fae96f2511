"""Energies that are no formula over one kind of cluster: what they have in common."""

import abc

import equinox as eqx
from jaxtyping import Array, Float

__all__ = ["Special"]


class Special(eqx.Module):
    """An energy with code of its own: CMAP, implicit solvent, dispersion correction.

    Concrete classes are registered with the importers and exporters that know them.
    """

    name: eqx.AbstractVar[str]

    @abc.abstractmethod
    def energy(
        self, positions: Float[Array, "3 atoms"], box: Float[Array, "3 3"] | None
    ) -> Float[Array, ""]:
        """Energy [kJ/mol] at positions [nm], components first."""
