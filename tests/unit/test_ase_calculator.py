"""Potentials as calculators of ASE: units, boxes in any orientation, neighbour lists."""

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.calculator import PropertyNotImplementedError
from ase.calculators.fd import calculate_numerical_forces, calculate_numerical_stress

from isthmus.chemistry.molecule import Molecule, combine
from isthmus.chemistry.smiles import from_smiles
from isthmus.deploy.ase import IsthmusCalculator
from isthmus.deploy.spec import resolve_force_field
from isthmus.errors import InputError
from isthmus.forcefield.forcefield import ForceField
from isthmus.forcefield.potential import Potential
from isthmus.terms.nonbonded_method import NonbondedMethod
from isthmus.units import ANGSTROM, ELECTRONVOLT

TILTED = np.array([[0.0, 17.0, 0.0], [-18.0, 3.0, 0.0], [1.0, 2.0, 19.0]])
"""Cell vectors [Å], not in reduced form"""


@pytest.fixture(scope="module")
def water() -> Molecule:
    return from_smiles("O", conformers=1)


@pytest.fixture(scope="module")
def of_water(water: Molecule) -> Potential:
    return resolve_force_field("mmff94", water).bind(water)


@pytest.fixture(scope="module")
def boxed() -> tuple[Potential, Atoms]:
    """Four waters in a tilted box, with PME."""
    water = from_smiles("O", conformers=1)
    places = np.array([[0.2, 0.2, 0.2], [0.5, 0.3, 0.2], [0.2, 0.6, 0.4], [0.4, 0.4, 0.7]])
    parts = [Molecule.create(water.topology, water.conformers + place) for place in places]
    system = combine(parts)
    force_field = ForceField.free("class1", system.topology, random_seed=3)
    box = np.eye(3) * 2.0
    potential = force_field.bind(
        system.topology,
        precision="float64",
        nonbonded=NonbondedMethod("pme", cutoff=0.6),
        box=box,
    )
    atoms = Atoms(system.topology.atomic_numbers, system.positions / ANGSTROM)
    atoms.set_cell(TILTED)
    atoms.pbc = True
    return potential, atoms


def test_energy_and_forces_are_the_potentials(water: Molecule, of_water: Potential) -> None:
    potential = of_water
    atoms = Atoms(water.topology.atomic_numbers, water.positions / ANGSTROM)
    atoms.rattle(0.05, seed=1)
    atoms.calc = IsthmusCalculator(potential)
    expected = potential.energy_and_forces(atoms.positions * ANGSTROM)
    assert atoms.get_potential_energy() * ELECTRONVOLT == pytest.approx(float(expected.energy))
    numerical = calculate_numerical_forces(atoms, eps=1e-4)
    assert np.abs(numerical).max() > 0.1
    np.testing.assert_allclose(atoms.get_forces(), numerical, atol=1e-5)
    charges = atoms.get_charges()
    assert charges.sum() == pytest.approx(0.0)
    assert charges[0] < -0.5 < charges[1]
    np.testing.assert_allclose(atoms.get_dipole_moment(), charges @ atoms.positions)
    with pytest.raises(PropertyNotImplementedError, match="box"):
        atoms.get_stress()


def test_charges_of_designs_are_those_of_their_coulomb_term() -> None:
    """Which is one over all pairs, without a cutoff or with one."""
    methanol = from_smiles("CO", conformers=1)
    force_field = ForceField.free("class2plus", methanol.topology, random_seed=2)
    atoms = Atoms(methanol.topology.atomic_numbers, methanol.positions / ANGSTROM)
    for method, box in (
        (NonbondedMethod(), None),
        (NonbondedMethod("pme", cutoff=0.6), np.eye(3) * 2),
    ):
        potential = force_field.bind(methanol.topology, nonbonded=method, box=box)
        (coulomb,) = (
            bound
            for group in potential.parameterization.pair_groups
            for bound in group.terms
            if bound.term.long_range == "coulomb"
        )
        calculator = IsthmusCalculator(potential)
        assert calculator._charges is not None
        np.testing.assert_array_equal(calculator._charges, coulomb.values["charge"])
        if box is None:
            atoms.calc = calculator
            np.testing.assert_allclose(atoms.get_charges(), coulomb.values["charge"])
            expected = atoms.get_charges() @ atoms.positions
            np.testing.assert_allclose(atoms.get_dipole_moment(), expected)
            assert np.abs(expected).max() > 0.01


@pytest.mark.slow
def test_forces_and_stress_in_a_tilted_box(boxed: tuple[Potential, Atoms]) -> None:
    potential, atoms = boxed
    atoms.calc = IsthmusCalculator(potential)
    np.testing.assert_allclose(
        atoms.get_forces(), calculate_numerical_forces(atoms, eps=1e-4), atol=2e-4
    )
    stress = atoms.get_stress()
    assert np.abs(stress[3:]).max() > 1e-6
    numerical = calculate_numerical_stress(atoms, eps=1e-5)
    np.testing.assert_allclose(stress, numerical, atol=1e-2 * np.abs(numerical).max())


@pytest.mark.slow
def test_lists_are_kept_until_they_may_miss_a_pair(boxed: tuple[Potential, Atoms]) -> None:
    potential, atoms = boxed
    moved = atoms.copy()
    calculator = IsthmusCalculator(potential, skin=0.1)
    moved.calc = calculator
    moved.get_potential_energy()
    first = calculator._neighbours
    moved.positions[0] += 0.1
    moved.get_potential_energy()
    assert calculator._neighbours is first
    moved.positions[3:6] += 4.0
    kept = moved.get_potential_energy()
    assert calculator._neighbours is not first
    fresh = moved.copy()
    fresh.calc = IsthmusCalculator(potential)
    assert kept == pytest.approx(fresh.get_potential_energy(), abs=1e-9)


def test_other_atoms_are_refused(of_water: Potential) -> None:
    calculator = IsthmusCalculator(of_water)
    pair = Atoms("H2", [[0, 0, 0], [0, 0, 1]], calculator=calculator)
    with pytest.raises(InputError, match="2 atoms came to a potential of 3"):
        pair.get_potential_energy()
    slab = Atoms("OH2", [[0, 0, 0], [0, 0, 1], [0, 1, 0]], cell=[9, 9, 9], pbc=[1, 1, 0])
    slab.calc = calculator
    with pytest.raises(InputError, match="2 of three directions"):
        slab.get_potential_energy()
