"""Exported potentials against OpenMM's Reference platform, which computes in float64."""

from importlib import import_module
from typing import Any

import numpy as np
import openmm
import pytest
from openmm import app

from isthmus.chemistry.smiles import from_smiles
from isthmus.chemistry.topology import concatenate
from isthmus.deploy.openmm import (
    evaluate_openmm,
    from_openmm,
    read_system_xml,
    to_openmm,
    write_system_xml,
)
from isthmus.designs.schema import parse_design
from isthmus.errors import InputError, UnsupportedForceError
from isthmus.forcefield.binding import bind_parameterization
from isthmus.forcefield.forcefield import ForceField
from isthmus.parameters.parameterization import Parameterization
from isthmus.parameters.source import TableSource
from isthmus.terms.bound import BoundTerm
from isthmus.terms.formula import FormulaTerm
from isthmus.terms.nonbonded_method import NonbondedMethod
from isthmus.terms.parameter import Parameter

NM: Any = import_module("openmm.unit").nanometer
CELL = np.array([[3.0, 0.0, 0.0], [0.4, 3.1, 0.0], [-0.5, 0.6, 3.2]])
SMILES = {
    "caffeine": "Cn1cnc2c1c(=O)n(C)c(=O)n2C",
    "bicycle": "C1CC2CCC1C2",
    "nitrile": "N#Cc1ccccc1",
    "alkyne": "CC#CCO",
    "azide": "CCN=[N+]=[N-]",
    "sulfonamide": "CS(=O)(=O)Nc1ccon1",
    "phosphate": "COP(=O)([O-])OC",
    "ion": "C[N+](C)(C)CCF",
    "zwitterion": "[NH3+]CC(=O)[O-]",
    "halide": "[Cl-]",
}


