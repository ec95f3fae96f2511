"""A network with the elements that it knows and the scale of its energies."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from isthmus.chemistry.elements import element_symbols
from isthmus.chemistry.topology import Topology
from isthmus.errors import InputError
from isthmus.networks.blocks.repulsion import repulsion_energies
from isthmus.networks.declaration import NetworkTerm
from isthmus.networks.neighbourhood import Atoms, Neighbourhood
from isthmus.networks.network import Network

__all__ = ["TrainedNetwork", "atoms_of", "molecular_charges"]


class TrainedNetwork(eqx.Module):
    """The network of one term of a design, for some elements.

    Attributes:
        term: what the design says.
        elements: atomic numbers of its species, ascending.
        network: the weights.
        scale: energy of one unit of its output [kJ/mol]; comes from the data, and is not trained.
    """

    term: NetworkTerm = eqx.field(static=True)
    elements: tuple[int, ...] = eqx.field(static=True)
    network: Network
    scale: Float[Array | np.ndarray, ""]

    @classmethod
    def create(
        cls, term: NetworkTerm, elements: tuple[int, ...], *, seed: int = 0, scale: float = 1.0
    ) -> "TrainedNetwork":
        """Not trained yet; its energies are near 0.

        Args:
            term: what the design says.
            elements: atomic numbers, in any order.
            seed: of the weights.
            scale: energy of one unit of its output [kJ/mol].

        Raises:
            DesignError: the design is wrong.
        """
        known = tuple(sorted(set(elements)))
        network = term.create(known, seed=seed)
        return cls(term, known, network, np.asarray(scale, np.float32))

    def energies(self, atoms: Atoms, around: Neighbourhood) -> Float[Array, " atoms"]:
        """Energy of each atom [kJ/mol]."""
        dtype = around.distances.dtype
        scale = jax.lax.stop_gradient(jnp.asarray(self.scale, dtype))
        # A GPU would round the numbers of products to 11 bits
        with jax.default_matmul_precision("highest"):
            energies = scale * self.network.energies(atoms, around)
        if self.term.repulsion:
            energies += repulsion_energies(atoms.numbers, around, reach=self.term.cutoff)
        return energies


def molecular_charges(topology: Topology) -> Float[np.ndarray, " atoms"]:
    """For each atom, the total formal charge of the molecule that it is part of [e]."""
    components = topology.components
    sums = np.bincount(components, weights=topology.formal_charges)
    return sums[components]


def atoms_of(
    elements: tuple[int, ...],
    numbers: Int[np.ndarray, " atoms"],
    charges: Float[np.ndarray, " atoms"],
    *,
    widths: tuple[int, ...] | None = None,
    length: int | None = None,
) -> Atoms:
    """What a network is told of the atoms of a system.

    Args:
        elements: that the network knows, ascending.
        numbers: atomic numbers.
        charges: for each atom, the total charge of its molecule [e].
        widths: columns of `members` by species; None for as many as there are atoms.
        length: number of rows; those beyond the atoms are filled with the first element.

    Raises:
        InputError: an element that the network does not know.
    """
    unknown = sorted(set(numbers.tolist()) - set(elements))
    if unknown:
        came = ", ".join(element_symbols(np.array(unknown)))
        raise InputError(
            f"the network was made for {', '.join(element_symbols(np.array(elements)))}, and this "
            f"molecule has {came}: train on data with these elements, or take another model"
        )
    length = len(numbers) if length is None else length
    species = np.zeros(length, np.int32)
    species[: len(numbers)] = np.searchsorted(np.array(elements), numbers)
    found = [np.flatnonzero(species[: len(numbers)] == s) for s in range(len(elements))]
    widths = tuple(map(len, found)) if widths is None else widths
    starts = np.concatenate([[0], np.cumsum(widths)[:-1]])
    places = np.zeros(length, np.int32)
    members = []
    for start, width, own in zip(starts, widths, found, strict=True):
        table = np.zeros(width, np.int32)
        table[: len(own)] = own
        places[own] = start + np.arange(len(own))
        members.append(table)
    whole_numbers = np.full(length, elements[0], np.int32)
    whole_numbers[: len(numbers)] = numbers
    whole_charges = np.zeros(length, np.float32)
    whole_charges[: len(numbers)] = charges
    return Atoms(whole_numbers, species, whole_charges, tuple(members), places)
