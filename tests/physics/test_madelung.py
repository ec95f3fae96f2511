"""Madelung constants of ionic crystals: the closed forms every Ewald sum has to give."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from isthmus.geometry.box import minimum_image
from isthmus.geometry.neighbours import build_neighbours
from isthmus.terms.ewald import ewald_reciprocal_energy, real_space_coulomb, self_energy
from isthmus.terms.pme import pme_reciprocal_energy
from isthmus.units import COULOMB

pytestmark = pytest.mark.physics

FACES = [[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]
# Cation sites, anion sites in units of the cubic cell; nearest distance / cell; constant for the
# nearest distance (OEIS A085469, A181152, A182566).
CRYSTALS = {
    "NaCl": (FACES, np.add(FACES, [0.5, 0, 0]), 1 / 2, 1.747564594633182),
    "CsCl": ([[0, 0, 0]], [[0.5, 0.5, 0.5]], np.sqrt(3) / 2, 1.762674773070988),
    "ZnS": (FACES, np.add(FACES, 0.25), np.sqrt(3) / 4, 1.638055053388789),
}
CELL = 0.6
REPEATS = 3


@pytest.fixture(autouse=True)
def _float64():
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize("skew", [0, 1], ids=["cubic", "triclinic"])
@pytest.mark.parametrize("method", ["ewald", "pme"])
@pytest.mark.parametrize("crystal", CRYSTALS)
def test_madelung_constant(crystal, method, skew):
    cations, anions, nearest, constant = CRYSTALS[crystal]
    cells = np.stack(np.meshgrid(*[np.arange(REPEATS)] * 3, indexing="ij"), -1).reshape(-1, 1, 3)
    sites = [(np.asarray(s) + cells).reshape(-1, 3) for s in (cations, anions)]
    positions = CELL * np.concatenate(sites) + 0.01
    charges = np.repeat([1.0, -1.0], [len(s) for s in sites])
    # The same crystal, seen through a skewed cell of the same lattice.
    box = CELL * np.array([[REPEATS, 0, 0], [skew, REPEATS, 0], [-skew, skew, REPEATS]], float)

    alpha, cutoff = 6.2, 0.89
    none = np.zeros((0, 2), dtype=np.int32)
    neighbours = build_neighbours(positions, box, cutoff=cutoff, skin=0.0, exclusions=none)
    x, q, cell = (jnp.asarray(a) for a in (positions, charges, box))
    i, j = jnp.arange(len(x))[:, None], neighbours.rows
    r = jnp.linalg.norm(minimum_image(x[i] - x[j], cell), axis=-1)
    inside = neighbours.mask & (r < cutoff)
    kernel = real_space_coulomb(jnp.where(inside, r, 1.0), alpha)
    energy = 0.5 * COULOMB * jnp.sum(jnp.where(inside, q[i] * q[j] * kernel, 0.0))
    energy += self_energy(q, cell, alpha=alpha)
    if method == "ewald":
        energy += ewald_reciprocal_energy(x, q, cell, alpha=alpha, k_max=(22, 22, 22))
    else:
        energy += pme_reciprocal_energy(x, q, cell, alpha=alpha, grid=(96, 96, 96))
    found = -energy * nearest * CELL / (len(positions) / 2) / COULOMB
    assert found == pytest.approx(constant, rel=1e-9 if method == "ewald" else 2e-6)
