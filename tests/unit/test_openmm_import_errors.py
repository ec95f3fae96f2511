"""What an import from OpenMM refuses, and what it says."""

import copy
import os

import openmm
import pytest

from isthmus.deploy.openmm import from_openmm, read_system_xml
from isthmus.deploy.openmm.reader_registry import READERS, reads
from isthmus.designs.schema import parse_design
from isthmus.errors import DesignError, InputError, UnsupportedForceError


def system_of(force=None, n_atoms=8):
    system = openmm.System()
    for _ in range(n_atoms):
        system.addParticle(1.0)
    if force is not None:
        system.addForce(force)
    return system


def named_force():
    force = openmm.CustomHbondForce("0")
    force.setName("hydrogen bonds")
    return force


def no_direct_space():
    force = openmm.NonbondedForce()
    force.setIncludeDirectSpace(False)
    return force


def bond(expression):
    force = openmm.CustomBondForce(expression)
    force.addBond(0, 1, [])
    return force


def compound(n_atoms, expression):
    force = openmm.CustomCompoundBondForce(n_atoms, expression)
    force.addBond(list(range(n_atoms)), [])
    return force


def compound_with_table():
    force = compound(2, "f(distance(p1,p2))")
    force.addTabulatedFunction("f", openmm.Continuous1DFunction([0, 1, 2], 0, 1))
    return force


def external():
    force = openmm.CustomExternalForce("periodicdistance(x,y,z,0,0,0)^2")
    force.addParticle(0, [])
    return force


def pairs(expression, names=(), values=()):
    force = openmm.CustomNonbondedForce(expression)
    for name in names:
        force.addPerParticleParameter(name)
    for _ in range(8):
        force.addParticle(list(values))
    return force


def pairs_with_groups():
    force = pairs("1/r")
    force.addInteractionGroup([0, 1], [2, 3])
    return force


def pairs_with_computed_value():
    force = pairs("v1*v2/r", ["q"], [1.0])
    force.addComputedValue("v", "q^2")
    return force


def pairs_with_table(expression, function, kind=0.0):
    force = pairs(expression, ["t"], [kind])
    force.addTabulatedFunction("f", function)
    return force


def table(*values):
    return openmm.Discrete2DFunction(2, 2, values)


def unequal_table():
    force = openmm.CustomNonbondedForce("f(t1,t2)/r")
    force.addPerParticleParameter("t")
    for n in range(8):
        force.addParticle([n % 2])
    force.addTabulatedFunction("f", table(1.0, 2.0, 5.0, 3.0))
    return force


