"""The long-range correction against OpenMM, with and without switching (float64)."""

import jax
import jax.numpy as jnp
import numpy as np
import openmm
import pytest

from isthmus.terms.dispersion import count_types, lennard_jones_tail, pair_tail

WIDTH = 3.0
CUTOFF = 1.0
SIGMA = np.array([0.3, 0.35, 0.25, 0.1])
EPSILON = np.array([0.6, 0.3, 0.9, 0.0])
TYPES = np.array([0, 1, 1, 2, 0, 3, 2, 2, 1, 0, 0])


@pytest.fixture(autouse=True)
def _float64():
    with jax.enable_x64(True):
        yield


def openmm_energy(force):
    """Energy of atoms too far apart to interact inside the cutoff [kJ/mol]."""
    system = openmm.System()
    for _ in TYPES:
        system.addParticle(1.0)
    system.setDefaultPeriodicBoxVectors(*np.diag([WIDTH * len(TYPES), WIDTH, WIDTH]))
    system.addForce(force)
    platform = openmm.Platform.getPlatformByName("Reference")
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform)
    context.setPositions([[WIDTH * n, 0, 0] for n in range(len(TYPES))])
    energy = context.getState(getEnergy=True).getPotentialEnergy()
    return energy.value_in_unit(openmm.unit.kilojoule_per_mole)


def counted():
    representative, counts = count_types(np.stack([SIGMA[TYPES], EPSILON[TYPES]], axis=1))
    atoms = TYPES[representative]
    return jnp.asarray(SIGMA[atoms]), jnp.asarray(EPSILON[atoms]), counts


@pytest.mark.parametrize("switch", [None, 0.8])
def test_lennard_jones(switch):
    force = openmm.NonbondedForce()
    force.setNonbondedMethod(openmm.NonbondedForce.CutoffPeriodic)
    force.setCutoffDistance(CUTOFF)
    force.setUseSwitchingFunction(switch is not None)
    force.setSwitchingDistance(switch or 0.9)
    for kind in TYPES:
        force.addParticle(0.0, SIGMA[kind], EPSILON[kind])
    volume = WIDTH**3 * len(TYPES)
    coefficient = lennard_jones_tail(*counted(), cutoff=CUTOFF, switch_distance=switch)
    assert coefficient / volume == pytest.approx(openmm_energy(force), rel=1e-11)


@pytest.mark.parametrize("switch", [None, 0.8])
def test_any_pair_energy(switch):
    force = openmm.CustomNonbondedForce("-a1*a2*exp(-2*r)/(r^6+0.01)")
    force.addPerParticleParameter("a")
    force.setNonbondedMethod(openmm.CustomNonbondedForce.CutoffPeriodic)
    force.setCutoffDistance(CUTOFF)
    force.setUseLongRangeCorrection(True)
    force.setUseSwitchingFunction(switch is not None)
    force.setSwitchingDistance(switch or 0.9)
    for kind in TYPES:
        force.addParticle([SIGMA[kind]])
    strength, _, counts = counted()

    def energy(r, first, second):
        return -strength[first] * strength[second] * jnp.exp(-2 * r) / (r**6 + 0.01)

    coefficient = pair_tail(energy, counts, cutoff=CUTOFF, switch_distance=switch)
    volume = WIDTH**3 * len(TYPES)
    # OpenMM's own quadrature stops at about 1e-6.
    assert coefficient / volume == pytest.approx(openmm_energy(force), rel=1e-5)


def test_closed_form_is_the_general_one():
    sigma, epsilon, counts = counted()

    def energy(r, i, j):
        ratio = ((sigma[i] + sigma[j]) / 2 / r) ** 6
        return 4 * jnp.sqrt(epsilon[i] * epsilon[j]) * ratio * (ratio - 1)

    settings = {"cutoff": CUTOFF, "switch_distance": 0.7}
    general = pair_tail(energy, counts, **settings)
    assert lennard_jones_tail(sigma, epsilon, counts, **settings) == pytest.approx(general)
    gradient = jax.grad(lambda e: lennard_jones_tail(sigma, e, counts, **settings))(epsilon)
    assert np.all(np.isfinite(gradient))
