"""Pair forms against closed forms, and all of them against OpenMM's CustomNonbondedForce."""

import numpy as np
import openmm
import pytest

from isthmus.chemistry.topology import Topology
from isthmus.designs.schema import pair_forms, parse_design
from isthmus.forcefield.forcefield import ForceField
from isthmus.terms.nonbonded_method import NonbondedMethod

PAIR = Topology.create([18, 36], np.empty((0, 2), int))
CROWD = Topology.create([18] * 20 + [36] * 20, np.empty((0, 2), int))


def force_field(form: str, topology: Topology) -> ForceField:
    text = f'name = "f"\n[[term]]\nname = "{form}"\nover = "pair"\nform = "{form}"\n'
    return ForceField.free(parse_design(text), topology, random_seed=2)


def energy(form: str, r: float) -> float:
    potential = force_field(form, PAIR).bind(PAIR, precision="float64")
    return float(potential.energy(np.array([[0.0, 0, 0], [0, 0, r]])))


def mixed(form: str) -> dict[str, tuple[float, float]]:
    values = force_field(form, PAIR).parameterise(PAIR).pair_groups[0].terms[0].values
    return {name: (float(v[0]), float(v[1])) for name, v in values.items()}


@pytest.mark.parametrize("form", ["double-exponential", "buffered-14-7"])
def test_depth_and_distance_are_what_the_parameters_say(form: str) -> None:
    values = mixed(form)
    r1, r2 = values["r_min"]
    e1, e2 = values["epsilon"]
    if form == "buffered-14-7":
        r_min = (r1**3 + r2**3) / (r1**2 + r2**2)
        epsilon = 4 * e1 * e2 / (np.sqrt(e1) + np.sqrt(e2)) ** 2
    else:
        r_min, epsilon = (r1 + r2) / 2, np.sqrt(e1 * e2)
    assert energy(form, r_min) == pytest.approx(-epsilon, rel=1e-9)
    if form == "double-exponential":  # the buffered form's minimum is 1 % further in
        assert energy(form, r_min * 1.001) > energy(form, r_min) < energy(form, r_min * 0.999)


def test_lennard_jones_and_buckingham_in_closed_form() -> None:
    values = mixed("lennard-jones")
    sigma, epsilon = float(np.mean(values["sigma"])), np.sqrt(np.prod(values["epsilon"]))
    assert energy("lennard-jones", sigma) == pytest.approx(0, abs=1e-9)
    assert energy("lennard-jones", sigma * 2 ** (1 / 6)) == pytest.approx(-epsilon, rel=1e-9)
    values = mixed("buckingham")
    a, b, c = np.sqrt(np.prod(values["A"])), np.mean(values["B"]), np.sqrt(np.prod(values["C"]))
    assert energy("buckingham", 0.31) == pytest.approx(a * np.exp(-b * 0.31) - c / 0.31**6)


# A Coulomb term under a cutoff is a reaction field, which test_openmm_import_forces.py checks.
FORMS = [(f, m) for f in sorted(pair_forms()) for m in ("none", "cutoff")]
FORMS.remove(("coulomb", "cutoff"))


@pytest.mark.parametrize(("form", "method"), FORMS)
def test_agrees_with_openmm(form: str, method: str) -> None:
    """Energy and forces of 40 atoms, the expression as it stands, on the Reference platform."""
    box = np.diag([2.4, 2.5, 2.6])
    random = np.random.default_rng(1)
    grid = np.stack(np.meshgrid(*[np.arange(4)] * 3), -1).reshape(-1, 3)[:40]
    positions = grid * 0.42 + random.uniform(-0.05, 0.05, (40, 3))
    ours = force_field(form, CROWD)
    settings = NonbondedMethod() if method == "none" else NonbondedMethod("cutoff", 1.0, 0.8)
    term = ours.parameterise(CROWD).pair_groups[0].terms[0]
    system = openmm.System()
    text = term.term.energy.replace("COULOMB", repr(138.93545764438198))
    force = openmm.CustomNonbondedForce(" ".join(text.split()))
    names = list(term.values)
    for name in names:
        force.addPerParticleParameter(name)
    for atom in range(40):
        system.addParticle(1.0)
        force.addParticle([float(term.values[name][atom]) for name in names])
    if method == "cutoff":
        force.setNonbondedMethod(openmm.CustomNonbondedForce.CutoffPeriodic)
        force.setCutoffDistance(1.0)
        force.setUseSwitchingFunction(True)
        force.setSwitchingDistance(0.8)
        system.setDefaultPeriodicBoxVectors(*box)
    system.addForce(force)
    platform = openmm.Platform.getPlatformByName("Reference")
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform)
    context.setPositions(positions)
    state = context.getState(energy=True, forces=True)
    wanted = np.array(state.getForces(asNumpy=True)._value)
    found = ours.bind(
        CROWD, precision="float64", nonbonded=settings, box=None if method == "none" else box
    ).energy_and_forces(positions)
    assert found.energy == pytest.approx(state.getPotentialEnergy()._value, rel=1e-9)
    np.testing.assert_allclose(found.forces, wanted, atol=1e-9 * np.abs(wanted).max(), rtol=0)
