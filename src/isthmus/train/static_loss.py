"""What a loss is made of, and its parts that need no forces: charges, dipoles, restraints."""

from collections.abc import Iterator, Mapping

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from isthmus.designs.design import Design
from isthmus.parameters.graph.source import is_charge
from isthmus.train.batch import Batch
from isthmus.train.settings import TrainSettings
from isthmus.train.structure import ATOM, Structure, table_of
from isthmus.units import ANGSTROM, KILOCALORIE

__all__ = ["ChargeErrors", "LossWeights", "Values", "charge_errors", "membership", "static_loss"]

Values = Mapping[str, Mapping[str, Array]]


class LossWeights(eqx.Module):
    """What a loss is made of; its unit is (kJ/mol/nm)².

    Attributes:
        force: of the mean square of force components.
        energy: of the mean square of energies, each divided by its number of atoms [1/nm²].
        dipole: the same for components of dipoles.
        charge: of the mean square of charges.
        restraint: of the mean square distance of parameters from their priors, in their scales.
        centred: whether energies are compared after taking away the mean of each molecule.
    """

    force: float
    energy: float
    dipole: float = 0.0
    charge: float = 0.0
    restraint: float = 0.0
    centred: bool = eqx.field(static=True, default=True)

    @classmethod
    def of(cls, settings: TrainSettings) -> "LossWeights":
        """The weights that settings state for kcal/mol, Å and e."""
        unit = (KILOCALORIE / ANGSTROM) ** 2
        return cls(
            force=settings.force_weight,
            energy=settings.energy_weight * unit / KILOCALORIE**2,
            dipole=settings.dipole_weight * unit / ANGSTROM**2,
            charge=settings.charge_weight * unit,
            restraint=settings.restraint * unit,
            centred=settings.energy_zero == "molecule",
        )


class ChargeErrors(eqx.Module):
    """Summed squares of errors of charges [e²] and of components of dipoles [(e nm)²].

    Attributes:
        charge_squares, charge_count: over all labelled charges.
        dipole_squares, dipole_count: over all labelled components.
    """

    charge_squares: Float[Array, ""]
    charge_count: Float[Array, ""]
    dipole_squares: Float[Array, ""]
    dipole_count: Float[Array, ""]


def membership(
    structure: Structure, table: str, n_molecules: int
) -> Float[Array, "molecules rows"]:
    """1 where a row of a table belongs to a molecule.

    Sums by molecule are products with it, which are faster than scattered additions.
    """
    members = jnp.asarray(structure.members[table])
    return (jnp.arange(n_molecules)[:, None] == members[None, :]).astype(jnp.float32)


def static_loss(
    design: Design, batch: Batch, values: Values, weights: LossWeights
) -> Float[Array, ""]:
    """Loss of charges, dipoles and distances from the priors; 0 where nothing is labelled."""
    total = jnp.zeros(())
    for charges in _charges(design, values):
        total += _charge_loss(batch, charges, weights)
    return total + weights.restraint * _restraint(design, batch, values)


def charge_errors(design: Design, batch: Batch, values: Values) -> ChargeErrors:
    """Errors of all charges of a design and of the dipoles that they make; 0 without charges."""
    zero = jnp.zeros(())
    total = ChargeErrors(zero, zero, zero, zero)
    for charges in _charges(design, values):
        mask = membership(batch.structure, ATOM, batch.energies.shape[0])
        by_atom = mask.T @ jnp.asarray(batch.charge_weights)
        known = jnp.asarray(batch.dipole_weights)
        found = ChargeErrors(
            jnp.sum(by_atom * (charges[:, None] - batch.charges) ** 2),
            jnp.sum(by_atom),
            jnp.sum(known * (_dipoles(batch, mask, charges) - batch.dipoles) ** 2),
            3 * jnp.sum(known),
        )
        total = jax.tree.map(jnp.add, total, found)
    return total


def _charges(design: Design, values: Values) -> Iterator[Float[Array, " atoms"]]:
    for owner, parameter in design.own_parameters():
        if parameter.per == "atom" and is_charge(parameter):
            yield values[owner.name][parameter.name]


def _dipoles(
    batch: Batch, mask: Float[Array, "molecules atoms"], charges: Float[Array, " atoms"]
) -> Float[Array, "3 molecules frames"]:
    return jnp.einsum("ma,a,caf->cmf", mask, charges, jnp.asarray(batch.positions))


def _charge_loss(
    batch: Batch, charges: Float[Array, " atoms"], weights: LossWeights
) -> Float[Array, ""]:
    n_molecules = batch.energies.shape[0]
    mask = membership(batch.structure, ATOM, n_molecules)
    by_atom = mask.T @ jnp.asarray(batch.charge_weights)
    charge = jnp.sum(by_atom * (charges[:, None] - batch.charges) ** 2)
    charge /= jnp.maximum(jnp.sum(by_atom), 1)
    n_atoms = jnp.maximum(jnp.sum(mask, axis=1, keepdims=True), 1)
    known = jnp.asarray(batch.dipole_weights)
    dipole = jnp.sum(known / n_atoms * (_dipoles(batch, mask, charges) - batch.dipoles) ** 2)
    dipole /= 3 * jnp.maximum(jnp.sum(known), 1)
    return weights.charge * charge + weights.dipole * dipole


def _restraint(design: Design, batch: Batch, values: Values) -> Float[Array, ""]:
    """Mean square distance of all parameters from their priors, in their scales."""
    graph, n_molecules = batch.structure.graph, batch.energies.shape[0]
    squares, count = jnp.zeros(()), jnp.zeros(())
    for owner, parameter in design.own_parameters():
        if not parameter.scale:
            continue  # it stays at its prior
        table = ATOM if parameter.per == "atom" else table_of(owner)
        real = jnp.asarray(batch.structure.members[table]) < n_molecules
        prior = parameter.default
        if isinstance(prior, str):
            prior = jnp.asarray(graph.priors[owner.name][parameter.name])
        else:
            prior = jnp.asarray(np.clip(prior, parameter.minimum, parameter.maximum))
        distance = (values[owner.name][parameter.name] - prior) / parameter.scale
        squares += jnp.sum(jnp.where(real, distance, 0.0) ** 2)
        count += jnp.sum(real)
    return squares / jnp.maximum(count, 1)
