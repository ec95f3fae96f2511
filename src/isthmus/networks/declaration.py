"""What a design says of a network: its architecture, how far it sees, and its sizes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from isthmus.errors import DesignError
from isthmus.networks.network import Network
from isthmus.networks.registry import ARCHITECTURES

__all__ = ["NetworkTerm", "Setting"]

Setting = int | float | str | bool | tuple[int | float, ...]

SHORTEST: Final = 0.15
LONGEST: Final = 2.0


@dataclass(frozen=True)
class NetworkTerm:
    """An energy that a network over atoms and their neighbours gives.

    Attributes:
        name: of the term.
        architecture: a name of `isthmus.networks.registry`.
        cutoff: how far an atom sees [nm].
        settings: of the architecture, those that are not left at their defaults.
        repulsion: whether the screened repulsion of nuclei (ZBL) is added, so that atoms that
            no data have shown so near to each other do not fall together.
    """

    name: str
    architecture: str
    cutoff: float
    settings: tuple[tuple[str, Setting], ...] = ()
    repulsion: bool = False

    @property
    def where(self) -> str:
        """How messages name it."""
        return f"network '{self.name}'"

    def create(self, elements: tuple[int, ...], *, seed: int) -> Network:
        """A network that is not trained.

        Args:
            elements: atomic numbers that it knows, ascending.
            seed: of the weights; equal seeds give equal weights on every machine.

        Raises:
            DesignError: an unknown architecture, or settings that it does not have.
        """
        if self.architecture not in ARCHITECTURES:
            raise DesignError(
                f"{self.where}: unknown architecture '{self.architecture}'; known are "
                f"{', '.join(ARCHITECTURES)}"
            )
        if not SHORTEST <= self.cutoff <= LONGEST:
            raise DesignError(
                f"{self.where}: cutoff = {self.cutoff} nm: wanted is a length in nm from "
                f"{SHORTEST} to {LONGEST}"
            )
        settings: Mapping[str, Setting] = dict(self.settings)
        try:
            return ARCHITECTURES[self.architecture].create(
                settings, cutoff=self.cutoff, elements=elements, random=np.random.default_rng(seed)
            )
        except DesignError as error:
            raise DesignError(f"{self.where}: {error}") from None

    def check(self) -> None:
        """Create it once, for two elements.

        Raises:
            DesignError: as `create`.
        """
        self.create((1, 6), seed=0)
