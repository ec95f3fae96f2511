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
from isthmus.parameters.graph.source import GraphSource
from isthmus.train.batch import Batch
from isthmus.train.static_loss import (
    ChargeErrors,
    LossWeights,
    Values,
    charge_errors,
    membership,
    static_loss,
)
from isthmus.train.structure import ATOM, Rows, Structure, table_of

__all__ = [
    "Measures",
    "Residuals",
    "energies",
    "energies_and_forces",
    "errors",
    "loss_and_gradient",
]


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
    structure: Structure,
    values: Values,
    positions: Float[Array, "3 atoms frames"],
    n_molecules: int,
) -> Float[Array, "molecules frames"]:
    """Energy of every molecule in every frame [kJ/mol]."""
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
    return sum(
        (membership(structure, table, n_molecules) @ energy for table, energy in by_table.items()),
        jnp.zeros((n_molecules, positions.shape[2]), positions.dtype),
    )


def energies_and_forces(
    design: Design, batch: Batch, values: Values
) -> tuple[Float[Array, "molecules frames"], Float[Array, "3 atoms frames"]]:
    """Energies [kJ/mol] and forces [kJ/mol/nm] of a batch."""
    n_molecules = batch.energies.shape[0]

    def of(x: Array) -> Array:
        return energies(design, batch.structure, values, x, n_molecules)

    energy, pull = jax.vjp(of, jnp.asarray(batch.positions))
    (gradient,) = pull(jnp.ones_like(energy))
    return energy, -gradient


def errors(design: Design, source: GraphSource, batch: Batch) -> Residuals:
    """Errors on a batch."""
    values = source.values(design, batch.structure.graph)
    energy, forces = energies_and_forces(design, batch, values)
    error, atoms = _force_errors(batch, forces)
    squares, count = jnp.sum(error * error), 3 * jnp.sum(atoms)
    offsets, known = energy - batch.energies, jnp.asarray(batch.energy_weights)
    return Residuals(squares, count, offsets, known, charge_errors(design, batch, values))


def loss_and_gradient(
    design: Design, source: GraphSource, batch: Batch, weights: LossWeights
) -> tuple[Measures, GraphSource]:
    """Errors on a batch and the gradient of the loss by the weights of the network."""
    values, to_source = jax.vjp(lambda s: s.values(design, batch.structure.graph), source)
    energy, forces = energies_and_forces(design, batch, values)
    measures, slope, direction = _residuals(batch, energy, forces, weights)
    x = jnp.asarray(batch.positions)

    def surrogate(values: Values) -> tuple[Float[Array, ""], Float[Array, ""]]:
        def of(x: Array) -> Array:
            return energies(design, batch.structure, values, x, energy.shape[0])

        value, change = jax.jvp(of, (x,), (direction,))
        more = static_loss(design, batch, values, weights)
        return jnp.sum(slope * value) - jnp.sum(change) + more, more

    by_values, more = jax.grad(surrogate, has_aux=True)(values)
    (gradient,) = to_source(by_values)
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
