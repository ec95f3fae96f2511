"""One molecule with our terms in a System of somebody else's water."""

from importlib import import_module
from typing import Any

import numpy as np
import openmm
import pytest

from isthmus.chemistry.smiles import from_smiles
from isthmus.deploy.openmm import combine, evaluate_openmm
from isthmus.errors import InputError, UnsupportedForceError
from isthmus.forcefield.forcefield import ForceField
from isthmus.terms.nonbonded_method import NonbondedMethod

NM: Any = import_module("openmm.unit").nanometer
BOX = 1.9
CUTOFF = 0.9
WATER = {"O": (-0.834, 0.315075, 0.635968), "H": (0.417, 1.0, 0.0)}


@pytest.fixture(scope="module")
def ligand():
    """N-methylacetamide."""
    return from_smiles("CC(=O)NC", conformers=1)


@pytest.fixture(scope="module")
def solvated(ligand):
    """A System with two waters, the ligand, and more waters, and its positions."""
    around = [
        (x, y, z)
        for x in (0.25, 0.85, 1.5)
        for y in (0.25, 0.85, 1.5)
        for z in (0.25, 0.85, 1.5)
        if (x, y, z) != (0.85, 0.85, 0.85)
    ]
    water = np.array([[0, 0, 0], [0.09572, 0, 0], [-0.02399, 0.09266, 0]])
    centred = ligand.positions.reshape(-1, 3) - ligand.positions.reshape(-1, 3).mean(axis=0) + 0.85
    blocks = [water + place for place in around]
    positions = np.concatenate([*blocks[:2], centred, *blocks[2:]])
    atoms = np.arange(6, 6 + ligand.n_atoms)
    return _system(ligand, len(around), atoms), positions, atoms


def _system(ligand, n_waters, atoms):
    """Waters of TIP3P, and a ligand with arbitrary terms that have to go."""
    system = openmm.System()
    system.setDefaultPeriodicBoxVectors(*(BOX * np.eye(3)))
    nonbonded = openmm.NonbondedForce()
    nonbonded.setNonbondedMethod(nonbonded.PME)
    nonbonded.setCutoffDistance(CUTOFF)
    nonbonded.setPMEParameters(3.5, 32, 32, 32)
    nonbonded.setUseDispersionCorrection(False)
    bonds, angles = openmm.HarmonicBondForce(), openmm.HarmonicAngleForce()
    n_particles = 3 * n_waters + ligand.n_atoms
    start = atoms[0]
    for n in range(n_particles):
        if n in atoms:
            system.addParticle(float(ligand.topology.masses[n - start]))
            nonbonded.addParticle(0.1, 0.3, 0.4)
            continue
        offset = n if n < start else n - ligand.n_atoms
        element = "O" if offset % 3 == 0 else "H"
        system.addParticle(15.999 if element == "O" else 1.008)
        nonbonded.addParticle(*WATER[element])
        if element == "O":
            for a, b in ((n, n + 1), (n, n + 2)):
                bonds.addBond(a, b, 0.09572, 462750.4)
            angles.addAngle(n + 1, n, n + 2, 1.82421813, 836.8)
            for a, b in ((n, n + 1), (n, n + 2), (n + 1, n + 2)):
                nonbonded.addException(a, b, 0.0, 1.0, 0.0)
    for i, j in (ligand.topology.bonds + start).tolist():
        bonds.addBond(i, j, 0.12, 1e5)
    for i, j in (ligand.topology.clusters.excluded_pairs + start).tolist():
        nonbonded.addException(i, j, 0.02, 0.3, 0.1)
    i, j = (ligand.topology.bonds[0] + start).tolist()
    system.addConstraint(i, j, 0.12)
    for force in (nonbonded, bonds, angles):
        system.addForce(force)
    return system


def _potential(ligand, design):
    return ForceField.free(design, ligand.topology, random_seed=3).bind(
        ligand.topology, precision="float64"
    )


