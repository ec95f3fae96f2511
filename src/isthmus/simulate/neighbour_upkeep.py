"""Neighbour lists of a run: kept while they hold, of a size that rarely changes."""

from collections.abc import Callable
from typing import Any, Final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from isthmus.geometry.neighbours import NeighbourList
from isthmus.simulate.surface import Neighbours

__all__ = ["capacities", "padded"]

_ROOM: Final = 1.1
"""A list that has outgrown its room gets this many times what it needs"""


def capacities(neighbours: Neighbours) -> tuple[int, ...]:
    """Rows of each list."""
    return tuple(one.capacity for one in _lists(neighbours))


def padded(neighbours: Neighbours, room: tuple[int, ...]) -> Neighbours:
    """The same lists with at least so many rows each: equal shapes compile nothing new.

    Args:
        neighbours: of a surface.
        room: rows that the lists before had; empty for none before.
    """
    wanted = iter(room or (0,) * len(_lists(neighbours)))

    def enlarge(one: Any) -> Any:
        if not isinstance(one, NeighbourList):
            return one
        rows = next(wanted)
        n_pairs = int(one.n_pairs)
        if n_pairs > rows or not rows:
            rows = max(int(n_pairs * _ROOM), one.capacity)
        pairs = np.asarray(one.pairs)
        last = len(one.positions) - 1
        # Rows beyond the pairs are padding, which may be cut as well as lengthened
        whole = np.full((rows, 2), last, dtype=pairs.dtype)
        whole[:n_pairs] = pairs[:n_pairs]
        return eqx.tree_at(lambda made: made.pairs, one, jnp.asarray(whole))

    return _mapped(enlarge, neighbours)


def _mapped(function: Callable[[Any], Any], neighbours: Neighbours) -> Neighbours:
    return jax.tree.map(function, neighbours, is_leaf=_is_list)


def _lists(neighbours: Neighbours) -> list[NeighbourList]:
    return [one for one in jax.tree.leaves(neighbours, is_leaf=_is_list) if _is_list(one)]


def _is_list(one: Any) -> bool:
    return isinstance(one, NeighbourList)
