"""What every network is: a function from atoms and their neighbourhood to energies of atoms."""

import abc
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float

from isthmus.networks.neighbourhood import Atoms, Neighbourhood

__all__ = ["Network"]


class Network(eqx.Module):
    """An architecture with its weights; made by `create` of its class.

    Energies are in units of about one standard deviation of what is learned: whoever uses a
    network multiplies by a scale and adds energies of free atoms.

    Attributes:
        cutoff: how far an atom sees [nm].
    """

    cutoff: eqx.AbstractVar[float]

    @classmethod
    @abc.abstractmethod
    def create(
        cls,
        settings: Mapping[str, Any],
        *,
        cutoff: float,
        elements: tuple[int, ...],
        random: np.random.Generator,
    ) -> "Network":
        """A network that is not trained.

        Args:
            settings: of the architecture, by name; those left out have defaults.
            cutoff: how far an atom sees [nm].
            elements: atomic numbers of the species, ascending.
            random: of the weights; equal states give equal weights on every machine.

        Raises:
            DesignError: unknown settings, or values that are out of range.
        """

    @abc.abstractmethod
    def energies(self, atoms: Atoms, around: Neighbourhood) -> Float[Array, " atoms"]:
        """Energy of each atom, without unit. Pure; smooth where a neighbour crosses the cutoff."""