def _reference_energy(system, positions, atoms, ours):
    """The same System with the molecule's inner terms gone, by another way than `combine`.

    Charges and Lennard-Jones numbers are put in by hand, every inner pair is excluded, and the
    bonded entries of the molecule get a force constant of zero.
    """
    copy = openmm.XmlSerializer.deserialize(openmm.XmlSerializer.serialize(system))
    nonbonded, bonds, _ = copy.getForces()
    inside = set(atoms.tolist())
    for n in range(bonds.getNumBonds()):
        i, j, length, _ = bonds.getBondParameters(n)
        if i in inside:
            bonds.setBondParameters(n, i, j, length, 0.0)
    for particle, row in zip(atoms.tolist(), ours, strict=True):
        nonbonded.setParticleParameters(particle, *row)
    for i in atoms.tolist():
        for j in atoms.tolist():
            if i < j:
                nonbonded.addException(i, j, 0.0, 1.0, 0.0, True)
    return evaluate_openmm(copy, positions)


@pytest.mark.parametrize("design", ["class1", "class2plus"])
def test_energy_is_ours_inside_and_theirs_outside(design, ligand, solvated):
    system, positions, atoms = solvated
    potential = _potential(ligand, design)
    values = {t.term.name: t.values for t in potential.parameterization.pair_groups[0].terms}
    ours = np.stack(
        [
            values["coulomb"]["charge"],
            values["lennard-jones"]["sigma"],
            values["lennard-jones"]["epsilon"],
        ],
        axis=1,
    )
    outside = _reference_energy(system, positions, atoms, ours.tolist())
    inside = potential.energy_and_forces(positions[atoms])
    found = evaluate_openmm(combine(system, potential, atoms, readable=True), positions)
    assert found.energy == pytest.approx(outside.energy + float(inside.energy), rel=1e-9)
    forces = outside.forces.copy()
    forces[atoms] += inside.forces
    size = np.abs(forces).max()
    np.testing.assert_allclose(found.forces, forces, rtol=0, atol=1e-9 * size)


def test_class2_keeps_the_lennard_jones_of_the_system(ligand, solvated):
    system, positions, atoms = solvated
    potential = _potential(ligand, "class2")
    with pytest.raises(UnsupportedForceError, match=r"lennard-jones.*interaction='charges'"):
        combine(system, potential, atoms)
    charge = next(
        t.values["charge"]
        for t in potential.parameterization.pair_groups[0].terms
        if t.term.name == "coulomb"
    )
    ours = [(q, 0.3, 0.4) for q in charge.tolist()]
    outside = _reference_energy(system, positions, atoms, ours)
    inside = potential.energy(positions[atoms])
    combined = combine(system, potential, atoms, interaction="charges", readable=True)
    found = evaluate_openmm(combined, positions)
    assert found.energy == pytest.approx(outside.energy + float(inside), rel=1e-9)
    kept = combine(system, potential, atoms, interaction="system", readable=True)
    outside = _reference_energy(system, positions, atoms, [(0.1, 0.3, 0.4)] * len(atoms))
    found = evaluate_openmm(kept, positions)
    assert found.energy == pytest.approx(outside.energy + float(inside), rel=1e-9)


def test_runs_and_forces_are_the_slope_of_the_energy(ligand, solvated):
    system, positions, atoms = solvated
    combined = combine(system, _potential(ligand, "class2plus"), atoms, readable=True)
    assert combined.getNumConstraints() == 0
    assert system.getNumConstraints() == 1
    found = evaluate_openmm(combined, positions)
    rng = np.random.default_rng(0)
    direction = np.zeros_like(positions)
    direction[atoms] = rng.normal(size=(len(atoms), 3))
    step = 1e-5
    plus, minus = (
        evaluate_openmm(combined, positions + sign * step * direction).energy for sign in (1, -1)
    )
    slope = -np.sum(found.forces * direction)
    assert (plus - minus) / (2 * step) == pytest.approx(slope, rel=1e-4)
    context = openmm.Context(
        combined,
        openmm.VerletIntegrator(0.0005),
        openmm.Platform.getPlatformByName("Reference"),
    )
    context.setPositions(positions)
    context.getIntegrator().step(5)
    state = context.getState(positions=True)
    assert np.isfinite(state.getPositions(asNumpy=True).value_in_unit(NM)).all()


