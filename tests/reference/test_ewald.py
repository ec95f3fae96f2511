"""Ewald, PME and LJPME energies and forces against OpenMM's Reference platform (float64)."""

import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import openmm
import pytest
from scipy import special

from isthmus.geometry.box import minimum_image
from isthmus.geometry.neighbours import build_neighbours
from isthmus.terms.ewald import (
    ewald_reciprocal_energy,
    excluded_coulomb,
    real_space_coulomb,
    self_energy,
)
from isthmus.terms.ewald_parameters import ewald_parameters, ljpme_parameters, pme_parameters
from isthmus.terms.ljpme import (
    c6_coefficients,
    grid_dispersion,
    ljpme_reciprocal_energy,
    ljpme_self_energy,
)
from isthmus.terms.pme import pme_reciprocal_energy
from isthmus.units import COULOMB

RECTANGULAR = np.array([[2.1, 0, 0], [0, 2.3, 0], [0, 0, 1.9]])
# Not tighter: OpenMM 8.6.1's Reference platform loses pairs in some triclinic boxes that are only
# just wider than twice the cutoff (its CPU platform agrees with us there).
TRICLINIC = np.array([[2.8, 0, 0], [-0.6, 2.8, 0], [0.8, 0.7, 2.8]])
CUTOFF = 0.9


@pytest.fixture(autouse=True)
def _float64():
    with jax.enable_x64(True):
        yield


def ions(box, net_charge=0.0):
    """A distorted rock-salt block with some bonded (excluded) neighbours."""
    rng = np.random.default_rng(7)
    cells = np.stack(np.meshgrid(*[np.arange(6)] * 3, indexing="ij"), -1).reshape(-1, 3)
    positions = (cells / 6) @ box + rng.uniform(-0.05, 0.05, (len(cells), 3))
    charges = np.where(cells.sum(1) % 2, 1.0, -1.0) * rng.uniform(0.3, 1.0, len(cells))
    charges += (net_charge - charges.sum()) / len(charges)
    excluded = np.array([(i, i + 1) for i in range(0, 200, 3)] + [(5, 40), (2, 215)])
    return positions, charges, excluded


def openmm_result(box, positions, force):
    """Energy [kJ/mol] and forces [kJ/mol/nm] of one force."""
    system = openmm.System()
    for _ in positions:
        system.addParticle(1.0)
    system.setDefaultPeriodicBoxVectors(*box)
    system.addForce(force)
    platform = openmm.Platform.getPlatformByName("Reference")
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform)
    context.setPositions(positions)
    state = context.getState(getEnergy=True, getForces=True)
    md = openmm.unit.md_unit_system
    energy = state.getPotentialEnergy().value_in_unit_system(md)
    return energy, state.getForces(asNumpy=True).value_in_unit_system(md), context


def nonbonded(method, charges, excluded, lennard_jones=((1.0, 0.0),)):
    force = openmm.NonbondedForce()
    force.setNonbondedMethod(method)
    force.setCutoffDistance(CUTOFF)
    force.setUseDispersionCorrection(False)
    for charge, (sigma, epsilon) in zip(charges, itertools.cycle(lennard_jones), strict=False):
        force.addParticle(charge, sigma, epsilon)
    for i, j in excluded:
        force.addException(int(i), int(j), 0.0, 1.0, 0.0)
    return force


def distances_squared(x, box, pairs):
    return jnp.sum(minimum_image(x[pairs[:, 0]] - x[pairs[:, 1]], box) ** 2, axis=-1)


def pairs_of(neighbours):
    """Each pair once."""
    rows = np.asarray(neighbours.rows)
    i, column = np.nonzero(rows != np.arange(len(rows))[:, None])
    pairs = np.stack([i, rows[i, column]], axis=1)
    return pairs[pairs[:, 0] < pairs[:, 1]]


def coulomb_energy(x, charges, box, *, neighbours, excluded, alpha, reciprocal):
    """The whole Ewald energy from its parts, as in the table of `isthmus.terms.ewald`."""
    pairs = pairs_of(neighbours)
    r_squared = distances_squared(x, box, pairs)
    inside = r_squared < neighbours.cutoff**2
    r = jnp.sqrt(jnp.where(inside, r_squared, 1.0))
    products = charges[pairs[:, 0]] * charges[pairs[:, 1]]
    energy = jnp.sum(jnp.where(inside, products * real_space_coulomb(r, alpha), 0.0))
    products = charges[excluded[:, 0]] * charges[excluded[:, 1]]
    # OpenMM takes excluded pairs as they are, without the minimum image.
    gone = distances_squared(x, None, excluded)
    energy = energy + jnp.sum(products * excluded_coulomb(gone, alpha))
    return COULOMB * energy + self_energy(charges, box, alpha=alpha) + reciprocal(x, charges, box)


