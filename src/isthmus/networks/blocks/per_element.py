"""Linear layers with weights of their own for each element.

Behler and Parrinello, Phys. Rev. Lett. 98, 146401 (2007): the energy of an atom is a function of
its surroundings, and each element has its own. Rows of atoms are put into the order of the
elements once, so that each element costs one product of matrices and nothing is computed twice.
"""

import math

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from isthmus.geometry.gather import rows_of
from isthmus.networks.neighbourhood import Atoms

__all__ = ["PerElement", "by_element", "in_order_of_atoms"]


def by_element(atoms: Atoms, values: Float[Array, "atoms *rest"]) -> Float[Array, "rows *rest"]:
    """Rows in the order of the elements: all `members` behind one another."""
    return rows_of(values, jnp.concatenate([jnp.asarray(m) for m in atoms.members]))


def in_order_of_atoms(
    atoms: Atoms, rows: Float[Array, "rows *rest"]
) -> Float[Array, "atoms *rest"]:
    """What `by_element` did, undone."""
    return rows_of(rows, jnp.asarray(atoms.places))


class PerElement(eqx.Module):
    """x W + b, with the W and b of the element of each row.

    Attributes:
        weights: by element.
        biases: by element; None for none.
    """

    weights: Float[Array | np.ndarray, "elements n_in n_out"]
    biases: Float[Array | np.ndarray, "elements n_out"] | None

    @classmethod
    def create(
        cls,
        random: np.random.Generator,
        n_elements: int,
        n_in: int,
        n_out: int,
        *,
        scale: float = 1.0,
        bias: bool = True,
    ) -> "PerElement":
        """Weights of variance scale² / n_in; biases 0."""
        weights = random.normal(scale=scale / math.sqrt(n_in), size=(n_elements, n_in, n_out))
        zeros = np.zeros((n_elements, n_out), np.float32) if bias else None
        return cls(weights.astype(np.float32), zeros)

    def __call__(
        self, atoms: Atoms, rows: Float[Array, "rows *more n_in"]
    ) -> Float[Array, "rows *more n_out"]:
        """The layer on rows in the order of the elements."""
        weights = jnp.asarray(self.weights, rows.dtype)
        parts, start = [], 0
        for element, members in enumerate(atoms.members):
            stop = start + members.shape[0]
            if stop > start:
                part = rows[start:stop] @ weights[element]
                if self.biases is not None:
                    part += jnp.asarray(self.biases[element], rows.dtype)
                parts.append(part)
            start = stop
        return jnp.concatenate(parts)

    def single(self, atoms: Atoms, rows: Float[Array, "rows n_in"]) -> Float[Array, " rows"]:
        """The layer where it has one output, without a product of matrices for each element."""
        elements = [np.full(m.shape[0], n) for n, m in enumerate(atoms.members)]
        own = np.concatenate(elements)
        values = jnp.sum(rows * jnp.asarray(self.weights, rows.dtype)[own, :, 0], axis=1)
        if self.biases is None:
            return values
        return values + jnp.asarray(self.biases, rows.dtype)[own, 0]
