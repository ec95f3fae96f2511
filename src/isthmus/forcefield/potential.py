"""A force field bound to one system: energies, forces and virial as functions of positions.

`energy` is a pure function of positions, box and neighbour list. Called with numbers it checks
them first, compiles itself and answers with numpy arrays; inside `jax.jit` or `jax.grad` it is
traced as it is.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, ArrayLike, Float

from isthmus.errors import InputError
from isthmus.forcefield.check import check_box_argument, check_positions, check_whole
from isthmus.forcefield.report import Report
from isthmus.geometry.neighbours import NeighbourList, build_neighbours
from isthmus.networks.bound import BoundNetwork
from isthmus.parameters.parameterization import Parameterization
from isthmus.terms.bound import Evaluator
from isthmus.terms.nonbonded import PairGroup

__all__ = ["EnergyAndForces", "Potential"]

SKIN = 0.1
"""Extra reach of neighbour lists that a call builds for itself [nm]."""

_AT_ONCE = 4
"""Conformers that networks take at once: two to three times as fast as all of 64"""


class EnergyAndForces(eqx.Module):
    """Energy [kJ/mol] and forces [kJ/mol/nm] of one or several conformers."""

    energy: Float[Array | np.ndarray, "*conformers"]
    forces: Float[Array | np.ndarray, "*conformers atoms 3"]


class Potential(eqx.Module):
    """A force field bound to one system; made by `ForceField.bind`.

    Attributes:
        parameterization: terms, clusters and values, as they came from the force field.
        evaluators: prepared cluster terms, without and with periodic images.
        pair_groups: pair terms that are summed over rows or neighbour lists.
        precision: "float32" or "float64".
    """

    parameterization: Parameterization
    evaluators: tuple[Evaluator, ...]
    pair_groups: tuple[PairGroup, ...]
    precision: str = eqx.field(static=True)

    def __repr__(self) -> str:
        names = ", ".join(self.term_names)
        return f"Potential({self.n_atoms} atoms, {self.precision}: {names})"

    @property
    def n_atoms(self) -> int:
        """Number of particles, virtual sites included."""
        return self.parameterization.n_atoms

    @property
    def term_names(self) -> tuple[str, ...]:
        """Names of all terms, in the order of reports."""
        return self.parameterization.term_names

    @property
    def needs_neighbours(self) -> bool:
        """Whether energies inside `jax.jit` need a neighbour list."""
        return any(one.needs_neighbours for one in self.listed)

    @property
    def listed(self) -> tuple[PairGroup | BoundNetwork, ...]:
        """All that neighbour lists are for, in the order of the lists."""
        return (*self.pair_groups, *self.parameterization.networks)

    def neighbours(
        self, positions: ArrayLike, box: ArrayLike | None = None, *, skin: float = SKIN
    ) -> tuple[NeighbourList | None, ...]:
        """Neighbour lists for `energy`, one for each pair group or network that needs one.

        Args:
            positions: (atoms, 3) [nm].
            box: cell vectors [nm], or None for the default box of the force field.
            skin: the lists stay valid until an atom has moved by half of it [nm].

        Raises:
            InputError: positions that are not finite, or a box too small for the cutoff.
        """
        host, cell = self._host_arguments(positions, box)
        if host.ndim != 2:
            raise InputError("neighbour lists are made for one conformer at a time")
        with jax.enable_x64(self.precision == "float64"):
            placed = np.asarray(_place(self, jnp.asarray(host)))
            return tuple(
                build_neighbours(
                    placed,
                    cell if one.periodic else None,
                    cutoff=one.cutoff,
                    skin=skin,
                    exclusions=np.asarray(one.exclusions),
                    back=isinstance(one, BoundNetwork),
                )
                if one.needs_neighbours
                else None
                for one in self.listed
            )

    def energy(
        self,
        positions: ArrayLike,
        box: ArrayLike | None = None,
        neighbours: tuple[NeighbourList | None, ...] | None = None,
    ) -> Float[Array | np.ndarray, "*conformers"]:
        """Energy [kJ/mol].

        Args:
            positions: (atoms, 3), or (conformers, atoms, 3) [nm].
            box: cell vectors as rows [nm], or None for the default box of the force field.
            neighbours: from `Potential.neighbours`; built here if not given.

        Raises:
            InputError: wrong shape, NaN, coincident atoms, a box too small for the cutoff.
        """
        return self._run(_energy, positions, box, neighbours)

    def energy_and_forces(
        self,
        positions: ArrayLike,
        box: ArrayLike | None = None,
        neighbours: tuple[NeighbourList | None, ...] | None = None,
    ) -> EnergyAndForces:
        """Energy [kJ/mol] and forces −∇E [kJ/mol/nm]; arguments and errors as `energy`."""
        return self._run(_energy_and_forces, positions, box, neighbours)

    def term_energies(
        self,
        positions: ArrayLike,
        box: ArrayLike | None = None,
        neighbours: tuple[NeighbourList | None, ...] | None = None,
    ) -> dict[str, Float[Array | np.ndarray, "*conformers"]]:
        """Energy of each term [kJ/mol]; arguments and errors as `energy`."""
        energies = self._run(_term_energies, positions, box, neighbours)
        return {name: energies[name] for name in self.term_names}

    def virial(
        self,
        positions: ArrayLike,
        box: ArrayLike | None = None,
        neighbours: tuple[NeighbourList | None, ...] | None = None,
    ) -> Float[Array | np.ndarray, "*conformers 3 3"]:
        """dE/dε [kJ/mol] for a homogeneous strain x → x (1 + ε) of positions and box.

        The pressure is (2 K − tr W) / (3 V), with K the kinetic energy.
        """
        return self._run(_virial, positions, box, neighbours)

    def report(
        self, positions: ArrayLike, box: ArrayLike | None = None, *, unit: str = "kcal/mol"
    ) -> Report:
        """Energy term by term, in the unit asked for; for one conformer.

        Raises:
            InputError: unknown unit, and all that `energy` raises.
        """
        energies = self.term_energies(positions, box)
        return Report.from_energies({name: float(e) for name, e in energies.items()}, unit=unit)

    def _run(self, function, positions, box, neighbours):
        # Numbers of the force field may be traced too, to differentiate with respect to them
        leaves = jax.tree.leaves((self, positions, box))
        if any(isinstance(leaf, Tracer) for leaf in leaves):
            return self._traced(function, positions, box, neighbours)
        host, cell = self._host_arguments(positions, box)
        with jax.enable_x64(self.precision == "float64"):
            cell_array = None if cell is None else jnp.asarray(cell, self.precision)
            if self.needs_neighbours and neighbours is None and host.ndim == 3:
                parts = [self._run(function, frame, cell, None) for frame in host]
                return jax.tree.map(lambda *leaves: np.stack(leaves), *parts)
            if self.needs_neighbours and neighbours is None:
                neighbours = self.neighbours(host, cell, skin=0.0)
            compiled = _COMPILED[function]
            result = compiled(self, jnp.asarray(host, self.precision), cell_array, neighbours)
            return jax.tree.map(np.array, result)

    def _traced(self, function, positions, box, neighbours):
        if self.needs_neighbours and neighbours is None:
            raise InputError(
                "this potential has a cutoff: inside jax.jit or jax.grad give "
                "neighbours=potential.neighbours(positions, box), built outside"
            )
        if self.precision == "float64" and jnp.zeros(()).dtype != jnp.float64:
            raise InputError(
                "this potential was bound with precision='float64', but JAX traces in 32 bits: "
                "wrap the call in `with jax.enable_x64(True):`, or bind with precision='float32'"
            )
        if box is None and self.parameterization.box is not None:
            box = jnp.asarray(self.parameterization.box, self.precision)
        return function(self, jnp.asarray(positions), box, neighbours)

    def _host_arguments(self, positions, box) -> tuple[np.ndarray, np.ndarray | None]:
        host = np.asarray(positions, dtype=np.float64)
        item = self.parameterization
        placed = np.zeros(self.n_atoms, dtype=bool)
        if item.virtual_sites is not None:
            placed[item.virtual_sites.sites] = True
        check_positions(host, placed=placed, solid=item.masses > 0)
        cell = self.parameterization.box if box is None else np.asarray(box, dtype=np.float64)
        cutoffs = [one.cutoff for one in self.listed if one.periodic and one.needs_neighbours]
        check_box_argument(
            cell,
            cutoffs=cutoffs,
            needed=any(one.periodic for one in self.listed),
        )
        if cell is not None:
            for bound in item.terms:
                if bound.term.over == "bond" and bound.n_clusters and not bound.periodic:
                    check_whole(host, cell, np.asarray(bound.atoms_idx))
        return host, cell


def _place(potential: Potential, positions: Array) -> Array:
    """Positions with virtual sites put where they belong."""
    return jnp.moveaxis(_placed_columns(potential, jnp.moveaxis(positions, -1, 0)), 0, -1)


def _columns(positions: Array) -> Array:
    """(…, atoms, 3) → (3, atoms, …): components first, conformers last."""
    if positions.ndim == 2:
        return positions.T
    return jnp.transpose(positions, (2, 1, 0))


def _placed_columns(potential: Potential, positions: Array) -> Array:
    """Positions (3, atoms, *conformers) with virtual sites put where they belong."""
    sites = potential.parameterization.virtual_sites
    return positions if sites is None else sites.apply(positions)


def _totals(potential: Potential, positions: Array, box, neighbours) -> dict[str, Array]:
    """Energy of each term for positions (3, atoms, *conformers)."""
    positions = _placed_columns(potential, positions)
    result = _bonded_totals(potential, positions, box)
    lists = neighbours or (None,) * len(potential.listed)
    for one, pairs in zip(potential.listed, lists, strict=True):
        if isinstance(one, BoundNetwork):
            result |= _network_energy(one, positions, box, pairs)
        else:
            result |= _each(lambda x, g=one, p=pairs: g.energies(x, box, p), positions)
    return result


def _network_energy(network: BoundNetwork, positions: Array, box, pairs) -> dict[str, Array]:
    """All conformers at once where no lists are needed: products of larger matrices."""
    if pairs is None:
        return {network.name: network.energy(positions, box, None)}
    return {network.name: _each(lambda x: network.energy(x, box, pairs), positions)}


def _bonded_totals(potential: Potential, positions: Array, box) -> dict[str, Array]:
    """Energy of each term, 0 for those of pair groups; sites stand where they belong."""
    result = {
        name: jnp.zeros(positions.shape[2:], positions.dtype) for name in potential.term_names
    }
    for evaluator in potential.evaluators:
        for name, energies in evaluator.energies(positions, box).items():
            result[name] = jnp.sum(energies, axis=0)
    for special in potential.parameterization.specials:
        result[special.name] = _each(lambda x, s=special: s.energy(x, box), positions)
    return result


def _each(function, positions: Array):
    """Apply a function of (3, atoms) to every conformer."""
    if positions.ndim == 2:
        return function(positions)
    return jax.lax.map(function, jnp.moveaxis(positions, -1, 0))


def _energy_of_columns(potential: Potential, columns: Array, box, neighbours) -> Array:
    totals = _totals(potential, columns, box, neighbours)
    return sum(totals.values(), jnp.zeros(columns.shape[2:], columns.dtype))


def _energy(potential, positions, box, neighbours):
    return _energy_of_columns(potential, _columns(positions), box, neighbours)


def _term_energies(potential, positions, box, neighbours):
    return _totals(potential, _columns(positions), box, neighbours)


def _energy_and_forces(potential, positions, box, neighbours):
    columns = _columns(positions)
    item = potential.parameterization
    dense = item.networks and not any(network.needs_neighbours for network in item.networks)
    if positions.ndim > 2 and dense and item.virtual_sites is None:
        return _networks_in_blocks(potential, columns, box, neighbours)
    if neighbours is None or positions.ndim > 2:
        energy, pull = jax.vjp(lambda x: _energy_of_columns(potential, x, box, neighbours), columns)
        (gradient,) = pull(jnp.ones_like(energy))
        return EnergyAndForces(energy, -jnp.transpose(gradient))
    placed, pull_sites = jax.vjp(lambda x: _placed_columns(potential, x), columns)
    listed = [
        (group, lists)
        for group, lists in zip(potential.listed, neighbours, strict=True)
        if lists is not None and isinstance(group, PairGroup)
    ]

    def others(x):
        totals = _bonded_totals(potential, x, box)
        for one, lists in zip(potential.listed, neighbours, strict=True):
            if isinstance(one, BoundNetwork):
                totals |= _network_energy(one, x, box, lists)
            elif lists is None:
                totals |= one.energies(x, box, None)
        beyond = [e for group, _ in listed for e in group.reciprocal_energies(x, box).values()]
        return sum([*totals.values(), *beyond], jnp.zeros((), x.dtype))

    energy, gradient = jax.value_and_grad(others)(placed)
    for group, lists in listed:
        own, slope = group.listed_energy_and_gradient(placed, box, lists)
        energy, gradient = energy + own, gradient + slope
    return EnergyAndForces(energy, -jnp.transpose(pull_sites(gradient)[0]))


def _networks_in_blocks(potential, columns, box, neighbours):
    """Networks a few conformers at a time, forces included, so that all stays in the cache."""
    networks = potential.parameterization.networks
    bare = eqx.tree_at(lambda p: p.parameterization.networks, potential, ())
    lists = None if neighbours is None else neighbours[: len(potential.pair_groups)]
    energy, pull = jax.vjp(lambda x: _energy_of_columns(bare, x, box, lists), columns)
    (gradient,) = pull(jnp.ones_like(energy))

    def own(x):
        return sum((n.energy(x, box, None) for n in networks), jnp.zeros((), x.dtype))

    frames = jnp.moveaxis(columns, -1, 0)
    more, slopes = jax.lax.map(jax.value_and_grad(own), frames, batch_size=_AT_ONCE)
    gradient += jnp.moveaxis(slopes, 0, -1)
    return EnergyAndForces(energy + more, -jnp.transpose(gradient))


def _virial(potential, positions, box, neighbours):
    def strained(strain, x):
        scale = jnp.eye(3, dtype=x.dtype) + strain
        cell = None if box is None else box @ scale
        return _energy(potential, x @ scale, cell, neighbours)

    zero = jnp.zeros((3, 3), positions.dtype)
    if positions.ndim == 2:
        return jax.grad(strained)(zero, positions)
    return jax.lax.map(lambda x: jax.grad(strained)(zero, x), positions)


_COMPILED = {
    function: eqx.filter_jit(function)
    for function in (_energy, _term_energies, _energy_and_forces, _virial)
}
