"""Parts of a bespoke fit: derivatives, classes of symmetry, linearity, bounded steps."""

import numpy as np
import pytest

from isthmus.chemistry.smiles import from_smiles
from isthmus.designs.schema import parse_design, preset
from isthmus.errors import InputError
from isthmus.forcefield.forcefield import ForceField
from isthmus.forcefield.potential import EnergyAndForces
from isthmus.parameters.free import random_values
from isthmus.parameters.source import FreeSource
from isthmus.train.bespoke.blocks import term_blocks
from isthmus.train.bespoke.classes import atom_classes, cluster_classes
from isthmus.train.bespoke.linearity import linear_parameters
from isthmus.train.bespoke.minimise import Problem, bounded_step, minimise
from isthmus.train.bespoke.normal import Assembler, NormalEquations, Target
from isthmus.train.bespoke.start import gasteiger_charges, starting_values
from isthmus.train.bespoke.unknowns import find_unknowns

DESIGN = """
name = "small"
[[coordinate]]
name = "z"
over = "angle"
formula = "cos(theta)-c0"
unit = "1"
parameters.c0 = { unit = "1", default = "cos_angle", scale = 0.1 }
[[term]]
name = "stretch"
over = "bond"
energy = "k*(r-r0)^2"
parameters.k = { unit = "kJ/mol/nm^2", default = 1e5, scale = 1e5 }
parameters.r0 = { unit = "nm", default = "bond_length", scale = 0.01 }
[[term]]
name = "cross"
over = "torsion"
energy = "(g12*(r12-r12_0)+g34*(r34-r34_0))*cos(phi)+w*z123*z234*sin(phi)^2"
[term.parameters]
g12 = { unit = "kJ/mol/nm", reverse = "g34", scale = 40 }
g34 = { unit = "kJ/mol/nm", reverse = "g12", scale = 40 }
w = { unit = "kJ/mol", scale = 20 }
r12_0 = { unit = "nm", from = "stretch.r0", at = [1, 2] }
r34_0 = { unit = "nm", from = "stretch.r0", at = [3, 4] }
[[term]]
name = "lennard-jones"
over = "pair"
form = "lennard-jones"
[[term]]
name = "coulomb"
over = "pair"
form = "coulomb"
[[term]]
name = "coulomb-14"
over = "pair14"
energy = "scale*COULOMB*charge1*charge2/r"
parameters.charge = { unit = "e", per = "atom", from = "coulomb.charge" }
parameters.scale = { unit = "1", default = 0.8, min = 0, max = 1, scale = 0.1 }
"""
COULOMB = """
name = "charges"
[[term]]
name = "coulomb"
over = "pair"
form = "coulomb"
"""


@pytest.mark.parametrize(("smiles", "tie"), [("CCO", False), ("CO.[NH4+]", True)])
def test_the_jacobian_is_that_of_the_bound_potential(smiles: str, tie: bool) -> None:
    """Parameters used by reference, through coordinates and per atom, against differences."""
    molecule = from_smiles(smiles, conformers=2, seed=1)
    topology, design, x = molecule.topology, parse_design(DESIGN), molecule.conformers
    start = random_values(design, topology, seed=2)
    unknowns = find_unknowns(design, topology, start, tie=tie)
    target = Target(x, np.zeros(2), np.zeros_like(x), 1.0, 1.0)
    blocks = term_blocks(design, topology, unknowns.places)
    assembler = Assembler(design, topology, blocks, unknowns, (target,))
    at, along = np.random.default_rng(0).normal(0, 0.1, (2, unknowns.n_unknowns))
    found = assembler.jacobian(at, x)
    assert assembler.residuals(at) == pytest.approx(assembler(at).cost, rel=1e-12)

    def bound(step: float) -> EnergyAndForces:
        source = FreeSource(unknowns.values(at + step * along), topology.digest)
        potential = ForceField(design, source).bind(topology, precision="float64")
        return potential.energy_and_forces(x)

    forces_by = np.zeros((unknowns.n_unknowns, *found.forces.shape))
    for atom, (columns, rows) in enumerate(zip(found.columns, found.forces_by, strict=True)):
        forces_by[columns, :, atom] = rows
    here, less, more = bound(0.0), bound(-1e-4), bound(1e-4)
    np.testing.assert_allclose(found.energies, here.energy, rtol=1e-9)
    np.testing.assert_allclose(found.forces.T, here.forces, atol=1e-7)
    by = (more.energy - less.energy) / 2e-4
    np.testing.assert_allclose(along @ found.energies_by, by, rtol=1e-5)
    by = (more.forces - less.forces) / 2e-4
    np.testing.assert_allclose(np.tensordot(along, forces_by, 1).T, by, rtol=1e-5, atol=0.1)
    # The normal equations are made of just these
    normal = assembler(at)
    residuals = np.concatenate([found.forces.ravel(), found.energies - found.energies.mean()])
    centred = found.energies_by - found.energies_by.mean(axis=1, keepdims=True)
    rows = np.hstack([forces_by.reshape(unknowns.n_unknowns, -1), centred])
    assert normal.cost == pytest.approx(residuals @ residuals)
    np.testing.assert_allclose(normal.gradient, rows @ residuals, rtol=1e-9, atol=1e-4)
    np.testing.assert_allclose(normal.matrix, rows @ rows.T, rtol=1e-9, atol=1e-4)


