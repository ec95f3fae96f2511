"""Simulations in OpenMM: potentials inside PythonForce, prepared systems, stages, resuming."""

from pathlib import Path

import numpy as np
import openmm
import pytest

from isthmus.chemistry.molecule import Molecule, combine
from isthmus.chemistry.smiles import from_smiles
from isthmus.chemistry.topology import Topology
from isthmus.deploy.md.checkpoint import checkpoint, resume, resume_from, save_checkpoint
from isthmus.deploy.md.choosing import solute_atoms, water_atoms
from isthmus.deploy.md.conditions import Conditions
from isthmus.deploy.md.equilibration import equilibrate
from isthmus.deploy.md.platforms import choose_platform
from isthmus.deploy.md.prepare import Prepared, prepare
from isthmus.deploy.md.production import ALL_GROUPS, minimise, observe, place, produce, start
from isthmus.deploy.md.python_force import PythonPart
from isthmus.deploy.md.settings import Settings
from isthmus.deploy.md.solvation import Solvent
from isthmus.deploy.openmm.reader_registry import number
from isthmus.deploy.spec import resolve_force_field
from isthmus.designs.schema import parse_design
from isthmus.errors import EngineMissingError, InputError
from isthmus.forcefield.forcefield import ForceField
from isthmus.simulate.hydrogen_constraints import hydrogen_constraints
from isthmus.simulate.water import water_molecules
from isthmus.terms.nonbonded_method import NonbondedMethod

PLAIN = parse_design("""
name = "plain"
[[term]]
name = "bond"
over = "bond"
energy = "k/2*(r-r0)^2"
parameters.k = { unit = "kJ/mol/nm^2", default = 2e5, min = 0 }
parameters.r0 = { unit = "nm", default = "bond_length", min = 0.05, max = 0.4 }
[[term]]
name = "angle"
over = "angle"
energy = "k/2*(theta-theta0)^2"
parameters.k = { unit = "kJ/mol/rad^2", default = 300, min = 0 }
parameters.theta0 = { unit = "rad", default = "angle", min = 0.5, max = 3.1 }
[[term]]
name = "lennard-jones"
over = "pair"
form = "lennard-jones"
[[term]]
name = "coulomb"
over = "pair"
form = "coulomb"
""")


def plain(molecule: Molecule) -> ForceField:
    return ForceField.free(PLAIN, molecule.topology)


@pytest.fixture(scope="module")
def ethanol() -> Molecule:
    return from_smiles("CCO", conformers=1)


