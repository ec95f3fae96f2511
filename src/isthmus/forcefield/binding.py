"""From a parameterization to a potential: everything that does not depend on positions."""

import dataclasses

import jax
import numpy as np
from jaxtyping import ArrayLike

from isthmus.errors import InputError
from isthmus.forcefield.potential import Potential
from isthmus.geometry.box import check_box
from isthmus.geometry.neighbours import all_pairs
from isthmus.parameters.parameterization import Parameterization
from isthmus.terms.bound import BoundTerm, Evaluator, build_evaluator
from isthmus.terms.ewald_parameters import ewald_parameters, ljpme_parameters, pme_parameters
from isthmus.terms.nonbonded import PairGroup
from isthmus.terms.nonbonded_method import NonbondedMethod

__all__ = ["bind_parameterization"]

EXPLICIT_PAIRS = 600
"""Up to this many atoms the pairs of a group without cutoff are listed one by one, which is
fastest; beyond, they are summed row by row, so that memory stays linear in atoms."""


def bind_parameterization(
    parameterization: Parameterization,
    *,
    precision: str = "float32",
    box: ArrayLike | None = None,
) -> Potential:
    """Prepare a parameterization for evaluation.

    Args:
        parameterization: terms, clusters and values.
        precision: "float32" to simulate, "float64" to fit, compare and export.
        box: default cell vectors [nm]; None keeps those of the parameterization.

    Raises:
        InputError: unknown precision, a box that is not reduced, an Ewald method without one, or
            a box that networks would see and pairs not.
    """
    if precision not in ("float32", "float64"):
        raise InputError(f"unknown precision '{precision}': choose 'float32' or 'float64'")
    if box is not None:
        cell = np.asarray(box, dtype=np.float64)
        check_box(cell)
        parameterization = dataclasses.replace(parameterization, box=cell)
    groups = tuple(
        dataclasses.replace(group, method=_resolved(group.method, parameterization.box))
        for group in parameterization.pair_groups
    )
    blind = [group for group in groups if not group.periodic and group.terms]
    if parameterization.networks and parameterization.box is not None and blind:
        raise InputError(
            f"the networks of this force field see the box, and its pairs "
            f"({', '.join(t.term.name for t in blind[0].terms)}) would not: bind it with a cutoff "
            'method too, such as nonbonded=NonbondedMethod("pme", cutoff=0.9), or without a box'
        )
    # A network sees whatever box there is
    networks = tuple(
        dataclasses.replace(network, periodic=parameterization.box is not None)
        for network in parameterization.networks
    )
    parameterization = dataclasses.replace(parameterization, pair_groups=groups, networks=networks)
    explicit = [g for g in groups if _is_explicit(g, parameterization.n_atoms)]
    summed = tuple(g for g in groups if not _is_explicit(g, parameterization.n_atoms))
    with jax.enable_x64(precision == "float64"):
        return Potential(
            parameterization,
            _evaluators(parameterization, explicit, np.dtype(precision)),
            summed,
            precision,
        )


def _is_explicit(group: PairGroup, n_atoms: int) -> bool:
    return not group.needs_neighbours and n_atoms <= EXPLICIT_PAIRS


def _evaluators(
    parameterization: Parameterization, explicit: list[PairGroup], dtype: np.dtype
) -> tuple[Evaluator, ...]:
    terms = list(parameterization.terms)
    for group in explicit:
        pairs = all_pairs(parameterization.n_atoms, np.asarray(group.exclusions))
        terms += [BoundTerm(t.term, pairs, t.values, group.periodic, t.types) for t in group.terms]
    result = []
    for periodic in (False, True):
        chosen = [t for t in terms if t.periodic == periodic and t.n_clusters]
        names = {c.name for t in chosen for c, _ in t.term.coordinate_names.values()}
        coordinates = [c for c in parameterization.coordinates if c.coordinate.name in names]
        if chosen:
            result.append(
                build_evaluator(
                    chosen,
                    coordinates,
                    n_atoms=parameterization.n_atoms,
                    periodic=periodic,
                    dtype=dtype,
                )
            )
    return tuple(result)


def _resolved(method: NonbondedMethod, box: np.ndarray | None) -> NonbondedMethod:
    """The method with its Ewald parameters filled in."""
    if not method.is_ewald:
        return method
    if box is None:
        raise InputError(
            f"nonbonded method '{method.method}' sums over periodic images: give a box when "
            "binding, box=(3, 3) cell vectors in nm"
        )
    if method.alpha is None or method.grid is None:
        rule = ewald_parameters if method.method == "ewald" else pme_parameters
        alpha, grid = rule(box, cutoff=method.reach, tolerance=method.tolerance)
        method = dataclasses.replace(method, alpha=alpha, grid=grid)
    if method.method == "ljpme" and (
        method.dispersion_alpha is None or method.dispersion_grid is None
    ):
        alpha, grid = ljpme_parameters(box, cutoff=method.reach, tolerance=method.tolerance)
        method = dataclasses.replace(method, dispersion_alpha=alpha, dispersion_grid=grid)
    return method
