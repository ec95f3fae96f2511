"""Layers of a network: plain records of float32 arrays, made from a random generator."""

from collections.abc import Sequence
from itertools import pairwise

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

__all__ = ["MLP", "Dense", "LayerNorm", "random_weights"]


def random_weights(
    random: np.random.Generator, *shape: int, n_inputs: int
) -> Float[np.ndarray, "..."]:
    """Normal numbers of the variance 1 / n_inputs, float32."""
    return random.normal(0, n_inputs**-0.5, shape).astype(np.float32)


class Dense(eqx.Module):
    """x → x W + b."""

    weight: Float[Array | np.ndarray, "inputs outputs"]
    bias: Float[Array | np.ndarray, " outputs"]

    @classmethod
    def create(cls, random: np.random.Generator, n_inputs: int, n_outputs: int) -> "Dense":
        """Random weights, no bias."""
        weight = random_weights(random, n_inputs, n_outputs, n_inputs=n_inputs)
        return cls(weight, np.zeros(n_outputs, np.float32))

    @classmethod
    def zero(cls, n_inputs: int, n_outputs: int) -> "Dense":
        """A layer that answers 0 until it is trained."""
        weight = np.zeros((n_inputs, n_outputs), np.float32)
        return cls(weight, np.zeros(n_outputs, np.float32))

    def __call__(self, x: Float[Array, "rows inputs"]) -> Float[Array, "rows outputs"]:
        """Apply to every row."""
        return x @ self.weight + self.bias


class MLP(eqx.Module):
    """Dense layers with SiLU between them."""

    layers: tuple[Dense, ...]

    @classmethod
    def create(
        cls, random: np.random.Generator, sizes: Sequence[int], *, zero_last: bool = False
    ) -> "MLP":
        """Random layers of these sizes; with `zero_last`, the answer is 0 until trained."""
        steps = list(pairwise(sizes))
        layers = [Dense.create(random, a, b) for a, b in steps]
        if zero_last:
            layers[-1] = Dense.zero(*steps[-1])
        return cls(tuple(layers))

    def __call__(self, x: Float[Array, "rows inputs"]) -> Float[Array, "rows outputs"]:
        """Apply to every row."""
        for layer in self.layers[:-1]:
            x = jax.nn.silu(layer(x))
        return self.layers[-1](x)


class LayerNorm(eqx.Module):
    """Rows to mean 0 and variance 1, then scaled and shifted. Ba et al., arXiv 1607.06450."""

    scale: Float[Array | np.ndarray, " width"]
    shift: Float[Array | np.ndarray, " width"]

    @classmethod
    def create(cls, width: int) -> "LayerNorm":
        """Scale 1, shift 0."""
        return cls(np.ones(width, np.float32), np.zeros(width, np.float32))

    def __call__(self, x: Float[Array, "rows width"]) -> Float[Array, "rows width"]:
        """Apply to every row."""
        x = x - jnp.mean(x, axis=-1, keepdims=True)
        variance = jnp.mean(x * x, axis=-1, keepdims=True)
        return x * jax.lax.rsqrt(variance + 1e-5) * self.scale + self.shift
