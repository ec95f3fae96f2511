"""Every kind of force and method on small hand-made Systems, compared with OpenMM (float64)."""

import numpy as np
import openmm
import pytest

N_ATOMS = 30
BOX = np.array([[1.5, 0.0, 0.0], [0.3, 1.45, 0.0], [-0.4, 0.5, 1.6]])
METHODS = ("NoCutoff", "CutoffNonPeriodic", "CutoffPeriodic", "Ewald", "PME", "LJPME")


@pytest.fixture
def random():
    return np.random.default_rng(5)


@pytest.fixture
def positions(random):
    """Thirty atoms, none too close, some outside of the box."""
    cells = np.stack(np.meshgrid(*[np.arange(4)] * 3, indexing="ij"), -1).reshape(-1, 3)
    chosen = random.permutation(cells)[:N_ATOMS]
    return 0.36 * chosen + random.uniform(-0.05, 0.05, (N_ATOMS, 3)) - 0.2


def system_of(*forces, n_atoms=N_ATOMS):
    system = openmm.System()
    for _ in range(n_atoms):
        system.addParticle(12.0)
    system.setDefaultPeriodicBoxVectors(*BOX)
    for force in forces:
        system.addForce(force)
    return system


def nonbonded(random, method):
    force = openmm.NonbondedForce()
    force.setNonbondedMethod(getattr(force, method))
    force.setCutoffDistance(0.7)
    for n in range(N_ATOMS):
        epsilon = random.uniform(0.1, 0.8) if n % 4 else 0.0
        force.addParticle(random.normal(), random.uniform(0.15, 0.3), epsilon)
    for n in range(0, N_ATOMS - 1, 2):
        force.addException(n + 1, n, 0.0, 0.1, 0.0)
    for n in range(0, N_ATOMS - 2, 3):
        force.addException(n, n + 2, 0.3 * random.normal(), 0.2, 0.4 * (n % 2))
    return force


@pytest.mark.parametrize("method", METHODS)
def test_nonbonded_methods(random, positions, method, assert_same_as_openmm):
    force = nonbonded(random, method)
    force.setReactionFieldDielectric(40.0)
    system = system_of(force)
    if method == "Ewald":
        system.setDefaultPeriodicBoxVectors(*np.diag(np.diag(BOX)))
    assert_same_as_openmm(system, positions)


@pytest.mark.parametrize("method", ["CutoffPeriodic", "PME", "LJPME"])
def test_nonbonded_settings(random, positions, method, assert_same_as_openmm):
    """Switching, explicit grids, and exceptions to nearest images."""
    force = nonbonded(random, method)
    force.setUseSwitchingFunction(True)
    force.setSwitchingDistance(0.55)
    force.setPMEParameters(4.0, 20, 24, 21)
    force.setLJPMEParameters(3.5, 18, 20, 15)
    force.setExceptionsUsePeriodicBoundaryConditions(True)
    found = assert_same_as_openmm(system_of(force), positions)
    if method != "CutoffPeriodic":
        assert found.pair_groups[0].method.grid == (20, 24, 21)


def test_nonbonded_without_correction(random, positions, assert_same_as_openmm):
    force = nonbonded(random, "CutoffPeriodic")
    force.setUseDispersionCorrection(False)
    assert not assert_same_as_openmm(system_of(force), positions).specials


def test_nonbonded_offsets(random, positions, assert_same_as_openmm):
    force = nonbonded(random, "NoCutoff")
    force.addGlobalParameter("scale", 0.4)
    force.addParticleParameterOffset("scale", 3, 0.5, 0.1, 0.2)
    force.addExceptionParameterOffset("scale", 0, 0.5, 0.1, 0.2)
    found = assert_same_as_openmm(system_of(force), positions)
    assert any("scale = 0.4" in note for note in found.origin.notes)


def test_box_can_be_given(random, positions, assert_same_as_openmm):
    force = nonbonded(random, "CutoffPeriodic")
    assert_same_as_openmm(system_of(force), positions, box=np.diag([1.6, 1.7, 1.8]))


def test_torsions_of_all_sorts(random, positions, assert_same_as_openmm):
    """Repeated quartets, both ways round, repeated periodicities, high ones, any phase."""
    force = openmm.PeriodicTorsionForce()
    for order, phase in ((1, 0.0), (2, np.pi), (2, 0.4), (3, 1.0), (6, 0.0)):
        force.addTorsion(0, 1, 2, 3, order, phase, random.normal())
        force.addTorsion(3, 2, 1, 0, order, -phase, random.normal())
    force.addTorsion(4, 7, 6, 9, 8, 0.3, 2.0)
    found = assert_same_as_openmm(system_of(force), positions)
    assert found.terms[0].n_clusters == 5


def test_rb_torsions(random, positions, assert_same_as_openmm):
    force = openmm.RBTorsionForce()
    for n in range(5):
        force.addTorsion(n, n + 3, n + 7, n + 5, *random.normal(size=6))
    assert_same_as_openmm(system_of(force), positions)


