"""Products of spherical tensors: couplings of two, and equivariant polynomials of one.

Both are found as what rotations leave as it is. A coupling C of l1, l2 and l3 is the one tensor,
up to a factor, with Σ D_aa' D_bb' D_cc' C_a'b'c' = C_abc (the Wigner 3j symbol in the real basis;
its square sums to 1, its first entry that is not 0 is positive). Polynomials of degree ν in the
components of A_0..A_l_max with values of order l are found in the same way, among the products of
components in each block (l1 ≤ .. ≤ lν). Since equal factors may change places, there are fewer of
them than ways to couple ν tensors one after another, and they span the same: for l = 0, ν = 3 and
l_max = 3 there are 8, with 77 terms in all, where the symmetric contraction of MACE (Batatia et
al., NeurIPS 2022, arXiv:2206.07697, equation 10) has 23 paths with weights that are not
independent. The reduced row echelon form makes the choice of a basis unique.

Only products of even l1 + .. + lν + l are taken, as parity demands of spherical harmonics.
"""

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Array, Float

from isthmus.networks.spherical import harmonic_components

__all__ = ["Polynomial", "coupling", "evaluate", "polynomials", "rotation_matrix"]

TINY = 1e-9

Component = tuple[int, int]


@dataclass(frozen=True)
class Polynomial:
    """An equivariant polynomial of spherical tensors.

    Attributes:
        terms: for each component of the result, the products (l, component) and their factors.
    """

    terms: tuple[tuple[tuple[tuple[Component, ...], float], ...], ...]


def rotation_matrix(
    l: int, rotation: Float[np.ndarray, "3 3"]
) -> Float[np.ndarray, "components components"]:
    """D with Y_l(R r) = D Y_l(r)."""
    points = np.random.default_rng(0).normal(size=(3, 24))
    points /= np.linalg.norm(points, axis=0)
    before = _harmonics(points, l)
    after = _harmonics(rotation @ points, l)
    return np.linalg.lstsq(before.T, after.T, rcond=None)[0].T


@cache
def coupling(l1: int, l2: int, l3: int) -> Float[np.ndarray, "first second third"]:
    """C of l1, l2 and l3, whose sum must be even and which must be sides of a triangle."""
    assert (l1 + l2 + l3) % 2 == 0
    assert abs(l1 - l2) <= l3 <= l1 + l2
    shape = (2 * l1 + 1, 2 * l2 + 1, 2 * l3 + 1)
    actions = [
        np.kron(np.kron(rotation_matrix(l1, r), rotation_matrix(l2, r)), rotation_matrix(l3, r))
        for r in _rotations()
    ]
    (found,) = _unchanged(actions)
    return (found / np.linalg.norm(found)).reshape(shape)


@cache
def polynomials(l_max: int, l_out: int, degree: int) -> tuple[Polynomial, ...]:
    """All independent ones of this degree in tensors of order 0 to l_max, with values of l_out.

    Each is of size 1 for components of size 1: the mean of the squares of its values, over normal
    distributed components, is 1.
    """
    found = []
    for orders in itertools.combinations_with_replacement(range(l_max + 1), degree):
        if (sum(orders) + l_out) % 2 == 0:
            found.extend(_of_block(orders, l_out))
    return tuple(found)


def evaluate(
    polynomial: Polynomial, parts: Mapping[Component, Float[Array | np.ndarray, "*shape"]]
) -> list[Float[Array | np.ndarray, "*shape"]]:
    """Components of its value, term by term: nearly all factors of a coupling are 0.

    Args:
        polynomial: with tensors of some orders.
        parts: their components, each an array of its own: the derivative of a slice would be as
            large as what it was cut from.
    """
    values = []
    for terms in polynomial.terms:
        products = [
            factor * math.prod((parts[c] for c in components[1:]), start=parts[components[0]])
            for components, factor in terms
        ]
        values.append(sum(products[1:], products[0]))
    return values


def _harmonics(points: Float[np.ndarray, "3 points"], l: int) -> Float[np.ndarray, "m points"]:
    return np.stack(harmonic_components(points, l)[l])


def _rotations() -> list[Float[np.ndarray, "3 3"]]:
    """Rotations about two axes, by angles of which no power of one undoes the other."""
    found = []
    for (i, j), angle in (((1, 2), 1.0), ((0, 1), 0.7)):
        rotation = np.eye(3)
        rotation[[i, j], [i, j]] = np.cos(angle)
        rotation[i, j], rotation[j, i] = -np.sin(angle), np.sin(angle)
        found.append(rotation)
    return found


def _unchanged(actions: list[Float[np.ndarray, "n n"]]) -> Float[np.ndarray, "found n"]:
    """All vectors v with v A = v for every A, in reduced row echelon form."""
    n = len(actions[0])
    square = np.zeros((n, n))
    for action in actions:
        moved = action - np.eye(n)
        square += moved @ moved.T
    sizes, vectors = np.linalg.eigh(square)
    rows = vectors[:, sizes < TINY].T
    pivot = 0
    for column in range(n):
        if pivot == len(rows):
            break
        largest = pivot + int(np.argmax(np.abs(rows[pivot:, column])))
        if abs(rows[largest, column]) < TINY:
            continue
        rows[[pivot, largest]] = rows[[largest, pivot]]
        rows[pivot] /= rows[pivot, column]
        others = np.arange(len(rows)) != pivot
        rows[others] -= rows[others, column, None] * rows[pivot]
        pivot += 1
    return np.where(np.abs(rows) < TINY, 0.0, rows)


def _of_block(orders: tuple[int, ...], l_out: int) -> list[Polynomial]:
    """Polynomials in products of one component of each of these orders."""
    places = list(itertools.product(*(range(2 * l + 1) for l in orders)))
    products = [tuple(sorted(zip(orders, place, strict=True))) for place in places]
    monomials = sorted(set(products))
    index = {monomial: n for n, monomial in enumerate(monomials)}
    spread = np.zeros((len(products), len(monomials)))
    spread[np.arange(len(products)), [index[each] for each in products]] = 1.0
    actions = []
    for rotation in _rotations():
        whole = np.ones((1, 1))
        for l in orders:
            whole = np.kron(whole, rotation_matrix(l, rotation))
        on_monomials = (spread.T / spread.sum(axis=0)[:, None]) @ whole @ spread
        actions.append(np.kron(rotation_matrix(l_out, rotation), on_monomials))
    squares = np.array([_mean_square(monomial) for monomial in monomials])
    made = []
    for row in _unchanged(actions):
        factors = row.reshape(2 * l_out + 1, len(monomials))
        factors = factors / np.sqrt(np.mean(np.sum(factors**2 * squares, axis=1)))
        terms = tuple(
            tuple((monomials[n], float(values[n])) for n in np.flatnonzero(values))
            for values in factors
        )
        made.append(Polynomial(terms))
    return made


def _mean_square(monomial: tuple[Component, ...]) -> float:
    """Of a product of normal distributed components: (2k − 1)!! for each power k."""
    result = 1.0
    for component in set(monomial):
        power = monomial.count(component)
        result *= float(np.prod(np.arange(2 * power - 1, 0, -2)))
    return result
