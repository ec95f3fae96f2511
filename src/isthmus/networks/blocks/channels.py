"""Sums over neighbours, a few channels at a time, so that nothing of all edges and channels lives.

Where a message keeps channels apart, blocks of channels can be summed one after another. What an
edge holds is computed again when the derivative is taken; memory for it is that of one block.
"""

from collections.abc import Callable
from typing import Any, Final

import jax
import jax.numpy as jnp
from jaxtyping import Array

from isthmus.networks.neighbourhood import Neighbourhood

__all__ = ["in_channel_blocks"]

NUMBERS: Final = 2**23
"""Channels of all edges that may live at once"""

NARROWEST: Final = 8


def in_channel_blocks(
    message: Callable[[Any], Any], given: Any, n_channels: int, around: Neighbourhood
) -> Any:
    """message(given), where each channel of the result needs only its own channel of what is given.

    Args:
        message: from and to a tree of arrays whose last axis is the channels.
        given: what it takes.
        n_channels: length of the last axes.
        around: says how many edges there are; the dense layout is done at once.
    """
    block = n_channels
    if around.rows is not None:
        most = min(n_channels, max(NARROWEST, NUMBERS // max(1, around.distances.size)))
        block = next(n for n in range(most, 0, -1) if n_channels % n == 0)
    if block == n_channels:
        return message(given)

    def split(x: Array) -> Array:
        return jnp.moveaxis(x.reshape(*x.shape[:-1], -1, block), -2, 0)

    def joined(x: Array) -> Array:
        return jnp.moveaxis(x, 0, -2).reshape(*x.shape[1:-1], n_channels)

    @jax.checkpoint
    def step(_: None, part: Any) -> tuple[None, Any]:
        return None, message(part)

    _, sums = jax.lax.scan(step, None, jax.tree.map(split, given))
    return jax.tree.map(joined, sums)
