"""Pair groups as NonbondedForce and CustomNonbondedForce, both with the group's exclusions.

Coulomb and Lennard-Jones terms with Lorentz-Berthelot mixing go into a NonbondedForce, and terms
over listed pairs of the form a/r + b/r⁶ + c/r¹² into its exceptions, if their pairs are excluded
from the group. All else that acts between pairs goes into one CustomNonbondedForce.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from isthmus.deploy.openmm.writer_method import set_method
from isthmus.deploy.openmm.writer_parts import Part, evaluate, numeric, without_constants
from isthmus.deploy.openmm.writer_recognise import InversePowers, inverse_powers, pair_form
from isthmus.deploy.openmm.writer_text import Formula
from isthmus.errors import UnsupportedForceError
from isthmus.terms.dispersion import DispersionCorrection
from isthmus.terms.nonbonded import PairGroup, PairTerm
from isthmus.units import COULOMB

if TYPE_CHECKING:
    import openmm

__all__ = ["NativePairs", "exception_parameters", "native_pairs", "pair_rows"]

Row = Float[np.ndarray, " atoms"]


@dataclass
class NativePairs:
    """What of a pair group a NonbondedForce says, and what is left.

    Attributes:
        group: the pair group.
        charge, sigma, epsilon: of each atom [e, nm, kJ/mol].
        written: names of the terms that are in it.
        rest: terms for a CustomNonbondedForce.
        exceptions: coefficients of 1/r, 1/r⁶, 1/r¹² by pair of atoms.
        periodic_exceptions: whether exceptions are taken to the nearest image; None = none yet.
    """

    group: PairGroup
    charge: Row
    sigma: Row
    epsilon: Row
    written: list[str] = field(default_factory=list)
    rest: list[PairTerm] = field(default_factory=list)
    exceptions: dict[tuple[int, int], Float[np.ndarray, "3"]] = field(default_factory=dict)
    periodic_exceptions: bool | None = None

    def take_exceptions(self, part: Part) -> Part | None:
        """Take what can be an exception of a part over listed pairs; what is left, or None."""
        if not self.written or part.atoms_idx.shape[1] != 2:
            return part
        if (part.periodic and not self.group.periodic) or self.periodic_exceptions not in (
            None,
            part.periodic,
        ):
            return part
        excluded = {(int(i), int(j)) for i, j in self.group.exclusions}
        pairs = np.sort(part.atoms_idx, axis=1).tolist()
        taken = np.array([(i, j) in excluded for i, j in pairs], dtype=bool)
        rows = pair_rows(part.selected(taken), self.exceptions) if taken.any() else None
        if rows is None:
            return part
        self.exceptions |= rows
        self.periodic_exceptions = part.periodic
        self.written.append(part.name)
        return None if taken.all() else part.selected(~taken)

    def force(self, box: np.ndarray | None, correction: bool) -> "openmm.NonbondedForce":
        """The NonbondedForce."""
        import openmm

        force = openmm.NonbondedForce()
        set_method(force, self.group, box)
        for row in np.stack([self.charge, self.sigma, self.epsilon], axis=1).tolist():
            force.addParticle(*row)
        for i, j in self.group.exclusions.tolist():
            product, sigma, epsilon = 0.0, 1.0, 0.0
            if (i, j) in self.exceptions:
                product, sigma, epsilon = exception_parameters(self.exceptions[i, j])
            force.addException(i, j, product, sigma, epsilon)
        force.setExceptionsUsePeriodicBoundaryConditions(bool(self.periodic_exceptions))
        force.setUseDispersionCorrection(correction)
        return force


def pair_rows(
    part: Part, known: Mapping[tuple[int, int], Float[np.ndarray, "3"]]
) -> dict[tuple[int, int], Float[np.ndarray, "3"]] | None:
    """Coefficients of 1/r, 1/r⁶, 1/r¹² by pair, added to those known; None if there is more."""
    if len(part.variables) != 1:
        return None
    powers = inverse_powers(part.expanded, part.variables[0])
    if powers is None:
        return None
    columns = [part.numbers(v) for v in (powers.first, powers.sixth, powers.twelfth)]
    rows: dict[tuple[int, int], Float[np.ndarray, "3"]] = {}
    pairs = np.sort(part.atoms_idx, axis=1).tolist()
    for (i, j), row in zip(pairs, np.stack(columns, axis=1), strict=True):
        rows[i, j] = rows.get((i, j), known.get((i, j), np.zeros(3))) + row
    return rows if all(_is_lennard_jones(row) for row in rows.values()) else None


def exception_parameters(row: Float[np.ndarray, "3"]) -> tuple[float, float, float]:
    """Product of charges, sigma, epsilon of a/r + b/r⁶ + c/r¹²."""
    first, sixth, twelfth = (float(x) for x in row)
    if sixth == 0:
        return first / COULOMB, 1.0, 0.0
    return first / COULOMB, (-twelfth / sixth) ** (1 / 6), sixth * sixth / (4 * twelfth)


def native_pairs(group: PairGroup, corrections: Sequence[DispersionCorrection]) -> NativePairs:
    """Sort the terms of a group into what is native and what is not.

    Raises:
        UnsupportedForceError: a long-range sum of something that OpenMM does not sum.
    """
    n_atoms = len(group.excluded_table)
    zero = np.zeros(n_atoms)
    result = NativePairs(group, zero, np.ones(n_atoms), zero)
    has_charge = has_depth = False
    for pair_term in group.terms:
        found = _native_values(pair_term, group.method.method, n_atoms)
        if (
            found is None
            or (found.charge.any() and has_charge)
            or (found.epsilon.any() and has_depth)
        ):
            if pair_term.term.long_range == "dispersion" and group.method.method == "ljpme":
                raise UnsupportedForceError(
                    f"{pair_term.term.where}: OpenMM's LJPME sums one Lennard-Jones term with "
                    "Lorentz-Berthelot mixing; use another term, or the method 'pme'"
                )
            result.rest.append(pair_term)
            continue
        result.written.append(pair_term.term.name)
        if found.charge.any():
            result.charge, has_charge = found.charge, True
        if found.epsilon.any():
            result.sigma, result.epsilon, has_depth = found.sigma, found.epsilon, True
    left = {t.term.name for t in result.rest}
    for correction in corrections:
        if correction.pair_term in left and len(left) > 1:
            raise UnsupportedForceError(
                f"'{correction.name}' corrects one of several terms that share one "
                "CustomNonbondedForce, where OpenMM corrects all or none; leave it out"
            )
    return result


@dataclass(frozen=True)
class _Values:
    charge: Row
    sigma: Row
    epsilon: Row


def _native_values(pair_term: PairTerm, method: str, n_atoms: int) -> _Values | None:
    """Charges, sigma and epsilon of a term that NonbondedForce can say under this method."""
    term, zero = pair_term.term, np.zeros(n_atoms)
    if term.long_range == "coulomb" and method != "none":
        return _Values(numeric(pair_term.values["charge"]), zero + 1, zero)
    if any(p.per != "atom" for p in term.parameters):
        return None
    powers = inverse_powers(without_constants(term.expression), "r")
    if powers is None or not _fits(powers, method, term.long_range):
        return None
    form = pair_form(powers, [p.name for p in term.parameters])
    if form is None:
        return None
    values = {name: numeric(v) for name, v in pair_term.values.items()}
    charge, sigma, epsilon = (evaluate(v, values, n_atoms) for v in _of(form))
    flat = (epsilon == 0) | ~np.isfinite(epsilon)
    return _Values(charge, np.where(flat, 1.0, sigma), np.where(flat, 0.0, epsilon))


def _of(form: Any) -> tuple[Formula, Formula, Formula]:
    return form.charge, form.sigma, form.epsilon


def _fits(powers: InversePowers, method: str, long_range: str | None) -> bool:
    """Whether NonbondedForce treats these powers of r as the method does."""
    if method == "none":
        return True
    if powers.first != 0:
        return False
    return method != "ljpme" or long_range == "dispersion"


def _is_lennard_jones(row: Float[np.ndarray, "3"]) -> bool:
    _, sixth, twelfth = row
    return bool((sixth == 0 and twelfth == 0) or (sixth < 0 < twelfth))
