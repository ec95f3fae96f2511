"""`isthmus check --engine openmm`: what OpenMM does is seen, and what it does wrong."""

from pathlib import Path
from typing import Any

import jax
import numpy as np
import openmm
import pytest

import isthmus
from isthmus.chemistry.molecule import Molecule
from isthmus.cli.check_openmm import OpenMMEngine
from isthmus.deploy.spec import resolve_force_field
from isthmus.evaluate.physics.check import Check
from isthmus.evaluate.physics.gate import check_physics
from isthmus.evaluate.physics.motion import Motion, conserved_energies
from isthmus.simulate.advance import advance, start
from isthmus.simulate.integrators.verlet import VelocityVerlet
from isthmus.simulate.mechanics import Mechanics, mechanics_of

pytestmark = pytest.mark.physics

MODEL = "class1"


def bind(molecule: Molecule, precision: str) -> Any:
    return resolve_force_field(MODEL, molecule).bind(molecule, precision=precision)


@pytest.fixture(scope="module")
def water() -> Molecule:
    return isthmus.from_smiles("O", conformers=1, seed=1)


def checked(molecule: Molecule, engine: Any, *groups: str) -> dict[str, Check]:
    found = check_physics(
        bind, molecule, quick=True, temperatures=[300.0], only=groups, engine=engine
    )
    return {check.name: check for check in found.checks}


def constant_energy(
    engine: OpenMMEngine, molecule: Molecule, mechanics: Mechanics, timestep: float, records: int
) -> Motion:
    return engine.move(
        molecule.positions[None],
        mechanics,
        temperature=300.0,
        friction=None,
        timestep=timestep,
        n_records=records,
        every=20,
        seed=3,
    )


def test_records_of_openmm_are_positions_and_velocities_of_the_same_time() -> None:
    """From one record to the next as by our velocity Verlet, to 1e-9 nm and 1e-7 nm/ps."""
    molecule = isthmus.from_smiles("CO", conformers=1, seed=1)
    potential = bind(molecule, "float64")
    mechanics = mechanics_of(potential, conserves_momentum=True)
    motion = constant_energy(OpenMMEngine(MODEL, molecule), molecule, mechanics, 0.0005, 2)
    ours = VelocityVerlet(potential, mechanics, timestep=0.0005)
    key = jax.random.key(0)
    state = start(ours, key, motion.positions[0, 0], motion.velocities[0, 0])
    end = advance(ours, key, state, first_step=0, n_steps=20).state
    assert np.abs(motion.positions[1] - motion.positions[0]).max() > 1e-3
    np.testing.assert_allclose(end.positions, motion.positions[1, 0], rtol=0, atol=1e-9)
    np.testing.assert_allclose(end.velocities, motion.velocities[1, 0], rtol=0, atol=1e-7)
    momentum = (np.asarray(mechanics.masses)[:, None] * motion.velocities[1, 0]).sum(axis=0)
    np.testing.assert_allclose(momentum, 0, atol=1e-8)


def test_constraints_of_a_system_hold_in_its_records(tmp_path: Path) -> None:
    """Velocities of the same time as positions move no constraint, and the energy is kept."""
    molecule = isthmus.from_smiles("CO", conformers=1, seed=1)
    potential = isthmus.ForceField.free(MODEL, molecule.topology).bind(molecule.topology)
    system = isthmus.to_openmm(potential)
    numbers, bonds = molecule.topology.atomic_numbers, molecule.topology.bonds
    for i, j in bonds[(numbers[bonds] == 1).any(axis=1)].tolist():
        distance = float(np.linalg.norm(molecule.positions[j] - molecule.positions[i]))
        system.addConstraint(i, j, distance)
    path = tmp_path / "held.xml"
    path.write_text(openmm.XmlSerializer.serialize(system))
    bound = resolve_force_field(str(path), molecule).bind(molecule)
    mechanics = mechanics_of(bound, conserves_momentum=True)
    assert mechanics.constraints is not None
    motion = constant_energy(OpenMMEngine(str(path), molecule), molecule, mechanics, 0.0005, 20)
    i, j = np.asarray(mechanics.constraints.pairs).T
    x, v = motion.positions[:, 0], motion.velocities[:, 0]
    along = ((v[:, i] - v[:, j]) * (x[:, i] - x[:, j])).sum(axis=2)
    assert np.abs(along).max() < 1e-5
    energies = conserved_energies(bound, motion)
    assert np.ptp(motion.potential) > 1
    assert np.ptp(energies) < 0.02 * np.ptp(motion.potential)


class Warmer(OpenMMEngine):
    """A bath that is hotter by two thirds, and forces that are off by a thousandth."""

    def move(self, *args: Any, **kwargs: Any) -> Motion:
        if kwargs["friction"] is not None:
            kwargs["temperature"] *= 5 / 3
        return super().move(*args, **kwargs)

    def forces(self, positions: Any) -> Any:
        return 1.001 * super().forces(positions)


@pytest.mark.slow
def test_an_engine_is_judged_by_its_own_dynamics(water: Molecule) -> None:
    right = checked(water, OpenMMEngine(MODEL, water), "forces", "ensembles", "conservation")
    names = (
        "force, engine against float64",
        "distribution of kinetic energies",
        "equipartition between elements",
        "equipartition between bonds",
        "NVE drift, 0.5 fs",
        "energy fluctuation ∝ dt²",
    )
    verdicts = {name: right[name].verdict for name in names}
    assert set(verdicts.values()) == {"pass"}, verdicts
    assert right[names[0]].reached_goal
    assert "OpenMM, Reference, by its own forces" in right["NVE drift, 0.5 fs"].note
    wrong = checked(water, Warmer(MODEL, water), "forces", "ensembles")
    assert [wrong[name].verdict for name in names[:4]] == ["fail"] * 4


def test_a_run_that_breaks_in_openmm_fails(water: Molecule) -> None:
    """Steps of 0.5 ps: the molecule is gone after the first ones, and stays so in the records."""
    mechanics = mechanics_of(bind(water, "float64"), conserves_momentum=True)
    engine = OpenMMEngine(MODEL, water)
    motion = constant_energy(engine, water, mechanics, 0.5, 20)
    assert not motion.finite.any()
    again = constant_energy(engine, water, mechanics, 0.0005, 5)
    assert again.finite.all()
