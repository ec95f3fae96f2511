"""Many molecules evaluated at once: one compiled program instead of one a molecule.

The molecules of a force field have the same terms on different clusters. Laid one after another
they are one system whose molecules do not see each other; the energy of each cluster is summed
into that of its molecule. Compiling takes seconds whatever the size, so this is what makes the
evaluation of many small molecules quick.
"""

from collections.abc import Mapping, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from isthmus.geometry.neighbours import all_pairs
from isthmus.networks.systems import Systems, SystemShape, network_energies
from isthmus.networks.trained import TrainedNetwork
from isthmus.parameters.parameterization import Parameterization
from isthmus.terms.bound import BoundCoordinate, BoundTerm, Evaluator, build_evaluator

__all__ = ["Bundle", "bundle", "can_be_bundled", "terms_of"]


class Bundle(eqx.Module):
    """Molecules one after another, ready to run.

    Attributes:
        evaluator: of all terms.
        owners: for each term, the molecule of each of its clusters.
        n_molecules: how many molecules.
        networks: over atoms and their neighbours.
        systems: the molecules as these networks see them; None without networks.
        precision: "float32" or "float64".
    """

    evaluator: Evaluator
    owners: Mapping[str, Int[Array | np.ndarray, " clusters"]]
    networks: tuple[TrainedNetwork, ...]
    systems: Systems | None
    n_molecules: int = eqx.field(static=True)
    precision: str = eqx.field(static=True)

    def energies_and_forces(
        self, columns: Float[np.ndarray, "3 atoms frames"]
    ) -> tuple[Float[np.ndarray, "molecules frames"], Float[np.ndarray, "3 atoms frames"]]:
        """Energies [kJ/mol] and forces [kJ/mol/nm] at positions [nm]."""
        with jax.enable_x64(self.precision == "float64"):
            energies, forces = _compiled(self, jnp.asarray(columns, self.precision))
            return np.asarray(energies), np.asarray(forces)


def can_be_bundled(item: Parameterization) -> bool:
    """Whether a parameterization has no tables and no box, and only networks have a cutoff."""
    groups = item.pair_groups
    return (
        not item.specials
        and item.virtual_sites is None
        and item.box is None
        and not any(t.periodic or t.types is not None for t in item.terms)
        and not any(group.needs_neighbours or group.periodic for group in groups)
        and not any(t.types is not None for group in groups for t in group.terms)
    )


def terms_of(item: Parameterization) -> tuple[object, ...]:
    """What two parameterizations must have in common to stand in one bundle."""
    return (
        tuple(t.term for t in item.terms),
        tuple(c.coordinate for c in item.coordinates),
        tuple(tuple(t.term for t in group.terms) for group in item.pair_groups),
        tuple(id(network.trained) for network in item.networks),
    )


def bundle(
    items: Sequence[Parameterization], sizes: Sequence[Sequence[int]], *, precision: str
) -> Bundle:
    """Lay molecules one after another.

    Args:
        items: with equal `terms_of`, all of which `can_be_bundled`.
        sizes: for each of them the atoms of its molecules, of which there may be several.
        precision: "float32" or "float64".
    """
    counts = np.array([n for of in sizes for n in of])
    owner = np.repeat(np.arange(len(counts)), counts)
    starts = np.cumsum([0] + [item.n_atoms for item in items[:-1]])
    terms = [
        BoundTerm(first.term, *_joined([item.terms[k] for item in items], starts))
        for k, first in enumerate(items[0].terms)
    ]
    coordinates = [
        BoundCoordinate(first.coordinate, *_joined([item.coordinates[k] for item in items], starts))
        for k, first in enumerate(items[0].coordinates)
    ]
    terms += _pair_terms(items, starts, counts)
    terms = [term for term in terms if term.n_clusters]
    names = {c.name for t in terms for c, _ in t.term.coordinate_names.values()}
    with jax.enable_x64(precision == "float64"):
        evaluator = build_evaluator(
            terms,
            [c for c in coordinates if c.coordinate.name in names],
            n_atoms=int(counts.sum()),
            periodic=False,
            dtype=np.dtype(precision),
        )
    owners = {term.term.name: owner[np.asarray(term.atoms_idx)[:, 0]] for term in terms}
    networks = tuple(network.trained for network in items[0].networks)
    systems = _systems(networks, items, counts) if networks else None
    return Bundle(evaluator, owners, networks, systems, len(counts), precision)