REFUSED = {
    "RMSDForce": (
        lambda: openmm.RMSDForce([[0, 0, 0]] * 8),
        r"force 0 of the System, RMSDForce: .* can be imported are .*HarmonicBondForce",
    ),
    "generalised Born": (openmm.CustomGBForce, r"CustomGBForce: .* only OBC2 without salt .*obc2"),
    "its own name": (named_force, r"CustomHbondForce 'hydrogen bonds'"),
    "direct space": (no_direct_space, r"direct space of the Ewald sum; call setIncludeDirectSpace"),
    "floor": (lambda: bond("floor(r)"), r"(?s)'floor' is not differentiable.*floor\(r\).*\^"),
    "unknown name": (lambda: bond("k*r^2"), "'k' is neither a variable nor a declared parameter"),
    "six atoms": (lambda: compound(6, "distance(p1,p6)"), "bonds have 6 particles; .* 1 to 5"),
    "cartesian": (lambda: compound(2, "x1*z2"), "coordinates x1, z2; .* with --readable"),
    "compound table": (compound_with_table, "tabulated function 'f'; replace it"),
    "vectors": (lambda: compound(4, "pointdistance(x,y,z,0,0,0)"), "function 'pointdistance'"),
    "periodicdistance": (external, "uses periodicdistance; write it with x, y and z"),
    "interaction groups": (pairs_with_groups, "has interaction groups; let it act on all pairs"),
    "computed values": (pairs_with_computed_value, "has computed values; give them"),
    "unsymmetric pair": (lambda: pairs("q1/r", ["q"], [1.0]), "energy changes when the pair"),
    "continuous table": (
        lambda: pairs_with_table("f(r)", openmm.Continuous1DFunction([0, 1, 2], 0, 1)),
        "'f' is a Continuous1DFunction",
    ),
    "table of a distance": (
        lambda: pairs_with_table("f(t1,r)", table(1.0, 2.0, 2.0, 3.0)),
        r"as in f\(type1",
    ),
    "type that is none": (
        lambda: pairs_with_table("f(t1,t2)/r", table(1.0, 2.0, 2.0, 3.0), 2.0),
        "an atom type is no index of the table f_of_t, which is 2 x 2; number the types from 0",
    ),
    "unsymmetric table": (unequal_table, "f_of_t is not symmetric"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_forces_that_cannot_be_said(case):
    make, message = REFUSED[case]
    with pytest.raises(UnsupportedForceError, match=message):
        from_openmm(system_of(make()))


def test_symmetry_site():
    if not hasattr(openmm, "SymmetrySite"):
        pytest.skip("this OpenMM has no SymmetrySite")
    system = system_of()
    x, y, z = openmm.Vec3(1, 0, 0), openmm.Vec3(0, 1, 0), openmm.Vec3(0, 0, 1)
    system.setVirtualSite(3, openmm.SymmetrySite(0, x, y, z, openmm.Vec3(0, 0, 0), False))
    with pytest.raises(UnsupportedForceError, match=r"particle 3 of the System is .* SymmetrySite"):
        from_openmm(system)


def test_circle_of_virtual_sites():
    system = system_of()
    system.setVirtualSite(1, openmm.TwoParticleAverageSite(0, 2, 0.5, 0.5))
    system.setVirtualSite(2, openmm.TwoParticleAverageSite(0, 1, 0.5, 0.5))
    with pytest.raises(UnsupportedForceError, match=r"\[1, 2\] depend on each other in a circle"):
        from_openmm(system)


def test_something_else_than_a_system():
    with pytest.raises(InputError, match=r"openmm.System was wanted, str came"):
        from_openmm("system.xml")
    with pytest.raises(InputError, match="has no particles"):
        from_openmm(openmm.System())


def test_a_second_reader_is_refused():
    with pytest.raises(AssertionError, match="two readers for HarmonicBondForce"):
        reads("HarmonicBondForce")(READERS["HarmonicAngleForce"])


def test_imported_designs_need_their_table():
    design = from_openmm(system_of(bond("r^2"))).design
    text = design.text.replace("imported = true", "")
    assert parse_design(design.text).terms == design.terms
    force = openmm.CustomBondForce("k*r^2")
    force.addPerBondParameter("k")
    force.addBond(0, 1, [1.0])
    text = from_openmm(system_of(force)).design.text
    assert 'unit = "?"' in text
    with pytest.raises(DesignError, match=r'unit = "\?" is for terms with imported = true'):
        parse_design(text.replace("imported = true", ""))


@pytest.fixture
def system_xml():
    force = openmm.HarmonicBondForce()
    force.addBond(0, 1, 0.1, 1000.0)
    return openmm.XmlSerializer.serialize(system_of(force))


def test_system_xml(tmp_path, system_xml):
    path = tmp_path / "system.xml"
    path.write_text(system_xml)
    assert read_system_xml(path).getNumForces() == 1


DAMAGED = {
    "truncated": (lambda text: text[: len(text) // 2], "OpenMM cannot read this System"),
    "other xml": (lambda text: "<Integrator/>", "not the XML of an OpenMM System"),
    "no xml": (lambda text: "hello", "not the XML of an OpenMM System"),
    "entity": (lambda text: "<!DOCTYPE a []>" + text, "document type or encoded characters"),
    "hidden": (lambda text: text.replace("HarmonicBond", "&#72;armonicBond"), "encoded characters"),
    "unknown force": (lambda text: text.replace("HarmonicBond", "Magic"), "cannot read this Sys"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_damaged_xml(tmp_path, system_xml, case):
    damage, message = DAMAGED[case]
    path = tmp_path / "system.xml"
    path.write_text(damage(system_xml))
    with pytest.raises(InputError, match=message):
        read_system_xml(path)


def test_missing_and_binary_xml(tmp_path):
    with pytest.raises(InputError, match="cannot be read as text"):
        read_system_xml(tmp_path / "nowhere.xml")
    path = tmp_path / "system.xml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="cannot be read as text"):
        read_system_xml(path)


def test_code_in_xml_is_not_run(tmp_path):
    if not hasattr(openmm, "PythonForce"):
        pytest.skip("this OpenMM has no PythonForce")
    force = openmm.PythonForce(os.getcwd)
    path = tmp_path / "system.xml"
    path.write_text(openmm.XmlSerializer.serialize(system_of(force)))
    with pytest.raises(InputError, match="holds a PythonForce"):
        read_system_xml(path)


def test_the_system_is_not_changed():
    system = system_of(bond("2*r"))
    before = openmm.XmlSerializer.serialize(copy.deepcopy(system))
    from_openmm(system)
    assert openmm.XmlSerializer.serialize(system) == before