@pytest.fixture(scope="module")
def waters() -> Molecule:
    """27 molecules of water in a box of 0.95 nm, one of its edges a little shorter."""
    one = from_smiles("O", conformers=1)
    places = np.stack(np.meshgrid(*[np.arange(3)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    moved = [
        Molecule.create(one.topology, one.positions - one.positions.mean(axis=0) + 0.31 * place)
        for place in places
    ]
    return combine(moved, box=np.diag([0.95, 0.95, 0.94]))


@pytest.fixture(scope="module")
def pool(waters: Molecule) -> Prepared:
    """The waters by OpenMM's own file: cheap to start, with a box and rigid molecules."""
    settings = Settings(cutoff=0.4)
    return prepare(waters, "amber14/tip3p.xml", settings=settings)


def energies(prepared: Prepared, platform: str = "Reference") -> tuple[float, np.ndarray]:
    simulation = start(prepared, Conditions(), platform=platform)
    place(simulation.context, prepared.positions, prepared.box)
    record = observe(simulation)
    return record.potential, record.forces()


def test_a_python_force_is_the_potential(ethanol: Molecule) -> None:
    force_field = plain(ethanol)
    settings = Settings(via="python", precision="float64")
    prepared = prepare(ethanol, force_field, settings=settings)
    assert prepared.via == "python"
    energy, forces = energies(prepared)
    ours = force_field.bind(ethanol.topology, precision="float64")
    expected = ours.energy_and_forces(ethanol.positions)
    assert energy == pytest.approx(float(expected.energy), rel=1e-12)
    np.testing.assert_allclose(forces, expected.forces, atol=1e-9 * np.abs(forces).max())


def test_a_python_force_keeps_its_neighbour_list_only_while_it_holds(waters: Molecule) -> None:
    assert waters.box is not None
    method = NonbondedMethod("cutoff", cutoff=0.3)
    potential = plain(waters).bind(
        waters.topology, precision="float64", nonbonded=method, box=waters.box
    )
    part = PythonPart.create(potential, bonds=waters.topology.bonds, skin=0.1)
    system = openmm.System()
    system.setDefaultPeriodicBoxVectors(*waters.box.tolist())
    for mass in waters.topology.masses.tolist():
        system.addParticle(mass)
    for force in part.forces():
        system.addForce(force)
    context = openmm.Context(
        system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference")
    )
    shift = np.zeros((waters.n_atoms, 3))
    # Within the skin, beyond it, and in another box
    for moved, box, lists in ((0.02, 1.0, 1), (0.2, 1.0, 2), (0.2, 1.1, 3)):
        shift[::3] = shift[1::3] = shift[2::3] = 0.0
        shift[:3] = moved
        positions, cell = waters.positions + shift, waters.box * box
        context.setPeriodicBoxVectors(*cell)
        context.setPositions(positions)
        state = context.getState(energy=True, forces=True, groups=ALL_GROUPS)
        expected = potential.energy_and_forces(positions, cell)
        assert state.getPotentialEnergy()._value == pytest.approx(float(expected.energy), rel=1e-9)
        found = state.getForces(asNumpy=True)._value
        np.testing.assert_allclose(found, expected.forces, atol=1e-8 * np.abs(found).max())
        assert part.computation.n_lists == lists


def test_openmm_keeps_molecules_of_a_python_force_together(waters: Molecule) -> None:
    """Without bonds that OpenMM knows, its barostat would scale atom by atom."""
    settings = Settings(via="python", cutoff=0.4)
    prepared = prepare(waters, plain(waters), settings=settings)
    context = openmm.Context(
        prepared.build(),
        openmm.VerletIntegrator(0.001),
        openmm.Platform.getPlatformByName("Reference"),
    )
    assert len(context.getMolecules()) == 27


def test_ours_in_an_environment_acts_alike_through_forces_and_through_python(
    ethanol: Molecule,
) -> None:
    water = from_smiles("O", conformers=1)
    moved = Molecule.create(water.topology, water.positions + np.array([0.0, 0.0, 0.45]))
    both = combine([ethanol, moved])
    found = {}
    for via in ("forces", "python"):
        settings = Settings(via=via, precision="float64")
        prepared = prepare(
            both, "class1", environment="amber14", ours=range(ethanol.n_atoms), settings=settings
        )
        assert prepared.via == via
        assert prepared.ours_idx.tolist() == list(range(ethanol.n_atoms))
        found[via] = energies(prepared)
    assert found["python"][0] == pytest.approx(found["forces"][0], rel=1e-9)
    scale = np.abs(found["forces"][1]).max()
    np.testing.assert_allclose(found["python"][1], found["forces"][1], atol=1e-8 * scale)


def test_the_molecule_that_the_environment_does_not_know_is_ours() -> None:
    acid = from_smiles("CC(=O)[O-]", conformers=1)
    solvent = Solvent(padding=0.95, ionic_strength=0.5)
    first, second = (
        prepare(acid, plain(acid), environment="amber14", solvent=solvent) for _ in range(2)
    )
    names = first.molecule.topology.residue_names.tolist()
    assert first.ours_idx.tolist() == first.solute_idx.tolist() == list(range(acid.n_atoms))
    assert names.count("NA") == names.count("CL") + 1
    assert first.molecule.total_charge == 0
    assert first.system.getNumParticles() == first.molecule.n_atoms
    # Rigid water, nothing of ours held
    assert first.system.getNumConstraints() == 3 * names.count("HOH")
    np.testing.assert_array_equal(first.positions, second.positions)
    np.testing.assert_allclose(
        first.positions[1] - first.positions[0], acid.positions[1] - acid.positions[0], atol=1e-9
    )


def test_heavier_hydrogens_keep_the_mass_of_molecules(ethanol: Molecule) -> None:
    settings = Settings(hydrogen_mass=3.0, constraints="hydrogens")
    prepared = prepare(ethanol, plain(ethanol), settings=settings)
    masses = [number(prepared.system.getParticleMass(n)) for n in range(ethanol.n_atoms)]
    hydrogens = ethanol.topology.atomic_numbers == 1
    assert np.array(masses)[hydrogens] == pytest.approx(3.0)
    assert sum(masses) == pytest.approx(ethanol.topology.masses.sum())
    assert prepared.system.getNumConstraints() == 6
    with pytest.raises(InputError, match="choose a smaller hydrogen mass"):
        prepare(ethanol, plain(ethanol), settings=Settings(hydrogen_mass=6.0))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"model": "amber14"}, "no template for residue MOL"),
        ({"model": "amber14", "environment": "amber14"}, "both of which are files of OpenMM"),
        ({"environment": "no-such.xml"}, "cannot read the force field"),
        ({"environment": "amber14", "ours": "LIG"}, "no residue is called 'LIG'"),
        ({"environment": "amber14", "ours": [0, 1]}, "choose whole molecules"),
        ({"environment": "amber14", "solvent": Solvent(padding=0.5)}, "cutoff"),
        ({"solvent": Solvent(water="opc")}, "sites without atoms"),
    ],
)
def test_what_cannot_be_prepared_is_refused(ethanol: Molecule, wrong: dict, message: str) -> None:
    arguments = {"model": "class1", **wrong}
    with pytest.raises(InputError, match=message):
        prepare(ethanol, **arguments)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: Solvent(water="water"), "unknown water model"),
        (lambda: Solvent(padding=0.0), "positive length"),
        (lambda: Settings(constraints="all"), "unknown constraints"),
        (lambda: Conditions(temperature=0.0), "temperature is 0.0 K"),
        (lambda: Conditions(integrator="verlet", pressure=1.0), "no thermostat"),
        (lambda: choose_platform(3, periodic=False, precision="half"), "unknown precision"),
    ],
)
def test_wrong_choices_are_refused(wrong, message: str) -> None:
    with pytest.raises(InputError, match=message):
        wrong()


