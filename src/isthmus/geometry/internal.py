"""Internal coordinates from displacement vectors: lengths, angles, dihedrals, out-of-plane.

Vectors are kept as three separate arrays of components: everything then is elementwise and fuses
into few loops, where stacked arrays would be cut apart and glued together again, in the gradient
twice. Every function is safe: at a degenerate geometry (linear angle, coincident atoms) value and
gradient stay finite, because squares are kept from falling below `floor`, where a root or its
inverse would blow up. Energies that are well defined in the limit keep their limit: (θ − π)² has
zero gradient at a linear angle.

| symbol | meaning | unit |
|---|---|---|
| u, v, w | unit vectors from a common atom, or along a chain | 1 |
| r | length of a displacement | nm |
| θ | angle between u and v, 0 to π | rad |
| φ | dihedral of a chain, IUPAC sign, cis = 0, trans = π | rad |
| χ | Wilson angle of one bond against the plane of two others | rad |
| h | signed height of the centre over the plane of its three neighbours | nm |
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

__all__ = [
    "Vectors",
    "angle",
    "cross",
    "dihedral",
    "dot",
    "floor",
    "height",
    "length_and_direction",
    "scaled",
    "subtract",
    "wilson_angle",
]

Values = Float[Array, "*batch"]


class Vectors(NamedTuple):
    """Components of many vectors."""

    x: Values
    y: Values
    z: Values


def floor(dtype: np.dtype) -> float:
    """Smallest square that counts; its root keeps half of the digits."""
    return float(jnp.finfo(dtype).eps) ** 2


def dot(u: Vectors, v: Vectors) -> Values:
    """Scalar product u·v."""
    return u.x * v.x + u.y * v.y + u.z * v.z


def cross(u: Vectors, v: Vectors) -> Vectors:
    """Vector product u × v."""
    return Vectors(u.y * v.z - u.z * v.y, u.z * v.x - u.x * v.z, u.x * v.y - u.y * v.x)


def subtract(u: Vectors, v: Vectors) -> Vectors:
    """u − v."""
    return Vectors(u.x - v.x, u.y - v.y, u.z - v.z)


def scaled(u: Vectors, factor: Values) -> Vectors:
    """u times a number each."""
    return Vectors(u.x * factor, u.y * factor, u.z * factor)


def _inverse_root(square: Values) -> Values:
    """1/sqrt(square), constant below the floor."""
    return jax.lax.rsqrt(jnp.maximum(square, floor(square.dtype)))


def length_and_direction(displacement: Vectors) -> tuple[Values, Vectors]:
    """r = |d| [nm] and the unit vector d/r; coincident atoms give 0 and a zero vector."""
    square = dot(displacement, displacement)
    inverse = _inverse_root(square)
    return square * inverse, scaled(displacement, inverse)


def angle(u: Vectors, v: Vectors) -> Values:
    """θ = atan2(|u × v|, u·v) [rad], exact near 0 and π where arccos loses all digits."""
    normal = cross(u, v)
    square = dot(normal, normal)
    return jnp.arctan2(square * _inverse_root(square), dot(u, v))


def dihedral(u: Vectors, v: Vectors, w: Vectors) -> tuple[Values, Values]:
    """cos φ and sin φ of the chain with directions u, v, w.

    cos φ = n1·n2 / (|n1||n2|), sin φ = u·n2 / (|n1||n2|) with n1 = u × v, n2 = v × w
    (Blondel and Karplus, J. Comput. Chem. 17, 1132 (1996)). Where u or w is parallel to v the
    dihedral does not exist: both fall to zero.
    """
    n1, n2 = cross(u, v), cross(v, w)
    inverse = _inverse_root(dot(n1, n1)) * _inverse_root(dot(n2, n2))
    return dot(n1, n2) * inverse, dot(u, n2) * inverse


def height(d2: Vectors, d3: Vectors, d4: Vectors) -> Values:
    """h = d2·n / |n| with n = (d3 − d2) × (d4 − d2) [nm].

    The displacements point from the centre to its neighbours; h is the distance of the centre
    from the plane through the neighbours, positive when (d2, d3, d4) is right-handed.
    """
    normal = cross(subtract(d3, d2), subtract(d4, d2))
    return dot(d2, normal) * _inverse_root(dot(normal, normal))


def wilson_angle(u: Vectors, v: Vectors, w: Vectors) -> Values:
    """χ = atan2(u·n, |u × n|) with n = v × w [rad].

    The angle of the bond u with the plane spanned by v and w, positive when (u, v, w) is
    right-handed (Wilson, Decius and Cross, Molecular Vibrations, 1955).
    """
    normal = cross(v, w)
    along = cross(u, normal)
    square = dot(along, along)
    # Where v and w are parallel there is no plane: 0, and no gradient that is not a number
    flat = jnp.where(dot(normal, normal) > 0, square * _inverse_root(square), 1.0)
    return jnp.arctan2(dot(u, normal), flat)
