"""From a formula to a JAX function.

Four rewrites make the function fast and safe:

1. cos(nφ + δ) and sin(nφ + δ) become Chebyshev polynomials in cos φ and sin φ, cos(nθ) one in
   cos θ, so that no inverse trigonometric function is evaluated or differentiated unless the
   formula really needs the angle itself;
2. every subexpression without geometry is split off into `prepare`, which runs once, when the
   parameters are known, and not at every step;
3. r⁻¹² becomes (1/r)¹², of which neither value nor derivative leaves the range of float32 at any
   distance that atoms have; the derivative of a/r¹² holds r⁻²⁴, which does below 0.02 nm;
4. common subexpressions are computed once.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import jax
import jax.numpy as jnp
import sympy
from jaxtyping import Array

from isthmus.terms.expression import names_in, symbol

__all__ = ["STEP_AND_SELECT", "CompiledFormula", "compile_formula", "trigonometric_form"]

COS: Final = "cos_of_"
SIN: Final = "sin_of_"

STEP_AND_SELECT: Final[Mapping[str, tuple[Callable, Callable]]] = {
    "_Step": (lambda x: float(x >= 0), lambda x: jnp.where(x < 0, 0.0, 1.0)),
    "_Select": (lambda x, y, z: z if x == 0 else y, lambda x, y, z: jnp.where(x == 0, z, y)),
}
"""Functions of ours that sympy does not know: meaning for numbers, meaning for arrays"""

_LARGEST_INTEGER: Final = 2**31 - 1
"""JAX reads a larger whole number as an integer too, and refuses it"""


@dataclass(frozen=True)
class CompiledFormula:
    """A formula, ready to be evaluated on arrays.

    `inputs` are the geometric quantities needed, `x`, `cos_of_x` or `sin_of_x` for a variable x.
    `parameters` are the parameters that `prepare` reads.
    """

    inputs: tuple[str, ...]
    parameters: tuple[str, ...]
    _derived: Callable
    _energy: Callable

    def prepare(self, parameters: Mapping[str, Array]) -> tuple[Array, ...]:
        """All that depends on the parameters alone, one array (clusters,) each."""
        return tuple(self._derived(*(parameters[name] for name in self.parameters)))

    def energy(self, derived: tuple[Array, ...], geometry: Mapping[str, Array]) -> Array:
        """Energy of each cluster [kJ/mol], shape of the geometry arrays."""
        return self._energy(*(geometry[name] for name in self.inputs), *derived)


def compile_formula(
    value: Any, *, dihedrals: frozenset[str], angles: frozenset[str], others: frozenset[str]
) -> CompiledFormula:
    """Compile an expression whose geometric symbols are named, all others being parameters."""
    value = _with_floats(trigonometric_form(value, dihedrals=dihedrals, angles=angles))
    geometric = dihedrals | angles | others
    geometric |= {f"{COS}{name}" for name in dihedrals | angles}
    geometric |= {f"{SIN}{name}" for name in dihedrals}
    names = names_in(value)
    inputs = tuple(sorted(names & geometric))
    parameters = tuple(sorted(names - geometric))
    hoisted: dict[sympy.Expr, sympy.Symbol] = {}
    dynamic = _with_inverses(_hoist(value, frozenset(inputs), hoisted))
    derived = _lambdify(parameters, list(hoisted))
    energy = _lambdify([*inputs, *(s.name for s in hoisted.values())], dynamic)
    return CompiledFormula(inputs, parameters, derived, energy)


def trigonometric_form(
    value: Any, *, dihedrals: frozenset[str], angles: frozenset[str]
) -> sympy.Expr:
    """Write cos and sin of multiples of angles as polynomials in cos and sin of the angles."""
    for name in sorted(names_in(value) & (dihedrals | angles)):
        variable = symbol(name)
        for node in value.atoms(sympy.cos, sympy.sin):
            new = _multiple_angle(node, variable, with_sine=name in dihedrals)
            if new is not None:
                value = value.xreplace({node: new})
    return value


def _multiple_angle(node: Any, variable: sympy.Symbol, *, with_sine: bool) -> sympy.Expr | None:
    """cos(n x + rest) or sin(n x + rest) in terms of cos x and sin x, if n is a whole number."""
    argument = sympy.expand(node.args[0])
    coefficient = argument.coeff(variable, 1)
    rest = argument - coefficient * variable
    if not coefficient.is_Integer or coefficient == 0 or rest.has(variable):
        return None
    if not with_sine and (rest != 0 or isinstance(node, sympy.sin)):
        return None
    order = abs(int(coefficient))
    cosine, sine = symbol(COS + variable.name), symbol(SIN + variable.name)
    cos_n, sin_n = _chebyshev(order, cosine, sine)
    sin_n = sin_n * sympy.sign(coefficient)
    if isinstance(node, sympy.cos):
        return cos_n * sympy.cos(rest) - sin_n * sympy.sin(rest)
    return sin_n * sympy.cos(rest) + cos_n * sympy.sin(rest)


def _chebyshev(n: int, c: sympy.Expr, s: sympy.Expr) -> tuple[sympy.Expr, sympy.Expr]:
    """cos(nx) and sin(nx) by the recurrence f(n+1) = 2 cos x f(n) − f(n−1), kept nested."""
    cosines, sines = [sympy.Integer(1), c], [sympy.Integer(0), s]
    while len(cosines) <= n:
        cosines.append(2 * c * cosines[-1] - cosines[-2])
        sines.append(2 * c * sines[-1] - sines[-2])
    return cosines[n], sines[n]


def _hoist(
    node: Any, inputs: frozenset[str], hoisted: dict[sympy.Expr, sympy.Symbol]
) -> sympy.Expr:
    """Replace every maximal subexpression without geometry by a new symbol."""
    if not names_in(node) & inputs:
        if node.is_number:
            return node
        return hoisted.setdefault(node, symbol(f"derived_{len(hoisted)}"))
    if node.is_Add or node.is_Mul:
        static = [a for a in node.args if not names_in(a) & inputs]
        moving = [_hoist(a, inputs, hoisted) for a in node.args if a not in static]
        if static:
            moving.insert(0, _hoist(node.func(*static), inputs, hoisted))
        return node.func(*moving)
    if not node.args:
        return node
    return node.func(*(_hoist(a, inputs, hoisted) for a in node.args))


class _Inverse(sympy.Function):
    """1/x, of which sympy makes no power."""

    nargs = 1


def _with_inverses(value: Any) -> Any:
    """The expression with its negative whole powers as positive powers of the inverse."""
    return value.replace(
        lambda node: node.is_Pow and node.exp.is_Integer and node.exp < 0,
        lambda node: _Inverse(node.base) ** -node.exp,
    )


def _lambdify(arguments: list[str] | tuple[str, ...], body: sympy.Expr | list) -> Callable:
    meanings = {name: meaning for name, (_, meaning) in STEP_AND_SELECT.items()}
    special = {"erf": jax.scipy.special.erf, "erfc": jax.scipy.special.erfc, "sqrt": _sqrt}
    special |= {_Inverse.__name__: _inverse}
    modules = [meanings | special, "jax"]
    return sympy.lambdify([symbol(name) for name in arguments], body, modules=modules, cse=True)


def _sqrt(x: Any) -> Array:
    """Root whose derivative at 0 is 0: an atom without epsilon spoils no gradient by parameters."""
    zero = x == 0
    return jnp.where(zero, 0.0, jnp.sqrt(jnp.where(zero, 1.0, x)))


@jax.custom_jvp
def _inverse(x: Array) -> Array:
    """1/x, whose derivative is made from itself: one division for both."""
    return 1 / x


@_inverse.defjvp
def _inverse_change(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (x,), (change,) = primals, tangents
    inverse = _inverse(x)
    return inverse, -(inverse * inverse) * change


def _with_floats(value: Any) -> Any:
    """The expression with its large whole numbers as floating-point numbers."""
    large = {n: sympy.Float(n, 17) for n in value.atoms(sympy.Integer) if abs(n) > _LARGEST_INTEGER}
    return value.xreplace(large)
