"""Which formulas OpenMM's native forces can say, by algebra and not by name.

| shape | force |
|---|---|
| A x² + B x + C, a perfect square | harmonic, k = 2A, x0 = −B/2A |
| Σ a (1 ± cos(nφ − δ)) | PeriodicTorsionForce |
| polynomial in cos φ up to the fifth power | RBTorsionForce |
| a/r + b/r⁶ + c/r¹² | exception of NonbondedForce |
| the same with Lorentz-Berthelot mixing | NonbondedForce |
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy

from isthmus.deploy.openmm.writer_text import Formula
from isthmus.terms.compiled import COS, trigonometric_form
from isthmus.terms.expression import symbol
from isthmus.units import COULOMB

__all__ = [
    "Cosine",
    "InversePowers",
    "PairForm",
    "cosine_polynomial",
    "cosine_series",
    "inverse_powers",
    "pair_form",
    "perfect_square",
]


@dataclass(frozen=True)
class Cosine:
    """amplitude (1 + cos(order φ − phase)); `order` may be a parameter."""

    order: Formula
    phase: Formula
    amplitude: Formula


@dataclass(frozen=True)
class InversePowers:
    """first/r + sixth/r⁶ + twelfth/r¹², coefficients in parameters."""

    first: Formula
    sixth: Formula
    twelfth: Formula


@dataclass(frozen=True)
class PairForm:
    """Charge [e], sigma [nm] and epsilon [kJ/mol] of an atom, in its parameters."""

    charge: Formula
    sigma: Formula
    epsilon: Formula


def perfect_square(value: Formula, variable: str) -> tuple[Formula, Formula] | None:
    """(k, x0) of k/2 (x − x0)², or None."""
    x = symbol(variable)
    if not value.is_polynomial(x):
        return None
    coefficients = sympy.Poly(value, x).all_coeffs()
    if len(coefficients) != 3:
        return None
    a, b, c = coefficients
    if not _agree(4 * a * c, b**2):
        return None
    return 2 * a, sympy.cancel(-b / (2 * a))


def cosine_series(value: Formula, variable: str) -> tuple[list[Cosine], Formula]:
    """The cosines that PeriodicTorsionForce can say, and what is left of the expression."""
    phi = symbol(variable)
    rest = sympy.expand(value)
    found = []
    for node in sorted(rest.atoms(sympy.cos), key=str):
        argument = sympy.expand(node.args[0])
        order = argument.coeff(phi, 1)
        shift = sympy.expand(argument - order * phi)
        amplitude = rest.coeff(node, 1)
        if order == 0 or shift.has(phi) or amplitude == 0 or amplitude.has(phi):
            continue
        if order.is_number and not order.is_Integer:
            continue
        if order.could_extract_minus_sign():
            order, shift = -order, -shift
        constant = rest.xreplace({c: sympy.Integer(0) for c in rest.atoms(sympy.cos)})
        if _shares(constant, amplitude):
            found.append(Cosine(order, -shift, amplitude))
            rest = sympy.expand(rest - amplitude * (1 + node))
        elif _shares(constant, -amplitude):
            found.append(Cosine(order, sympy.Float(np.pi, 17) - shift, -amplitude))
            rest = sympy.expand(rest - amplitude * (node - 1))
    return found, rest


def cosine_polynomial(value: Formula, variable: str) -> list[Formula] | None:
    """Coefficients c0 ... c5 of Σ cₙ cosⁿ φ, or None."""
    form: Formula = trigonometric_form(value, dihedrals=frozenset([variable]), angles=frozenset())
    cosine = symbol(COS + variable)
    if {s.name for s in form.free_symbols} & {variable, f"sin_of_{variable}"}:
        return None
    if not form.is_polynomial(cosine):
        return None
    coefficients = sympy.Poly(form, cosine).all_coeffs()[::-1]
    if len(coefficients) > 6:
        return None
    return [*coefficients, *[sympy.Integer(0)] * (6 - len(coefficients))]


def inverse_powers(value: Formula, variable: str) -> InversePowers | None:
    """Coefficients of 1/r, 1/r⁶ and 1/r¹², if there is nothing else."""
    inverse = sympy.Dummy("inverse", positive=True)
    form = value.xreplace({symbol(variable): 1 / inverse})
    if not form.is_polynomial(inverse):
        return None
    terms = dict(sympy.Poly(form, inverse).terms())
    if not set(terms) <= {(1,), (6,), (12,)}:
        return None
    return InversePowers(*(terms.get((n,), sympy.Integer(0)) for n in (1, 6, 12)))


def pair_form(powers: InversePowers, atom_parameters: Sequence[str]) -> PairForm | None:
    """Per-atom charge, sigma and epsilon whose products and mixtures give the coefficients.

    Lorentz-Berthelot: what two equal atoms have is what one atom has; then the mixture must agree.
    """
    same = {symbol(f"{name}{a}"): symbol(name) for name in atom_parameters for a in (1, 2)}
    zero = sympy.Integer(0)
    charge = sigma = epsilon = zero
    if powers.first != 0:
        charge = _charge(powers.first, atom_parameters)
        if charge is None:
            return None
    if (powers.sixth == 0) != (powers.twelfth == 0):
        return None
    if powers.sixth != 0:
        sixth, twelfth = powers.sixth.xreplace(same), powers.twelfth.xreplace(same)
        sigma = (-twelfth / sixth) ** sympy.Rational(1, 6)
        epsilon = sixth**2 / (4 * twelfth)
        ratio = (-powers.twelfth / powers.sixth) ** sympy.Rational(1, 6)
        depth = powers.sixth**2 / (4 * powers.twelfth)
        mixed_sigma = sum(_of_atom(sigma, a, atom_parameters) for a in (1, 2)) / 2
        mixed_depth = sympy.sqrt(
            _of_atom(epsilon, 1, atom_parameters) * _of_atom(epsilon, 2, atom_parameters)
        )
        if not (_agree(ratio, mixed_sigma) and _agree(depth, mixed_depth)):
            return None
    return PairForm(charge, sigma, epsilon)


def _charge(first: Formula, atom_parameters: Sequence[str]) -> Formula | None:
    """q of C q1 q2 where `first` is a number times f(atom 1) f(atom 2)."""
    for name in atom_parameters:
        product = symbol(f"{name}1") * symbol(f"{name}2")
        factor = sympy.cancel(first / product)
        if factor.is_number and factor > 0:
            ratio = float(factor) / COULOMB
            return symbol(name) * (1 if ratio == 1.0 else sympy.Float(ratio**0.5, 17))
    return None


def _of_atom(value: Formula, atom: int, atom_parameters: Sequence[str]) -> Formula:
    return value.xreplace({symbol(n): symbol(f"{n}{atom}") for n in atom_parameters})


def _shares(constant: Formula, amplitude: Formula) -> bool:
    """Whether the constant contains the amplitude as a summand."""
    n_terms = len(sympy.Add.make_args(constant)) if constant != 0 else 0
    left = sympy.expand(constant - amplitude)
    n_left = len(sympy.Add.make_args(left)) if left != 0 else 0
    return n_left <= n_terms - len(sympy.Add.make_args(amplitude))


def _agree(a: Formula, b: Formula) -> bool:
    """Whether two expressions have the same value at a few random points, to 25 digits."""
    symbols: Any = a.free_symbols | b.free_symbols
    names = sorted(s.name for s in symbols)
    random = np.random.default_rng(0)
    for _ in range(4):
        point = {symbol(n): sympy.Rational(int(random.integers(100, 999)), 1000) for n in names}
        difference, size = (a - b).evalf(25, subs=point), b.evalf(25, subs=point)
        if not difference.is_number or abs(difference) > 1e-14 * max(1, abs(size)):
            return False
    return True
