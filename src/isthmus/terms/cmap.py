r"""CMAP: a tabulated correction to a pair of torsions, interpolated by bicubic splines.

A map is a periodic table of energies on a square grid of angles, maps[m, i, j] at
phi = 2 pi i / size and psi = 2 pi j / size, both from 0. Inside a square of the grid

    E = sum_{a,b=0}^{3} c_ab t^a u^b,   t, u in [0, 1) the position inside the square,

where c makes E, dE/dphi, dE/dpsi and d2E/dphi dpsi continuous; the derivatives at the grid points
are those of periodic cubic splines through rows and columns.

Source: MacKerell, Feig and Brooks, J. Comput. Chem. 25, 1400 (2004); OpenMM user guide,
"CMAPTorsionForce". The energies are those of OpenMM's CMAPTorsionForce.
"""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from isthmus.geometry.box import minimum_image_xyz
from isthmus.geometry.internal import Vectors, dihedral, length_and_direction
from isthmus.terms.special import Special

__all__ = ["Cmap", "cmap_coefficients", "cmap_energy"]

# Powers of t (rows 1, t, t^2, t^3) in the cubic with given values at 0 and 1 and slopes at 0, 1.
_HERMITE = np.array([[1, 0, 0, 0], [0, 0, 1, 0], [-3, 3, -2, -1], [2, -2, 1, 1]], dtype=float)


class Cmap(Special):
    """Corrections to pairs of torsions, with maps of one size; `Cmap.from_maps` makes it.

    Attributes:
        name: of the term.
        atoms_idx: (clusters, 8), four atoms of the first torsion, then four of the second.
        map_idx: (clusters,) the map of each.
        coefficients: of every square of every map [kJ/mol].
        periodic: whether displacements are taken to the nearest image.
    """

    name: str = eqx.field(static=True)
    atoms_idx: Int[np.ndarray, "clusters 8"]
    map_idx: Int[np.ndarray, " clusters"]
    coefficients: Float[Array | np.ndarray, "maps size size 4 4"]
    periodic: bool = eqx.field(static=True, default=False)

    @classmethod
    def from_maps(
        cls,
        name: str,
        *,
        atoms_idx: Int[np.ndarray, "clusters 8"],
        map_idx: Int[np.ndarray, " clusters"],
        maps: Float[np.ndarray, "maps size size"],
        periodic: bool = False,
    ) -> "Cmap":
        """Correction from the maps themselves [kJ/mol]; interpolated in float64."""
        with jax.enable_x64(True):
            coefficients = np.asarray(cmap_coefficients(jnp.asarray(maps, jnp.float64)))
        return cls(name, atoms_idx, map_idx, coefficients, periodic)

    @property
    def maps(self) -> Float[Array | np.ndarray, "maps size size"]:
        """The maps [kJ/mol]: what the splines go through."""
        return self.coefficients[..., 0, 0]

    def energy(
        self, positions: Float[Array, "3 atoms"], box: Float[Array, "3 3"] | None
    ) -> Float[Array, ""]:
        """See `Special.energy`."""
        chains = positions[:, self.atoms_idx]
        steps = Vectors(*(chains[:, :, 1:] - chains[:, :, :-1]))
        if self.periodic:
            steps = Vectors(*minimum_image_xyz(*steps, box))
        _, directions = length_and_direction(steps)
        angles = []
        for first in (0, 4):
            chain = (Vectors(*(c[:, first + step] for c in directions)) for step in range(3))
            cosine, sine = dihedral(*chain)
            angles.append(jnp.arctan2(sine, cosine))
        coefficients = jnp.asarray(self.coefficients, positions.dtype)
        map_idx = jnp.asarray(self.map_idx)
        return jnp.sum(cmap_energy(*angles, coefficients=coefficients, map_idx=map_idx))


def cmap_coefficients(
    maps: Float[Array, "maps size size"],
) -> Float[Array, "maps size size 4 4"]:
    """Bicubic coefficients c_ab [kJ/mol] of every square of every map [kJ/mol].

    Linear in the maps, and differentiable: a map can be trained. Depends on nothing else, so a
    simulation computes it once.
    """
    slope = jnp.asarray(_spline_slopes(maps.shape[1]), maps.dtype)
    phi = jnp.einsum("ik,mkj->mij", slope, maps, precision="highest")
    psi = jnp.einsum("jk,mik->mij", slope, maps, precision="highest")
    both = jnp.einsum("ik,mkj->mij", slope, psi, precision="highest")
    rows = [
        jnp.stack([corner(values), corner(psi_slopes)], axis=-1)
        for values, psi_slopes in ((maps, psi), (phi, both))
        for corner in (lambda table: table, lambda table: jnp.roll(table, -1, axis=1))
    ]
    here = jnp.stack(rows, axis=-2)
    there = jnp.roll(here, -1, axis=2)
    # Last axis: value at u = 0, value at u = 1, slope at 0, slope at 1; the same in t before it.
    corners = jnp.stack([here[..., 0], there[..., 0], here[..., 1], there[..., 1]], axis=-1)
    hermite = jnp.asarray(_HERMITE, maps.dtype)
    return jnp.einsum("ac,mijcd,bd->mijab", hermite, corners, hermite, precision="highest")


def cmap_energy(
    phi: Float[Array, " clusters"],
    psi: Float[Array, " clusters"],
    *,
    coefficients: Float[Array, "maps size size 4 4"],
    map_idx: Int[Array, " clusters"],
) -> Float[Array, " clusters"]:
    """Energy [kJ/mol] of each pair of torsions.

    Args:
        phi: first angle [rad], any branch; from cosine and sine as `jnp.arctan2(sin, cos)`.
        psi: second angle [rad].
        coefficients: from `cmap_coefficients`.
        map_idx: which map each pair uses.
    """
    size = coefficients.shape[1]
    i, t = _square(phi, size)
    j, u = _square(psi, size)
    c = coefficients[map_idx, i, j]
    energy = jnp.zeros_like(t)
    for a in (3, 2, 1, 0):
        inner = ((c[:, a, 3] * u + c[:, a, 2]) * u + c[:, a, 1]) * u + c[:, a, 0]
        energy = energy * t + inner
    return energy


def _square(
    angle: Float[Array, " clusters"], size: int
) -> tuple[Int[Array, " clusters"], Float[Array, " clusters"]]:
    """Grid index below an angle, and the position between it and the next."""
    turns = angle / (2 * math.pi)
    scaled = (turns - jnp.floor(turns)) * size
    # Rounding can take an angle just below a full turn to `size` itself.
    index = jnp.minimum(jnp.floor(scaled), size - 1)
    return index.astype(jnp.int32), scaled - index


def _spline_slopes(size: int) -> Float[np.ndarray, "size size"]:
    """Matrix from periodic values to the slopes of their cubic spline at the same points.

    Slopes per grid step [1]: (M_{i-1} + 4 M_i + M_{i+1}) / 3 = y_{i+1} - y_{i-1} makes the
    piecewise cubic twice continuously differentiable.
    """
    ahead = np.roll(np.eye(size), 1, axis=1)
    return np.linalg.solve((ahead + 4 * np.eye(size) + ahead.T) / 3, ahead - ahead.T)
