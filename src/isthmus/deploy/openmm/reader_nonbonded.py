"""Reader of NonbondedForce: Lennard-Jones, Coulomb, exceptions, long-range correction."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from isthmus.deploy.openmm import native
from isthmus.deploy.openmm.reader_registry import ForceToRead, Reading, number, numbers, reads
from isthmus.terms.bound import BoundTerm
from isthmus.terms.dispersion import DispersionCorrection, count_types, lennard_jones_tail
from isthmus.terms.nonbonded import PairGroup, PairTerm, excluded_table
from isthmus.terms.nonbonded_method import NonbondedMethod

__all__ = ["method_of", "read_nonbonded"]

_METHODS = {
    "NoCutoff": "none",
    "CutoffNonPeriodic": "cutoff",
    "CutoffPeriodic": "cutoff",
    "Ewald": "ewald",
    "PME": "pme",
    "LJPME": "ljpme",
}


@reads("NonbondedForce")
def read_nonbonded(item: ForceToRead) -> Reading:
    """Terms "lennard-jones", "coulomb", "exceptions" and "dispersion correction" of one force.

    A part whose parameters are all zero is left out.
    """
    force = item.force
    if not force.getIncludeDirectSpace():
        raise item.unsupported(
            "it leaves out the direct space of the Ewald sum",
            "call setIncludeDirectSpace(True), the setting of every complete force field",
        )
    particles = _particles(force)
    atoms_idx, exceptions = _exceptions(force)
    method, periodic = method_of(item)
    charge, sigma, epsilon = particles.T
    pair_terms = []
    if epsilon.any():
        term = native.lennard_jones(item.part("lennard-jones"))
        pair_terms.append(PairTerm(term, {"sigma": sigma, "epsilon": epsilon}))
    if charge.any():
        pair_terms.append(PairTerm(native.coulomb(item.part("coulomb")), {"charge": charge}))
    groups = ()
    if pair_terms:
        exclusions = np.sort(atoms_idx, axis=1)
        table = excluded_table(exclusions, item.n_atoms)
        images = force.getExceptionsUsePeriodicBoundaryConditions()
        groups = (PairGroup(tuple(pair_terms), exclusions, table, method, periodic, images),)
    return Reading(
        _exception_terms(item, atoms_idx, exceptions),
        groups,
        _correction(item, method, periodic, sigma, epsilon),
        _offset_notes(item),
    )


def method_of(item: ForceToRead) -> tuple[NonbondedMethod, bool]:
    """Cutoff method of a NonbondedForce or CustomNonbondedForce, and whether it is periodic."""
    force = item.force
    name = next(n for n in _METHODS if getattr(force, n, None) == force.getNonbondedMethod())
    method = _METHODS[name]
    if method == "none":
        return NonbondedMethod(), False
    cutoff = number(force.getCutoffDistance())
    switch = number(force.getSwitchingDistance()) if force.getUseSwitchingFunction() else None
    periodic = name != "CutoffNonPeriodic"
    if type(force).__name__ != "NonbondedForce":
        return NonbondedMethod(method, cutoff, switch), periodic
    alpha, *grid = force.getPMEParameters() if method in ("pme", "ljpme") else (0.0, 0, 0, 0)
    lj_alpha, *lj_grid = force.getLJPMEParameters() if method == "ljpme" else (0.0, 0, 0, 0)
    resolved = NonbondedMethod(
        method,
        cutoff,
        switch,
        dielectric=force.getReactionFieldDielectric(),
        tolerance=force.getEwaldErrorTolerance(),
        alpha=number(alpha) or None,
        grid=(grid[0], grid[1], grid[2]) if number(alpha) else None,
        dispersion_alpha=number(lj_alpha) or None,
        dispersion_grid=(lj_grid[0], lj_grid[1], lj_grid[2]) if number(lj_alpha) else None,
    )
    return resolved, periodic


def _defaults(force: Any) -> dict[str, float]:
    """Default values of the global parameters."""
    return {
        force.getGlobalParameterName(n): force.getGlobalParameterDefaultValue(n)
        for n in range(force.getNumGlobalParameters())
    }


def _particles(force: Any) -> Float[np.ndarray, "atoms 3"]:
    """Charge, sigma, epsilon of each particle, offsets included."""
    n_particles = force.getNumParticles()
    table = numbers([force.getParticleParameters(n) for n in range(n_particles)], 3)
    defaults = _defaults(force)
    for n in range(force.getNumParticleParameterOffsets()):
        name, particle, *scales = force.getParticleParameterOffset(n)
        table[particle] += defaults[name] * np.array(scales)
    return table


def _exceptions(
    force: Any,
) -> tuple[Int[np.ndarray, "exceptions 2"], Float[np.ndarray, "exceptions 3"]]:
    """Atoms and chargeprod, sigma, epsilon of each exception, offsets included."""
    rows = [force.getExceptionParameters(n) for n in range(force.getNumExceptions())]
    atoms_idx = np.array([row[:2] for row in rows], dtype=np.int32).reshape(len(rows), 2)
    table = numbers([row[2:] for row in rows], 3)
    defaults = _defaults(force)
    for n in range(force.getNumExceptionParameterOffsets()):
        name, exception, *scales = force.getExceptionParameterOffset(n)
        table[exception] += defaults[name] * np.array(scales)
    return atoms_idx, table


def _exception_terms(
    item: ForceToRead,
    atoms_idx: Int[np.ndarray, "exceptions 2"],
    table: Float[np.ndarray, "exceptions 3"],
) -> tuple[BoundTerm, ...]:
    """Exceptions that are more than exclusions."""
    active = (table[:, 0] != 0) | (table[:, 2] != 0)
    if not active.any():
        return ()
    names = ("chargeprod", "sigma", "epsilon")
    values = {name: table[active, column] for column, name in enumerate(names)}
    periodic = (
        item.force.getExceptionsUsePeriodicBoundaryConditions()
        and item.force.usesPeriodicBoundaryConditions()
    )
    term = native.exception(item.part("exceptions"))
    return (BoundTerm(term, atoms_idx[active], values, periodic),)


def _correction(
    item: ForceToRead,
    method: NonbondedMethod,
    periodic: bool,
    sigma: Float[np.ndarray, " atoms"],
    epsilon: Float[np.ndarray, " atoms"],
) -> tuple[DispersionCorrection, ...]:
    """The long-range correction, where OpenMM applies one."""
    wanted = item.force.getUseDispersionCorrection() and periodic and method.method != "ljpme"
    if not wanted or not epsilon.any():
        return ()
    rows, counts = count_types(np.stack([sigma, epsilon], axis=1))
    assert method.cutoff is not None
    with jax.enable_x64(True):
        coefficient = lennard_jones_tail(
            jnp.asarray(sigma[rows]),
            jnp.asarray(epsilon[rows]),
            counts,
            cutoff=method.cutoff,
            switch_distance=method.switch,
        )
        name, term = item.part("dispersion correction"), item.part("lennard-jones")
        return (DispersionCorrection(name, term, np.asarray(coefficient)),)


def _offset_notes(item: ForceToRead) -> tuple[str, ...]:
    force = item.force
    if not force.getNumParticleParameterOffsets() + force.getNumExceptionParameterOffsets():
        return ()
    values = ", ".join(f"{name} = {value:g}" for name, value in _defaults(force).items())
    return (f"{item.label}: parameter offsets were added for the defaults {values}",)
