"""Neighbour lists of a run: kept while they hold, of a size that rarely changes."""

from collections.abc import Callable
from typing import Any, Final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from isthmus.geometry.neighbours import NeighbourList, places_back
from isthmus.simulate.surface import Neighbours

__all__ = ["padded", "widths"]

_ROOM: Final = 1.1
"""A list that has outgrown its width gets this many times what it needs"""


def widths(neighbours: Neighbours) -> tuple[int, ...]:
    """Columns of each list."""
    return tuple(one.width for one in _lists(neighbours))


def padded(neighbours: Neighbours, room: tuple[int, ...]) -> Neighbours:
    """The same lists with so many columns each as before: equal shapes compile nothing new.

    Args:
        neighbours: of a surface.
        room: columns that the lists before had; empty for none before.
    """
    wanted = iter(room or (0,) * len(_lists(neighbours)))

    def enlarge(one: Any) -> Any:
        if not isinstance(one, NeighbourList):
            return one
        width, rows = next(wanted), np.asarray(one.rows)
        itself = np.arange(len(rows), dtype=rows.dtype)[:, None]
        most = int((rows != itself).sum(axis=1).max(initial=0))
        if most > width or not width:
            width = max(int(most * _ROOM), one.width)
        # Padding stands anywhere where pairs were excluded, so neighbours move to the front
        if width < one.width:
            rows = np.take_along_axis(rows, np.argsort(rows == itself, axis=1, kind="stable"), 1)
        whole = np.repeat(itself, width, axis=1)
        kept = min(width, one.width)
        whole[:, :kept] = rows[:, :kept]
        made = eqx.tree_at(lambda made: made.rows, one, jnp.asarray(whole))
        if one.back is None:
            return made
        return eqx.tree_at(lambda made: made.back, made, jnp.asarray(places_back(whole)))

    return _mapped(enlarge, neighbours)


def _mapped(function: Callable[[Any], Any], neighbours: Neighbours) -> Neighbours:
    return jax.tree.map(function, neighbours, is_leaf=_is_list)


def _lists(neighbours: Neighbours) -> list[NeighbourList]:
    return [one for one in jax.tree.leaves(neighbours, is_leaf=_is_list) if _is_list(one)]


def _is_list(one: Any) -> bool:
    return isinstance(one, NeighbourList)