def energy_and_gradient(positions, charges, box, **parts):
    arrays = (jnp.asarray(positions), jnp.asarray(charges), jnp.asarray(box))
    return jax.jit(jax.value_and_grad(partial(coulomb_energy, **parts)))(*arrays)


def assert_equal(energy, forces, expected_energy, expected_forces, tolerance):
    assert energy == pytest.approx(expected_energy, rel=tolerance)
    scale = np.sqrt(np.mean(expected_forces**2))
    np.testing.assert_allclose(forces / scale, expected_forces / scale, atol=tolerance)


@pytest.mark.parametrize("net_charge", [0.0, 5.0])
@pytest.mark.parametrize("box", [RECTANGULAR, TRICLINIC], ids=["rectangular", "triclinic"])
def test_pme_equals_openmm(box, net_charge):
    positions, charges, excluded = ions(box, net_charge)
    force = nonbonded(openmm.NonbondedForce.PME, charges, excluded)
    expected_energy, expected_forces, context = openmm_result(box, positions, force)
    alpha, grid = pme_parameters(box, cutoff=CUTOFF)
    found = force.getPMEParametersInContext(context)
    assert found[0] == pytest.approx(alpha)
    assert tuple(found[1:]) == grid

    neighbours = build_neighbours(positions, box, cutoff=CUTOFF, skin=0.05, exclusions=excluded)
    energy, gradient = energy_and_gradient(
        positions,
        charges,
        box,
        neighbours=neighbours,
        excluded=excluded,
        alpha=alpha,
        reciprocal=lambda *a: pme_reciprocal_energy(*a, alpha=alpha, grid=grid),
    )
    assert_equal(energy, -gradient, expected_energy, expected_forces, 1e-9)


def test_ewald_equals_openmm():
    box = RECTANGULAR
    positions, charges, excluded = ions(box, 0.0)
    force = nonbonded(openmm.NonbondedForce.Ewald, charges, excluded)
    expected_energy, expected_forces, _ = openmm_result(box, positions, force)
    alpha, k_max = ewald_parameters(box, cutoff=CUTOFF)
    neighbours = build_neighbours(positions, box, cutoff=CUTOFF, skin=0.0, exclusions=excluded)
    energy, gradient = energy_and_gradient(
        positions,
        charges,
        box,
        neighbours=neighbours,
        excluded=excluded,
        alpha=alpha,
        reciprocal=lambda *a: ewald_reciprocal_energy(*a, alpha=alpha, k_max=k_max),
    )
    assert_equal(energy, -gradient, expected_energy, expected_forces, 1e-9)


def test_pme_converges_to_the_explicit_sum():
    positions, charges, _ = ions(TRICLINIC, 2.0)
    arrays = (jnp.asarray(positions), jnp.asarray(charges), jnp.asarray(TRICLINIC))

    def explicit(*a):
        return ewald_reciprocal_energy(*a, alpha=3.0, k_max=(16, 16, 16))

    def mesh(*a):
        return pme_reciprocal_energy(*a, alpha=3.0, grid=(80, 80, 80))

    by_sum = jax.jit(jax.value_and_grad(explicit, argnums=(0, 1, 2)))(*arrays)
    by_mesh = jax.jit(jax.value_and_grad(mesh, argnums=(0, 1, 2)))(*arrays)
    for a, b in zip(jax.tree.leaves(by_sum), jax.tree.leaves(by_mesh), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=5e-6 * np.abs(a).max())


