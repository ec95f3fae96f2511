"""Barostats on an ideal gas of molecules: the distribution of the volume is known.

At fixed pressure p(V) ∝ V^N exp(−P V/kT): a Gamma distribution of shape N + 1 and scale kT/P,
whichever axes of the box may change.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from isthmus.chemistry.smiles import from_smiles
from isthmus.errors import InputError
from isthmus.forcefield.forcefield import ForceField
from isthmus.forcefield.potential import EnergyAndForces
from isthmus.simulate.advance import advance, start
from isthmus.simulate.barostats.molecules import Molecules
from isthmus.simulate.barostats.montecarlo import MonteCarlo
from isthmus.simulate.barostats.pressured import Pressured
from isthmus.simulate.barostats.stochastic_cell import StochasticCell
from isthmus.simulate.integrators.langevin import Langevin
from isthmus.simulate.integrators.respa import Respa
from isthmus.simulate.mechanics import Mechanics
from isthmus.simulate.state import State
from isthmus.simulate.surface import divide
from isthmus.terms.nonbonded_method import NonbondedMethod
from isthmus.units import BAR, BOLTZMANN

pytestmark = pytest.mark.physics

N, T, P = 20, 300.0, 1000.0
KT = BOLTZMANN * T
MASSES = np.tile([16.0, 1.0], N)
LABELS = np.repeat(np.arange(N), 2)
MOLECULES = Molecules.create(LABELS, MASSES)
SHAPE, SCALE = N + 1, KT / (P * BAR)


class IdealGas(eqx.Module):
    """No forces between molecules; inside, a spring that no barostat may feel."""

    n_atoms: int = eqx.field(static=True, default=2 * N)
    precision: str = eqx.field(static=True, default="float32")
    needs_neighbours: bool = eqx.field(static=True, default=False)

    def neighbours(self, positions, box=None, *, skin=0.1):
        del positions, box, skin
        return ()

    def energy(self, positions):
        bonds = positions[0::2] - positions[1::2]
        return 500.0 * jnp.sum(bonds**2)

    def energy_and_forces(self, positions, box=None, neighbours=None):
        del box, neighbours
        energy, gradient = jax.value_and_grad(self.energy)(positions)
        return EnergyAndForces(energy, -gradient)

    def virial(self, positions, box=None, neighbours=None):
        del box, neighbours
        return jax.grad(lambda e: self.energy(positions @ (jnp.eye(3) + e)))(jnp.zeros((3, 3)))


def gas(barostat, every: int = 1) -> Pressured:
    mechanics = Mechanics.create(MASSES)
    langevin = Langevin(IdealGas(), mechanics, timestep=0.001, temperature=T, friction=1.0)
    return Pressured(langevin, barostat, every=every)


def volumes_of(barostat, n_steps: int, replicas: int, seed: int = 1) -> tuple[np.ndarray, State]:
    """Volumes after many changes of the box, with new velocities before each."""
    pressured = gas(barostat)
    rng = np.random.default_rng(seed)
    centres = rng.uniform(0, 1, (replicas, N, 1, 3))
    shapes = rng.normal(0, 0.05, (1, N, 2, 3))
    edge = (SHAPE * SCALE) ** (1 / 3)
    positions = jnp.asarray((edge * (centres + shapes)).reshape(replicas, -1, 3), jnp.float32)
    box = edge * jnp.eye(3)

    def one(key, x):
        state = pressured.init(key, x, jnp.zeros_like(x), box)

        def step(state, key):
            first, second = jax.random.split(key)
            velocities = pressured.mechanics.maxwell_velocities(first, x, T)
            state = eqx.tree_at(lambda s: s.velocities, state, velocities)
            return pressured.changed(second, state), None

        return jax.lax.scan(step, state, jax.random.split(key, n_steps))[0]

    run = jax.jit(jax.vmap(one))
    final = run(jax.random.split(jax.random.key(seed), replicas), positions)
    return np.linalg.det(np.asarray(final.box, np.float64)), final


def check_gamma(volumes: np.ndarray) -> None:
    """Mean and variance within four standard errors, and the shape by Kolmogorov and Smirnov."""
    gamma = stats.gamma(SHAPE, scale=SCALE)
    count = len(volumes)
    assert abs(volumes.mean() - gamma.mean()) < 4 * gamma.std() / np.sqrt(count)
    kurtosis = 6 / SHAPE
    error = gamma.var() * np.sqrt((kurtosis + 2) / count)
    assert abs(volumes.var(ddof=1) - gamma.var()) < 4 * error
    assert stats.kstest(volumes, gamma.cdf).pvalue > 1e-3


def cell_rescaling(axes, interval: float = 0.02) -> StochasticCell:
    """Relaxes in 1/interval changes of the box; an ideal gas has the compressibility 1/P."""
    return StochasticCell(
        MOLECULES,
        temperature=T,
        pressure=P,
        interval=interval,
        relaxation_time=1.0,
        compressibility=1 / P,
        axes=axes,
    )


@pytest.mark.parametrize("axes", [None, (True, False, True)])
def test_monte_carlo_has_the_volumes_of_an_ideal_gas(axes):
    volumes, final = volumes_of(
        MonteCarlo(MOLECULES, temperature=T, pressure=P, axes=axes), 200, 1000
    )
    check_gamma(volumes)
    edges = np.asarray(final.box)[:, [0, 1, 2], [0, 1, 2]]
    if axes is None:
        np.testing.assert_allclose(edges, edges[:, :1] * np.ones(3), rtol=1e-5)
    else:
        np.testing.assert_allclose(edges[:, 1], (SHAPE * SCALE) ** (1 / 3), rtol=1e-6)
        assert np.std(edges[:, 0] / edges[:, 2]) > 0.1


@pytest.mark.parametrize("axes", [None, (True, False, True)])
def test_stochastic_cell_has_the_volumes_of_an_ideal_gas(axes):
    check_gamma(volumes_of(cell_rescaling(axes), 200, 1000)[0])


@pytest.mark.slow
@pytest.mark.parametrize("axes", [None, (True, True, True), (False, False, True)])
@pytest.mark.parametrize("kind", ["monte-carlo", "cell-rescaling"])
def test_volumes_of_an_ideal_gas_to_more_digits(kind, axes):
    monte_carlo = MonteCarlo(MOLECULES, temperature=T, pressure=P, axes=axes)
    barostat = monte_carlo if kind == "monte-carlo" else cell_rescaling(axes, 0.01)
    check_gamma(volumes_of(barostat, 600, 4000)[0])


def test_the_width_adapts_and_then_stays():
    barostat = MonteCarlo(MOLECULES, temperature=T, pressure=P, adapt=200)
    pressured = gas(barostat)
    x = jnp.asarray(np.random.default_rng(0).uniform(0, 1, (2 * N, 3)), jnp.float32)
    state = pressured.init(jax.random.key(0), x, jnp.zeros_like(x), jnp.eye(3))
    memory = state.extra["barostat"] | {"width": jnp.full(3, 0.002)}
    state = eqx.tree_at(lambda s: s.extra["barostat"], state, memory)

    def step(state, key):
        after = pressured.changed(key, state)
        return after, (after.extra["barostat"]["width"][0], jnp.any(after.box != state.box))

    run = jax.jit(lambda s, k: jax.lax.scan(step, s, k))
    _, (widths, taken) = run(state, jax.random.split(jax.random.key(1), 500))
    widths = np.asarray(widths)
    assert widths[199] > 3 * widths[0]
    assert len(set(widths[200:].tolist())) == 1
    assert 0.2 < np.mean(taken[200:]) < 0.95


def water_like():
    """Three flexible molecules in a skewed box, with a cutoff, in float64."""
    topology = from_smiles("O.CO.O").topology
    box = np.array([[1.7, 0, 0], [0.3, 1.6, 0], [-0.2, 0.4, 1.8]])
    method = NonbondedMethod("cutoff", cutoff=0.75)
    potential = ForceField.free("class1", topology, random_seed=2).bind(
        topology, precision="float64", nonbonded=method, box=box
    )
    rng = np.random.default_rng(7)
    centres = np.array([[0.1, 0.1, 0.1], [0.5, 0.3, 0.2], [0.2, 0.6, 1.6]])
    positions = centres[topology.components] + rng.normal(0, 0.1, (topology.n_atoms, 3))
    return topology, potential, positions, box


def test_molecular_pressure_is_the_derivative_of_the_energy(x64):
    topology, potential, positions, box = water_like()
    molecules = Molecules.create(topology.components, topology.masses)
    x, none = jnp.asarray(positions), jnp.zeros_like(positions)
    found = potential.energy_and_forces(positions)
    pressure = molecules.pressure(
        x, none, jnp.asarray(found.forces), jnp.asarray(potential.virial(positions)), jnp.ones(())
    )
    for axis in range(3):
        energies = []
        for h in (1e-4, -1e-4):
            scale = jnp.ones(3).at[axis].add(h)
            moved, _ = molecules.scaled(x, none, scale)
            energies.append(float(potential.energy(moved, box * np.asarray(scale))))
        slope = (energies[0] - energies[1]) / 2e-4
        np.testing.assert_allclose(pressure[axis], -slope, rtol=1e-4, atol=1e-3)


def test_shapes_stay_and_momenta_scale_back(x64):
    topology, _, positions, _ = water_like()
    molecules = Molecules.create(topology.components, topology.masses)
    velocities = np.random.default_rng(3).normal(size=positions.shape)
    scale = np.array([1.1, 0.9, 1.05])
    x, v = molecules.scaled(jnp.asarray(positions), jnp.asarray(velocities), jnp.asarray(scale))
    for label in range(3):
        own = topology.components == label
        for before, after in ((positions, np.asarray(x)), (velocities, np.asarray(v))):
            inside = before[own] - before[own][0]
            np.testing.assert_allclose(after[own] - after[own][0], inside, atol=1e-13)
    centres = molecules.centres
    np.testing.assert_allclose(centres(x), centres(jnp.asarray(positions)) * scale, atol=1e-13)
    np.testing.assert_allclose(centres(v), centres(jnp.asarray(velocities)) / scale, atol=1e-13)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["monte-carlo", "cell-rescaling"])
def test_forces_are_those_of_the_new_box_for_every_split(kind):
    topology, _, positions, box = water_like()
    method = NonbondedMethod("cutoff", cutoff=0.75)
    potential = ForceField.free("class1", topology, random_seed=2).bind(
        topology, precision="float32", nonbonded=method, box=box
    )
    inner, outer = divide(potential, ["bond", "angle"])
    respa = Respa(
        inner, outer, Mechanics.create(np.asarray(topology.masses)), timestep=2e-5, ratio=2
    )
    molecules = Molecules.create(topology.components, topology.masses)
    barostat = (
        MonteCarlo(molecules, temperature=T, pressure=1.0)
        if kind == "monte-carlo"
        else StochasticCell(molecules, temperature=T, pressure=1.0, interval=0.002)
    )
    pressured = Pressured(respa, barostat, every=2)
    lists = respa.surface.neighbours(positions, box, skin=0.1)
    state = start(pressured, jax.random.key(0), positions, 0 * positions, box, lists)
    chunk = advance(pressured, jax.random.key(1), state, lists, first_step=0, n_steps=8, every=2)
    after = chunk.state
    assert after.box is not None
    assert not np.array_equal(after.box, np.asarray(box, np.float32))
    assert int(chunk.steps) == 8
    extra = after.extra["integrator"]
    for name, part in (("inner", inner), ("outer", outer)):
        wanted = part.energy_and_forces(after.positions, after.box).forces
        np.testing.assert_allclose(extra[name], wanted, rtol=1e-4, atol=0.3)


def squeezed(skin: float, worn: float):
    """A barostat that takes every compression; lists whose atoms have moved by `worn` [nm]."""
    topology, _, positions, box = water_like()
    method = NonbondedMethod("cutoff", cutoff=0.75)
    potential = ForceField.free("class1", topology, random_seed=2).bind(
        topology, precision="float32", nonbonded=method, box=box
    )
    mechanics = Mechanics.create(np.asarray(topology.masses))
    langevin = Langevin(potential, mechanics, timestep=1e-6, temperature=T, friction=1.0)
    molecules = Molecules.create(topology.components, topology.masses)
    pressured = Pressured(langevin, MonteCarlo(molecules, temperature=T, pressure=1e9), every=1)
    lists = potential.neighbours(positions + worn, box, skin=skin)
    state = start(pressured, jax.random.key(0), positions, 0 * positions, box, lists)
    width = eqx.tree_at(
        lambda s: s.extra["barostat"]["width"], state, jnp.full(3, 0.05, jnp.float32)
    )
    return pressured, lists, width


def test_a_trial_that_worn_lists_do_not_cover_ends_the_call_before_it():
    pressured, lists, state = squeezed(0.4, 0.11)
    chunk = advance(pressured, jax.random.key(1), state, lists, first_step=0, n_steps=50)
    assert int(chunk.steps) < 50
    fresh, whole, _ = squeezed(0.4, 0.0)
    assert int(advance(fresh, jax.random.key(1), state, whole, first_step=0, n_steps=3).steps) == 3


def test_a_trial_that_not_even_new_lists_would_cover_is_refused():
    pressured, lists, state = squeezed(1e-3, 0.0)
    chunk = advance(pressured, jax.random.key(1), state, lists, first_step=0, n_steps=20)
    assert int(chunk.steps) == 20
    assert chunk.state.box is not None
    assert abs(np.linalg.det(chunk.state.box) / np.linalg.det(state.box) - 1) < 2e-3


def test_a_box_does_not_become_too_small_for_the_cutoff():
    pressured, lists, state = squeezed(0.4, 0.0)
    key, done = jax.random.key(1), 0
    for _ in range(20):
        chunk = advance(pressured, key, state, lists, first_step=done, n_steps=50)
        state, done = chunk.state, done + int(chunk.steps)
        lists = pressured.surface.neighbours(np.asarray(state.positions), state.box, skin=0.4)
    assert state.box is not None
    assert 1.5 <= float(jnp.min(jnp.diagonal(state.box))) < 1.53


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: MonteCarlo(MOLECULES, temperature=0, pressure=1), "above 0"),
        (
            lambda: MonteCarlo(MOLECULES, temperature=T, pressure=1, axes=(False, False, False)),
            "axes",
        ),
        (lambda: Molecules.create(np.array([0, 1]), np.array([1.0, 0.0])), "no mass"),
        (lambda: gas(cell_rescaling(None), every=0), "1 or more"),
    ],
)
def test_refuses(make, says):
    with pytest.raises(InputError, match=says):
        make()
