"""Repulsion of nuclei at short distance, which keeps atoms apart where no data are.

Universal potential of Ziegler, Biersack and Littmark, The Stopping and Range of Ions in Solids
(Pergamon, 1985):

    E = 1/(4πε₀) Z₁Z₂/d φ(d/a),  a = 0.88534 a₀ / (Z₁^0.23 + Z₂^0.23)
    φ(x) = 0.18175 e^{−3.19980x} + 0.50986 e^{−0.94229x} + 0.28022 e^{−0.40290x}
           + 0.02817 e^{−0.20162x}

times the polynomial envelope, which ends at the sum of the covalent radii as in MACE (Batatia et
al., arXiv:2401.00096, 2023): bonded atoms hardly see it.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from isthmus.chemistry.elements import MAX_ATOMIC_NUMBER, covalent_radii
from isthmus.networks.blocks.envelopes import polynomial_envelope
from isthmus.networks.neighbourhood import Neighbourhood
from isthmus.units import BOHR, COULOMB

__all__ = ["repulsion_energies"]

_SCREENING = ((0.18175, 3.19980), (0.50986, 0.94229), (0.28022, 0.40290), (0.02817, 0.20162))


def repulsion_energies(
    numbers: Int[Array | np.ndarray, " atoms"],
    around: Neighbourhood,
    *,
    reach: float | None = None,
) -> Float[Array, " atoms"]:
    """Half of the energy of each pair for each of its atoms [kJ/mol].

    Args:
        numbers: atomic numbers.
        around: neighbours of each atom.
        reach: how far anything acts at most [nm]: the cutoff of `around`, unless that is larger
            than every sum of two covalent radii.
    """
    d = around.distances
    charges = jnp.asarray(numbers).astype(d.dtype)
    powers = charges**0.23
    table = covalent_radii(np.arange(MAX_ATOMIC_NUMBER + 1))
    radii = jnp.asarray(table, d.dtype)[jnp.asarray(numbers)]
    end = radii[:, None] + around.around(radii)
    if reach is not None:
        end = jnp.minimum(end, reach)
    x = d * (powers[:, None] + around.around(powers)) / (0.88534 * BOHR)
    screening = sum(share * jnp.exp(-rate * x) for share, rate in _SCREENING)
    products = charges[:, None] * around.around(charges)
    pairs = COULOMB * products / d * screening * polynomial_envelope(d, end)
    return 0.5 * jnp.sum(jnp.where(around.mask, pairs, 0.0), axis=1)
