"""Force fields of biomolecules, imported from OpenMM and compared with it (float64)."""

from importlib import import_module
from typing import Any

import numpy as np
import openmm
import pytest

from isthmus.deploy.openmm import from_openmm
from isthmus.designs.schema import parse_design
from isthmus.errors import UnsupportedForceError

# OpenMM's annotations are wrong in places: nothing to check against.
app: Any = import_module("openmm.app")
NM: Any = import_module("openmm.unit").nanometer
CELL = np.array([[3.0, 0.0, 0.0], [0.4, 3.1, 0.0], [-0.5, 0.6, 3.2]])


def load(path):
    pdb = app.PDBFile(str(path))
    return pdb.topology, np.array(pdb.positions.value_in_unit(NM))


@pytest.fixture
def alanine(repository):
    """Alanine dipeptide without its water."""
    topology, positions = load(repository / "examples/data/alanine_dipeptide_solvated.pdb")
    modeller = app.Modeller(topology, positions * NM)
    modeller.deleteWater()
    return modeller.topology, np.array(modeller.positions.value_in_unit(NM))


@pytest.fixture
def chignolin(repository):
    topology, positions = load(repository / "tests/data/chignolin.pdb")
    topology.setPeriodicBoxVectors(CELL * NM)
    return topology, positions


@pytest.fixture(scope="module")
def charmm36():
    return app.ForceField("charmm36.xml")


def test_alanine_dipeptide_amber14(alanine, assert_same_as_openmm):
    topology, positions = alanine
    system = app.ForceField("amber14-all.xml").createSystem(topology, constraints=app.HBonds)
    found = assert_same_as_openmm(system, positions)
    assert found.constraints.pairs.shape == (system.getNumConstraints(), 2)
    assert found.box is None
    assert dict(found.origin.forces)["NonbondedForce"] == (
        "NonbondedForce: exceptions",
        "NonbondedForce: lennard-jones",
        "NonbondedForce: coulomb",
    )
    assert any("CMMotionRemover" in note for note in found.origin.notes)


def test_alanine_dipeptide_in_water_amber14_pme(repository, assert_same_as_openmm):
    topology, positions = load(repository / "examples/data/alanine_dipeptide_solvated.pdb")
    force_field = app.ForceField("amber14-all.xml", "amber14/tip3pfb.xml")
    system = force_field.createSystem(
        topology, nonbondedMethod=app.PME, nonbondedCutoff=0.9 * NM, rigidWater=False
    )
    assert_same_as_openmm(system, positions)


@pytest.mark.slow
def test_ubiquitin_in_water_amber14_pme(shared_data, assert_same_as_openmm):
    topology, positions = load(shared_data / "systems/ubiquitin_solvated.pdb")
    force_field = app.ForceField("amber14-all.xml", "amber14/tip3pfb.xml")
    system = force_field.createSystem(
        topology, nonbondedMethod=app.PME, nonbondedCutoff=0.9 * NM, constraints=app.HBonds
    )
    assert_same_as_openmm(system, positions)


@pytest.mark.parametrize(
    "method",
    ["NoCutoff", "CutoffNonPeriodic", pytest.param("PME", marks=pytest.mark.slow)],
)
def test_peptide_charmm36(chignolin, charmm36, method, assert_same_as_openmm):
    """CMAP, Urey-Bradley, tables of pair types; PME with the long-range correction."""
    topology, positions = chignolin
    system = charmm36.createSystem(
        topology,
        nonbondedMethod=getattr(app, method),
        nonbondedCutoff=0.9 * NM,
        switchDistance=0.7 * NM,
    )
    names = {type(force).__name__ for force in system.getForces()}
    assert {"CMAPTorsionForce", "CustomNonbondedForce", "CustomBondForce"} <= names
    if method == "PME":
        nonbonded = next(f for f in system.getForces() if f.getName() == "LennardJones")
        nonbonded.setUseLongRangeCorrection(True)
    found = assert_same_as_openmm(system, positions, rtol=1e-9 if method != "PME" else 1e-6)
    (lennard_jones,) = (
        t for g in found.pair_groups for t in g.terms if t.term.name == "LennardJones"
    )
    assert [p.per for p in lennard_jones.term.parameters] == ["type_pair"] * 2


def test_peptide_in_implicit_solvent(chignolin, assert_same_as_openmm):
    topology, positions = chignolin
    system = app.ForceField("amber99sb.xml", "amber99_obc.xml").createSystem(topology)
    assert any(isinstance(force, openmm.GBSAOBCForce) for force in system.getForces())
    assert_same_as_openmm(system, positions)


@pytest.mark.parametrize("method", ["NoCutoff", "CutoffNonPeriodic"])
def test_peptide_in_obc2_of_amber14(chignolin, method, assert_same_as_openmm):
    """A CustomGBForce in OpenMM, whose Coulomb constant has seven digits."""
    topology, positions = chignolin
    system = app.ForceField("amber14-all.xml", "implicit/obc2.xml").createSystem(
        topology,
        nonbondedMethod=getattr(app, method),
        nonbondedCutoff=0.9 * NM,
        soluteDielectric=2.0,
    )
    assert any(isinstance(force, openmm.CustomGBForce) for force in system.getForces())
    assert_same_as_openmm(system, positions, rtol=1e-6)


@pytest.mark.parametrize("model", ["gbn2", "hct"])
def test_other_implicit_solvents_are_refused(chignolin, model):
    topology, _ = chignolin
    system = app.ForceField("amber14-all.xml", f"implicit/{model}.xml").createSystem(topology)
    with pytest.raises(UnsupportedForceError, match="only OBC2 without salt can be imported"):
        from_openmm(system)


@pytest.mark.parametrize("model", ["tip4pew", "tip5p"])
def test_water_with_virtual_sites(model, assert_same_as_openmm):
    """Three-particle averages and out-of-plane sites, under PME in a triclinic box."""
    force_field = app.ForceField(f"amber14/{model}.xml" if model == "tip4pew" else f"{model}.xml")
    topology = app.Topology()
    chain = topology.addChain()
    start = np.array([[0.0, 0.0, 0.0], [0.09572, 0.0, 0.0], [-0.024, 0.0927, 0.0]])
    positions = []
    for number in range(27):
        residue = topology.addResidue("HOH", chain)
        atoms = [
            topology.addAtom(n, app.Element.getBySymbol(n[0]), residue) for n in ("O", "H1", "H2")
        ]
        topology.addBond(atoms[0], atoms[1])
        topology.addBond(atoms[0], atoms[2])
        corner = np.array(np.unravel_index(number, (3, 3, 3))) * 0.33
        positions.extend(start[:, np.roll([0, 1, 2], number)] + corner)
    topology.setPeriodicBoxVectors(
        np.array([[1.3, 0.0, 0.0], [0.2, 1.25, 0.0], [-0.3, 0.1, 1.4]]) * NM
    )
    modeller = app.Modeller(topology, np.array(positions) * NM)
    modeller.addExtraParticles(force_field)
    system = force_field.createSystem(
        modeller.topology, nonbondedMethod=app.PME, nonbondedCutoff=0.6 * NM
    )
    found = assert_same_as_openmm(system, np.array(modeller.positions.value_in_unit(NM)))
    assert found.virtual_sites is not None
    assert found.box is not None


def test_design_can_be_saved_and_read(chignolin, charmm36):
    topology, _ = chignolin
    design = from_openmm(charmm36.createSystem(topology)).design
    assert parse_design(design.text).terms == design.terms