def test_platforms_are_chosen_by_size_and_refused_by_name() -> None:
    known = [openmm.Platform.getPlatform(n).getName() for n in range(2)]
    if set(known) == {"Reference", "CPU"} and openmm.Platform.getNumPlatforms() == 2:
        assert choose_platform(50, periodic=False).name == "Reference"
        assert choose_platform(50, periodic=True).name == "CPU"
        assert choose_platform(5000, periodic=False).name == "CPU"
    with pytest.raises(EngineMissingError, match="no platform 'TPU'"):
        choose_platform(50, periodic=False, name="TPU")
    chosen = choose_platform(50, periodic=True, name="cpu", deterministic=True)
    assert chosen.properties == {"DeterministicForces": "true", "Threads": "1"}


def test_records_come_at_multiples_and_at_the_end(pool: Prepared) -> None:
    simulation = start(pool, Conditions(timestep=0.002, seed=3), platform="Reference")
    before = observe(simulation).potential
    lowered = minimise(simulation, max_steps=20)
    assert lowered.before == pytest.approx(before)
    assert lowered.after < lowered.before
    steps = [r.step for r in produce(simulation, 7, report_every=5)]
    steps += [r.step for r in produce(simulation, 5, report_every=5)]
    assert steps == [5, 7, 10, 12]
    record = observe(simulation)
    assert record.time == pytest.approx(0.024)
    # 27 waters of 18.015 Da in 0.848 nm³
    assert record.density == pytest.approx(27 * 18.015 / 0.84835 * 1.66054, rel=1e-4)
    # Rigid molecules: 6 each
    assert simulation.degrees_of_freedom == 27 * 6
    assert record.positions().shape == (81, 3)


