"""Many molecules at once, each by itself: what training and evaluation on data need.

The atoms of all molecules stand behind one another; here each molecule has a row of its own, filled
up to the length of the longest, so that all pairs of its atoms are a square, and nothing is
gathered.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from isthmus.networks.neighbourhood import Atoms, dense_neighbourhood
from isthmus.networks.trained import TrainedNetwork, atoms_of

__all__ = ["SystemShape", "Systems", "network_energies"]


class Systems(eqx.Module):
    """Molecules, one a row.

    Attributes:
        slots: where each atom stands among all.
        real: which places hold an atom.
        atoms: for each network what it is told, with the molecules as the leading axis.
    """

    slots: Int[Array | np.ndarray, "molecules length"]
    real: Bool[Array | np.ndarray, "molecules length"]
    atoms: tuple[Atoms, ...]


@dataclass(frozen=True)
class SystemShape:
    """The shape that rows of molecules share.

    Attributes:
        length: atoms of the largest molecule.
        elements: for each network the atomic numbers that it knows.
        widths: for each network and species, the most atoms of it in a molecule.
    """

    length: int
    elements: tuple[tuple[int, ...], ...]
    widths: tuple[tuple[int, ...], ...]

    @classmethod
    def of(
        cls,
        networks: Sequence[TrainedNetwork],
        numbers: Sequence[Int[np.ndarray, "_"]],
    ) -> "SystemShape | None":
        """The shape that molecules with these atomic numbers fit in; None without networks."""
        if not networks:
            return None
        elements = tuple(network.elements for network in networks)
        widths = tuple(
            tuple(max(int((own == z).sum()) for own in numbers) for z in known)
            for known in elements
        )
        return cls(max(map(len, numbers)), elements, widths)

    def atoms(
        self, numbers: Int[np.ndarray, " atoms"], charges: Float[np.ndarray, " atoms"]
    ) -> tuple[Atoms, ...]:
        """What each network is told of one molecule; arguments as `atoms_of`.

        Raises:
            InputError: an element that a network does not know.
        """
        return tuple(
            atoms_of(known, numbers, charges, widths=widths, length=self.length)
            for known, widths in zip(self.elements, self.widths, strict=True)
        )

    def systems(
        self,
        atoms: Sequence[tuple[Atoms, ...]],
        counts: Sequence[int],
        starts: Sequence[int],
        *,
        n_molecules: int,
        spare: int,
    ) -> Systems:
        """Molecules in rows.

        Args:
            atoms: of each molecule, from `atoms`.
            counts: how many atoms it has.
            starts: where its first atom stands among all.
            n_molecules: rows; those beyond the molecules hold no atoms.
            spare: the atom that stands in places without one.
        """
        slots = np.full((n_molecules, self.length), spare, np.int32)
        real = np.zeros((n_molecules, self.length), bool)
        for row, (count, start) in enumerate(zip(counts, starts, strict=True)):
            slots[row, :count] = start + np.arange(count)
            real[row, :count] = True
        filled = [*atoms, *[atoms[0]] * (n_molecules - len(atoms))]
        return Systems(slots, real, jax.tree.map(lambda *parts: np.stack(parts), *filled))


def network_energies(
    networks: Sequence[TrainedNetwork],
    systems: Systems,
    positions: Float[Array, "3 atoms frames"],
) -> Float[Array, "molecules frames"]:
    """Energy of every molecule in every frame [kJ/mol], of all networks together."""
    placed = positions.at[:, jnp.asarray(systems.slots)].get(mode="promise_in_bounds")
    total = jnp.zeros((systems.slots.shape[0], positions.shape[2]), positions.dtype)
    for network, atoms in zip(networks, systems.atoms, strict=True):

        def single(atoms: Atoms, real: Array, x: Array, own: TrainedNetwork = network) -> Array:
            around = dense_neighbourhood(x, own.term.cutoff, real=real)
            return jnp.sum(jnp.where(real, own.energies(atoms, around), 0.0))

        frames = jax.vmap(single, (None, None, -1))
        total += jax.vmap(frames, (0, 0, 1))(atoms, jnp.asarray(systems.real), placed)
    return total
