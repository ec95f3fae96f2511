"""Whether the centre of mass rests, and what a temperature counts."""

from collections.abc import Callable
from pathlib import Path

import openmm
import pytest

from isthmus.chemistry.molecule import Molecule
from isthmus.chemistry.smiles import from_smiles
from isthmus.cli.md_jax import chosen_mechanics
from isthmus.cli.md_request import Request, settle
from isthmus.deploy.md.conditions import Conditions
from isthmus.deploy.md.momentum import conserves_momentum
from isthmus.deploy.md.prepare import Prepared, prepare
from isthmus.deploy.md.production import observe, produce, start
from isthmus.deploy.openmm.importing import from_openmm

N = 9
"""Atoms of ethanol"""


@pytest.fixture(scope="module")
def ethanol() -> Molecule:
    return from_smiles("CCO", conformers=1)


@pytest.fixture(scope="module")
def plain(ethanol: Molecule) -> openmm.System:
    return prepare(ethanol, "class1").system


def with_remover(system: openmm.System) -> None:
    system.addForce(openmm.CMMotionRemover())


def with_a_frozen_atom(system: openmm.System) -> None:
    system.setParticleMass(0, 0.0)


def with_an_anchor(system: openmm.System) -> None:
    force = openmm.CustomExternalForce("100*((x-x0)^2+y^2+z^2)")
    force.addPerParticleParameter("x0")
    force.addParticle(2, [0.1])
    system.addForce(force)


def with_a_wall(system: openmm.System) -> None:
    force = openmm.CustomCompoundBondForce(1, "10*x1^2")
    force.addBond([0], [])
    system.addForce(force)


def with_a_site(system: openmm.System) -> None:
    """The last hydrogen becomes a place between two atoms, without mass of its own."""
    system.setParticleMass(N - 1, 0.0)
    system.setVirtualSite(N - 1, openmm.TwoParticleAverageSite(0, 1, 0.5, 0.5))


def prepared_of(
    change: Callable[[openmm.System], None],
    plain: openmm.System,
    ethanol: Molecule,
    folder: Path,
) -> tuple[Prepared, Path]:
    system = openmm.XmlSerializer.deserialize(openmm.XmlSerializer.serialize(plain))
    change(system)
    path = folder / "system.xml"
    path.write_text(openmm.XmlSerializer.serialize(system))
    return prepare(ethanol, str(path)), path


@pytest.mark.parametrize(
    ("change", "integrator", "freedom"),
    [
        (lambda _: None, "langevin", 3 * N),
        (lambda _: None, "verlet", 3 * N - 3),
        (with_remover, "langevin", 3 * N - 3),
        (with_remover, "nose-hoover", 3 * N - 3),
        (with_a_frozen_atom, "verlet", 3 * N - 3),
        (with_a_frozen_atom, "nose-hoover", 3 * N - 3),
        (with_an_anchor, "verlet", 3 * N),
        (with_a_wall, "verlet", 3 * N),
        (with_a_site, "verlet", 3 * N - 6),
    ],
)
def test_openmm_counts_what_moves(
    change: Callable, integrator: str, freedom: int, plain, ethanol: Molecule, tmp_path: Path
) -> None:
    prepared, _ = prepared_of(change, plain, ethanol, tmp_path)
    simulation = start(prepared, Conditions(integrator=integrator))
    assert simulation.degrees_of_freedom == freedom
    forces = simulation.context.getSystem().getForces()
    removers = sum(isinstance(force, openmm.CMMotionRemover) for force in forces)
    held = change in (with_a_frozen_atom, with_an_anchor, with_a_wall)
    assert removers == (change is with_remover or not (held or integrator == "langevin"))


def test_forces_that_isthmus_writes_keep_momentum() -> None:
    """Some of them are functions of Cartesian coordinates, but only of their differences."""
    system = prepare(from_smiles("C=O", conformers=1), "class2plus").system
    kinds = [type(force) for force in system.getForces()]
    assert openmm.CustomCompoundBondForce in kinds
    assert conserves_momentum(system)


def test_a_system_with_a_remover_has_the_temperature_of_its_bath(
    plain, ethanol: Molecule, tmp_path: Path
) -> None:
    prepared, _ = prepared_of(with_remover, plain, ethanol, tmp_path)
    simulation = start(prepared, Conditions(friction=20.0, timestep=0.0005, seed=1))
    seen = [r.temperature for r in produce(simulation, 40_000, report_every=20)][200:]
    # 3 of 27 degrees counted too much would show 267 K
    assert sum(seen) / len(seen) == pytest.approx(300, abs=12)
    assert observe(simulation).step == 40_000


@pytest.mark.parametrize(
    ("change", "freedom"),
    [
        (lambda _: None, 3 * N - 3),
        (with_a_frozen_atom, 3 * N - 3),
        (with_an_anchor, 3 * N),
        (with_a_site, 3 * N - 6),
    ],
)
def test_our_engine_counts_the_same(
    change: Callable, freedom: int, plain, ethanol: Molecule, tmp_path: Path
) -> None:
    prepared, path = prepared_of(change, plain, ethanol, tmp_path)
    potential = from_openmm(prepared.system).bind(ethanol.topology)
    assert conserves_momentum(potential) == conserves_momentum(prepared.system)
    request = Request(model=str(path), structure="s", steps=1000, thermostat="nve")
    assert chosen_mechanics(settle(request), ethanol, potential).degrees_of_freedom == freedom
