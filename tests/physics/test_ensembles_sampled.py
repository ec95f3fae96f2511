"""Positions and volumes that are sampled have the distributions of their ensembles.

Where two ensembles differ in temperature or pressure only, the logarithm of the ratio of their
distributions is linear in energy or volume, with a slope that is known whatever the forces:

    ln p₂(U)/p₁(U) = (β₁ − β₂) U + c,   ln p₂(V)/p₁(V) = −(P₂ − P₁) V/kT + c
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from model_surfaces import double_well

import isthmus
from isthmus.chemistry.molecule import Molecule
from isthmus.chemistry.topology import concatenate
from isthmus.designs.schema import parse_design
from isthmus.evaluate.physics.conservation import judge_drift, shadow_energies
from isthmus.evaluate.physics.laboratory import Laboratory
from isthmus.evaluate.physics.settings import TIMESTEP as TIMESTEP_NEWTON
from isthmus.evaluate.physics.settings import Settings
from isthmus.evaluate.physics.statistics import ensemble_slope
from isthmus.evaluate.physics.subject import Subject
from isthmus.forcefield.forcefield import ForceField
from isthmus.simulate.advance import advance, on_device, start
from isthmus.simulate.barostats.molecules import Molecules
from isthmus.simulate.barostats.montecarlo import MonteCarlo
from isthmus.simulate.barostats.pressured import Pressured
from isthmus.simulate.barostats.stochastic_cell import StochasticCell
from isthmus.simulate.integrators.bussi import Bussi
from isthmus.simulate.integrators.langevin import Langevin
from isthmus.simulate.integrators.nose_hoover import NoseHoover
from isthmus.simulate.jax_engine import JaxEngine
from isthmus.simulate.mechanics import Mechanics
from isthmus.terms.nonbonded_method import NonbondedMethod
from isthmus.units import BAR, BOLTZMANN

pytestmark = pytest.mark.physics

KEY = jax.random.key(5)
LOW, HIGH = 300.0, 380.0


def check_slope(found: Any, wanted: float, *, resolution: float) -> None:
    """Within four standard errors, which are small enough to mean something."""
    said = f"slope {found.value:.5f} ± {found.error:.5f}, exact {wanted:.5f}"
    assert found.error < resolution * abs(wanted), said
    assert abs(found.value - wanted) < 4 * found.error, said


@pytest.mark.parametrize("name", ["bussi", "nose-hoover"])
def test_potential_energies_of_an_anharmonic_well_are_canonical(name: str) -> None:
    """Five particles of different masses, 96 replicas at each of two temperatures."""
    n_atoms, n_replicas = 5, 96
    rng = np.random.default_rng(3)
    mechanics = Mechanics.create(rng.uniform(5, 20, n_atoms))
    well = double_well(3.0, n_atoms=n_atoms)
    each = np.repeat([LOW, HIGH], n_replicas)
    kind = Bussi if name == "bussi" else NoseHoover
    integrator = on_device(
        kind(well, mechanics, timestep=0.01, temperature=each, relaxation_time=0.3)
    )
    # Far from equilibrium: cold, and squeezed together
    x0 = 0.1 * rng.normal(size=(2 * n_replicas, n_atoms, 3))
    with jax.enable_x64(True):
        v0 = mechanics.maxwell_velocities(KEY, jnp.asarray(x0), LOW / 2)
    state = start(integrator, KEY, x0, v0)
    state = advance(integrator, KEY, state, first_step=0, n_steps=2000).state
    chunk = advance(integrator, KEY, state, first_step=2000, n_steps=8000, every=100)
    energies = np.asarray(chunk.infos.potential_energy)
    found = ensemble_slope(energies[:, :n_replicas], energies[:, n_replicas:])
    wanted = 1 / (BOLTZMANN * LOW) - 1 / (BOLTZMANN * HIGH)
    check_slope(found, wanted, resolution=0.05)


ARGON = """
name = "argon"
[[term]]
name = "lennard-jones"
over = "pair"
energy = "4*sqrt(e1*e2)*(((s1+s2)/2/r)^12-((s1+s2)/2/r)^6)"
parameters.e = { unit = "kJ/mol", default = 0.9977, min = 0, per = "atom" }
parameters.s = { unit = "nm", default = 0.3405, min = 0, per = "atom" }
"""
N, TEMPERATURE = 64, 180.0
EVERY, TIMESTEP = 5, 0.004


def argon_volumes(barostat: str, pressure: float, *, n_records: int, seed: int) -> np.ndarray:
    """Volumes [nm³] of a dense gas, every 0.4 ps; atoms within 0.7 nm by neighbour lists."""
    topology = concatenate([isthmus.from_smiles("[Ar]").topology] * N)
    edge = 2.1
    x = (np.stack(np.meshgrid(*[np.arange(4)] * 3), axis=-1).reshape(-1, 3) + 0.5) * edge / 4
    method = NonbondedMethod("cutoff", cutoff=0.7, switch=0.5)
    box = edge * np.eye(3)
    potential = ForceField.free(parse_design(ARGON), topology).bind(
        topology, precision="float32", nonbonded=method, box=box
    )
    assert potential.needs_neighbours
    mechanics = Mechanics.create(topology.masses)
    langevin = Langevin(
        potential, mechanics, timestep=TIMESTEP, temperature=TEMPERATURE, friction=1.0
    )
    molecules = Molecules.create(topology.components, topology.masses)
    common: dict[str, Any] = {"temperature": TEMPERATURE, "pressure": pressure}
    chosen = (
        MonteCarlo(molecules, adapt=200, **common)
        if barostat == "monte-carlo"
        else StochasticCell(
            molecules,
            interval=EVERY * TIMESTEP,
            relaxation_time=2.0,
            compressibility=8e-3,
            **common,
        )
    )
    engine = JaxEngine(
        Pressured(langevin, chosen, every=EVERY),
        mechanics,
        x[None],
        temperature=TEMPERATURE,
        seed=seed,
        box=box,
    )
    engine.advance(5000)
    volumes = []
    for _ in range(n_records):
        engine.advance(100)
        volumes.append(engine.record().volume)
    return np.array(volumes)[:, 0]


# Mean volume [nm³] and its standard error by OpenMM 8 for the same System, MonteCarloBarostat every
# 25 steps, LangevinMiddleIntegrator, 1.6 ns, for each pressure [bar]
OF_OPENMM = {110.0: (12.006, 0.119), 130.0: (10.034, 0.072)}
BLOCKS = 10


@pytest.mark.slow
@pytest.mark.parametrize("barostat", ["monte-carlo", "cell-rescaling"])
def test_volumes_of_argon_are_isobaric(barostat: str) -> None:
    """A gas a quarter as dense as the liquid: forces take a fifth off its ideal pressure."""
    # Blocks of 80 ps count as independent
    low, high = (
        argon_volumes(barostat, pressure, n_records=2000, seed=7).reshape(BLOCKS, -1).T
        for pressure in OF_OPENMM
    )
    for volumes, (mean, error) in zip((low, high), OF_OPENMM.values(), strict=True):
        own = volumes.mean(axis=0).std(ddof=1) / np.sqrt(BLOCKS)
        assert own < 0.03 * mean
        assert abs(volumes.mean() - mean) < 4 * np.hypot(own, error)
    first, second = OF_OPENMM
    wanted = -(second - first) * BAR / (BOLTZMANN * TEMPERATURE)
    check_slope(ensemble_slope(low, high), wanted, resolution=0.2)


@pytest.mark.slow
@pytest.mark.parametrize("smiles", ["CCO", "CC(N)C(=O)O"])
def test_class2plus_in_float32_drifts_less_than_openmm(smiles: str) -> None:
    """300 K, 0.5 fs, compensated sums: at most 4e-4 kT/ns/dof, known to 2e-4 or better."""

    def bind(molecule: Molecule, precision: str) -> Any:
        force_field = ForceField.free("class2plus", molecule.topology)
        return force_field.bind(molecule.topology, precision=precision)

    subject = Subject(isthmus.from_smiles(smiles, conformers=1, seed=1), bind)
    laboratory = Laboratory(subject, Settings.create(quick=True, temperatures=[300.0]))
    # 32 replicas of 80 ps: rounding makes the energy walk at random, and time resolves its drift
    motion = laboratory.newton(TIMESTEP_NEWTON, n_records=2000, every=80)
    assert motion.finite.all()
    energies = shadow_energies(subject.double, motion) / laboratory.per_degree
    drift = judge_drift(motion.times, energies)
    assert drift.value is not None
    assert drift.error is not None
    assert drift.error <= 2e-4, drift
    assert drift.value <= 4e-4 + 2 * drift.error, drift
