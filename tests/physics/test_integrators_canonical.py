"""Thermostats against the canonical ensemble: exact where the discrete map is linear."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from model_surfaces import Model, double_well, spring
from scipy.linalg import solve_discrete_lyapunov

from isthmus.parameters.parameterization import Constraints
from isthmus.simulate.advance import advance, on_device, start
from isthmus.simulate.integrators.bussi import Bussi
from isthmus.simulate.integrators.isokinetic_respa import IsokineticRespa
from isthmus.simulate.integrators.langevin import Langevin
from isthmus.simulate.integrators.langevin_respa import LangevinRespa
from isthmus.simulate.integrators.nose_hoover import NoseHoover
from isthmus.simulate.mechanics import Mechanics
from isthmus.simulate.noise import normal_deviates
from isthmus.units import BOLTZMANN

pytestmark = pytest.mark.physics

KEY = jax.random.key(1)
TEMPERATURE = 300.0
THERMAL = BOLTZMANN * TEMPERATURE
MASS, STIFF, SOFT = 12.0, 5000.0, 400.0
OMEGA = np.sqrt(STIFF / MASS)
WORDS = 2**30, 3 * 2**30


def discrete_moments(integrator, n_draws):
    """Covariance of (x, v) in the stationary state of a linear stochastic map, without sampling.

    The map (x, v) → M (x, v) + N R is found by its response; the covariance solves
    S = M S Mᵀ + N Nᵀ.
    """
    first, second = (float(normal_deviates(jnp.uint32(w), np.dtype("float64"))) for w in WORDS)

    def response(x, v, words):
        state = start(integrator, KEY, np.full((1, 3), x), np.full((1, 3), v))
        with jax.enable_x64(True):
            shape = integrator.draw(KEY, state).shape
            noise = np.broadcast_to(words.astype(np.uint32)[:, None, None], (n_draws, 1, 3))
            state = integrator.move(jnp.asarray(noise.reshape(shape)), state)
        return np.array([float(state.positions[0, 0]), float(state.velocities[0, 0])])

    still = np.full(n_draws, WORDS[0])
    base = response(0.0, 0.0, still)
    columns = [response(x, v, still) - base for x, v in ((1.0, 0.0), (0.0, 1.0))]
    noises = [
        (response(0.0, 0.0, np.where(np.arange(n_draws) == i, WORDS[1], still)) - base)
        / (second - first)
        for i in range(n_draws)
    ]
    matrix, noise = np.stack(columns, axis=1), np.stack(noises, axis=1)
    return solve_discrete_lyapunov(matrix, noise @ noise.T)


@pytest.mark.parametrize("phase", [0.1, 1.0, 1.9])
@pytest.mark.parametrize("scheme", ["middle", "baoab"])
@pytest.mark.usefixtures("x64")
def test_discrete_langevin_has_the_exact_variances_of_an_oscillator(scheme, phase):
    """Positions kT/k at every stable step; velocities kT/m, or kT/m (1 − ω²dt²/4) for BAOAB."""
    integrator = Langevin(
        spring(STIFF),
        Mechanics.create(np.array([MASS])),
        timestep=phase / OMEGA,
        temperature=TEMPERATURE,
        friction=5.0,
        scheme=scheme,
    )
    covariance = discrete_moments(integrator, 1)
    expected = 1 if scheme == "middle" else 1 - phase**2 / 4
    assert covariance[0, 0] == pytest.approx(THERMAL / STIFF, rel=1e-10)
    assert covariance[1, 1] == pytest.approx(THERMAL / MASS * expected, rel=1e-10)


def respa_error(phase, ratio):
    """Relative error of the variance of positions between a stiff and a soft spring."""
    integrator = LangevinRespa(
        spring(STIFF),
        spring(SOFT),
        Mechanics.create(np.array([MASS])),
        timestep=phase / OMEGA,
        ratio=ratio,
        temperature=TEMPERATURE,
        friction=5.0,
    )
    return discrete_moments(integrator, ratio)[0, 0] * (STIFF + SOFT) / THERMAL - 1


@pytest.mark.usefixtures("x64")
def test_langevin_respa_has_the_variance_of_two_springs_up_to_second_order():
    assert abs(respa_error(1.0, 1)) < 1e-10
    coarse, fine = respa_error(0.8, 4), respa_error(0.4, 4)
    assert 0 < fine < 3e-3
    assert coarse / fine == pytest.approx(4, rel=0.1)


@pytest.mark.parametrize("phase", [0.5, 5.0], ids=["below", "beyond resonance"])
def test_isokinetic_respa_samples_two_springs_beyond_resonance(phase):
    """Outer steps of 5/ω, where RESPA alone is unstable; kinetic energy is L/(L + 1) of kT/2."""
    n_atoms, links, ratio = 1500, 4, round(phase / 0.1)
    integrator = on_device(
        IsokineticRespa(
            spring(STIFF, n_atoms=n_atoms),
            spring(SOFT, n_atoms=n_atoms),
            Mechanics.create(np.full(n_atoms, MASS)),
            timestep=phase / OMEGA,
            ratio=ratio,
            temperature=TEMPERATURE,
            links=links,
        )
    )
    rng = np.random.default_rng(0)
    x0 = rng.normal(size=(n_atoms, 3)) * np.sqrt(2 * THERMAL / (STIFF + SOFT))
    v0 = rng.normal(size=(n_atoms, 3)) * np.sqrt(THERMAL / MASS)
    state = start(integrator, KEY, x0, v0)
    held = 12 * np.asarray(state.velocities) ** 2 / THERMAL + links / (links + 1) * np.sum(
        (0.01 * np.asarray(state.extra["tied"])) ** 2, axis=0
    )
    np.testing.assert_allclose(held, links, rtol=1e-12)
    variances, kinetic = [], []
    for block in range(16):
        n_steps = 300 // ratio
        chunk = advance(integrator, KEY, state, first_step=block * n_steps, n_steps=n_steps)
        state = chunk.state
        variances.append(np.mean(np.asarray(state.positions) ** 2) * (STIFF + SOFT) / THERMAL)
        kinetic.append(float(chunk.infos.kinetic_energy[-1]) / (1.5 * n_atoms * THERMAL))
    # 4500 oscillators, 8 nearly independent looks: a standard error of 0.7 %
    assert np.mean(variances[8:]) == pytest.approx(1, abs=0.04)
    assert np.mean(kinetic[8:]) == pytest.approx(links / (links + 1), abs=0.05)


def thermostat(name, mechanics, n_atoms):
    well = double_well(3.0, n_atoms=n_atoms)
    common: dict[str, Any] = {"timestep": 0.02, "temperature": TEMPERATURE}
    if name == "bussi":
        return Bussi(well, mechanics, relaxation_time=0.2, **common)
    if name == "nose-hoover":
        return NoseHoover(well, mechanics, relaxation_time=0.3, **common)
    return Langevin(well, mechanics, friction=3.0, follow_heat=True, **common)


@pytest.mark.parametrize("name", ["bussi", "nose-hoover", "langevin"])
def test_kinetic_energy_is_canonical_and_the_conserved_quantity_is(name):
    """K has mean f kT/2 and variance f (kT)²/2; 256 replicas start cold and are independent."""
    n_atoms, n_replicas = 4, 256
    rng = np.random.default_rng(3)
    mechanics = Mechanics.create(rng.uniform(5, 20, n_atoms))
    degrees = mechanics.degrees_of_freedom
    integrator = on_device(thermostat(name, mechanics, n_atoms))
    x0 = 0.2 * rng.normal(size=(n_replicas, n_atoms, 3))
    v0 = np.asarray(mechanics.maxwell_velocities(KEY, jnp.asarray(x0), 0.5 * TEMPERATURE))
    state = start(integrator, KEY, x0, v0)
    state = advance(integrator, KEY, state, first_step=0, n_steps=1000).state
    chunk = advance(integrator, KEY, state, first_step=1000, n_steps=1500, every=100)
    reduced = np.asarray(chunk.infos.kinetic_energy) / THERMAL
    n_samples = reduced.size / (1 if name == "bussi" else 2)
    mean_error = np.sqrt(degrees / 2 / n_samples)
    assert reduced.mean() == pytest.approx(degrees / 2, abs=4 * mean_error + 0.01 * degrees / 2)
    # Var of the variance of a gamma distribution of shape f/2: (2 + 6/(f/2)) (f/2)² / n
    spread = degrees / 2 * np.sqrt((2 + 12 / degrees) / n_samples)
    assert reduced.var() == pytest.approx(degrees / 2, abs=4 * spread + 0.02 * degrees / 2)
    conserved = np.asarray(chunk.infos.conserved)
    assert np.abs(conserved - conserved[0]).max() < 0.05 * THERMAL * degrees
    assert np.ptp(np.asarray(chunk.infos.potential_energy)) > THERMAL * degrees


def test_rigid_dipoles_in_a_field_orient_by_the_langevin_function():
    """⟨cos θ⟩ = coth a − 1/a for a = energy/kT; kinetic energy kT/2 for each of 5 degrees."""
    n_pairs, length, reduced = 600, 0.3, 2.0
    pull = reduced * THERMAL / length
    sign = np.tile([1.0, -1.0], n_pairs)
    pairs = np.arange(2 * n_pairs).reshape(-1, 2)
    mechanics = Mechanics.create(
        np.tile([3.0, 7.0], n_pairs),
        constraints=Constraints(pairs, np.full(n_pairs, length)),
    )
    dipoles = Model(
        lambda x: -pull * jnp.sum(jnp.asarray(sign, x.dtype) * x[..., 2], -1),
        n_atoms=2 * n_pairs,
        precision="float32",
    )
    integrator = on_device(
        Langevin(dipoles, mechanics, timestep=0.01, temperature=TEMPERATURE, friction=2.0)
    )
    rng = np.random.default_rng(5)
    directions = rng.normal(size=(n_pairs, 3))
    directions *= length / np.linalg.norm(directions, axis=1, keepdims=True)
    x0 = np.stack([directions, np.zeros_like(directions)], axis=1).reshape(-1, 3)
    v0 = mechanics.maxwell_velocities(KEY, jnp.asarray(x0, jnp.float32), TEMPERATURE)
    state = start(integrator, KEY, x0, v0)
    cosines, kinetic = [], []
    for block in range(30):
        chunk = advance(integrator, KEY, state, first_step=100 * block, n_steps=100)
        state = chunk.state
        x = np.asarray(state.positions, dtype=float)
        step = x[0::2] - x[1::2]
        cosines.append(np.mean(step[:, 2]) / length)
        kinetic.append(float(chunk.infos.kinetic_energy[-1]))
        # Pairs wander away from the origin, and float32 positions of 10 nm have 1e-6 nm
        np.testing.assert_allclose(np.linalg.norm(step, axis=1), length, rtol=1e-4)
    expected = 1 / np.tanh(reduced) - 1 / reduced
    degrees = mechanics.degrees_of_freedom
    assert degrees == 5 * n_pairs
    assert np.mean(cosines[10:]) == pytest.approx(expected, abs=0.02)
    assert np.mean(kinetic[10:]) == pytest.approx(degrees * THERMAL / 2, rel=0.025)