@pytest.fixture(scope="module")
def ten_molecules():
    """One system of ten molecules, and where each of them is.

    The conformers are shaken a little: at an angle of exactly 180 degrees, as in an ideal
    nitrile, OpenMM's own angle functions lose digits (see `test_exactly_linear_angles`).
    """
    molecules = [from_smiles(text, conformers=1) for text in SMILES.values()]
    places = np.array([(0.9 * (n % 4), 0.9 * (n // 4), 0.0) for n in range(len(molecules))])
    positions = np.concatenate(
        [m.positions.reshape(-1, 3) + place for m, place in zip(molecules, places, strict=True)]
    )
    shaken = positions + np.random.default_rng(3).normal(0.0, 0.002, positions.shape)
    stops = np.cumsum([m.n_atoms for m in molecules])
    return concatenate([m.topology for m in molecules]), shaken, stops


def assert_same(potential, system, positions):
    """Energy and forces agree; returns OpenMM's forces minus ours, relative to the largest."""
    theirs, ours = evaluate_openmm(system, positions), potential.energy_and_forces(positions)
    assert theirs.energy == pytest.approx(float(ours.energy), rel=1e-9)
    difference = np.abs(theirs.forces - ours.forces) / np.abs(ours.forces).max()
    assert difference.max() < 1e-9
    return difference


def imported(system):
    source = from_openmm(system).source
    assert isinstance(source, TableSource)
    return source.parameterization


def kinds_of(system):
    return sorted(type(force).__name__ for force in system.getForces())


@pytest.mark.parametrize(
    ("design", "readable"),
    [
        ("class1", False),
        ("class2", True),
        ("class2", False),
        ("class2plus", True),
        ("class2plus", False),
    ],
)
def test_presets_have_openmms_forces(design, readable, ten_molecules):
    topology, positions, stops = ten_molecules
    potential = ForceField.free(design, topology, random_seed=7).bind(topology, precision="float64")
    system = to_openmm(potential, readable=readable)
    difference = assert_same(potential, system, positions)
    for name, part in zip(SMILES, np.split(difference, stops[:-1]), strict=True):
        assert part.max() < 1e-9, name


def test_presets_use_native_forces_and_one_custom_force_a_kind(ten_molecules):
    topology = ten_molecules[0]

    def exported(design):
        return kinds_of(to_openmm(ForceField.free(design, topology).parameterise(topology)))

    assert exported("class1") == [
        "CustomCompoundBondForce",
        "HarmonicAngleForce",
        "HarmonicBondForce",
        "NonbondedForce",
        "PeriodicTorsionForce",
    ]
    parameters = ForceField.free("class2plus", topology, random_seed=1).parameterise(topology)
    assert kinds_of(to_openmm(parameters)) == [
        "CustomBondForce",
        *["CustomCompoundBondForce"] * 3,
        "NonbondedForce",
    ]


@pytest.mark.parametrize("readable", [True, False])
def test_mmff(readable):
    molecule = from_smiles("N#CCOc1ccccc1", conformers=1)
    potential = ForceField.mmff().bind(molecule.topology, precision="float64")
    positions = molecule.positions.reshape(-1, 3)
    positions = positions + np.random.default_rng(1).normal(0.0, 0.002, positions.shape)
    assert_same(potential, to_openmm(potential, readable=readable), positions)


def test_exactly_linear_angles():
    """Formulas that are smooth at a linear angle agree there, however they are written."""
    molecule = from_smiles("N#Cc1ccccc1", conformers=1)
    positions = molecule.positions.reshape(-1, 3).copy()
    carbon, nitrogen, ring = 1, 0, 2
    along = positions[carbon] - positions[ring]
    positions[nitrogen] = positions[carbon] + along / np.linalg.norm(along) * 0.116
    force_field = ForceField.free("class2plus", molecule.topology, random_seed=7)
    potential = force_field.bind(molecule.topology, precision="float64")
    for readable in (True, False):
        assert_same(potential, to_openmm(potential, readable=readable), positions)


PAIRS = """
name = "pairs"
[[term]]
name = "exp-6"
over = "pair"
energy = "a*exp(-b*r)-sqrt(c1*c2)/r^6; a=sqrt(a1*a2); b=(b1+b2)/2"
parameters.a = { unit = "kJ/mol", per = "atom", default = 3e5, scale = 1e5 }
parameters.b = { unit = "1/nm", per = "atom", default = 35, scale = 5 }
parameters.c = { unit = "kJ/mol*nm^6", per = "atom", default = 1e-3, scale = 1e-3 }
[[term]]
name = "coulomb"
over = "pair"
long_range = "coulomb"
energy = "COULOMB*charge1*charge2/r"
parameters.charge = { unit = "e", per = "atom", scale = 0.3 }
[[term]]
name = "far"
over = "pair14"
energy = "k*(r-r0)^2*q1*q2"
parameters.k = { unit = "kJ/mol/nm^2/e^2", default = 10, scale = 5 }
parameters.r0 = { unit = "nm", default = 0.3, scale = 0.01 }
parameters.q = { unit = "e", per = "atom", from = "coulomb.charge" }
"""


@pytest.mark.parametrize(
    "method",
    [
        NonbondedMethod(),
        NonbondedMethod("cutoff", 0.8, 0.7),
        NonbondedMethod("pme", 0.8, 0.7, alpha=4.0, grid=(32, 32, 32)),
    ],
    ids=lambda method: method.method,
)
def test_any_pair_formula(method, ten_molecules):
    topology, positions, _ = ten_molecules
    force_field = ForceField.free(parse_design(PAIRS), topology, random_seed=2)
    box = None if method.method == "none" else CELL
    potential = force_field.bind(topology, precision="float64", nonbonded=method, box=box)
    system = to_openmm(potential)
    # Some force constants k q1 q2 are negative, which a HarmonicBondForce can say too.
    assert kinds_of(system) == ["CustomNonbondedForce", "HarmonicBondForce", "NonbondedForce"]
    assert_same(potential, system, positions)


@pytest.mark.parametrize("design", ["class1", "class2"])
def test_presets_with_pme(design, ten_molecules):
    topology, positions, _ = ten_molecules
    method = NonbondedMethod("pme", 0.9, alpha=3.5, grid=(32, 32, 32))
    force_field = ForceField.free(design, topology, random_seed=5)
    potential = force_field.bind(topology, precision="float64", nonbonded=method, box=CELL)
    assert_same(potential, to_openmm(potential, readable=True), positions)


ROUND_TRIPS: Any = {
    "amber14": ({}, ("amber14-all.xml",), False),
    "amber14-pme": (
        {"nonbondedMethod": app.PME, "nonbondedCutoff": 0.9 * NM},
        ("amber14-all.xml", "amber14/tip3pfb.xml"),
        True,
    ),
    "gbsa": ({}, ("amber99sb.xml", "amber99_obc.xml"), False),
}


def assert_round_trip(system, positions):
    found = imported(system)
    back = to_openmm(found)
    before, after = evaluate_openmm(system, positions), evaluate_openmm(back, positions)
    energies = {n: e for n, e in before.by_force.items() if n != "CMMotionRemover"}
    assert after.by_force == pytest.approx(energies, rel=1e-12, abs=1e-9)
    np.testing.assert_allclose(
        after.forces, before.forces, rtol=0, atol=1e-12 * np.abs(before.forces).max()
    )
    assert back.getNumConstraints() == system.getNumConstraints()
    assert back.usesPeriodicBoundaryConditions() == system.usesPeriodicBoundaryConditions()


@pytest.mark.parametrize("name", list(ROUND_TRIPS))
def test_round_trip_of_alanine_dipeptide(name, repository):
    options, files, with_water = ROUND_TRIPS[name]
    pdb = app.PDBFile(str(repository / "examples/data/alanine_dipeptide_solvated.pdb"))
    modeller = app.Modeller(pdb.topology, pdb.positions)
    if not with_water:
        modeller.deleteWater()
    system = app.ForceField(*files).createSystem(modeller.topology, **options)
    assert_round_trip(system, np.array(modeller.positions.value_in_unit(NM)))


@pytest.mark.parametrize("method", ["NoCutoff", "PME"])
def test_round_trip_of_a_charmm36_peptide(method, repository):
    pdb = app.PDBFile(str(repository / "tests/data/chignolin.pdb"))
    pdb.topology.setPeriodicBoxVectors(CELL * NM)
    force_field = app.ForceField("charmm36.xml")
    system = force_field.createSystem(pdb.topology, nonbondedMethod=getattr(app, method))
    assert_round_trip(system, np.array(pdb.positions.value_in_unit(NM)))


def test_round_trip_of_virtual_sites(repository):
    pdb = app.PDBFile(str(repository / "tests/data/alanine_dipeptide_in_water.pdb"))
    force_field = app.ForceField("amber14-all.xml", "amber14/tip4pew.xml")
    modeller = app.Modeller(pdb.topology, pdb.positions)
    modeller.addExtraParticles(force_field)
    modeller.topology.setPeriodicBoxVectors(CELL * NM)
    system = force_field.createSystem(modeller.topology, **ROUND_TRIPS["amber14-pme"][0])
    assert_round_trip(system, np.array(modeller.positions.value_in_unit(NM)))


def test_readable_export_can_be_imported(ten_molecules):
    topology, positions, _ = ten_molecules
    potential = ForceField.free("class2plus", topology, random_seed=7).bind(
        topology, precision="float64"
    )
    system = to_openmm(potential, readable=True)
    found = imported(system)
    again = bind_parameterization(found, precision="float64")
    assert_same(again, system, positions)


def test_terms_of_different_clusters_share_a_force():
    """One term over all bonds, one over some, one twice over the same bond."""
    stiff = FormulaTerm("stiff", "bond", "k*(r-r0)^4", (Parameter("k"), Parameter("r0")))
    soft = FormulaTerm("soft", "bond", "exp(-a*r)/(1+b)", (Parameter("a"), Parameter("b")))
    terms = (
        BoundTerm(
            stiff,
            np.array([[0, 1], [1, 2], [2, 3]]),
            {"k": np.array([1e5, 0.0, 3e5]), "r0": np.array([0.10, 0.12, 0.11])},
        ),
        BoundTerm(
            soft,
            np.array([[1, 2], [1, 2]]),
            {"a": np.array([2.0, 3.0]), "b": np.array([0.5, 0.5])},
        ),
    )
    parameterization = Parameterization(np.ones(5), terms)
    system = to_openmm(parameterization)
    assert kinds_of(system) == ["CustomBondForce"]
    assert system.getForce(0).getNumBonds() == 4
    positions = np.array(
        [[0.0, 0, 0], [0.11, 0, 0], [0.2, 0.1, 0], [0.3, 0.1, 0.02], [0.5, 0.5, 0.5]]
    )
    potential = bind_parameterization(parameterization, precision="float64")
    assert_same(potential, system, positions)


def test_positions_of_atoms_in_a_periodic_system_are_an_error():
    tether = FormulaTerm("tether", "atom", "k*(x^2+y^2+z^2)", (Parameter("k", None),))
    term = BoundTerm(tether, np.array([[0]]), {"k": np.array([1.0])}, True)
    with pytest.raises(UnsupportedForceError, match=r"'tether'.*non-periodic"):
        to_openmm(Parameterization(np.ones(1), (term,)))


def test_xml_is_written_whole_and_never_over_another_file(tmp_path):
    molecule = from_smiles("CO", conformers=1)
    parameters = ForceField.free("class1", molecule.topology).parameterise(molecule.topology)
    system, path = to_openmm(parameters), tmp_path / "methanol.xml"
    write_system_xml(system, path)
    first = path.read_text()
    assert read_system_xml(path).getNumParticles() == 6
    with pytest.raises(InputError, match="exists already"):
        write_system_xml(openmm.System(), path)
    assert path.read_text() == first
    write_system_xml(openmm.System(), path, overwrite=True)
    assert path.read_text() != first
    assert [entry.name for entry in tmp_path.iterdir()] == ["methanol.xml"]
    with pytest.raises(InputError, match="cannot be written"):
        write_system_xml(system, tmp_path / "missing" / "methanol.xml")
