"""Dynamics of a molecule in class II+: what is conserved, in which precision, at which step."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from isthmus.chemistry.smiles import from_smiles
from isthmus.forcefield.forcefield import ForceField
from isthmus.simulate.advance import advance, on_device, start
from isthmus.simulate.integrators.langevin import Langevin
from isthmus.simulate.integrators.respa import Respa
from isthmus.simulate.integrators.verlet import VelocityVerlet
from isthmus.simulate.mechanics import mechanics_of
from isthmus.simulate.surface import divide
from isthmus.units import BOLTZMANN

pytestmark = [pytest.mark.physics, pytest.mark.slow]

KEY = jax.random.key(3)
UNBONDED = ("lennard-jones", "coulomb")
TEMPERATURE = 100.0


@pytest.fixture(scope="module")
def molecule():
    return from_smiles("CCO", conformers=1, seed=1)


def bound(molecule, precision):
    """Numbers of a network that was never trained: of the right size, so nothing comes apart."""
    force_field = ForceField.graph("class2plus", seed=0)
    return force_field.bind(molecule.topology, precision=precision)


def settled(molecule, precision, mechanics):
    """Positions and velocities after 0.5 ps of Langevin dynamics."""
    potential = bound(molecule, precision)
    heated = mechanics_of(potential)
    langevin = on_device(
        Langevin(potential, heated, timestep=2e-4, temperature=TEMPERATURE, friction=20.0)
    )
    x = np.asarray(molecule.conformers[0])
    state = start(langevin, KEY, x, 0 * x)
    state = advance(langevin, KEY, state, first_step=0, n_steps=2500).state
    with jax.enable_x64(precision == "float64"):
        return state.positions, mechanics.at_rest(state.velocities)


def test_split_dynamics_conserve_energy(molecule):
    """Bonded terms inside at 0.25 fs, all others outside at 0.5 fs, over 1 ps in float64."""
    potential = bound(molecule, "float64")
    inner_terms = [n for n in potential.term_names if not n.startswith(UNBONDED)]
    inner, outer = divide(potential, inner_terms)
    mechanics = mechanics_of(potential, conserves_momentum=True)
    x, v = settled(molecule, "float64", mechanics)
    scale = BOLTZMANN * TEMPERATURE * mechanics.degrees_of_freedom
    spreads = []
    for refined in (1, 2):
        timestep = 5e-4 / refined
        respa = on_device(Respa(inner, outer, mechanics, timestep=timestep, ratio=2))
        state = start(respa, KEY, x, v)
        chunk = advance(respa, KEY, state, first_step=0, n_steps=2000 * refined, every=5 * refined)
        energy = np.asarray(chunk.infos.conserved)
        spreads.append(energy.std())
        assert abs(energy[200:].mean() - energy[:200].mean()) < 0.002 * scale
    assert spreads[0] < 0.02 * scale
    assert spreads[0] / spreads[1] == pytest.approx(4, rel=0.25)


@pytest.mark.parametrize("accumulation", ["compensated", "float64"])
def test_more_digits_in_sums_lessen_the_drift_of_a_float32_surface(molecule, accumulation):
    """Drift over 5 ps at 0.25 fs, where the integration itself has next to none."""
    potential = bound(molecule, "float32")
    mechanics = mechanics_of(potential, conserves_momentum=True)
    x, v = settled(molecule, "float32", mechanics)
    drifts = {}
    for way in ("float32", accumulation):
        verlet = on_device(VelocityVerlet(potential, mechanics, timestep=2.5e-4, accumulation=way))
        state = start(verlet, KEY, np.asarray(x), np.asarray(v))
        infos = advance(verlet, KEY, state, first_step=0, n_steps=20000, every=20).infos
        energy = np.asarray(infos.conserved, dtype=float)
        time = np.linspace(0, 5e-3, len(energy))  # ns
        slope = np.polyfit(time, energy, 1)[0]
        drifts[way] = abs(slope) / (BOLTZMANN * TEMPERATURE * mechanics.degrees_of_freedom)
    assert drifts[accumulation] < 0.05
    assert drifts[accumulation] <= drifts["float32"] + 0.005


def test_replicas_of_a_molecule_move_as_single_ones(molecule):
    """Newton's equations, 100 steps: the batch and the single system round differently."""
    potential = bound(molecule, "float64")
    mechanics = mechanics_of(potential, conserves_momentum=True)
    x, v = settled(molecule, "float64", mechanics)
    with jax.enable_x64(True):
        several, fast = jnp.stack([x, x]), jnp.stack([v, -v])
    verlet = on_device(VelocityVerlet(potential, mechanics, timestep=2.5e-4))
    batch = start(verlet, KEY, several, fast)
    batch = advance(verlet, KEY, batch, first_step=0, n_steps=100).state
    for r in range(2):
        one = start(verlet, KEY, several[r], fast[r])
        one = advance(verlet, KEY, one, first_step=0, n_steps=100).state
        np.testing.assert_allclose(batch.positions[r], one.positions, atol=1e-9)
        assert float(batch.energy[r]) == pytest.approx(float(one.energy), abs=1e-6)
