"""Linear layers, their chains, and what stands between them.

- silu: x / (1 + e⁻ˣ). Elfwing, Uchibe and Doya, Neural Networks 107, 3 (2018).
- shifted softplus: ln(½eˣ + ½). Schütt et al., J. Chem. Phys. 148, 241722 (2018).
- celu: max(0, x) + min(0, α(e^{x/α} − 1)), α = 0.1 in ANI. Barron, arXiv:1704.07483 (2017). Its
  second derivative jumps at 0, so curvature of an energy through it is not continuous.
"""

import math
from itertools import pairwise

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from isthmus.errors import DesignError

__all__ = ["ACTIVATIONS", "MLP", "Linear", "activate", "celu", "shifted_softplus", "silu"]

ACTIVATIONS = ("silu", "softplus", "celu", "tanh")
"""Names that `activate` knows."""


def silu(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """x / (1 + e⁻ˣ)."""
    return jax.nn.silu(x)


def shifted_softplus(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """ln(½eˣ + ½), which is 0 at 0."""
    return jax.nn.softplus(x) - math.log(2.0)


def celu(x: Float[Array, "*shape"], alpha: float = 0.1) -> Float[Array, "*shape"]:
    """max(0, x) + min(0, α(e^{x/α} − 1)).

    The slope at 0 is 1 from both sides, and what is not chosen never overflows.
    """
    below = alpha * (jnp.exp(jnp.where(x > 0, 0.0, x) / alpha) - 1.0)
    return jnp.where(x > 0, x, below)


def activate(name: str, x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """The activation of this name.

    Raises:
        DesignError: the name is unknown.
    """
    if name == "silu":
        return silu(x)
    if name == "softplus":
        return shifted_softplus(x)
    if name == "celu":
        return celu(x)
    if name == "tanh":
        return jnp.tanh(x)
    raise DesignError(f"unknown activation '{name}': choose one of {', '.join(ACTIVATIONS)}")


class Linear(eqx.Module):
    """x W + b, in the precision of x.

    Attributes:
        weight: W.
        bias: b; None for none.
    """

    weight: Float[Array | np.ndarray, "n_in n_out"]
    bias: Float[Array | np.ndarray, " n_out"] | None

    @classmethod
    def create(
        cls,
        random: np.random.Generator,
        n_in: int,
        n_out: int,
        *,
        scale: float = 1.0,
        bias: bool = True,
    ) -> "Linear":
        """Weights of variance scale² / n_in, so that outputs are as large as inputs; bias 0."""
        weight = random.normal(scale=scale / math.sqrt(n_in), size=(n_in, n_out))
        zeros = np.zeros(n_out, dtype=np.float32) if bias else None
        return cls(weight.astype(np.float32), zeros)

    def __call__(self, x: Float[Array, "*shape n_in"]) -> Float[Array, "*shape n_out"]:
        """The layer applied along the last axis."""
        y = x @ jnp.asarray(self.weight, x.dtype)
        return y if self.bias is None else y + jnp.asarray(self.bias, x.dtype)


class MLP(eqx.Module):
    """Linear layers with an activation between them, none after the last.

    Attributes:
        layers: in order.
        activation: one of `ACTIVATIONS`.
    """

    layers: tuple[Linear, ...]
    activation: str = eqx.field(static=True)

    @classmethod
    def create(
        cls,
        random: np.random.Generator,
        widths: tuple[int, ...],
        *,
        activation: str = "silu",
        last_scale: float = 1.0,
        bias: bool = True,
    ) -> "MLP":
        """Layers between these widths, inputs and outputs included.

        Args:
            random: of the weights.
            widths: number of inputs, of hidden units of each layer, of outputs.
            activation: one of `ACTIVATIONS`.
            last_scale: of the weights of the last layer; 0 for outputs that start at 0.
            bias: whether layers have one.
        """
        steps = list(pairwise(widths))
        scales = [1.0] * (len(steps) - 1) + [last_scale]
        layers = tuple(
            Linear.create(random, n_in, n_out, scale=scale, bias=bias)
            for (n_in, n_out), scale in zip(steps, scales, strict=True)
        )
        return cls(layers, activation)

    def __call__(self, x: Float[Array, "*shape n_in"]) -> Float[Array, "*shape n_out"]:
        """All layers, one after another."""
        for layer in self.layers[:-1]:
            x = activate(self.activation, layer(x))
        return self.layers[-1](x)
