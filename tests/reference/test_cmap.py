"""CMAP against OpenMM's CMAPTorsionForce on the Reference platform (float64)."""

import jax
import jax.numpy as jnp
import numpy as np
import openmm
import pytest

from isthmus.terms.cmap import cmap_coefficients, cmap_energy

N_CLUSTERS = 12


@pytest.fixture(autouse=True)
def _float64():
    with jax.enable_x64(True):
        yield


def dihedral(x, atoms):
    """IUPAC dihedral angle [rad] of four atoms."""
    a, b, c, d = (x[atoms[:, n]] for n in range(4))
    axis = (c - b) / jnp.linalg.norm(c - b, axis=-1, keepdims=True)
    left, right = jnp.cross(b - a, axis), jnp.cross(axis, d - c)
    sine = jnp.sum(jnp.cross(left, right) * axis, axis=-1)
    return jnp.arctan2(sine, jnp.sum(left * right, axis=-1))


@pytest.mark.parametrize("size", [24, 7])
def test_equals_openmm(size):
    rng = np.random.default_rng(size)
    maps = rng.normal(size=(2, size, size))
    positions = rng.normal(size=(5 * N_CLUSTERS, 3))
    first = np.arange(N_CLUSTERS)[:, None] * 5 + np.arange(4)
    second = first + 1
    map_idx = rng.integers(0, 2, N_CLUSTERS)

    force = openmm.CMAPTorsionForce()
    for table in maps:
        # OpenMM stores energy[i + size * j] for the angles i and j.
        force.addMap(size, table.T.ravel())
    for one, p, q in zip(map_idx, first, second, strict=True):
        force.addTorsion(int(one), *map(int, p), *map(int, q))
    system = openmm.System()
    for _ in positions:
        system.addParticle(1.0)
    system.addForce(force)
    platform = openmm.Platform.getPlatformByName("Reference")
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform)
    context.setPositions(positions)
    state = context.getState(getEnergy=True, getForces=True)
    md = openmm.unit.md_unit_system

    def total(x):
        coefficients = cmap_coefficients(jnp.asarray(maps))
        phi, psi = dihedral(x, first), dihedral(x, second)
        return jnp.sum(
            cmap_energy(phi, psi, coefficients=coefficients, map_idx=jnp.asarray(map_idx))
        )

    energy, gradient = jax.jit(jax.value_and_grad(total))(jnp.asarray(positions))
    assert energy == pytest.approx(state.getPotentialEnergy().value_in_unit_system(md), rel=1e-10)
    forces = state.getForces(asNumpy=True).value_in_unit_system(md)
    np.testing.assert_allclose(-gradient, forces, atol=1e-9 * np.abs(forces).max())


def test_smooth_and_periodic():
    table = jnp.asarray(np.random.default_rng(0).normal(size=(1, 8, 8)))
    coefficients = cmap_coefficients(table)
    nodes = 2 * np.pi * np.arange(8) / 8
    phi, psi = (jnp.asarray(a.ravel()) for a in np.meshgrid(nodes, nodes, indexing="ij"))

    def energy(phi, psi):
        index = jnp.zeros(phi.shape, dtype=jnp.int32)
        return cmap_energy(phi, psi, coefficients=coefficients, map_idx=index)

    def slopes(phi, psi):
        return jax.grad(lambda a: jnp.sum(energy(*a)))((phi, psi))

    np.testing.assert_allclose(energy(phi, psi), table.ravel(), atol=1e-12)
    np.testing.assert_allclose(energy(phi - 4 * np.pi, psi + 2 * np.pi), table.ravel(), atol=1e-12)
    for before, after in zip(slopes(phi - 1e-9, psi), slopes(phi + 1e-9, psi), strict=True):
        np.testing.assert_allclose(before, after, atol=1e-6)
