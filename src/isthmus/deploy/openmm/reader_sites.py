"""Reader of virtual sites."""

from collections import defaultdict
from typing import Any

import numpy as np

from isthmus.deploy.openmm.reader_registry import number
from isthmus.errors import UnsupportedForceError
from isthmus.terms.virtual_sites import LinearSites, LocalFrameSites, OutOfPlaneSites, VirtualSites

__all__ = ["read_virtual_sites"]


def read_virtual_sites(system: Any) -> VirtualSites | None:
    """All virtual sites of an OpenMM System, in an order in which they can be placed.

    Raises:
        UnsupportedForceError: a kind of site that is not known here.
    """
    found = {
        n: system.getVirtualSite(n)
        for n in range(system.getNumParticles())
        if system.isVirtualSite(n)
    }
    if not found:
        return None
    parents = {
        n: [site.getParticle(a) for a in range(site.getNumParticles())] for n, site in found.items()
    }
    batches: dict[tuple[int, str, int], list[int]] = defaultdict(list)
    levels = _levels(parents)
    for n, site in found.items():
        kind = type(site).__name__
        if kind not in _GROUPS:
            raise UnsupportedForceError(
                f"particle {n} of the System is a virtual site of another kind, for example a "
                f"SymmetrySite; those that can be imported are {', '.join(_GROUPS)}"
            )
        width = len(parents[n]) if kind == "LocalCoordinatesSite" else 0
        batches[levels[n], kind, width].append(n)
    groups = []
    for level, kind, width in sorted(batches):
        sites = batches[level, kind, width]
        groups.append(_GROUPS[kind](sites, [found[n] for n in sites], [parents[n] for n in sites]))
    return VirtualSites(tuple(groups))


def _levels(parents: dict[int, list[int]]) -> dict[int, int]:
    """How many sites stand between a site and real particles: sites may hang on other sites."""
    levels: dict[int, int] = {}
    waiting = dict(parents)
    while waiting:
        ready = [n for n, mine in waiting.items() if not any(p in waiting for p in mine)]
        if not ready:
            raise UnsupportedForceError(
                f"virtual sites {sorted(waiting)[:5]} depend on each other in a circle: "
                "correct the System"
            )
        for n in ready:
            levels[n] = 1 + max((levels.get(p, 0) for p in parents[n]), default=0)
        for n in ready:
            del waiting[n]
    return levels


def _linear(sites: list[int], found: list[Any], parents: list[list[int]]) -> LinearSites:
    padded = [(mine + mine[:1])[:3] for mine in parents]
    weights = [[site.getWeight(a) for a in range(site.getNumParticles())] + [0.0] for site in found]
    return LinearSites(
        np.array(sites, dtype=np.int32),
        np.array(padded, dtype=np.int32),
        np.array([row[:3] for row in weights]),
    )


def _out_of_plane(sites: list[int], found: list[Any], parents: list[list[int]]) -> OutOfPlaneSites:
    weights = [[s.getWeight12(), s.getWeight13(), s.getWeightCross()] for s in found]
    return OutOfPlaneSites(
        np.array(sites, dtype=np.int32), np.array(parents, dtype=np.int32), np.array(weights)
    )


def _local(sites: list[int], found: list[Any], parents: list[list[int]]) -> LocalFrameSites:
    local = [[number(x) for x in site.getLocalPosition()] for site in found]
    return LocalFrameSites(
        np.array(sites, dtype=np.int32),
        np.array(parents, dtype=np.int32),
        np.array([site.getOriginWeights() for site in found]),
        np.array([site.getXWeights() for site in found]),
        np.array([site.getYWeights() for site in found]),
        np.array(local),
    )


_GROUPS = {
    "TwoParticleAverageSite": _linear,
    "ThreeParticleAverageSite": _linear,
    "OutOfPlaneSite": _out_of_plane,
    "LocalCoordinatesSite": _local,
}
