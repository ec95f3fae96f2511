"""GBSA-OBC2 against OpenMM's GBSAOBCForce on the Reference platform (float64)."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import openmm
import pytest

from isthmus.terms import gbsa
from isthmus.terms.gbsa import gbsa_energy

BOX = np.diag([2.4, 2.2, 2.3])
SETTINGS = {
    "solute_dielectric": 2.0,
    "solvent_dielectric": 70.0,
    "surface_area_energy": 3.0,
}


@pytest.fixture(autouse=True)
def _float64():
    with jax.enable_x64(True):
        yield


@pytest.fixture
def cluster():
    """Positions, charges, radii and scales of 90 crowded atoms; one lies inside another."""
    rng = np.random.default_rng(3)
    cells = np.stack(np.meshgrid(*[np.arange(5)] * 3, indexing="ij"), -1).reshape(-1, 3)[:90]
    positions = 0.16 * cells + rng.uniform(-0.04, 0.04, cells.shape)
    radii = rng.uniform(0.12, 0.2, 90)
    positions[1], radii[0], radii[1] = positions[0] + [0.0, 0.02, 0.0], 0.25, 0.1
    return positions, rng.normal(size=90), radii, rng.uniform(0.7, 0.95, 90)


def openmm_result(cluster, method, cutoff):
    positions, *parameters = cluster
    force = openmm.GBSAOBCForce()
    for charge, radius, scale in zip(*parameters, strict=True):
        force.addParticle(charge, radius, scale)
    force.setSoluteDielectric(SETTINGS["solute_dielectric"])
    force.setSolventDielectric(SETTINGS["solvent_dielectric"])
    force.setSurfaceAreaEnergy(SETTINGS["surface_area_energy"])
    force.setNonbondedMethod(method)
    if cutoff:
        force.setCutoffDistance(cutoff)
    system = openmm.System()
    for _ in positions:
        system.addParticle(1.0)
    system.setDefaultPeriodicBoxVectors(*BOX)
    system.addForce(force)
    platform = openmm.Platform.getPlatformByName("Reference")
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform)
    context.setPositions(positions)
    state = context.getState(getEnergy=True, getForces=True)
    md = openmm.unit.md_unit_system
    return (
        state.getPotentialEnergy().value_in_unit_system(md),
        state.getForces(asNumpy=True).value_in_unit_system(md),
    )


def assert_equal(energy, forces, expected):
    assert energy == pytest.approx(expected[0], rel=1e-10)
    np.testing.assert_allclose(forces, expected[1], rtol=0, atol=1e-9 * np.abs(expected[1]).max())


@pytest.mark.parametrize("block", [2**18, 700], ids=["whole", "blocked"])
def test_without_cutoff(cluster, block, monkeypatch):
    monkeypatch.setattr(gbsa, "_BLOCK", block)
    arrays = [jnp.asarray(a) for a in cluster]
    function = jax.jit(jax.value_and_grad(partial(gbsa_energy, **SETTINGS)))
    energy, gradient = function(*arrays)
    assert_equal(energy, -gradient, openmm_result(cluster, openmm.GBSAOBCForce.NoCutoff, None))


@pytest.mark.parametrize("box", [None, BOX], ids=["open", "periodic"])
def test_with_cutoff(cluster, box):
    arrays = [jnp.asarray(a) for a in cluster]
    cell = None if box is None else jnp.asarray(box)
    solvation = partial(gbsa_energy, cutoff=0.6, box=cell, **SETTINGS)
    energy, gradient = jax.jit(jax.value_and_grad(solvation))(*arrays)
    method = openmm.GBSAOBCForce.CutoffNonPeriodic
    if box is not None:
        method = openmm.GBSAOBCForce.CutoffPeriodic
    assert_equal(energy, -gradient, openmm_result(cluster, method, 0.6))


def test_derivatives_by_finite_differences(cluster):
    arrays = [jnp.asarray(a) for a in cluster]
    rng = np.random.default_rng(0)
    directions = [jnp.asarray(rng.normal(size=a.shape)) for a in arrays]

    @jax.jit
    def along(step):
        return gbsa_energy(*[a + step * d for a, d in zip(arrays, directions, strict=True)])

    h = 1e-6
    numerical = float(along(h) - along(-h)) / (2 * h)
    assert jax.grad(along)(0.0) == pytest.approx(numerical, rel=1e-6)