def test_cmap_with_maps_of_two_sizes(random, positions, assert_same_as_openmm):
    force = openmm.CMAPTorsionForce()
    for size in (8, 6, 8):
        force.addMap(size, random.normal(size=size * size))
    for n in range(6):
        force.addTorsion(n % 3, *random.permutation(N_ATOMS)[:8].tolist())
    assert len(assert_same_as_openmm(system_of(force), positions).specials) == 2


def test_bonded_forces_across_the_boundary(random, positions, assert_same_as_openmm):
    bonds, angles, cmap = (
        openmm.HarmonicBondForce(),
        openmm.HarmonicAngleForce(),
        openmm.CMAPTorsionForce(),
    )
    cmap.addMap(6, random.normal(size=36))
    cmap.addTorsion(0, *random.permutation(N_ATOMS)[:8].tolist())
    for _ in range(10):
        i, j, k = random.permutation(N_ATOMS)[:3].tolist()
        bonds.addBond(i, j, 0.3, random.uniform(1, 100))
        angles.addAngle(i, j, k, 1.5, random.uniform(1, 100))
    for force in (bonds, angles, cmap):
        force.setUsesPeriodicBoundaryConditions(True)
    assert_same_as_openmm(system_of(bonds, angles, cmap), positions)


@pytest.mark.parametrize("method", ["NoCutoff", "CutoffNonPeriodic", "CutoffPeriodic"])
def test_implicit_solvent(random, positions, method, assert_same_as_openmm):
    force = openmm.GBSAOBCForce()
    force.setNonbondedMethod(getattr(force, method))
    force.setCutoffDistance(0.7)
    force.setSoluteDielectric(2.0)
    force.setSolventDielectric(60.0)
    force.setSurfaceAreaEnergy(3.0)
    for _ in range(N_ATOMS):
        force.addParticle(random.normal(), random.uniform(0.12, 0.2), random.uniform(0.7, 0.95))
    assert_same_as_openmm(system_of(force), positions)


def test_custom_bonded_forces(random, positions, assert_same_as_openmm):
    """Unused parameters, global ones, names of ours, definitions, asymmetric formulas."""
    bonds = openmm.CustomBondForce("D*(1-exp(-a*(r-r0)))^2 + scale*step(r-0.2); a = scale*lambda")
    for name in ("D", "r0", "unused"):
        bonds.addPerBondParameter(name)
    bonds.addGlobalParameter("scale", -1.5)
    bonds.addGlobalParameter("lambda", 2.0)
    angles = openmm.CustomAngleForce("r12*(cos(theta)-h)^2 + min(theta, 2)")
    angles.addPerAngleParameter("r12")
    angles.addPerAngleParameter("h")
    torsions = openmm.CustomTorsionForce(
        "k*min(d, 2*pi-d)^2; d = abs(theta-phi0); pi = 3.1415926535"
    )
    torsions.addPerTorsionParameter("phi0")
    torsions.addPerTorsionParameter("k")
    other = openmm.CustomTorsionForce("phi*sin(theta)")
    other.addPerTorsionParameter("phi")
    for _ in range(4):
        i, j, k, l = random.permutation(N_ATOMS)[:4].tolist()
        bonds.addBond(i, j, random.uniform(0.2, 1.0, 3))
        angles.addAngle(i, j, k, random.normal(size=2))
        torsions.addTorsion(i, j, k, l, random.uniform(0, 1, 2))
        other.addTorsion(i, j, k, l, random.normal(size=1))
    found = assert_same_as_openmm(system_of(bonds, angles, torsions, other), positions)
    assert [p.name for p in found.terms[0].term.parameters] == ["D", "r0"]
    assert any("scale = -1.5, lambda = 2" in note for note in found.origin.notes)
    assert [label for label, _ in found.origin.forces][2:] == [
        "CustomTorsionForce 1",
        "CustomTorsionForce 2",
    ]


COMPOUNDS = {
    1: "k*((x1-0.2)^2+y1*z1)",
    2: "k*(distance(p1,p2)-r)^2",
    3: "k*distance(p1,p3)*angle(p1,p2,p3)*distance(p2,p3)^2",
    4: "k*(1+cos(3*dihedral(p2,p1,p3,p4)-0.3))*angle(p4,p2,p1)",
    5: "k*cos(dihedral(p1,p2,p3,p4))*cos(dihedral(p2,p3,p4,p5))*distance(p1,p5)",
}


@pytest.mark.parametrize("size", COMPOUNDS)
@pytest.mark.parametrize("periodic", [False, True])
def test_custom_compounds(random, positions, size, periodic, assert_same_as_openmm):
    force = openmm.CustomCompoundBondForce(size, COMPOUNDS[size])
    force.addPerBondParameter("k")
    if size == 2:
        force.addPerBondParameter("r")
    force.setUsesPeriodicBoundaryConditions(periodic and size > 1)
    for _ in range(6):
        atoms = random.permutation(N_ATOMS)[:size].tolist()
        force.addBond(atoms, random.uniform(0.2, 1.0, force.getNumPerBondParameters()))
    assert_same_as_openmm(system_of(force), positions)


