"""Arguments of binding and of potentials that cannot be used, and those that nearly could."""

from collections.abc import Callable
from typing import Any

import numpy as np
import openmm
import pytest

import isthmus
from isthmus.errors import InputError
from isthmus.forcefield.binding import bind_parameterization
from isthmus.forcefield.forcefield import check_topology
from isthmus.parameters.source import TableSource
from isthmus.terms.bound import find_rows
from isthmus.terms.nonbonded_method import NonbondedMethod

PME = NonbondedMethod("pme", cutoff=0.9)


@pytest.fixture(scope="module")
def ethanol() -> isthmus.Molecule:
    return isthmus.from_smiles("CCO", conformers=1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"alpha": 3.0}, "alpha = 3.0 with grid = None: give both, or neither"),
        ({"grid": (32, 32, 32)}, "alpha = None with grid = .*: give both"),
        ({"dispersion_alpha": 3.0}, "dispersion_alpha = 3.0 with dispersion_grid = None"),
    ],
)
def test_half_of_an_ewald_sum_is_not_replaced_silently(
    settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        NonbondedMethod("ljpme", cutoff=0.9, **settings)


@pytest.mark.parametrize(
    ("box", "message"),
    [
        (np.array([3.0, 3.0, 3.0]), r"A box of shape \(3,\) came"),
        (np.eye(3) * np.nan, "not finite numbers"),
        (-3 * np.eye(3), "no positive lengths"),
    ],
)
def test_boxes_are_checked_when_binding(
    ethanol: isthmus.Molecule, box: np.ndarray, message: str
) -> None:
    force_field = isthmus.ForceField.free("class1", ethanol.topology)
    with pytest.raises(InputError, match=message):
        force_field.bind(ethanol.topology, nonbonded=PME, box=box)
    with pytest.raises(InputError, match=message):
        force_field.bind(ethanol.topology).energy(ethanol.positions, box)


def test_positions_of_fixed_particles_must_be_numbers() -> None:
    """A mass of zero says that a particle is held in place, not that it has none."""
    system, force = openmm.System(), openmm.HarmonicBondForce()
    for mass in (0.0, 12.0):
        system.addParticle(mass)
    force.addBond(0, 1, 0.1, 1000.0)
    system.addForce(force)
    item = isthmus.from_openmm(system).source
    assert isinstance(item, TableSource)
    potential = bind_parameterization(item.parameterization)
    with pytest.raises(InputError, match="atom 0 has the position"):
        potential.energy(np.array([[np.nan, 0, 0], [0.1, 0, 0]]))


@pytest.mark.parametrize(
    "other",
    [
        lambda topology: topology.subset(np.arange(topology.n_atoms)[::-1]),
        lambda _: isthmus.from_smiles("COC").topology,
    ],
    ids=["another order", "another molecule"],
)
def test_a_table_belongs_to_its_molecule(
    ethanol: isthmus.Molecule, other: Callable[[isthmus.Topology], isthmus.Topology]
) -> None:
    potential = isthmus.ForceField.free("class1", ethanol.topology).bind(ethanol.topology)
    force_field = isthmus.from_openmm(isthmus.to_openmm(potential, readable=True))
    force_field.bind(ethanol.topology)
    with pytest.raises(InputError, match="imported for another molecule, or another order"):
        force_field.bind(other(ethanol.topology))


def test_rows_of_large_systems_are_found() -> None:
    """Five atoms of a million do not fit into one integer."""
    table = 1_000_000 + np.random.default_rng(0).integers(0, 1000, (50, 5)).cumsum(axis=1)
    chosen = np.array([7, 3, 40])
    wanted = table[chosen]
    wanted[1] = wanted[1][::-1]
    np.testing.assert_array_equal(find_rows(table, wanted), chosen)
    with pytest.raises(LookupError):
        find_rows(table, wanted + 1)


def test_a_molecule_cut_by_the_boundary_is_refused(ethanol: isthmus.Molecule) -> None:
    box = 3 * np.eye(3)
    potential = isthmus.ForceField.free("class1", ethanol.topology).bind(
        ethanol.topology, nonbonded=PME, box=box
    )
    cut = ethanol.positions.copy()
    cut[1, 0] += 3.0
    with pytest.raises(InputError, match=r"atoms 0 and 1 are bonded, but .* cut by the periodic"):
        potential.energy(cut)


def test_a_molecule_in_place_of_its_topology(ethanol: isthmus.Molecule) -> None:
    message = "a Topology was wanted, a Molecule came: pass molecule.topology"
    with pytest.raises(InputError, match=message):
        check_topology(ethanol)


def test_an_energy_without_geometry_counts_clusters(ethanol: isthmus.Molecule) -> None:
    """For example reference energies of atoms."""
    design = isthmus.parse_design(
        'name = "e"\n[[term]]\nname = "atoms"\nover = "atom"\nenergy = "e0"\n'
        'parameters.e0 = { unit = "kJ/mol", default = -2.0 }'
    )
    potential = isthmus.ForceField.free(design, ethanol.topology).bind(ethanol.topology)
    assert potential.energy(ethanol.positions) == -2.0 * ethanol.n_atoms
    frames = np.stack([ethanol.positions] * 3)
    found = potential.energy_and_forces(frames)
    np.testing.assert_array_equal(found.energy, [-2.0 * ethanol.n_atoms] * 3)
    assert not found.forces.any()


def test_potentials_are_shown_in_a_line(ethanol: isthmus.Molecule) -> None:
    force_field = isthmus.ForceField.free("class1", ethanol.topology)
    potential = force_field.bind(ethanol.topology)
    for thing in (force_field, potential, potential.parameterization):
        assert "\n" not in repr(thing)
        assert "bond" in repr(thing)
