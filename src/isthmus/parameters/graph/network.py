"""The network on the molecular graph: messages along bonds, in both directions.

J. Gilmer et al., Neural message passing for quantum chemistry, ICML 2017, arXiv 1704.01212; used
for force fields as in Y. Wang et al., Chem. Sci. 13, 12016 (2022). What depends on one atom only
is computed once an atom, not once a bond.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from isthmus.geometry.gather import rows_of
from isthmus.parameters.graph.features import ATOM_FEATURES, BOND_FEATURES
from isthmus.parameters.graph.layers import MLP, Dense, LayerNorm

__all__ = ["GraphNetwork", "MessageLayer"]


class MessageLayer(eqx.Module):
    """h ← norm(h + update(h, Σ message(h, h of the neighbour, bond)))."""

    sender: Dense
    receiver: Dense
    bond: Dense
    message: Dense
    update: MLP
    norm: LayerNorm

    @classmethod
    def create(cls, random: np.random.Generator, width: int) -> "MessageLayer":
        """Random weights."""
        return cls(
            Dense.create(random, width, width),
            Dense.create(random, width, width),
            Dense.create(random, BOND_FEATURES, width),
            Dense.create(random, width, width),
            MLP.create(random, (2 * width, width, width)),
            LayerNorm.create(width),
        )

    def __call__(
        self,
        h: Float[Array, "atoms width"],
        bonds: Int[Array | np.ndarray, "bonds 2"],
        bond_features: Float[Array, "bonds bond_features"],
    ) -> Float[Array, "atoms width"]:
        """One round of messages."""
        out, into, along = self.sender(h), self.receiver(h), self.bond(bond_features)
        low, high = bonds[:, 0], bonds[:, 1]
        up = rows_of(out, low) + rows_of(into, high) + along
        down = rows_of(out, high) + rows_of(into, low) + along
        hidden = jnp.concatenate([up, down])
        # The last layer of a message is linear, so it may follow the sum over neighbours.
        ends = jnp.concatenate([jnp.asarray(high), jnp.asarray(low)])
        total = jax.ops.segment_sum(jax.nn.silu(hidden), ends, num_segments=h.shape[0])
        return self.norm(h + self.update(jnp.concatenate([h, self.message(total)], axis=-1)))


class GraphNetwork(eqx.Module):
    """From features of atoms and bonds to an embedding of each atom."""

    embedding: MLP
    layers: tuple[MessageLayer, ...]

    @classmethod
    def create(cls, random: np.random.Generator, *, width: int, depth: int) -> "GraphNetwork":
        """Random weights; `depth` is how many bonds an atom sees."""
        embedding = MLP.create(random, (ATOM_FEATURES, width, width))
        return cls(embedding, tuple(MessageLayer.create(random, width) for _ in range(depth)))

    def __call__(
        self,
        atoms: Float[Array | np.ndarray, "atoms features"],
        bonds: Int[Array | np.ndarray, "bonds 2"],
        bond_features: Float[Array | np.ndarray, "bonds bond_features"],
    ) -> Float[Array, "atoms width"]:
        """Embeddings of all atoms."""
        h = self.embedding(jnp.asarray(atoms))
        for layer in self.layers:
            h = layer(h, bonds, jnp.asarray(bond_features))
        return h
