r"""Implicit water: generalised Born of Onufriev, Bashford and Case (OBC2) with surface area.

    E = -C/2 (1/eps_in - 1/eps_out) sum_ij q_i q_j / f_ij + 4 pi gamma sum_i (R_i + p)^2 (R_i/B_i)^6
    f_ij = sqrt(r^2 + B_i B_j exp(-r^2 / 4 B_i B_j))
    1/B_i = 1/rho_i - tanh(Psi - 0.8 Psi^2 + 4.85 Psi^3) / R_i,   rho_i = R_i - 0.009 nm
    Psi_i = rho_i/2 sum_{j != i} H(r_ij, rho_i, s_j rho_j)

The sum over ij has both orders and i = j. H is the pairwise descreening integral.

| symbol          | variable                           | unit           |
|-----------------|------------------------------------|----------------|
| C               | COULOMB                            | kJ/mol nm/e^2  |
| q, R, s         | charges, radii, scales             | e, nm, 1       |
| eps_in, eps_out | solute_, solvent_dielectric        | 1              |
| gamma           | surface_area_energy                | kJ/mol/nm^2    |
| p               | probe radius, 0.14                 | nm             |

With a cutoff, both sums run over pairs closer than it, and each pair's 1/f is shifted by
-1/cutoff. Excluded pairs take part: the solvent is there for all of them.

Source: Onufriev, Bashford and Case, Proteins 55, 383 (2004), model II; H from Hawkins, Cramer and
Truhlar, J. Phys. Chem. 100, 19824 (1996), completed for an atom inside another as in Tinker;
surface from Schaefer, Bartels and Karplus, J. Mol. Biol. 284, 835 (1998), with Ponder's sixth
power. The energies are those of OpenMM's GBSAOBCForce.
"""

import math
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from isthmus.geometry.box import minimum_image
from isthmus.terms.special import Special
from isthmus.units import COULOMB

__all__ = ["ImplicitSolvent", "born_radii", "gbsa_energy"]

_OFFSET = 0.009
_PROBE = 0.14
_OBC2 = (1.0, 0.8, 4.85)
# Pairs evaluated at once without a cutoff: bounds the memory, fits a CPU cache, fills a GPU.
_BLOCK = 2**18


class ImplicitSolvent(Special):
    """GBSA-OBC2 of a whole system.

    Attributes:
        name: of the term.
        charges, radii, scales: (atoms,) [e, nm, 1].
        solute_dielectric, solvent_dielectric: [1].
        surface_area_energy: [kJ/mol/nm^2].
        cutoff: [nm], or None for all pairs.
        periodic: whether displacements are taken to the nearest image.
    """

    name: str = eqx.field(static=True)
    charges: Float[Array | np.ndarray, " atoms"]
    radii: Float[Array | np.ndarray, " atoms"]
    scales: Float[Array | np.ndarray, " atoms"]
    solute_dielectric: float = 1.0
    solvent_dielectric: float = 78.3
    surface_area_energy: float = 2.25936
    cutoff: float | None = eqx.field(static=True, default=None)
    periodic: bool = eqx.field(static=True, default=False)

    def energy(
        self, positions: Float[Array, "3 atoms"], box: Float[Array, "3 3"] | None
    ) -> Float[Array, ""]:
        """See `Special.energy`."""
        charges, radii, scales = (
            jnp.asarray(a, positions.dtype) for a in (self.charges, self.radii, self.scales)
        )
        return gbsa_energy(
            positions.T,
            charges,
            radii,
            scales,
            cutoff=self.cutoff,
            box=box if self.periodic else None,
            solute_dielectric=self.solute_dielectric,
            solvent_dielectric=self.solvent_dielectric,
            surface_area_energy=self.surface_area_energy,
        )


def gbsa_energy(
    positions: Float[Array, "atoms 3"],
    charges: Float[Array, " atoms"],
    radii: Float[Array, " atoms"],
    scales: Float[Array, " atoms"],
    *,
    cutoff: float | None = None,
    box: Float[Array, "3 3"] | None = None,
    solute_dielectric: float | Float[Array, ""] = 1.0,
    solvent_dielectric: float | Float[Array, ""] = 78.3,
    surface_area_energy: float | Float[Array, ""] = 2.25936,
) -> Float[Array, ""]:
    """Solvation energy [kJ/mol]; time quadratic, memory linear in atoms.

    `cutoff` [nm] leaves out the pairs beyond it, `box` [nm] takes nearest images.
    """
    born = born_radii(positions, radii, scales, cutoff=cutoff, box=box)
    everyone = jnp.arange(len(radii))

    def row(index: Array, x: Array, charge: Array, radius: Array) -> Array:
        r_squared = jnp.sum(minimum_image(x - positions, box) ** 2, axis=-1)
        inverse = 1 / _effective_distance(r_squared, radius * born)
        if cutoff is not None:
            shifted = inverse - jnp.where(everyone == index, 0.0, 1 / cutoff)
            inverse = jnp.where(r_squared < cutoff**2, shifted, 0.0)
        return charge * jnp.sum(charges * inverse)

    pairs = 0.5 * jnp.sum(_rows(row, (everyone, positions, charges, born)))
    factor = _solvation(solute_dielectric, solvent_dielectric)
    return factor * pairs + _surface(born, radii, surface_area_energy)