def test_custom_external(random, positions, assert_same_as_openmm):
    force = openmm.CustomExternalForce("k*((x-x0)^2+y^2*z)")
    force.addPerParticleParameter("x0")
    force.addPerParticleParameter("k")
    for n in (3, 7, 7):
        force.addParticle(n, random.normal(size=2))
    assert_same_as_openmm(system_of(force), positions)


def custom_nonbonded(random, method):
    """A Buckingham-like formula with global parameters, exclusions and one unused parameter."""
    force = openmm.CustomNonbondedForce(
        "a*exp(-b*r) - c/(r^6+soft); a = sqrt(a1*a2); c = soft*(c1+c2)"
    )
    for name in ("a", "c", "unused"):
        force.addPerParticleParameter(name)
    force.addGlobalParameter("b", 20.0)
    force.addGlobalParameter("soft", 0.01)
    force.setNonbondedMethod(getattr(force, method))
    force.setCutoffDistance(0.7)
    for n in range(N_ATOMS):
        force.addParticle([100.0 + 10 * (n % 3), 0.5 + (n % 2), random.normal()])
    for n in range(N_ATOMS - 1):
        force.addExclusion(n + 1, n)
    return force


@pytest.mark.parametrize("method", ["NoCutoff", "CutoffNonPeriodic", "CutoffPeriodic"])
@pytest.mark.parametrize("switch", [False, True])
def test_custom_nonbonded(random, positions, method, switch, assert_same_as_openmm):
    force = custom_nonbonded(random, method)
    force.setUseSwitchingFunction(switch)
    force.setSwitchingDistance(0.5)
    assert_same_as_openmm(system_of(force), positions)


def test_custom_nonbonded_long_range_correction(random, positions, assert_same_as_openmm):
    force = custom_nonbonded(random, "CutoffPeriodic")
    force.setUseLongRangeCorrection(True)
    # OpenMM's own quadrature stops at about 1e-6 of the correction.
    found = assert_same_as_openmm(system_of(force), positions, rtol=1e-6)
    assert found.specials[0].pair_term == "CustomNonbondedForce"


@pytest.mark.parametrize("method", ["NoCutoff", "CutoffPeriodic"])
def test_custom_nonbonded_tables(random, positions, method, assert_same_as_openmm):
    """CHARMM's tables of pair types, called both ways round, with a type that no atom has."""
    force = openmm.CustomNonbondedForce("A(type1, type2)/r^12 - B( type2,type1 )*q1*q2/r^6")
    force.addPerParticleParameter("q")
    force.addPerParticleParameter("type")
    for name, size in (("A", 1e-6), ("B", 1e-3)):
        table = random.uniform(0, size, (5, 5))
        force.addTabulatedFunction(name, openmm.Discrete2DFunction(5, 5, (table + table.T).ravel()))
    force.setNonbondedMethod(getattr(force, method))
    force.setCutoffDistance(0.7)
    for n in range(N_ATOMS):
        force.addParticle([random.normal(), (0, 1, 4, 3)[n % 4]])
    found = assert_same_as_openmm(system_of(force), positions)
    assert found.pair_groups[0].terms[0].values["A_of_type"].shape == (4, 4)


def test_virtual_sites_of_all_sorts(random, positions, assert_same_as_openmm):
    """Also a site that hangs on another, defined before it."""
    force = openmm.NonbondedForce()
    system = system_of(force)
    for _ in range(N_ATOMS):
        force.addParticle(random.normal(), 0.2, 0.3)
    system.setVirtualSite(20, openmm.TwoParticleAverageSite(25, 2, 0.3, 0.7))
    system.setVirtualSite(21, openmm.ThreeParticleAverageSite(1, 2, 3, 0.2, 0.5, 0.3))
    system.setVirtualSite(22, openmm.OutOfPlaneSite(4, 5, 6, 0.3, 0.2, 0.8))
    frame = openmm.LocalCoordinatesSite(
        [7, 8, 9, 10],
        [0.4, 0.3, 0.2, 0.1],
        [-1.0, 0.5, 0.3, 0.2],
        [0.2, -1.0, 0.4, 0.4],
        openmm.Vec3(0.05, -0.1, 0.15),
    )
    system.setVirtualSite(25, frame)
    for n in (20, 21, 22, 25):
        system.setParticleMass(n, 0.0)
    assert_same_as_openmm(system, positions)


def test_many_forces_with_groups_and_one_name(positions, assert_same_as_openmm):
    forces = []
    for n in range(35):
        force = openmm.HarmonicBondForce()
        force.addBond(n % 10, 15, 0.3, 10.0)
        force.setForceGroup(n % 7)
        force.setName("bonds" if n else "bonds 1")
        forces.append(force)
    forces[3].setUsesPeriodicBoundaryConditions(True)
    forces.append(openmm.MonteCarloBarostat(1.0, 300.0))
    found = assert_same_as_openmm(system_of(*forces), positions)
    labels = [label for label, _ in found.origin.forces]
    assert len(set(labels)) == 36
    assert found.origin.notes == (
        "MonteCarloBarostat: has no energy, so it is not part of the potential",
    )
