"""Our own engine in runs: neighbour lists that are kept up, snapshots, what it says of a state."""

from collections.abc import Callable
from typing import Any

import numpy as np
import openmm
import pytest

from isthmus.chemistry.topology import Topology
from isthmus.deploy.openmm.importing import from_openmm
from isthmus.errors import InputError
from isthmus.forcefield.potential import Potential
from isthmus.simulate import jax_engine
from isthmus.simulate.barostats.molecules import Molecules
from isthmus.simulate.barostats.pressured import Pressured
from isthmus.simulate.barostats.stochastic_cell import StochasticCell
from isthmus.simulate.integrators.langevin import Langevin
from isthmus.simulate.integrators.verlet import VelocityVerlet
from isthmus.simulate.jax_engine import JaxEngine
from isthmus.simulate.mechanics import mechanics_of
from isthmus.units import BOLTZMANN

SIDE, EDGE = 4, 1.7
N_ATOMS = SIDE**3


@pytest.fixture(scope="module")
def argon() -> tuple[Potential, np.ndarray]:
    """64 atoms of a dense gas with a cutoff, and where they start."""
    system = openmm.System()
    system.setDefaultPeriodicBoxVectors(*(EDGE * np.eye(3)))
    force = openmm.NonbondedForce()
    force.setNonbondedMethod(openmm.NonbondedForce.CutoffPeriodic)
    force.setCutoffDistance(0.6)
    force.setUseSwitchingFunction(True)
    force.setSwitchingDistance(0.5)
    force.setUseDispersionCorrection(False)
    for _ in range(N_ATOMS):
        system.addParticle(39.95)
        force.addParticle(0.0, 0.34, 0.996)
    system.addForce(force)
    topology = Topology.create([18] * N_ATOMS, np.zeros((0, 2), dtype=int))
    potential = from_openmm(system).bind(topology, precision="float32")
    axis = (np.arange(SIDE) + 0.5) * EDGE / SIDE
    places = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    return potential, places


def engine(
    argon: tuple[Potential, np.ndarray], temperature: float = 300.0, friction: float = 0.0
) -> JaxEngine:
    potential, places = argon
    mechanics = mechanics_of(potential, conserves_momentum=not friction)
    made = VelocityVerlet(potential, mechanics, timestep=0.002)
    if friction:
        made = Langevin(
            potential, mechanics, timestep=0.002, temperature=temperature, friction=friction
        )
    return JaxEngine(
        made,
        mechanics,
        places[None],
        temperature=temperature,
        seed=3,
        box=potential.parameterization.box,
        potential=potential,
    )