def born_radii(
    positions: Float[Array, "atoms 3"],
    radii: Float[Array, " atoms"],
    scales: Float[Array, " atoms"],
    *,
    cutoff: float | None = None,
    box: Float[Array, "3 3"] | None = None,
) -> Float[Array, " atoms"]:
    """OBC2 Born radii B [nm]; memory linear in atoms; `cutoff`, `box` as in `gbsa_energy`."""
    rho = radii - _OFFSET
    screen = rho * scales
    everyone = jnp.arange(len(radii))

    def row(index: Array, x: Array, inner: Array) -> Array:
        other = everyone != index
        r_squared = jnp.sum(minimum_image(x - positions, box) ** 2, axis=-1)
        if cutoff is not None:
            other &= r_squared < cutoff**2
        r = jnp.sqrt(jnp.where(other, r_squared, 1.0))
        return jnp.sum(jnp.where(other, _descreening(r, inner, screen), 0.0))

    return _born(_rows(row, (everyone, positions, rho)), radii)


def _rows(row: Callable[..., Array], arguments: tuple[Array, ...]) -> Float[Array, " atoms"]:
    """`row` for every atom, in blocks of rows; each block is recomputed for the gradient."""
    n_atoms = len(arguments[0])
    block = max(1, _BLOCK // max(n_atoms, 1))
    if block >= n_atoms:
        return jax.vmap(row)(*arguments)
    return jax.lax.map(lambda one: jax.checkpoint(row)(*one), arguments, batch_size=block)


def _descreening(
    r: Float[Array, "*shape"], rho: Float[Array, "..."], screen: Float[Array, "..."]
) -> Float[Array, "*shape"]:
    """Integral H(r, rho_i, s_j rho_j) [1/nm] of what atom j takes of the solvent around i."""
    upper = r + screen
    lower = jnp.maximum(rho, jnp.abs(r - screen))
    inverse_lower, inverse_upper = 1 / lower, 1 / upper
    squares = inverse_lower**2 - inverse_upper**2
    term = (
        inverse_lower
        - inverse_upper
        - 0.25 * r * squares
        + 0.5 * jnp.log(lower / upper) / r
        + 0.25 * screen**2 / r * squares
    )
    engulfed = rho < screen - r
    term = term + jnp.where(engulfed, 2 * (1 / rho - inverse_lower), 0.0)
    return jnp.where(rho < upper, term, 0.0)


def _born(
    integrals: Float[Array, " atoms"], radii: Float[Array, " atoms"]
) -> Float[Array, " atoms"]:
    """Born radii [nm] from the descreening integrals [1/nm]."""
    rho = radii - _OFFSET
    psi = 0.5 * rho * integrals
    alpha, beta, gamma = _OBC2
    return 1 / (1 / rho - jnp.tanh(psi * (alpha - psi * (beta - psi * gamma))) / radii)


def _effective_distance(
    r_squared: Float[Array, "*shape"], born_squared: Float[Array, "*shape"]
) -> Float[Array, "*shape"]:
    """The distance f [nm] of Still's formula."""
    return jnp.sqrt(r_squared + born_squared * jnp.exp(-r_squared / (4 * born_squared)))


def _solvation(
    solute: float | Float[Array, ""], solvent: float | Float[Array, ""]
) -> float | Float[Array, ""]:
    """-C (1/eps_in - 1/eps_out) [kJ/mol nm/e^2]."""
    return -COULOMB * (1 / solute - 1 / solvent)


def _surface(
    born: Float[Array, " atoms"],
    radii: Float[Array, " atoms"],
    surface_area_energy: float | Float[Array, ""],
) -> Float[Array, ""]:
    """Nonpolar energy [kJ/mol]."""
    area = (radii + _PROBE) ** 2 * (radii / born) ** 6
    return 4 * math.pi * surface_area_energy * jnp.sum(area)
