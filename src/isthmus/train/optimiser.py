"""Optimisers: Muon for the inner matrices of a network, Adam for the rest or for all.

K. Jordan et al., Muon (2024); D. P. Kingma and J. Ba, arXiv 1412.6980. A learning rate belongs to
a step, not to the optimiser: it comes as an argument, from the progress of the run.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from isthmus.parameters.source import NoParameters
from isthmus.train.trainable import Trainable

__all__ = ["Packing", "clip_by_habit", "learning_rate", "make_optimiser"]

Packed = dict[str, Array]

_REST = "rest"

_NARROW = 16
"""Rows or columns: matrices with fewer hold embeddings, radial bases and outputs"""

_MEMORY = 0.98
"""Of the usual length of a gradient, by step"""


class _Habit(NamedTuple):
    usual: Float[Array, ""]
    n_steps: Float[Array, ""]


class Packing:
    """Weights as few arrays: matrices of one shape in a stack, all else in one vector.

    An optimiser treats a stack at once, which compiles and runs faster than leaf by leaf.
    Matrices on features of atoms and bonds, the last layers of heads, which turn hidden units
    into parameters, and narrow ones count as vectors.
    """

    def __init__(self, weights: Trainable):
        leaves, self._tree = jax.tree.flatten(weights)
        self._shapes = [np.shape(leaf) for leaf in leaves]
        ends = {id(leaf) for leaf in _ends(weights)}
        self._groups = [
            _REST if np.ndim(leaf) < 2 or id(leaf) in ends else " x ".join(map(str, shape[-2:]))
            for leaf, shape in zip(leaves, self._shapes, strict=True)
        ]

    def pack(self, source: Trainable) -> Packed:
        """Arrays by group."""
        parts: dict[str, list[Array]] = {}
        for leaf, group in zip(jax.tree.leaves(source), self._groups, strict=True):
            shape = (-1,) if group == _REST else (-1, *leaf.shape[-2:])
            parts.setdefault(group, []).append(jnp.reshape(leaf, shape))
        return {group: jnp.concatenate(found) for group, found in parts.items()}

    def unpack(self, packed: Packed) -> Trainable:
        """The weights again."""
        places = dict.fromkeys(packed, 0)
        leaves = []
        for shape, group in zip(self._shapes, self._groups, strict=True):
            n_rows = int(np.prod(shape if group == _REST else shape[:-2]))
            start = places[group]
            leaves.append(jnp.reshape(packed[group][start : start + n_rows], shape))
            places[group] += n_rows
        return jax.tree.unflatten(self._tree, leaves)


def _ends(weights: Trainable) -> Iterator[Array | np.ndarray]:
    """Matrices where a network begins and ends."""
    for leaf in jax.tree.leaves(weights.networks):
        if np.ndim(leaf) > 1 and min(leaf.shape[-2:]) < _NARROW:
            yield leaf
    source = weights.source
    if isinstance(source, NoParameters):
        return
    yield source.network.embedding.layers[0].weight
    for layer in source.network.layers:
        yield layer.bond.weight
    for head in source.heads.values():
        yield head.bonds
        yield head.rest.layers[-1].weight
    for head in source.atom_heads.values():
        yield head.layers[-1].weight


def make_optimiser(name: str, *, clip: float) -> optax.GradientTransformation:
    """Updates of packed weights for a learning rate of 1; multiply them by that of the step.

    Args:
        name: "muon" or "adam".
        clip: see `clip_by_habit`.
    """
    if name == "adam":
        return optax.chain(clip_by_habit(clip), optax.adam(1.0))

    def matrices(packed: Mapping[str, Any]) -> dict[str, optax.contrib.MuonDimensionNumbers | None]:
        numbers = optax.contrib.MuonDimensionNumbers(reduction_axis=1, output_axis=2)
        return {group: None if group == _REST else numbers for group in packed}

    muon = optax.contrib.muon(
        1.0,
        muon_weight_dimension_numbers=matrices,  # pyright: ignore[reportArgumentType]
    )
    return optax.chain(clip_by_habit(clip), muon)


def clip_by_habit(factor: float) -> optax.GradientTransformation:
    """Shorten gradients that are `factor` times as long as is usual in the run.

    One strained frame may have forces a hundred times as large as all others; it should not throw
    the weights away. What is usual is a running geometric mean of the lengths. A gradient that is
    not finite becomes 0.
    """

    def start(params: optax.Params) -> _Habit:
        del params
        return _Habit(jnp.zeros(()), jnp.zeros(()))

    def update(
        updates: optax.Updates, state: optax.OptState, params: optax.Params | None = None
    ) -> tuple[optax.Updates, _Habit]:
        del params
        assert isinstance(state, _Habit)
        length = jnp.sqrt(sum(jnp.sum(jnp.square(g)) for g in jax.tree.leaves(updates)))
        finite = jnp.isfinite(length) & (length > 0)
        first = state.n_steps == 0
        log = jnp.log(jnp.where(finite, length, 1.0))
        limit = jnp.where(first, log, state.usual + math.log(factor))
        shrink = jnp.where(finite, jnp.exp(jnp.minimum(limit - log, 0.0)), 0.0)
        seen = jnp.minimum(log, limit)
        weight = jnp.where(first, 1.0, jnp.maximum(1 - _MEMORY, 1 / (state.n_steps + 1)))
        usual = jnp.where(finite, state.usual + weight * (seen - state.usual), state.usual)
        shortened = jax.tree.map(lambda g: jnp.where(finite, g, 0.0) * shrink, updates)
        return shortened, _Habit(usual, state.n_steps + jnp.where(finite, 1.0, 0.0))

    return optax.GradientTransformation(start, update)


def learning_rate(progress: float, *, highest: float, warmup: float) -> float:
    """A linear rise from a tenth over `warmup`, then half a cosine to 0.

    Args:
        progress: of the run, from 0 to 1.
        highest: learning rate at the end of the rise.
        warmup: part of the run.
    """
    if progress < warmup:
        return highest * (0.1 + 0.9 * progress / warmup)
    rest = min((progress - warmup) / (1 - warmup), 1.0)
    return highest * 0.5 * (1 + math.cos(math.pi * rest))