def _systems(
    networks: Sequence[TrainedNetwork],
    items: Sequence[Parameterization],
    counts: Int[np.ndarray, " molecules"],
) -> Systems:
    """The molecules as networks see them."""
    ends = np.cumsum(counts)
    atoms = [item.networks[0].atoms for item in items]
    numbers = np.split(np.concatenate([np.asarray(a.numbers) for a in atoms]), ends[:-1])
    charges = np.split(np.concatenate([np.asarray(a.charges) for a in atoms]), ends[:-1])
    shape = SystemShape.of(networks, numbers)
    assert shape is not None
    known = [shape.atoms(*one) for one in zip(numbers, charges, strict=True)]
    starts = (ends - counts).tolist()
    return shape.systems(known, counts.tolist(), starts, n_molecules=len(counts), spare=0)


def _joined(
    parts: Sequence[BoundTerm | BoundCoordinate], starts: Int[np.ndarray, " items"]
) -> tuple[Int[np.ndarray, "clusters size"], dict[str, np.ndarray]]:
    """Clusters and values of several; per-atom values are found by the shifted indices."""
    atoms = [np.asarray(part.atoms_idx) + start for part, start in zip(parts, starts, strict=True)]
    values = _joined_values([part.values for part in parts])
    return np.concatenate(atoms).astype(np.int32), values


def _joined_values(parts: Sequence[Mapping[str, Array | np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.concatenate([np.asarray(p[name]) for p in parts]) for name in parts[0]}


def _pair_terms(
    items: Sequence[Parameterization],
    starts: Int[np.ndarray, " items"],
    counts: Int[np.ndarray, " molecules"],
) -> list[BoundTerm]:
    """Pair terms over the pairs within each molecule that are not excluded."""
    terms = []
    for k, group in enumerate(items[0].pair_groups):
        exclusions = np.concatenate(
            [
                np.asarray(item.pair_groups[k].exclusions).reshape(-1, 2) + start
                for item, start in zip(items, starts, strict=True)
            ]
        )
        pairs = _pairs_within(counts, exclusions)
        for number, pair_term in enumerate(group.terms):
            values = _joined_values([item.pair_groups[k].terms[number].values for item in items])
            terms.append(BoundTerm(pair_term.term, pairs, values))
    return terms


def _pairs_within(
    counts: Int[np.ndarray, " molecules"], exclusions: Int[np.ndarray, "exclusions 2"]
) -> Int[np.ndarray, "pairs 2"]:
    ends = np.cumsum(counts)
    owner = np.searchsorted(ends, exclusions[:, 0], side="right")
    order = np.argsort(owner, kind="stable")
    parts = np.split(exclusions[order], np.searchsorted(owner[order], np.arange(1, len(counts))))
    starts = ends - counts
    return np.concatenate(
        [
            all_pairs(int(n), part - start) + np.int32(start)
            for n, start, part in zip(counts, starts, parts, strict=True)
        ]
    )


@eqx.filter_jit
def _compiled(
    molecules: Bundle, columns: Float[Array, "3 atoms frames"]
) -> tuple[Float[Array, "molecules frames"], Float[Array, "3 atoms frames"]]:
    def energies(x: Float[Array, "3 atoms frames"]) -> Float[Array, "molecules frames"]:
        found = molecules.evaluator.energies(x, None)
        total = jnp.zeros((molecules.n_molecules, x.shape[2]), x.dtype)
        for name, energy in found.items():
            owner = jnp.asarray(molecules.owners[name])
            total += jax.ops.segment_sum(energy, owner, num_segments=molecules.n_molecules)
        if molecules.systems is not None:
            total += network_energies(molecules.networks, molecules.systems, x)
        return total

    energy, pull = jax.vjp(energies, columns)
    (gradient,) = pull(jnp.ones_like(energy))
    return energy, -gradient
