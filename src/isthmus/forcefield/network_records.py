"""Networks over atoms and their neighbours as plain data.

A file holds their weights as a list of arrays; what they are the weights of, the design says. So
loading makes the network that the design asks for and fills it, if every shape fits.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from isthmus.designs.design import Design
from isthmus.errors import InputError
from isthmus.networks.declaration import NetworkTerm
from isthmus.networks.trained import TrainedNetwork

__all__ = ["decode_networks", "encode_networks"]

_KEYS = {"name", "elements", "weights"}
_HEAVIEST = 118


def encode_networks(
    networks: Sequence[TrainedNetwork], tensors: dict[str, np.ndarray]
) -> list[dict[str, Any]]:
    """Plain data that stand for networks; their weights are added to `tensors`."""
    found = []
    for one in networks:
        leaves = jax.tree.leaves(one)
        names = [f"network.{one.term.name}.{n}" for n in range(len(leaves))]
        tensors |= {
            name: np.array(leaf, order="C") for name, leaf in zip(names, leaves, strict=True)
        }
        found.append({"name": one.term.name, "elements": list(one.elements), "weights": names})
    return found


def decode_networks(
    design: Design, data: Any, tensors: Mapping[str, np.ndarray]
) -> tuple[TrainedNetwork, ...]:
    """The networks of a design with the weights of a file.

    Raises:
        InputError: data that `encode_networks` does not write for this design.
    """
    if not isinstance(data, list) or len(data) != len(design.networks):
        raise InputError(f"weights of {len(design.networks)} networks were wanted")
    return tuple(
        _filled(term, entry, tensors) for term, entry in zip(design.networks, data, strict=True)
    )


def _filled(term: NetworkTerm, entry: Any, tensors: Mapping[str, np.ndarray]) -> TrainedNetwork:
    if not isinstance(entry, dict) or entry.keys() != _KEYS or entry["name"] != term.name:
        raise InputError(f"the weights of {term.where} were wanted")
    elements = entry["elements"]
    if (
        not isinstance(elements, list)
        or not elements
        or not all(type(z) is int and 0 < z <= _HEAVIEST for z in elements)
    ):
        raise InputError(f"{term.where}: atomic numbers of its elements were wanted")
    empty = TrainedNetwork.create(term, tuple(elements))
    leaves, tree = jax.tree.flatten(empty)
    names = entry["weights"]
    if not isinstance(names, list) or len(names) != len(leaves):
        raise InputError(f"{term.where}: {len(leaves)} arrays of weights were wanted")
    filled = []
    for name, leaf in zip(names, leaves, strict=True):
        found = tensors.get(name) if isinstance(name, str) else None
        if found is None or found.shape != np.shape(leaf) or found.dtype != np.float32:
            raise InputError(
                f"{term.where}: an array of weights with shape {np.shape(leaf)} was wanted; this "
                "version of Isthmus may have another network of that name: train it again"
            )
        if not np.isfinite(found).all():
            raise InputError(f"{term.where}: its weights are not all finite: train it again")
        filled.append(found)
    return jax.tree.unflatten(tree, filled)