def test_a_broken_simulation_ends(ethanol: Molecule) -> None:
    prepared = prepare(ethanol, plain(ethanol))
    simulation = start(prepared, Conditions(timestep=0.02, friction=0.001))
    found = list(produce(simulation, 2000, report_every=100))
    assert not found[-1].is_finite
    assert found[-1].step < 2000
    with pytest.raises(InputError, match="potential energy"):
        minimise(simulation)


def test_equilibration_holds_volume_and_solute_first_then_lets_them_go(
    waters: Molecule, ethanol: Molecule
) -> None:
    settings = Settings(cutoff=0.4)
    box = np.diag([1.6, 1.6, 1.6])
    moved = Molecule.create(ethanol.topology, ethanol.positions + 1.1)
    system = combine([Molecule.create(waters.topology, waters.positions), moved], box=box)
    prepared = prepare(system, "class1", environment="amber14", settings=settings)
    conditions = Conditions(pressure=1000.0, barostat_every=5)
    simulation = start(prepared, conditions, platform="Reference")
    minimise(simulation, max_steps=30)
    records = list(equilibrate(simulation, warm_up=0.1, settle=0.4, report_every=25))
    volumes = {
        stage: [r.volume for r in records if r.stage == stage]
        for stage in ("warm-up", "equilibration")
    }
    assert volumes["warm-up"] == pytest.approx([1.6**3] * len(volumes["warm-up"]))
    assert volumes["equilibration"][-1] < 1.6**3  # pyright: ignore[reportOptionalOperand]
    assert simulation.step == 0
    after = observe(simulation)
    assert after.volume == pytest.approx(volumes["equilibration"][-1])
    assert after.potential == pytest.approx(records[-1].potential, rel=1e-6)


@pytest.mark.parametrize(
    "choices",
    [
        {"conditions": Conditions(timestep=0.002, seed=5)},
        {"conditions": Conditions(timestep=0.002, seed=5, pressure=1.0, barostat_every=3)},
        {"conditions": Conditions(timestep=0.001, integrator="verlet")},
        {"conditions": Conditions(timestep=0.001, integrator="nose-hoover")},
        {
            "conditions": Conditions(timestep=0.002, seed=5, pressure=1.0, barostat_every=3),
            "platform": "CPU",
            "deterministic": True,
        },
    ],
    ids=["langevin", "barostat", "verlet", "nose-hoover", "barostat on one CPU thread"],
)
def test_resuming_is_the_same_bit_for_bit(choices: dict, pool: Prepared, tmp_path: Path) -> None:
    conditions = choices.pop("conditions")
    settings = {"platform": "Reference", **choices}
    path = tmp_path / "run.checkpoint"
    simulation = start(pool, conditions, **settings)
    assert simulation.deterministic
    list(produce(simulation, 20, report_every=20))
    save_checkpoint(simulation, path)
    (ended,) = produce(simulation, 30, report_every=60)
    whole = ended.potential, ended.volume, ended.positions(), ended.velocities()
    resumed = resume(pool, conditions, path)
    assert resumed.exact, resumed.note
    (again,) = produce(resumed.simulation, 30, report_every=60)
    assert again.step == ended.step == 50
    assert (again.potential, again.volume) == whole[:2]
    np.testing.assert_array_equal(again.positions(), whole[2])
    np.testing.assert_array_equal(again.velocities(), whole[3])