def test_work_and_memory_for_charges_grow_as_the_pairs() -> None:
    """Not as pairs times atoms, though the total charge is kept."""
    topology = from_smiles("C" * 20).topology
    design = parse_design(COULOMB)
    start = random_values(design, topology, seed=2)
    unknowns = find_unknowns(design, topology, start, tie=False)
    x = np.random.default_rng(0).normal(size=(1, topology.n_atoms, 3))
    target = Target(x, np.zeros(1), np.zeros_like(x), 1.0, 1.0)
    (block,) = (
        block
        for block in term_blocks(design, topology, unknowns.places)
        if block.term.name == "coulomb"
    )
    assembler = Assembler(design, topology, (block,), unknowns, (target,))
    (scatter,) = assembler._scatters
    assert len(block.atoms_idx) > 1500
    # Two charges, each moved by its own unknown and by the shift of all
    assert scatter.energies.nnz <= 4 * len(block.atoms_idx)
    assert scatter.forces.nnz <= 3 * 2 * 4 * len(block.atoms_idx)
    assert unknowns.matrix.nnz < 20 * topology.n_atoms
    charges = unknowns.values(np.random.default_rng(1).normal(size=unknowns.n_unknowns))
    total = start["coulomb"]["charge"].sum()
    assert charges["coulomb"]["charge"].sum() == pytest.approx(total, abs=1e-12)


def test_atoms_that_look_alike_are_one_class() -> None:
    # Toluene: CH3, ipso, ortho, meta, para, and the hydrogens of each
    assert len(np.unique(atom_classes(from_smiles("Cc1ccccc1").topology))) == 9
    # Both oxygens of a carboxylate, whichever carries the charge
    topology = from_smiles("CC(=O)[O-]").topology
    classes = atom_classes(topology)
    assert len(set(classes[topology.atomic_numbers == 8])) == 1


def test_clusters_of_a_ring_are_told_apart_by_what_surrounds_them() -> None:
    topology = from_smiles("Cc1ccccc1").topology
    torsion = next(t for t in preset("class2plus").terms if t.name == "bond-torsion")
    own = [p for p in torsion.parameters if p.reference is None]
    torsions = topology.clusters.torsions
    classes = cluster_classes(topology, torsion.kind, own, torsions, where="")
    by_name = {p.name: c for p, c in zip(own, classes, strict=True)}
    # Reversing a torsion exchanges the two ends, so both names share classes
    assert set(by_name["e12_1"].of) & set(by_name["e34_1"].of)
    assert not set(by_name["e12_1"].of) & set(by_name["e12_2"].of)
    # Turning the ring over maps every torsion to one of the same class
    turned = np.array([0, 1, 6, 5, 4, 3, 2])
    heavy = (torsions < 7).all(axis=1)
    where = {tuple(t): k for k, t in enumerate(torsions.tolist())}
    for k in np.flatnonzero(heavy):
        image = turned[torsions[k]].tolist()
        if tuple(image) in where:
            assert by_name["e12_1"].of[where[tuple(image)]] == by_name["e12_1"].of[k]
        else:
            assert by_name["e34_1"].of[where[tuple(image[::-1])]] == by_name["e12_1"].of[k]
    assert (by_name["m1"].sign == 1).all()


def test_which_parameters_are_linear() -> None:
    linear = linear_parameters(preset("class2plus"))
    assert ("bond", "k") in linear
    assert ("bond", "c") not in linear  # k·c is a product
    assert ("torsion", "v3") in linear
    assert ("bond-torsion", "m1") in linear
    assert ("lennard-jones-14", "scale") in linear
    for name in (("y", "a"), ("z", "c0"), ("coulomb", "charge"), ("lennard-jones", "epsilon")):
        assert name not in linear


def test_the_start_knows_the_frames() -> None:
    molecule = from_smiles("CC#N", conformers=1, seed=1)
    x = molecule.conformers[0] + np.random.default_rng(0).normal(0, 0.002, (4, 6, 3))
    start = starting_values(preset("class2plus"), molecule.topology, x)
    i, j = molecule.topology.bonds[0]
    length = np.linalg.norm(x[:, i] - x[:, j], axis=1).mean()
    assert start["y"]["r0"][0] == pytest.approx(length)
    # A linear angle keeps its prior below -1, where the slope does not vanish
    assert start["z"]["c0"].min() == pytest.approx(-1.3)
    charges = gasteiger_charges(molecule.topology)
    assert charges.sum() == pytest.approx(0, abs=1e-12)
    assert charges[2] < -0.1 < 0 < charges[1]


def test_a_step_stops_at_a_bound_and_the_rest_makes_up_for_it() -> None:
    matrix = np.array([[2.0, 1.0], [1.0, 2.0]])
    step = bounded_step(
        matrix,
        np.array([-3.0, -3.0]),
        damping=0.0,
        lower=np.array([-np.inf, -np.inf]),
        upper=np.array([0.25, np.inf]),
        free=np.array([True, True]),
    )
    np.testing.assert_allclose(step, [0.25, 1.375])


def test_a_trial_without_finite_numbers_is_refused() -> None:
    def equations(u: np.ndarray) -> NormalEquations:
        finite = u[0] < 0.5
        value = (u[0] - 1) ** 2 if finite else np.nan
        return NormalEquations(
            float(value), u - 1, np.eye(1) if finite else np.full((1, 1), np.inf), 0.0, 0.0
        )

    problem = Problem(
        equations,
        lambda u: equations(u).cost,
        ridge=np.zeros(1),
        lower=np.array([-9.0]),
        upper=np.array([9.0]),
        reach=np.array([np.inf]),
    )
    free = np.ones(1, dtype=bool)
    steps = list(minimise(problem, np.zeros(1), free=free, damping=0.0, tolerance=1e-9))
    assert not steps[1].accepted
    assert steps[-1].unknowns[0] < 0.5
    with pytest.raises(InputError, match="not finite"):
        list(minimise(problem, np.ones(1), free=free, damping=0.0, tolerance=1e-9))
