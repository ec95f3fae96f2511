"""Cutoff methods in OpenMM's words."""

from typing import Any, Final

import numpy as np

from isthmus.errors import UnsupportedForceError
from isthmus.terms.ewald_parameters import ewald_parameters
from isthmus.terms.nonbonded import PairGroup

__all__ = ["set_method"]

_EWALD: Final = {"ewald": "Ewald", "pme": "PME", "ljpme": "LJPME"}


def set_method(force: Any, group: PairGroup, box: np.ndarray | None) -> None:
    """Set method, cutoff, switch, reaction field and Ewald parameters of a nonbonded force.

    Args:
        force: a NonbondedForce, or a CustomNonbondedForce, whose terms are cut off where those
            of a NonbondedForce are summed.
        group: the pair group.
        box: cell vectors [nm], or None.

    Raises:
        UnsupportedForceError: OpenMM has no such method.
    """
    method, native = group.method, type(force).__name__ == "NonbondedForce"
    names = ", ".join(t.term.name for t in group.terms)
    if method.method == "none":
        if group.periodic:
            raise UnsupportedForceError(
                f"pair terms {names}: OpenMM has no nearest images without a cutoff; give a cutoff"
            )
        force.setNonbondedMethod(force.NoCutoff)
        return
    force.setCutoffDistance(method.cutoff)
    force.setUseSwitchingFunction(method.switch is not None)
    if method.switch is not None:
        force.setSwitchingDistance(method.switch)
    if not (native and method.is_ewald):
        cut = force.CutoffPeriodic if group.periodic else force.CutoffNonPeriodic
        force.setNonbondedMethod(cut)
        if native:
            force.setReactionFieldDielectric(method.dielectric)
        return
    force.setNonbondedMethod(getattr(force, _EWALD[method.method]))
    force.setEwaldErrorTolerance(method.tolerance)
    if method.method == "ewald":
        _check_ewald(group, box, names)
    elif method.alpha is not None and method.grid is not None:
        force.setPMEParameters(method.alpha, *method.grid)
    if method.dispersion_alpha is not None and method.dispersion_grid is not None:
        force.setLJPMEParameters(method.dispersion_alpha, *method.dispersion_grid)


def _check_ewald(group: PairGroup, box: np.ndarray | None, names: str) -> None:
    """OpenMM's plain Ewald sum takes its parameters from the tolerance alone."""
    method = group.method
    if method.alpha is None or method.grid is None or box is None or method.cutoff is None:
        return
    alpha, grid = ewald_parameters(box, cutoff=method.cutoff, tolerance=method.tolerance)
    if not np.isclose(alpha, method.alpha, rtol=1e-6) or tuple(grid) != tuple(method.grid):
        raise UnsupportedForceError(
            f"pair terms {names}: OpenMM's Ewald sum takes alpha and wave vectors from the "
            "tolerance; leave alpha and grid out, or use the method 'pme'"
        )
