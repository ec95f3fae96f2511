"""What every level of theory offers: labels of one molecule at given positions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int

from isthmus.chemistry.topology import Topology
from isthmus.errors import IsthmusError

__all__ = ["LabelError", "Labeller", "Labels", "Level"]


class LabelError(IsthmusError):
    """A frame that cannot be labelled: no convergence, atoms too close."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Labels:
    """What a level of theory says about one frame.

    Attributes:
        energy: [kJ/mol].
        forces: [kJ/mol/nm].
        charges: of the atoms [e], or None.
        dipole: about the origin of the positions [e nm], or None.
    """

    energy: float
    forces: Float[np.ndarray, "atoms 3"]
    charges: Float[np.ndarray, "atoms"] | None = None
    dipole: Float[np.ndarray, "3"] | None = None


@runtime_checkable
class Labeller(Protocol):
    """A level of theory set up for one molecule."""

    def __call__(
        self, positions: Float[np.ndarray, "atoms 3"], *, continued: bool = False
    ) -> Labels:
        """Labels at positions [nm].

        Args:
            positions: [nm].
            continued: whether to start from the electronic structure of the call before, which
                is quicker along a trajectory; labels to be kept start afresh, so that they do
                not depend on what was computed before.

        Raises:
            LabelError: no labels can be had for these positions.
        """
        ...


@runtime_checkable
class Level(Protocol):
    """A level of theory."""

    @property
    def level_of_theory(self) -> str:
        """As it stands in datasets: method, program and version."""
        ...

    @property
    def versions(self) -> Mapping[str, str]:
        """Of the programs that compute."""
        ...

    @property
    def settings(self) -> Mapping[str, Any]:
        """Everything numerical that is fixed, as plain data."""
        ...

    def check(self, atomic_numbers: Int[np.ndarray, "atoms"]) -> None:
        """Before any work is done.

        Raises:
            InputError: an element that the level does not know.
            EngineMissingError: the program is not installed.
        """
        ...

    def labeller(self, topology: Topology, *, multiplicity: int) -> Labeller:
        """Set up one molecule; its charge is the sum of the formal charges.

        Raises:
            LabelError: the program refuses the molecule.
        """
        ...
