"""Which parameters of a molecule are equal because the molecule looks the same from there.

Nuclei of one element are alike, so a permutation of them that maps bonds to bonds leaves the true
energy surface as it is. Two parameters are put into one class where colour refinement (Weisfeiler
and Leman) of the graph, with the atoms of the cluster marked by their places, cannot tell them
apart. Neither bond orders nor formal charges are looked at: they depend on the resonance form.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, UInt64

from isthmus.chemistry.topology import Topology
from isthmus.parameters.graph.symmetry import Image, symmetry_images
from isthmus.terms.kinds import ClusterKind
from isthmus.terms.parameter import Parameter

__all__ = ["Classes", "atom_classes", "cluster_classes"]

_CHUNK = 4096
_ROUNDS = 20
"""Bonds to look out from each atom; the marks of a cluster are seen from as far"""


@dataclass(frozen=True)
class Classes:
    """Classes of the values of one parameter.

    Attributes:
        of: class of each value; any integers.
        sign: 1 or -1, by which a value follows its class; 0 where symmetry makes it vanish.
    """

    of: Int[np.ndarray, " values"]
    sign: Float[np.ndarray, " values"]


def atom_classes(topology: Topology) -> Int[np.ndarray, " atoms"]:
    """Equal numbers for atoms that the graph cannot tell apart."""
    marks = np.zeros((1, topology.n_atoms), dtype=np.uint64)
    _, classes = np.unique(_refined(topology, marks)[0], return_inverse=True)
    return classes.astype(np.int64)


def cluster_classes(
    topology: Topology,
    kind: ClusterKind,
    parameters: Sequence[Parameter],
    clusters: Int[np.ndarray, "clusters size"],
    *,
    where: str,
) -> tuple[Classes, ...]:
    """Classes of each parameter of a term or coordinate, one value a cluster.

    Raises:
        DesignError: parameters that trade places are declared differently.
    """
    images = symmetry_images(kind, {where: parameters})
    seen = np.stack([_signatures(topology, clusters, image) for image in images])
    labels = np.unique(seen, return_inverse=True)[1].reshape(seen.shape).astype(np.int64)
    return tuple(_classes(labels, images, p) for p in range(len(parameters)))


def _classes(
    labels: Int[np.ndarray, "images clusters"], images: Sequence[Image], p: int
) -> Classes:
    """The smallest (label, parameter) over all images of a cluster names the class."""
    columns = np.array([int(np.flatnonzero(i.representation[:, p])[0]) for i in images])
    signs = np.array([i.representation[c, p] for i, c in zip(images, columns, strict=True)])
    keys = labels * images[0].representation.shape[0] + columns[:, None]
    best = keys.min(axis=0)
    found = np.where(keys == best, signs[:, None], np.nan)
    low, high = np.nanmin(found, axis=0), np.nanmax(found, axis=0)
    return Classes(best, np.where(low == high, low, 0.0))


def _signatures(
    topology: Topology, clusters: Int[np.ndarray, "clusters size"], image: Image
) -> UInt64[np.ndarray, " clusters"]:
    """What the molecule looks like from each cluster, its atoms in the order of an image."""
    parts = [np.zeros(0, dtype=np.uint64)]
    ordered = clusters[:, list(image.atoms)]
    for start in range(0, len(ordered), _CHUNK):
        chunk = ordered[start : start + _CHUNK]
        marks = np.zeros((len(chunk), topology.n_atoms), dtype=np.uint64)
        for place in range(chunk.shape[1]):
            marks[np.arange(len(chunk)), chunk[:, place]] = place + 1
        parts.append(_mixed(_refined(topology, marks)).sum(axis=1, dtype=np.uint64))
    return np.concatenate(parts)


def _refined(
    topology: Topology, marks: UInt64[np.ndarray, "cases atoms"]
) -> UInt64[np.ndarray, "cases atoms"]:
    """Colours after as many rounds of refinement as can matter in a molecule."""
    colours = _mixed(marks * np.uint64(1 << 32) + topology.atomic_numbers.astype(np.uint64))
    sources = np.concatenate([topology.bonds[:, 0], topology.bonds[:, 1]])
    targets = np.concatenate([topology.bonds[:, 1], topology.bonds[:, 0]])
    order = np.argsort(targets, kind="stable")
    bonded, starts = np.unique(targets[order], return_index=True)
    for _ in range(min(topology.n_atoms, _ROUNDS) if len(order) else 0):
        around = np.zeros_like(colours)
        around[:, bonded] = np.add.reduceat(colours[:, sources[order]], starts, axis=1)
        colours = _mixed(_mixed(colours) + np.uint64(3) * around)
    return colours


def _mixed(x: UInt64[np.ndarray, "..."]) -> UInt64[np.ndarray, "..."]:
    """A one-to-one scrambling of 64-bit numbers (the finaliser of SplitMix64)."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