def test_constraints_of_the_molecule_can_stay(ligand, solvated):
    system, _, atoms = solvated
    combined = combine(system, _potential(ligand, "class1"), atoms, keep_constraints=True)
    assert combined.getNumConstraints() == 1


def test_exclusions_agree_across_nonbonded_forces(ligand, solvated):
    system, _, atoms = solvated
    copy = openmm.XmlSerializer.deserialize(openmm.XmlSerializer.serialize(system))
    extra = openmm.CustomNonbondedForce("0.001*c1*c2/r^4")
    extra.addPerParticleParameter("c")
    extra.setNonbondedMethod(extra.CutoffPeriodic)
    extra.setCutoffDistance(CUTOFF)
    for _ in range(copy.getNumParticles()):
        extra.addParticle([1.0])
    nonbonded = copy.getForce(0)
    for n in range(nonbonded.getNumExceptions()):
        extra.addExclusion(*nonbonded.getExceptionParameters(n)[:2])
    copy.addForce(extra)
    potential = _potential(ligand, "class1")
    with pytest.raises(UnsupportedForceError, match="CustomNonbondedForce"):
        combine(copy, potential, atoms)
    combined = combine(copy, potential, atoms, interaction="charges")
    first, second = (
        {frozenset(pair) for pair in pairs}
        for pairs in (
            (
                f.getExceptionParameters(n)[:2]
                for f in [combined.getForce(0)]
                for n in range(f.getNumExceptions())
            ),
            (
                f.getExclusionParticles(n)
                for f in [combined.getForce(3)]
                for n in range(f.getNumExclusions())
            ),
        )
    )
    assert first == second


def test_part_of_a_molecule_is_an_error(ligand, solvated):
    system, _, atoms = solvated
    potential = _potential(ligand, "class1")
    with pytest.raises(InputError, match=r"\(?shape|one particle number"):
        combine(system, potential, atoms[:-1])
    with pytest.raises(InputError, match="weigh"):
        combine(system, potential, atoms - 3)
    mixed = atoms.copy()
    mixed[0], hydrogens = 0, np.flatnonzero(ligand.topology.atomic_numbers == 1)
    with pytest.raises(InputError, match="weigh"):
        combine(system, potential, mixed)
    swapped = atoms.copy()
    swapped[hydrogens[0]] = 1
    with pytest.raises(InputError, match="no whole molecule"):
        combine(system, potential, swapped)


def test_another_order_of_the_atoms_is_an_error(ligand, solvated):
    system, _, atoms = solvated
    with pytest.raises(InputError, match="atom_idx has another order than the atoms"):
        combine(system, _potential(ligand, "class1"), atoms[::-1])


def test_a_potential_with_a_cutoff_is_an_error(ligand, solvated):
    system, _, atoms = solvated
    force_field = ForceField.free("class1", ligand.topology)
    cut = force_field.bind(ligand.topology, nonbonded=NonbondedMethod("cutoff", 0.9))
    with pytest.raises(InputError, match="bind it without one"):
        combine(system, cut, atoms)


def test_unknown_forces_are_named(ligand, solvated):
    system, _, atoms = solvated
    copy = openmm.XmlSerializer.deserialize(openmm.XmlSerializer.serialize(system))
    copy.addForce(openmm.CustomHbondForce("0"))
    with pytest.raises(UnsupportedForceError, match="CustomHbondForce"):
        combine(copy, _potential(ligand, "class1"), atoms)