def test_resuming_through_python_is_the_same_bit_for_bit(ethanol: Molecule) -> None:
    conditions = Conditions(timestep=0.0005, seed=2)
    settings = Settings(via="python")
    prepared = prepare(ethanol, plain(ethanol), settings=settings)
    simulation = start(prepared, conditions)
    list(produce(simulation, 10, report_every=10))
    data = checkpoint(simulation)
    (ended,) = produce(simulation, 10, report_every=50)
    positions = ended.positions()
    fresh = prepare(ethanol, plain(ethanol), settings=settings)
    resumed = resume_from(fresh, conditions, data)
    assert resumed.exact
    (again,) = produce(resumed.simulation, 10, report_every=50)
    np.testing.assert_array_equal(again.positions(), positions)


def test_a_checkpoint_of_another_system_or_of_other_conditions(
    pool: Prepared, ethanol: Molecule, tmp_path: Path
) -> None:
    simulation = start(pool, Conditions(timestep=0.002), platform="Reference")
    list(produce(simulation, 5, report_every=5))
    path = tmp_path / "run.checkpoint"
    save_checkpoint(simulation, path)
    other = prepare(ethanol, plain(ethanol))
    with pytest.raises(InputError, match="another system"):
        resume(other, Conditions(timestep=0.002), path)
    warmer = resume(pool, Conditions(timestep=0.002, temperature=310.0), path)
    assert not warmer.exact
    assert warmer.simulation.step == 5
    elsewhere = resume(pool, Conditions(timestep=0.002), path, platform="CPU")
    assert not elsewhere.exact
    assert "written on Reference" in str(elsewhere.note)
    assert elsewhere.simulation.step == 5
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match="no checkpoint"):
        resume(pool, Conditions(timestep=0.002), path)


@pytest.mark.parametrize(
    "model",
    [
        "amber14",
        pytest.param("class1", marks=pytest.mark.slow),
        pytest.param("class2plus", marks=pytest.mark.slow),
    ],
)
def test_hydrogens_are_held_as_in_our_own_engine(model: str, ethanol: Molecule) -> None:
    """Water is rigid in both, also where it is ours."""
    water = from_smiles("O", conformers=1)
    moved = Molecule.create(water.topology, water.positions + np.array([0.0, 0.0, 0.45]))
    parts = [moved, water] if model == "amber14" else [ethanol, moved]
    both = combine(parts)
    prepared = prepare(both, model, settings=Settings(constraints="hydrogens"))
    ours = hydrogen_constraints(both.topology, resolve_force_field(model, both).bind(both))
    rows = [
        prepared.system.getConstraintParameters(n)
        for n in range(prepared.system.getNumConstraints())
    ]
    theirs = {(min(i, j), max(i, j)): number(distance) for i, j, distance in rows}
    expected = {
        (min(i, j), max(i, j)): distance
        for (i, j), distance in zip(ours.pairs.tolist(), ours.distances.tolist(), strict=True)
    }
    assert len(rows) == len(theirs) == (6 if model == "amber14" else 9)
    assert theirs == pytest.approx(expected, rel=1e-6)
    across = theirs[4, 5] if model == "amber14" else theirs[10, 11]
    assert 0.14 < across < 0.17


def test_nothing_is_held_if_nothing_should_be(pool: Prepared, tmp_path: Path) -> None:
    path = tmp_path / "rigid.xml"
    path.write_text(openmm.XmlSerializer.serialize(pool.system))
    for choice, count in (("auto", 81), ("none", 0)):
        settings = Settings(constraints=choice, cutoff=0.4)
        found = prepare(pool.molecule, str(path), settings=settings)
        assert found.system.getNumConstraints() == count


def test_water_is_found_in_any_residue() -> None:
    """In a residue of its own or not; its extra site, and no peroxide or hydronium."""
    many = from_smiles("O.CCO.[OH3+].OO")
    assert water_molecules(many.topology).tolist() == [[0, 7, 8]]
    assert np.flatnonzero(water_atoms(many.topology)).tolist() == [0, 7, 8]
    site = Topology.create([8, 1, 1, 0], np.array([[0, 1], [0, 2]]))
    assert water_molecules(site).tolist() == [[0, 1, 2]]
    assert water_atoms(site).all()
    assert len(solute_atoms(site)) == 0
