"""Deterministic dynamics against closed forms: trajectories, reversibility, what is conserved."""

import jax
import numpy as np
import pytest
from model_surfaces import double_well, field, kepler, spring

from isthmus.parameters.parameterization import Constraints
from isthmus.simulate.advance import advance, start
from isthmus.simulate.integrators.nose_hoover import NoseHoover
from isthmus.simulate.integrators.respa import Respa
from isthmus.simulate.integrators.verlet import VelocityVerlet
from isthmus.simulate.mechanics import Mechanics

pytestmark = pytest.mark.physics

KEY = jax.random.key(0)
NONE = np.zeros((1, 3))


def run(integrator, positions, velocities, n_steps, **kwargs):
    state = start(integrator, KEY, positions, velocities)
    return advance(integrator, KEY, state, first_step=0, n_steps=n_steps, **kwargs)


def test_free_fall_is_exact_at_every_step_size():
    mass, strength, dt = 3.0, 9.81, 0.25
    verlet = VelocityVerlet(field(strength), Mechanics.create(np.array([mass])), timestep=dt)
    chunk = run(verlet, NONE + 1.0, NONE + 2.0, 400)
    time = 400 * dt
    expected = 1 + 2 * time - np.array([0, 0, strength / mass * time**2 / 2])
    assert np.asarray(chunk.state.positions)[0] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("phase", [0.1, 1.0, 1.9])
def test_oscillator_follows_the_map_of_velocity_verlet(phase):
    """cos φ = 1 − (ω dt)²/2, with amplitudes v/(ω √(1 − (ω dt)²/4)): stable up to ω dt = 2."""
    mass, constant = 12.0, 3000.0
    omega = np.sqrt(constant / mass)
    x0, v0 = np.array([[0.1, -0.2, 0.3]]), np.array([[5.0, 1.0, -2.0]])
    verlet = VelocityVerlet(
        spring(constant), Mechanics.create(np.array([mass])), timestep=phase / omega
    )
    found = run(verlet, x0, v0, 1000).state
    turned = 1000 * np.arccos(1 - phase**2 / 2)
    fast = omega * np.sqrt(1 - phase**2 / 4)
    np.testing.assert_allclose(
        found.positions, x0 * np.cos(turned) + v0 / fast * np.sin(turned), atol=1e-10
    )
    np.testing.assert_allclose(
        found.velocities, v0 * np.cos(turned) - x0 * fast * np.sin(turned), atol=1e-9
    )


def test_kepler_orbit_closes_with_an_error_of_second_order():
    """Half axis 1 and eccentricity 0.5: period 2π; angular momentum is kept to rounding."""
    eccentricity = 0.5
    x0 = np.array([[1 - eccentricity, 0, 0]])
    v0 = np.array([[0, np.sqrt((1 + eccentricity) / (1 - eccentricity)), 0]])
    errors = []
    for n_steps in (1000, 2000):
        verlet = VelocityVerlet(
            kepler(), Mechanics.create(np.ones(1)), timestep=2 * np.pi / n_steps
        )
        chunk = run(verlet, x0, v0, n_steps, every=n_steps // 10)
        x, v = np.asarray(chunk.state.positions), np.asarray(chunk.state.velocities)
        errors.append(np.linalg.norm(x - x0))
        np.testing.assert_allclose(np.cross(x, v), np.cross(x0, v0), atol=1e-12)
        assert np.asarray(chunk.infos.conserved)[-1] == pytest.approx(-0.5, abs=1e-4)
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.02)
    assert errors[1] < 1e-3


def cluster(seed: int = 0, n_atoms: int = 5):
    rng = np.random.default_rng(seed)
    mechanics = Mechanics.create(rng.uniform(1, 20, n_atoms))
    return mechanics, rng.normal(size=(n_atoms, 3)), rng.normal(size=(n_atoms, 3))


def deterministic(name, mechanics, timestep, n_atoms=5):
    well = double_well(n_atoms=n_atoms)
    if name == "verlet":
        return VelocityVerlet(well, mechanics, timestep=timestep)
    if name == "respa":
        pull = spring(0.5, n_atoms=n_atoms)
        return Respa(well, pull, mechanics, timestep=timestep, ratio=3)
    return NoseHoover(well, mechanics, timestep=timestep, temperature=1500.0, relaxation_time=1.0)


@pytest.mark.parametrize("name", ["verlet", "respa", "nose-hoover"])
def test_runs_back_to_where_it_came_from(name):
    mechanics, x0, v0 = cluster()
    integrator = deterministic(name, mechanics, 0.01)
    forth = run(integrator, x0, v0, 200).state
    assert np.linalg.norm(np.asarray(forth.positions) - x0) > 1
    extra = dict(forth.extra)
    if name == "nose-hoover":
        extra["chain_velocities"] = -extra["chain_velocities"]
    turned = type(forth)(
        forth.positions, -forth.velocities, forth.forces, forth.energy, forth.box, extra
    )
    back = advance(integrator, KEY, turned, first_step=0, n_steps=200).state
    np.testing.assert_allclose(back.positions, x0, atol=1e-9)
    np.testing.assert_allclose(back.velocities, -v0, atol=1e-9)


