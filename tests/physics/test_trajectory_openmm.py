"""Trajectories at constant energy against OpenMM's Reference platform, in double precision."""

import jax
import numpy as np
import openmm
import pytest

import isthmus
from isthmus.simulate.advance import advance, start
from isthmus.simulate.integrators.verlet import VelocityVerlet
from isthmus.simulate.mechanics import mechanics_of

pytestmark = pytest.mark.physics

DT, N_STEPS = 0.0005, 100


@pytest.mark.parametrize("name", ["class1", pytest.param("class2plus", marks=pytest.mark.slow)])
def test_the_first_hundred_steps_are_those_of_openmm(name: str) -> None:
    """To 1e-8 nm. OpenMM's Verlet is a leapfrog: its velocities are half a step behind."""
    molecule = isthmus.from_smiles("CC(N)C(=O)O", conformers=1, seed=1)
    force_field = isthmus.ForceField.free(name, molecule.topology, random_seed=1)
    potential = force_field.bind(molecule.topology, precision="float64")
    masses = molecule.topology.masses
    x = np.asarray(molecule.positions)
    v = np.random.default_rng(0).normal(size=x.shape) * np.sqrt(2.5 / masses)[:, None]

    integrator = openmm.VerletIntegrator(DT)
    platform = openmm.Platform.getPlatformByName("Reference")
    context = openmm.Context(isthmus.to_openmm(potential), integrator, platform)
    context.setPositions(x)
    behind = v - 0.5 * DT * potential.energy_and_forces(x).forces / masses[:, None]
    context.setVelocities(behind)
    integrator.step(N_STEPS)
    theirs = context.getState(positions=True).getPositions(asNumpy=True)._value

    ours = VelocityVerlet(potential, mechanics_of(potential), timestep=DT)
    key = jax.random.key(0)
    state = start(ours, key, x, v)
    end = advance(ours, key, state, first_step=0, n_steps=N_STEPS).state
    moved = np.abs(np.asarray(end.positions) - x).max()
    assert moved > 0.01
    np.testing.assert_allclose(end.positions, theirs, rtol=0, atol=1e-8)
