"""Energies, forces and the gradient of a loss for a batch, by the weights of a network.

The loss is one of forces, so its gradient by the weights is a second derivative. It is taken
without differentiating forces: with F = −∇E and the residual v of the forces held fixed,
∂/∂θ ½|F − F₀|² = −∂/∂θ (v·∇E), and v·∇E is one directional derivative. That is reverse over
forward mode: half the work and memory of reverse over reverse, and no scatter onto atoms in it.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from isthmus.designs.design import Design
from isthmus.geometry.gather import rows_of
from isthmus.networks.systems import network_energies
from isthmus.networks.trained import TrainedNetwork
from isthmus.train.batch import Batch
from isthmus.train.static_loss import (
    ChargeErrors,
    LossWeights,
    Values,
    charge_errors,
    membership,
    static_loss,
)
from isthmus.train.structure import ATOM, Rows, table_of
from isthmus.train.trainable import Trainable

__all__ = [
    "Measures",
    "Residuals",
    "energies",
    "energies_and_forces",
    "errors",
    "loss_and_gradient",
]


Networks = tuple[TrainedNetwork, ...]


class Residuals(eqx.Module):
    """Errors of a batch: summed squares of forces, and energies one by one.

    Attributes:
        force_squares, force_count: over all labelled components.
        offsets: model less reference, with one constant a molecule [kJ/mol].
        known: 1 where there is an energy, else 0.
        electric: of charges and dipoles.
    """

    force_squares: Float[Array, ""]
    force_count: Float[Array, ""]
    offsets: Float[Array, "molecules frames"]
    known: Float[Array | np.ndarray, "molecules frames"]
    electric: ChargeErrors


class Measures(eqx.Module):
    """Sums over a batch: the loss; squared errors and how many numbers they are over."""

    loss: Float[Array, ""]
    force_squares: Float[Array, ""]
    force_count: Float[Array, ""]
    energy_squares: Float[Array, ""]
    energy_count: Float[Array, ""]


def energies(
    design: Design,
    batch: Batch,
    values: Values,
    networks: Networks,
    positions: Float[Array, "3 atoms frames"],
) -> Float[Array, "molecules frames"]:
    """Energy of every molecule in every frame [kJ/mol], at positions other than those of a batch.

    Args:
        design: the formulas.
        batch: the molecules.
        values: of every parameter of the formulas.
        networks: over atoms and their neighbours.
        positions: of all atoms of the batch [nm].
    """
    structure, n_molecules = batch.structure, batch.energies.shape[0]
    numbers = {
        owner: {
            name: _taken(values[gather.owner][gather.parameter], gather.rows)
            for name, gather in gathers.items()
        }
        for owner, gathers in structure.gathers.items()
    }
    found = structure.layout.evaluator(numbers, positions.dtype).energies(positions, None)
    by_table: dict[str, Array] = {}
    for name, energy in found.items():
        table = table_of(design.owners[name])
        by_table[table] = by_table[table] + energy if table in by_table else energy
    total = sum(
        (membership(structure, table, n_molecules) @ energy for table, energy in by_table.items()),
        jnp.zeros((n_molecules, positions.shape[2]), positions.dtype),
    )
    if batch.systems is not None:
        total += network_energies(networks, batch.systems, positions)
    return total


def energies_and_forces(
    design: Design, batch: Batch, values: Values, networks: Networks
) -> tuple[Float[Array, "molecules frames"], Float[Array, "3 atoms frames"]]:
    """Energies [kJ/mol] and forces [kJ/mol/nm] of a batch."""

    def of(x: Array) -> Array:
        return energies(design, batch, values, networks, x)

    energy, pull = jax.vjp(of, jnp.asarray(batch.positions))
    (gradient,) = pull(jnp.ones_like(energy))
    return energy, -gradient


def errors(design: Design, weights: Trainable, batch: Batch) -> Residuals:
    """Errors on a batch."""
    values = weights.values(design, batch.structure.graph)
    energy, forces = energies_and_forces(design, batch, values, weights.networks)
    error, atoms = _force_errors(batch, forces)
    squares, count = jnp.sum(error * error), 3 * jnp.sum(atoms)
    offsets, known = energy - batch.energies, jnp.asarray(batch.energy_weights)
    return Residuals(squares, count, offsets, known, charge_errors(design, batch, values))


def loss_and_gradient(
    design: Design, trainable: Trainable, batch: Batch, weights: LossWeights
) -> tuple[Measures, Trainable]:
    """Errors on a batch and the gradient of the loss by the weights of all networks."""
    networks = trainable.networks
    values, to_source = jax.vjp(lambda t: t.values(design, batch.structure.graph), trainable)
    energy, forces = energies_and_forces(design, batch, values, networks)
    measures, slope, direction = _residuals(batch, energy, forces, weights)
    x = jnp.asarray(batch.positions)

    def surrogate(values: Values, networks: Networks) -> tuple[Float[Array, ""], Float[Array, ""]]:
        def of(x: Array) -> Array:
            return energies(design, batch, values, networks, x)

        value, change = jax.jvp(of, (x,), (direction,))
        more = static_loss(design, batch, values, weights)
        return jnp.sum(slope * value) - jnp.sum(change) + more, more

    (by_values, own), more = jax.grad(surrogate, (0, 1), has_aux=True)(values, networks)
    (gradient,) = to_source(by_values)
    gradient = eqx.tree_at(lambda t: t.networks, gradient, own)
    return eqx.tree_at(lambda m: m.loss, measures, measures.loss + more), gradient


def _residuals(
    batch: Batch, energy: Array, forces: Array, weights: LossWeights
) -> tuple[Measures, Array, Array]:
    """Errors, and the derivatives of the loss by energies and by forces."""
    mask = membership(batch.structure, ATOM, energy.shape[0])
    error, atoms = _force_errors(batch, forces)
    force_count = 3 * jnp.sum(atoms)
    force_squares = jnp.sum(error * error)
    known = jnp.asarray(batch.energy_weights)
    offset = known * (energy - batch.energies)
    if weights.centred:
        n_known = jnp.sum(known, axis=1, keepdims=True)
        offset = offset - known * jnp.sum(offset, axis=1, keepdims=True) / jnp.maximum(n_known, 1)
        # The energy of a single frame says nothing
        known = known * (n_known > 1)
    energy_squares = jnp.sum(offset * offset)
    energy_count = jnp.sum(known)
    n_atoms = jnp.maximum(jnp.sum(mask, axis=1, keepdims=True), 1)
    factor = weights.energy / n_atoms / jnp.maximum(energy_count, 1)
    scale = weights.force / jnp.maximum(force_count, 1)
    loss = scale * force_squares + jnp.sum(factor * offset * offset)
    measures = Measures(loss, force_squares, force_count, energy_squares, energy_count)
    return measures, 2 * factor * offset, 2 * scale * error


def _force_errors(batch: Batch, forces: Array) -> tuple[Array, Array]:
    """Errors of forces, 0 where there is no label, and by atom and frame whether there is one."""
    mask = membership(batch.structure, ATOM, batch.energies.shape[0])
    atoms = mask.T @ jnp.asarray(batch.force_weights)
    return (forces - batch.forces) * atoms, atoms


def _taken(value: Array, rows: Rows | None) -> Array:
    return value if rows is None else rows_of(value, rows)
