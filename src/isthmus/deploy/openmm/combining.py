"""One molecule ours, the rest as it was: our terms in somebody's solvated System.

- Within the molecule our formulas act, on all pairs and without a cutoff: bonded forces, and an
  exception of the System's NonbondedForce for every pair.
- Between molecule and environment the System's NonbondedForce acts, with its cutoff and Ewald
  sums and with our charges, sigma and epsilon, or its own (`interaction`).
- Within the environment nothing changes.

An exception is a plain a/r + b/r⁶ + c/r¹² without cutoff; Ewald sums take their share of the pair
out again. So no pair counts twice, and the molecule alone has the energy of our potential.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from jaxtyping import ArrayLike, Int

from isthmus.chemistry.elements import elements_of_masses
from isthmus.deploy.openmm.exporting import bonded_forces
from isthmus.deploy.openmm.reader_registry import number
from isthmus.deploy.openmm.writer_cut import cut_molecule
from isthmus.deploy.openmm.writer_nonbonded import exception_parameters, native_pairs, pair_rows
from isthmus.deploy.openmm.writer_parts import Part, part_of
from isthmus.deploy.openmm.writer_special import virtual_sites
from isthmus.errors import InputError, UnsupportedForceError
from isthmus.forcefield.potential import Potential
from isthmus.geometry.neighbours import all_pairs
from isthmus.parameters.parameterization import Parameterization
from isthmus.terms.bound import BoundTerm

if TYPE_CHECKING:
    import openmm

__all__ = ["INTERACTIONS", "combine"]

INTERACTIONS: Final = ("ours", "charges", "system")
"""Whose numbers act between molecule and environment: all ours; our charges with the System's
sigma and epsilon; all the System's."""

_MASS_TOLERANCE: Final = 0.1


def combine(
    system: "openmm.System",
    source: Potential | Parameterization,
    atom_idx: ArrayLike,
    *,
    interaction: str = "ours",
    keep_constraints: bool = False,
    readable: bool = False,
    inner: bool = True,
) -> "openmm.System":
    """A copy of a System in which one molecule has our terms.

    Args:
        system: the whole, with a NonbondedForce.
        source: the molecule's potential, bound without a cutoff.
        atom_idx: (atoms,) particle of the System for each atom of the potential, in its order.
        interaction: one of `INTERACTIONS`. Formulas other than 12-6 and Coulomb cannot act
            between molecule and environment, so they need "charges" or "system".
        keep_constraints: keep the System's constraints within the molecule; without, its bonds
            vibrate, and hydrogens want time steps of 1 fs or less.
        readable: as for `to_openmm`.
        inner: write the energy within the molecule as forces; without, the molecule only meets
            its environment, and the caller adds what acts inside (a PythonForce).

    Raises:
        InputError: atoms that are no whole molecule, or not that of the potential.
        UnsupportedForceError: a force of the System or a term of ours that cannot be combined.
    """
    item = source.parameterization if isinstance(source, Potential) else source
    atoms = _checked_atoms(system, item, atom_idx)
    if interaction not in INTERACTIONS:
        raise InputError(
            f"unknown interaction '{interaction}': choose one of {', '.join(INTERACTIONS)}"
        )
    _check_potential(item)
    result = cut_molecule(system, atoms, keep_constraints=keep_constraints)
    _set_sites(result, item, atoms)
    nonbonded = _nonbonded(result)
    _set_interaction(result, nonbonded, item, atoms, interaction)
    terms = [term for term in _all_terms(item) if term.n_clusters] if inner else []
    parts = [part_of(term, item.coordinates) for term in terms]
    rest = _set_exceptions(nonbonded, parts, atoms)
    moved = [part.placed(atoms) for part in rest]
    for force in bonded_forces(moved, readable=readable):
        result.addForce(force)
    if item.constraints is not None:
        pairs = atoms[item.constraints.pairs].tolist()
        for (i, j), distance in zip(pairs, item.constraints.distances.tolist(), strict=True):
            result.addConstraint(i, j, distance)
    return result


def _checked_atoms(
    system: "openmm.System", item: Parameterization, atom_idx: ArrayLike
) -> Int[np.ndarray, " atoms"]:
    atoms = np.asarray(atom_idx)
    if atoms.shape != (item.n_atoms,) or not np.issubdtype(atoms.dtype, np.integer):
        raise InputError(
            f"atom_idx has the shape {atoms.shape}; wanted is one particle number for each of the "
            f"{item.n_atoms} atoms of the potential"
        )
    n_particles = system.getNumParticles()
    if len(set(atoms.tolist())) < len(atoms) or np.any((atoms < 0) | (atoms >= n_particles)):
        raise InputError(
            f"atom_idx must name different particles from 0 to {n_particles - 1}, each once"
        )
    masses = np.array([number(system.getParticleMass(int(a))) for a in atoms])
    theirs, ours = float(masses.sum()), float(np.sum(item.masses))
    if abs(theirs - ours) > _MASS_TOLERANCE:
        raise InputError(
            f"the particles in atom_idx weigh {theirs:.2f} Da, the molecule of the potential "
            f"{ours:.2f} Da: they are different molecules"
        )
    found, wanted = elements_of_masses(masses), elements_of_masses(item.masses)
    if found is not None and wanted is not None and np.any(found != wanted):
        atom = int(np.argmax(found != wanted))
        raise InputError(
            f"atom_idx has another order than the atoms of the potential: particle {atoms[atom]} "
            f"weighs {masses[atom]:.2f} Da, atom {atom} of the potential {item.masses[atom]:.2f} Da"
        )
    return atoms.astype(np.int64)


