"""A network bound to one system: its energy as a function of positions."""

from typing import Final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from isthmus.geometry.neighbours import NeighbourList
from isthmus.networks.neighbourhood import Atoms, dense_neighbourhood, listed_neighbourhood
from isthmus.networks.trained import TrainedNetwork

__all__ = ["DENSE", "BoundNetwork"]

DENSE: Final = 128
"""Up to this many atoms, all pairs are looked at: nearly all are neighbours, and nothing has to be
gathered; beyond, neighbour lists keep time and memory linear in atoms"""


class BoundNetwork(eqx.Module):
    """A network and the atoms that it acts on.

    Attributes:
        trained: the network.
        atoms: of the system.
        periodic: whether displacements are taken to the nearest image.
    """

    trained: TrainedNetwork
    atoms: Atoms
    periodic: bool = eqx.field(static=True, default=False)

    @property
    def name(self) -> str:
        """Of the term."""
        return self.trained.term.name

    @property
    def cutoff(self) -> float:
        """How far an atom sees [nm]."""
        return self.trained.term.cutoff

    @property
    def needs_neighbours(self) -> bool:
        """Whether a neighbour list must be given."""
        return self.periodic or self.atoms.n_atoms > DENSE

    @property
    def exclusions(self) -> Int[np.ndarray, "0 2"]:
        """Pairs that do not see each other: none."""
        return np.zeros((0, 2), np.int64)

    def energy(
        self,
        positions: Float[Array, "3 atoms *conformers"],
        box: Float[Array, "3 3"] | None,
        neighbours: NeighbourList | None,
    ) -> Float[Array, "*conformers"]:
        """Energy [kJ/mol] at positions [nm]; conformers only without neighbour lists."""
        if neighbours is None:
            single = self._dense if positions.ndim == 2 else jax.vmap(self._dense, -1)
            return single(positions)
        assert neighbours.back is not None
        around = listed_neighbourhood(
            positions, box if self.periodic else None, neighbours.rows, neighbours.back, self.cutoff
        )
        return jnp.sum(self.trained.energies(self.atoms, around))

    def _dense(self, positions: Float[Array, "3 atoms"]) -> Float[Array, ""]:
        around = dense_neighbourhood(positions, self.cutoff)
        return jnp.sum(self.trained.energies(self.atoms, around))