@pytest.mark.parametrize("box", [RECTANGULAR, TRICLINIC], ids=["rectangular", "triclinic"])
def test_ljpme_equals_openmm(box):
    positions, charges, excluded = ions(box)
    rng = np.random.default_rng(1)
    sigma, epsilon = rng.uniform(0.15, 0.3, len(charges)), rng.uniform(0.1, 1.0, len(charges))
    parameters = list(zip(sigma, epsilon, strict=True))
    force = nonbonded(openmm.NonbondedForce.LJPME, 0.0 * charges, excluded, parameters)
    expected_energy, expected_forces, context = openmm_result(box, positions, force)
    alpha, grid = ljpme_parameters(box, cutoff=CUTOFF)
    assert tuple(force.getLJPMEParametersInContext(context)[1:]) == grid
    neighbours = build_neighbours(positions, box, cutoff=CUTOFF, skin=0.0, exclusions=excluded)
    pairs = pairs_of(neighbours)

    def lennard_jones(x, sigma, epsilon):
        i, j = pairs.T
        c6 = c6_coefficients(sigma, epsilon)

        def pair_energy(r_squared):
            """Lennard-Jones with mixed parameters, and the grid's share taken out."""
            ratio = ((sigma[i] + sigma[j]) / 2) ** 6 / r_squared**3
            well = 4 * jnp.sqrt(epsilon[i] * epsilon[j])
            return well * ratio * (ratio - 1) + c6[i] * c6[j] * grid_dispersion(r_squared, alpha)

        r_squared = distances_squared(x, box, pairs)
        inside = r_squared < CUTOFF**2
        r_squared = jnp.where(inside, r_squared, 1.0)
        shifted = pair_energy(r_squared) - pair_energy(jnp.full_like(r_squared, CUTOFF**2))
        gone = distances_squared(x, None, excluded)
        product = c6[excluded[:, 0]] * c6[excluded[:, 1]]
        return (
            jnp.sum(jnp.where(inside, shifted, 0.0))
            + jnp.sum(product * grid_dispersion(gone, alpha))
            + ljpme_reciprocal_energy(x, c6, jnp.asarray(box), alpha=alpha, grid=grid)
            + ljpme_self_energy(c6, alpha=alpha)
        )

    energy, gradient = jax.jit(jax.value_and_grad(lennard_jones))(
        jnp.asarray(positions), jnp.asarray(sigma), jnp.asarray(epsilon)
    )
    assert_equal(energy, -gradient, expected_energy, expected_forces, 1e-9)


RECIPROCAL = {
    "ewald": partial(ewald_reciprocal_energy, alpha=3.0, k_max=(9, 8, 7)),
    "pme": partial(pme_reciprocal_energy, alpha=3.0, grid=(20, 21, 18)),
    "ljpme": partial(ljpme_reciprocal_energy, alpha=3.0, grid=(12, 11, 10)),
}


@pytest.mark.parametrize("name", RECIPROCAL)
def test_derivatives_by_finite_differences(name):
    """First and second derivatives along one direction in positions, charges and box at once."""
    positions, charges, _ = ions(TRICLINIC, 1.0)
    arrays = [jnp.asarray(a) for a in (positions, charges, TRICLINIC)]
    rng = np.random.default_rng(4)
    directions = [jnp.asarray(rng.normal(size=a.shape)) for a in arrays]

    def along(step):
        return RECIPROCAL[name](*[a + step * d for a, d in zip(arrays, directions, strict=True)])

    @jax.jit
    def orders(step):
        (energy, slope), (_, curvature) = jax.jvp(jax.value_and_grad(along), (step,), (1.0,))
        return energy, slope, curvature

    h = 1e-6
    before, here, after = (orders(step) for step in (-h, 0.0, h))
    for order in (0, 1):
        numerical = float(after[order] - before[order]) / (2 * h)
        assert float(here[order + 1]) == pytest.approx(numerical, rel=1e-6)


@pytest.mark.parametrize("name", RECIPROCAL)
def test_float32_and_batches(name):
    positions, charges, _ = ions(TRICLINIC)
    double = jax.jit(RECIPROCAL[name])(*(jnp.asarray(a) for a in (positions, charges, TRICLINIC)))
    single = [jnp.asarray(a, jnp.float32) for a in (positions, charges, TRICLINIC)]
    energy = jax.jit(jax.vmap(RECIPROCAL[name], in_axes=(0, None, None)))(
        jnp.stack([single[0], single[0] + single[2][0]]), *single[1:]
    )
    assert energy.dtype == jnp.float32
    np.testing.assert_allclose(energy, double, rtol=2e-5)


def test_the_kernel_in_float32_is_right_to_rounding():
    r = np.linspace(0.02, 2.5, 4001)
    alpha = 2.9
    kernel = jax.value_and_grad(lambda x: real_space_coulomb(x, alpha))
    found, slope = jax.vmap(kernel)(jnp.asarray(r, jnp.float32))
    rounded = r.astype(np.float32).astype(float)
    wanted = special.erfc(alpha * rounded) / rounded
    gauss = 2 * alpha / np.sqrt(np.pi) * np.exp(-((alpha * rounded) ** 2))
    assert found.dtype == slope.dtype == jnp.float32
    # exp(-x²) in float32 is known to x² times its rounding
    np.testing.assert_allclose(found, wanted, rtol=8e-6, atol=1e-20)
    near = rounded < 1.0
    np.testing.assert_allclose(found[near], wanted[near], rtol=2e-6)
    np.testing.assert_allclose(slope, -(wanted + gauss) / rounded, rtol=8e-6, atol=1e-20)
