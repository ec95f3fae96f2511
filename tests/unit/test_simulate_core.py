"""Surfaces and their sums, sums in few digits, steps in pieces: the core of simulations."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from model_surfaces import double_well, field, spring

from isthmus.chemistry.smiles import from_smiles
from isthmus.errors import InputError
from isthmus.forcefield.forcefield import ForceField
from isthmus.geometry.neighbours import build_neighbours, is_stale
from isthmus.simulate.advance import advance, on_device, skin_used, start
from isthmus.simulate.integrators.bussi import Bussi
from isthmus.simulate.integrators.isokinetic_respa import IsokineticRespa
from isthmus.simulate.integrators.langevin import Langevin
from isthmus.simulate.integrators.langevin_respa import LangevinRespa
from isthmus.simulate.integrators.nose_hoover import NoseHoover
from isthmus.simulate.integrators.verlet import VelocityVerlet
from isthmus.simulate.mechanics import Mechanics
from isthmus.simulate.noise import normal_deviates, random_words, step_key
from isthmus.simulate.state import Integrator
from isthmus.simulate.surface import Difference, Part, Sum, divide, evaluate

KEY = jax.random.key(7)
BONDED = ("bond", "angle", "torsion", "out-of-plane")


@pytest.fixture(scope="module")
def ethanol():
    molecule = from_smiles("CCO", conformers=1, seed=1)
    force_field = ForceField.free("class1", molecule.topology, random_seed=1)
    return molecule, force_field.bind(molecule.topology, precision="float64")


def test_parts_of_a_potential_add_up(ethanol):
    molecule, potential = ethanol
    names = [name for name in potential.term_names if name in BONDED]
    inner, outer = divide(potential, names)
    assert inner.term_names == tuple(names)
    added = Sum((inner, outer))

    @jax.jit
    def everything(x):
        return [(s.energy_and_forces(x), s.virial(x)) for s in (potential, added)]

    with jax.enable_x64(True):
        (whole, strained), (sums, also) = everything(jnp.asarray(molecule.conformers[0]))
    assert float(sums.energy) == pytest.approx(float(whole.energy), rel=1e-12)
    np.testing.assert_allclose(sums.forces, whole.forces, atol=1e-8)
    np.testing.assert_allclose(also, strained, rtol=1e-9, atol=1e-8)


@pytest.mark.usefixtures("x64")
def test_a_difference_is_what_the_dear_surface_has_over_the_cheap_one():
    x = jnp.asarray(np.random.default_rng(0).normal(size=(3, 3)))
    dear, cheap = double_well(n_atoms=3), spring(0.5, n_atoms=3)
    rest, whole = Sum((Difference(dear, cheap), cheap)), dear.energy_and_forces(x)
    assert float(rest.energy_and_forces(x).energy) == pytest.approx(float(whole.energy))
    np.testing.assert_allclose(rest.energy_and_forces(x).forces, whole.forces)
    np.testing.assert_allclose(rest.virial(x), dear.virial(x))


def test_a_part_evaluates_its_own_terms_alone(ethanol):
    molecule, potential = ethanol
    x = jnp.asarray(molecule.conformers[0], jnp.float32)

    def work(surface):
        traced = jax.make_jaxpr(lambda y: surface.energy_and_forces(y).forces)(x)
        return len(jax.tree.leaves(surface)), len(str(traced))

    with jax.enable_x64(True):
        bond, whole = work(Part(potential, ["bond"])), work(potential)
    assert bond[0] < 0.5 * whole[0]
    assert bond[1] < 0.3 * whole[1]


@pytest.mark.parametrize(
    ("names", "said"),
    [(["bnd"], "'bond' may be meant"), ([], "no term"), (["bond", "bond"], "twice")],
)
def test_terms_that_cannot_be_chosen(ethanol, names, said):
    with pytest.raises(InputError, match=said):
        Part(ethanol[1], names)


def test_surfaces_that_do_not_fit_together():
    with pytest.raises(InputError, match="1 particles in float64, 2 particles in float64"):
        Sum((spring(), spring(n_atoms=2)))
    with pytest.raises(InputError, match="no surfaces"):
        Sum(())


def integrators(n_atoms):
    mechanics = Mechanics.create(np.linspace(2, 9, n_atoms))
    warm: dict[str, Any] = {"timestep": 0.01, "temperature": 300.0}
    well = double_well(n_atoms=n_atoms, precision="float32")
    pull = spring(n_atoms=n_atoms, precision="float32")
    return {
        "langevin": Langevin(well, mechanics, friction=2.0, follow_heat=True, **warm),
        "bussi": Bussi(well, mechanics, **warm),
        "nose-hoover": NoseHoover(well, mechanics, **warm),
        "langevin-respa": LangevinRespa(well, pull, mechanics, ratio=2, friction=2.0, **warm),
        "isokinetic-respa": IsokineticRespa(well, pull, mechanics, ratio=2, **warm),
    }


class Plain(Integrator):
    """Another integrator through its public step alone."""

    timestep: Any
    inner: Langevin

    @property
    def surface(self):
        return self.inner.surface

    def init(self, key, positions, velocities, box=None, neighbours=None):
        return self.inner.init(key, positions, velocities, box, neighbours)

    def step(self, key, state, neighbours=None):
        return self.inner.step(key, state, neighbours)


NAMES = sorted(integrators(2))


@pytest.mark.parametrize("name", NAMES)
def test_a_run_in_pieces_is_the_same_bit_by_bit(name):
    """Across the boundaries of noise blocks, and where step numbers pass 32 bits."""
    n_atoms, first = 4, 2**32 - 20
    integrator = on_device(integrators(n_atoms)[name])
    rng = np.random.default_rng(0)
    x, v = rng.normal(size=(2, n_atoms, 3)).astype(np.float32)
    begun = start(integrator, KEY, x, v)
    whole = advance(integrator, KEY, begun, first_step=first, n_steps=48)
    state, done = begun, 0
    for n_steps in (1, 17, 30):
        chunk = advance(integrator, KEY, state, first_step=first + done, n_steps=n_steps)
        state, done = chunk.state, done + n_steps
    for one, other in zip(jax.tree.leaves(whole.state), jax.tree.leaves(state), strict=True):
        np.testing.assert_array_equal(one, other)
    assert int(whole.steps) == 48
    assert int(whole.finite_steps) == 48
    assert np.all(np.asarray(whole.state.positions) != x)


def test_an_integrator_with_keys_walks_as_one_with_drawn_numbers():
    drawn = integrators(3)["langevin"]
    plain = Plain(drawn.timestep, drawn)
    x = np.random.default_rng(1).normal(size=(3, 3)).astype(np.float32)
    ends = []
    for integrator in (drawn, plain):
        state = start(integrator, KEY, x, 0 * x)
        ends.append(advance(integrator, KEY, state, first_step=5, n_steps=20, every=10))
    np.testing.assert_allclose(ends[0].state.positions, ends[1].state.positions, rtol=1e-5)
    np.testing.assert_allclose(ends[0].infos.conserved, ends[1].infos.conserved, rtol=1e-4)
    np.testing.assert_allclose(
        ends[0].infos.potential_energy, ends[1].infos.potential_energy, rtol=1e-5
    )


@pytest.mark.parametrize("name", NAMES)
def test_replicas_move_as_single_systems_do(name):
    """With the random numbers of the batch given to each system."""
    n_atoms, n_replicas = 3, 2
    integrator = integrators(n_atoms)[name]
    rng = np.random.default_rng(2)
    x, v = rng.normal(size=(2, n_replicas, n_atoms, 3)).astype(np.float32)
    batch = start(integrator, KEY, x, v)
    noise = integrator.draw(KEY, batch)
    moved = integrator.move(noise, batch)
    axis = {"langevin-respa": 1, "isokinetic-respa": 2}.get(name, 0)
    for r in range(n_replicas):
        state = start(integrator, KEY, x[r], v[r])
        if name == "isokinetic-respa":
            # Its first state is random as well
            links = {k: batch.extra[k][:, r] for k in ("tied", "pulls")}
            state = eqx.tree_at(lambda s: s.extra, state, {**state.extra, **links})
            state = eqx.tree_at(lambda s: s.velocities, state, batch.velocities[r])
        own = None if noise is None else jnp.take(noise, r, axis=axis)
        alone = integrator.move(own, state)
        np.testing.assert_allclose(moved.positions[r], alone.positions, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(moved.velocities[r], alone.velocities, rtol=1e-4, atol=1e-5)
        seen, info = integrator.observe(moved), integrator.observe(alone)
        assert seen.kinetic_energy[r] == pytest.approx(float(info.kinetic_energy), rel=1e-4)


def test_words_are_those_of_jax_and_deviates_are_normal():
    key = step_key(KEY, jnp.uint32(0), jnp.uint32(3))
    words = random_words(key, (200, 500))
    np.testing.assert_array_equal(words, jax.random.bits(key, (200, 500)))
    deviates = np.asarray(normal_deviates(words, np.dtype("float32")), dtype=float)
    moments = [np.mean(deviates**n) for n in range(1, 7)]
    errors = np.sqrt([1, 2, 15, 96, 945, 10170]) / np.sqrt(deviates.size)
    assert np.all(np.abs(np.array(moments) - [0, 1, 0, 3, 0, 15]) < 4 * errors)
    ends = normal_deviates(jnp.array([0, 2**32 - 1], dtype=jnp.uint32), np.dtype("float32"))
    assert float(ends[0]) == -float(ends[1])
    assert np.all(np.isfinite(np.asarray(ends)))


def test_sums_keep_the_digits_that_were_asked_for():
    """A particle that moves 1e-4 nm a step for 20000 steps, starting at 10 nm."""
    mechanics = Mechanics.create(np.ones(1))
    surface = field(0.0, precision="float32")
    errors = {}
    for accumulation in ("float32", "compensated", "float64"):
        verlet = VelocityVerlet(surface, mechanics, timestep=0.001, accumulation=accumulation)
        velocity = np.float32(0.1)
        state = start(verlet, KEY, np.full((1, 3), 10.0), np.full((1, 3), velocity))
        end = advance(verlet, KEY, state, first_step=0, n_steps=20000).state
        assert end.forces.dtype == jnp.float32
        expected = 10 + 20 * float(velocity)
        errors[accumulation] = float(np.abs(np.asarray(end.positions) - expected).max())
    assert errors["float32"] > 1e-4
    assert errors["compensated"] < 2e-6
    assert errors["float64"] < 1e-11


def test_a_float32_surface_stays_in_float32_where_sums_are_in_float64(ethanol):
    molecule, _ = ethanol
    force_field = ForceField.free("class1", molecule.topology, random_seed=1)
    potential = force_field.bind(molecule.topology)
    arrays, rest = eqx.partition(potential, eqx.is_array)
    with jax.enable_x64(True):
        arrays = jax.tree.map(jnp.asarray, arrays)
        traced = jax.make_jaxpr(lambda a, x: evaluate(eqx.combine(a, rest), x, None, None).forces)(
            arrays, jnp.asarray(molecule.conformers[0])
        )
    body = str(traced).split("let", maxsplit=1)[1]
    made = [line.split("=")[0] for line in body.splitlines() if "=" in line]
    assert any("f32[" in line for line in made)
    assert not [line for line in made if ":f64[" in line]


def test_surfaces_with_more_digits_than_their_sums():
    with pytest.raises(InputError, match="fewer digits"):
        VelocityVerlet(spring(), Mechanics.create(np.ones(1)), timestep=0.1, accumulation="float32")
    with pytest.raises(InputError, match="unknown accumulation 'double'"):
        VelocityVerlet(spring(), Mechanics.create(np.ones(1)), timestep=0.1, accumulation="double")
    with pytest.raises(InputError, match="32 bits"):
        VelocityVerlet(spring(), Mechanics.create(np.ones(1)), timestep=0.1).init(
            KEY, np.zeros((1, 3)), np.zeros((1, 3))
        )


def test_what_was_used_of_the_skin_is_what_makes_a_list_stale():
    rng = np.random.default_rng(4)
    box = np.diag([3.0, 3.0, 3.0])
    x = rng.uniform(0, 3, (50, 3))
    none = np.zeros((0, 2), dtype=np.int64)
    lists = (build_neighbours(x, box, cutoff=0.6, skin=0.2, exclusions=none), None)
    for moved, wide in ((0.09, 1.0), (0.11, 1.0), (0.0, 1.05), (0.05, 1.01)):
        cell = jnp.asarray(box * wide, jnp.float32)
        now = jnp.asarray(x * wide + [moved, 0, 0], jnp.float32)
        used = float(skin_used(lists, now, cell))
        assert (used > 1) == bool(is_stale(lists[0], now, cell))
    assert used == pytest.approx((0.1 + np.sqrt(3) * 0.01 * 0.8) / 0.2, rel=1e-3)
    assert float(skin_used(None, now, None)) == 0


def test_the_first_step_that_is_not_finite_is_told():
    blown = VelocityVerlet(
        spring(1.0, precision="float32"), Mechanics.create(np.ones(1)), timestep=1e3
    )
    state = start(blown, KEY, np.full((1, 3), 1.0), np.zeros((1, 3)))
    chunk = advance(blown, KEY, state, first_step=0, n_steps=40)
    # |x| grows by (ω dt)² = 1e6 a step: beyond 3e38 in the seventh
    assert int(chunk.finite_steps) == 6
    assert int(chunk.steps) == 40


def test_mechanics_counts_and_keeps_what_does_not_move():
    mechanics = Mechanics.create(np.array([0.0, 12.0, 1.0, 16.0]), conserves_momentum=True)
    assert mechanics.degrees_of_freedom == 6
    x = jnp.zeros((1000, 4, 3), jnp.float32)
    velocities = mechanics.maxwell_velocities(KEY, x, 300.0)
    np.testing.assert_array_equal(velocities[:, 0], 0)
    momentum = jnp.sum(jnp.asarray(mechanics.masses, jnp.float32)[:, None] * velocities, axis=1)
    np.testing.assert_allclose(momentum, 0, atol=1e-4)
    temperatures = np.asarray(mechanics.temperature(mechanics.kinetic_energy(velocities)))
    assert temperatures.mean() == pytest.approx(300, abs=4 * 300 * np.sqrt(2 / 6 / 1000))
    with pytest.raises(InputError, match="centre of mass"):
        Langevin(spring(n_atoms=4), mechanics, timestep=0.001, temperature=300.0, friction=1.0)
    with pytest.raises(InputError, match="particle 1 has a mass of -1"):
        Mechanics.create(np.array([1.0, -1.0]))
    with pytest.raises(InputError, match="nothing could move"):
        Mechanics.create(np.array([0.0, 0.0]))


def test_each_replica_has_its_own_temperature():
    n_atoms, temperatures = 400, np.array([100.0, 400.0])
    free = field(0.0, n_atoms=n_atoms, precision="float32")
    mechanics = Mechanics.create(np.full(n_atoms, 10.0))
    integrator = Langevin(free, mechanics, timestep=0.1, temperature=temperatures, friction=20.0)
    x = np.zeros((2, n_atoms, 3), np.float32)
    state = start(integrator, KEY, x, x)
    info = advance(integrator, KEY, state, first_step=0, n_steps=20).infos
    found = np.asarray(mechanics.temperature(info.kinetic_energy))[0]
    np.testing.assert_allclose(found, temperatures, rtol=4 * np.sqrt(2 / 1200))
