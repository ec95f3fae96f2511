"""Heads: from embeddings of atoms to the parameters of one kind of cluster."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from isthmus.geometry.gather import rows_of
from isthmus.parameters.graph.features import BOND_FEATURES
from isthmus.parameters.graph.layers import MLP, random_weights
from isthmus.parameters.graph.symmetry import Image, member_bonds
from isthmus.terms.kinds import ClusterKind

__all__ = ["ClusterHead", "Embeddings"]


class Embeddings(eqx.Module):
    """What heads see of a molecule: embeddings of its atoms, features of its bonds."""

    atoms: Float[Array, "atoms width"]
    bonds: Float[Array | np.ndarray, "bonds bond_features"]


class ClusterHead(eqx.Module):
    """An MLP on the atoms and bonds of a cluster, averaged over all images of the cluster.

    Its first layer is a sum over the places of the cluster, so it is applied once an atom and
    place, and gathered by the clusters.

    Attributes:
        places: weights of the atoms of a cluster.
        bonds: weights of its bonds, one after the other.
        bias: of the first layer.
        rest: further layers; the last one starts as 0.
    """

    places: Float[Array | np.ndarray, "size width hidden"]
    bonds: Float[Array | np.ndarray, "members bond_features hidden"]
    bias: Float[Array | np.ndarray, " hidden"]
    rest: MLP

    @classmethod
    def create(
        cls,
        random: np.random.Generator,
        kind: ClusterKind,
        *,
        width: int,
        hidden: int,
        n_outputs: int,
    ) -> "ClusterHead":
        """Random weights, with an answer of 0."""
        members = len(member_bonds(kind))
        n_inputs = kind.n_atoms * width + members * BOND_FEATURES
        return cls(
            random_weights(random, kind.n_atoms, width, hidden, n_inputs=n_inputs),
            random_weights(random, members, BOND_FEATURES, hidden, n_inputs=n_inputs),
            np.zeros(hidden, np.float32),
            MLP.create(random, (hidden, hidden, n_outputs), zero_last=True),
        )

    def __call__(
        self,
        seen: Embeddings,
        clusters: Int[Array | np.ndarray, "clusters size"],
        bond_rows: Int[Array | np.ndarray, "clusters members"],
        images: tuple[Image, ...],
    ) -> Float[Array, "clusters outputs"]:
        """One row a cluster, with exactly the symmetry that the images say."""
        # All images at once: one row for each cluster and image.
        places = np.array([image.atoms for image in images], dtype=np.int32)
        members = np.array([image.bonds for image in images], dtype=np.int32)
        x = jnp.asarray(self.bias)
        for place, weight in enumerate(self.places):
            x = x + rows_of(seen.atoms @ jnp.asarray(weight), clusters[:, places[:, place]])
        for member, weight in enumerate(self.bonds):
            x = x + rows_of(jnp.asarray(seen.bonds) @ weight, bond_rows[:, members[:, member]])
        raw = self.rest(jax.nn.silu(x).reshape(-1, x.shape[-1]))
        raw = raw.reshape(len(clusters), len(images), raw.shape[-1])
        turned = np.stack([image.representation for image in images]).astype(np.float32)
        return jnp.einsum("cio,iop->cp", raw, turned) / len(images)