@pytest.mark.parametrize("name", ["verlet", "respa", "nose-hoover"])
def test_conserved_energy_fluctuates_with_the_square_of_the_step(name):
    mechanics, x0, v0 = cluster(1)
    spreads = []
    for dt in (0.008, 0.004):
        integrator = deterministic(name, mechanics, dt)
        n_steps = round(8 / dt)
        infos = run(integrator, x0, v0, n_steps, every=n_steps // 1000 or 1).infos
        energy = np.asarray(infos.conserved)
        spreads.append(energy.std())
        quarter = len(energy) // 4
        assert abs(energy[-quarter:].mean() - energy[:quarter].mean()) < 3 * energy.std()
    assert spreads[0] / spreads[1] == pytest.approx(4, rel=0.1)


def test_respa_with_one_inner_step_is_velocity_verlet():
    mechanics, x0, v0 = cluster(2)
    well, pull = double_well(n_atoms=5), spring(0.5, n_atoms=5)
    respa = Respa(well, pull, mechanics, timestep=0.01, ratio=1)
    verlet = VelocityVerlet(respa.surface, mechanics, timestep=0.01)
    one, other = (run(i, x0, v0, 100).state for i in (respa, verlet))
    np.testing.assert_allclose(one.positions, other.positions, atol=1e-11)
    assert float(one.energy) == pytest.approx(float(other.energy), rel=1e-12)


def test_respa_converges_to_the_fine_trajectory_with_the_square_of_the_step():
    mechanics, x0, v0 = cluster(3)
    well, pull = double_well(n_atoms=5), spring(0.5, n_atoms=5)
    reference = VelocityVerlet(
        Respa(well, pull, mechanics, timestep=1.0, ratio=1).surface, mechanics, timestep=1e-4
    )
    end = np.asarray(run(reference, x0, v0, 5000).state.positions)
    errors = []
    for dt in (0.02, 0.01):
        respa = Respa(well, pull, mechanics, timestep=dt, ratio=5)
        found = run(respa, x0, v0, round(0.5 / dt)).state.positions
        errors.append(np.linalg.norm(np.asarray(found) - end))
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.15)


def test_respa_resonates_at_half_a_fast_period():
    """The linear map of a stiff and a soft spring loses its stability at Δt = π/ω."""
    mass, stiff, soft = 1.0, 100.0, 4.0
    mechanics, omega = Mechanics.create(np.array([mass])), np.sqrt(stiff / mass)

    def largest(timestep):
        respa = Respa(spring(stiff), spring(soft), mechanics, timestep=timestep, ratio=100)
        columns = []
        for x, v in ((1.0, 0.0), (0.0, 1.0)):
            state = run(respa, NONE + x, NONE + v, 1).state
            columns.append([float(state.positions[0, 0]), float(state.velocities[0, 0])])
        return np.abs(np.linalg.eigvals(np.array(columns))).max()

    assert largest(0.9 * np.pi / omega) == pytest.approx(1, abs=1e-9)
    assert largest(0.999 * np.pi / omega) > 1.01


def test_rigid_dumbbell_keeps_its_length_and_its_energy():
    """Falling and turning, beside a fixed particle; RATTLE in float64."""
    mechanics = Mechanics.create(
        np.array([0.0, 2.0, 1.0]),
        constraints=Constraints(np.array([[1, 2]]), np.array([0.5])),
    )
    x0 = np.array([[0, 0, 0], [0.0, 0, 0], [0.5, 0, 0]])
    v0 = np.array([[0, 0, 0], [0, 0, 5.0], [0, 0, -5.0]])
    spreads = []
    for dt in (0.002, 0.001):
        verlet = VelocityVerlet(field(9.81, n_atoms=3), mechanics, timestep=dt)
        chunk = run(verlet, x0, v0, round(2 / dt), every=round(0.02 / dt))
        x, v = np.asarray(chunk.state.positions), np.asarray(chunk.state.velocities)
        assert np.linalg.norm(x[1] - x[2]) == pytest.approx(0.5, rel=1e-10)
        assert np.dot(x[1] - x[2], v[1] - v[2]) == pytest.approx(0, abs=1e-9)
        np.testing.assert_array_equal(x[0], 0)
        spreads.append(np.ptp(np.asarray(chunk.infos.conserved)))
    assert spreads[0] / spreads[1] == pytest.approx(4, rel=0.02)