def go(moved: JaxEngine, n_steps: int, piece: int = 20) -> JaxEngine:
    for _ in range(n_steps // piece):
        moved.advance(piece)
    return moved


def test_a_snapshot_goes_on_bit_by_bit(argon: Any) -> None:
    whole = go(engine(argon, friction=1.0), 400)
    half = go(engine(argon, friction=1.0), 200)
    other = engine(argon, friction=1.0)
    other.restore(dict(half.snapshot()))
    assert other.step == 200
    np.testing.assert_array_equal(other.record().positions, half.record().positions)
    go(other, 200)
    for name in ("positions", "velocities", "potential", "kinetic"):
        np.testing.assert_array_equal(
            getattr(other.record(), name), getattr(whole.record(), name), err_msg=name
        )
    a, b = whole.snapshot(), other.snapshot()
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


@pytest.mark.parametrize("skin", [0.1, 0.02])
def test_lists_are_made_anew_before_they_miss_a_pair(
    argon: Any, skin: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a thin skin calls end early; the energy tells if a pair was ever missed."""
    monkeypatch.setattr(jax_engine, "SKIN", skin)
    made: list[int] = []
    build: Callable[..., Any] = Potential.neighbours

    def counted(self, *args: Any, **options: Any) -> Any:
        made.append(1)
        return build(self, *args, **options)

    monkeypatch.setattr(Potential, "neighbours", counted)
    moved = engine(argon, 500.0)
    go(moved, 20)
    first = moved.record()
    go(moved, 400)
    last = moved.record()
    drift = (last.potential + last.kinetic) - (first.potential + first.kinetic)
    assert abs(drift[0]) < 0.02 * first.kinetic[0]
    assert first.conserved is not None
    assert last.conserved is not None
    assert last.box is not None
    np.testing.assert_allclose(last.conserved, last.potential + last.kinetic, rtol=1e-5)
    apart = np.abs(last.positions - first.positions).max()
    assert apart > 0.1, "nothing moved far enough to need another list"
    assert len(made) < 60 if skin == 0.1 else len(made) > 60
    exact = moved.term_energies(last.positions[0], last.box[0])
    np.testing.assert_allclose(sum(exact.values()), last.potential[0], rtol=1e-4)


def test_pieces_of_any_size_give_the_same_trajectory(
    argon: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jax_engine, "SKIN", 0.02)
    one, other = (go(engine(argon, 500.0, friction=1.0), 100, piece) for piece in (20, 50))
    for name in ("positions", "velocities", "kinetic"):
        np.testing.assert_array_equal(
            getattr(one.record(), name), getattr(other.record(), name), err_msg=name
        )


def test_why_it_cannot_go_on(argon: Any) -> None:
    """It says so, and stays at the last state for which its lists were good."""
    hot = engine(argon, 1e9)
    hot.advance(20)
    assert "moves by more than 0.05 nm" in str(hot.failure)
    record = hot.record()
    assert record.step == 20
    assert np.isnan(record.potential).all()
    assert np.isfinite(record.positions).all()

    potential, places = argon
    mechanics = mechanics_of(potential)
    langevin = Langevin(potential, mechanics, timestep=0.002, temperature=300.0, friction=1.0)
    molecules = Molecules.create(np.arange(N_ATOMS), np.asarray(mechanics.masses))
    press = StochasticCell(molecules, temperature=300.0, pressure=1e5, interval=0.02)
    shrinking = JaxEngine(
        Pressured(langevin, press, every=10),
        mechanics,
        places[None],
        temperature=300.0,
        seed=3,
        box=potential.parameterization.box,
    )
    start = shrinking.snapshot()
    for _ in range(100):
        shrinking.advance(50)
        if shrinking.failure:
            break
    assert "smaller than twice the cutoff" in str(shrinking.failure)
    shrinking.restore(start)
    assert shrinking.failure is None


def test_what_a_record_says(argon: Any) -> None:
    record = engine(argon).record()
    assert record.step == 0
    assert record.positions.shape == record.velocities.shape == (1, N_ATOMS, 3)
    assert record.volume is not None
    assert record.density is not None
    masses = 39.95 * N_ATOMS
    np.testing.assert_allclose(record.volume, EDGE**3)
    np.testing.assert_allclose(record.density, masses / EDGE**3 / 602.214076, rtol=1e-5)
    kinetic = 0.5 * 39.95 * (record.velocities**2).sum()
    np.testing.assert_allclose(record.kinetic, kinetic, rtol=1e-5)
    degrees = 3 * N_ATOMS - 3
    np.testing.assert_allclose(record.temperature, 2 * kinetic / (degrees * BOLTZMANN), rtol=1e-5)


def test_replicas_with_a_cutoff_are_refused(argon: Any) -> None:
    potential, places = argon
    mechanics = mechanics_of(potential)
    made = Langevin(potential, mechanics, timestep=0.002, temperature=300.0, friction=1.0)
    with pytest.raises(InputError, match="run them one by one"):
        JaxEngine(
            made,
            mechanics,
            np.repeat(places[None], 2, axis=0),
            temperature=300.0,
            seed=0,
            box=potential.parameterization.box,
        )


def test_a_snapshot_of_something_else_is_refused(argon: Any) -> None:
    moved = engine(argon)
    snapshot = dict(moved.snapshot())
    snapshot["state.000"] = snapshot["state.000"][:-1]
    with pytest.raises(InputError, match="another size"):
        moved.restore(snapshot)


@pytest.fixture(scope="module")
def pair() -> Potential:
    """Two atoms on a spring, in vacuum."""
    system = openmm.System()
    spring = openmm.HarmonicBondForce()
    spring.addBond(0, 1, 0.15, 2e5)
    for _ in range(2):
        system.addParticle(12.0)
    system.addForce(spring)
    return from_openmm(system).bind(Topology.create([6, 6], [(0, 1)]), precision="float32")


def wandering(pair: Potential, **options: Any) -> JaxEngine:
    """Two replicas, one of which is far away."""
    mechanics = mechanics_of(pair)
    langevin = Langevin(pair, mechanics, timestep=0.001, temperature=300.0, friction=1.0)
    places = np.array([[[0.0, 0, 0], [0.15, 0, 0]], [[200.0, -3, 0], [200.15, -3, 0]]])
    return JaxEngine(langevin, mechanics, places, temperature=300.0, seed=1, **options)


def test_replicas_that_wander_off_are_computed_near_the_origin(
    pair: Potential, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps at which they are taken back do not depend on calls, and records have the whole way."""
    monkeypatch.setattr(jax_engine, "_CENTRED_EVERY", 50)
    whole = wandering(pair, centred=True)
    whole.advance(175)
    parts = wandering(pair, centred=True)
    for n_steps in (30, 40, 50):
        parts.advance(n_steps)
    resumed = wandering(pair, centred=True)
    resumed.restore(dict(parts.snapshot()))
    resumed.advance(55)
    first, second = whole.snapshot(), resumed.snapshot()
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)
    assert np.abs(first["state.000"]).max() < 1
    record, plain = whole.record(), wandering(pair)
    plain.advance(175)
    np.testing.assert_array_equal(record.positions[0], plain.record().positions[0])
    np.testing.assert_allclose(record.positions[1], plain.record().positions[1], atol=1e-3)
    assert "way" not in plain.snapshot()