def _check_potential(item: Parameterization) -> None:
    for group in item.pair_groups:
        if group.method.method != "none":
            raise InputError(
                f"the potential has the cutoff method '{group.method.method}': bind it without "
                "one, since cutoffs are the System's"
            )
        if any(p.per == "type_pair" for t in group.terms for p in t.term.parameters):
            raise UnsupportedForceError(
                "pair terms with tables over atom types cannot be combined with a System"
            )
    for special in item.specials:
        raise UnsupportedForceError(
            f"term '{special.name}' acts on whole systems; leave it out of the molecule's potential"
        )
    for network in item.networks:
        raise UnsupportedForceError(
            f"'{network.name}' is a network over atoms and their neighbours, which no force of "
            "OpenMM is: leave it out of the molecule's potential"
        )


def _all_terms(item: Parameterization) -> list[BoundTerm]:
    """Terms over clusters, and the pair terms with all their pairs listed."""
    terms = list(item.terms)
    for group in item.pair_groups:
        pairs = all_pairs(item.n_atoms, np.asarray(group.exclusions))
        terms += [BoundTerm(t.term, pairs, t.values) for t in group.terms]
    return terms


def _set_sites(
    system: "openmm.System", item: Parameterization, atoms: Int[np.ndarray, " atoms"]
) -> None:
    ours = {site for site, _ in virtual_sites(item, atoms)}
    for particle in atoms.tolist():
        if system.isVirtualSite(particle) and particle not in ours:
            raise InputError(
                f"particle {particle} is a virtual site in the System, but an atom in the "
                "potential: give a potential with the same sites"
            )
    for site, definition in virtual_sites(item, atoms):
        system.setParticleMass(site, 0.0)
        system.setVirtualSite(site, definition)


def _nonbonded(system: "openmm.System") -> "openmm.NonbondedForce":
    import openmm

    found = [f for f in system.getForces() if isinstance(f, openmm.NonbondedForce)]
    if len(found) != 1:
        raise UnsupportedForceError(
            f"the System has {len(found)} NonbondedForces; combine wants one, through which the "
            "molecule meets its environment"
        )
    return found[0]


def _set_interaction(
    system: "openmm.System",
    nonbonded: "openmm.NonbondedForce",
    item: Parameterization,
    atoms: Int[np.ndarray, " atoms"],
    interaction: str,
) -> None:
    """Give the particles of the molecule the numbers by which the environment sees them."""
    import openmm

    if interaction == "system":
        return
    others = [f for f in system.getForces() if isinstance(f, openmm.CustomNonbondedForce)]
    if others and interaction == "ours":
        raise UnsupportedForceError(
            f"the System's '{others[0].getName()}' acts between molecule and environment with "
            "parameters of its own: choose interaction='charges' or 'system' to keep them"
        )
    native = [native_pairs(group, ()) for group in item.pair_groups]
    charged = [n for n in native if n.charge.any()]
    rest = [t.term.name for n in native for t in n.rest]
    rest += [t.term.name for t in item.terms if t.term.over == "pair"]
    if len(native) > 1 or not native or (rest and interaction == "ours"):
        raise UnsupportedForceError(
            f"pair terms {', '.join(rest) or 'none'}: only 12-6 Lennard-Jones with Lorentz-"
            "Berthelot mixing and Coulomb act between molecule and environment; choose "
            "interaction='charges' or 'system' to keep the System's parameters"
        )
    if interaction == "charges" and not charged:
        raise UnsupportedForceError(
            "the potential has no Coulomb term of the form q1 q2 / r, so it has no charges for "
            "the environment: choose interaction='system'"
        )
    values = np.stack([native[0].charge, native[0].sigma, native[0].epsilon], axis=1)
    for particle, (charge, *shape) in zip(atoms.tolist(), values.tolist(), strict=True):
        theirs = nonbonded.getParticleParameters(particle)[1:]
        nonbonded.setParticleParameters(
            particle, charge, *(shape if interaction == "ours" else theirs)
        )
    for force in system.getForces():
        if isinstance(force, openmm.GBSAOBCForce):
            for particle, charge in zip(atoms.tolist(), native[0].charge.tolist(), strict=True):
                _, radius, scale = force.getParticleParameters(particle)
                force.setParticleParameters(particle, charge, radius, scale)


def _set_exceptions(
    nonbonded: "openmm.NonbondedForce", parts: Sequence[Part], atoms: Int[np.ndarray, " atoms"]
) -> list[Part]:
    """An exception for every pair of the molecule; the parts that are not in them."""
    rows: dict[tuple[int, int], np.ndarray] = {}
    rest = []
    for part in parts:
        new = pair_rows(part, rows) if part.over in ("pair", "pair14") else None
        if new is None:
            rest.append(part)
        else:
            rows |= new
    for i in range(len(atoms)):
        for j in range(i + 1, len(atoms)):
            row = rows.get((i, j))
            numbers = (0.0, 1.0, 0.0) if row is None else exception_parameters(row)
            nonbonded.addException(int(atoms[i]), int(atoms[j]), *numbers)
    return rest
