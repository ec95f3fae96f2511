"""What the network sees does not depend on the order of atoms or on the resonance form."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from isthmus.chemistry.read import read
from isthmus.chemistry.smiles import from_smiles
from isthmus.chemistry.topology import Topology
from isthmus.designs.schema import parse_design
from isthmus.parameters.graph.features import (
    ATOM_FEATURES,
    BOND_FEATURES,
    FEATURES_VERSION,
    graph_features,
)
from isthmus.parameters.graph.molecular_graph import prior_values
from isthmus.parameters.graph.resonance import resonance_average
from isthmus.parameters.prior import PRIORS


def topology(smiles: str) -> Topology:
    return from_smiles(smiles, conformers=0).topology


def heavy_charges(smiles: str) -> list[float]:
    found = topology(smiles)
    charges = resonance_average(found).charges[found.atomic_numbers > 1]
    return [round(float(q), 3) for q in charges]


# Two spellings of one molecule each, with the atoms in the same order
FORMS = [
    ("CC(=O)[O-]", "CC([O-])=O"),
    ("C[N+](=O)[O-]", "C[N+]([O-])=O"),
    ("C[N+](=O)[O-]", "CN(=O)=O"),
    ("CN=[N+]=[N-]", "C[N-][N+]#N"),
    ("CN=[N+]=[N-]", "CN=N#N"),
    ("CC(N)=[NH2+]", "CC(=[NH2+])N"),
    ("N[CH+]N", "NC=[NH2+]"),
    ("CNC(N)=[NH2+]", "C[NH+]=C(N)N"),
    ("[NH2+]=C(N)C=CN", "NC(N)=CC=[NH2+]"),
    ("[CH2-]C#N", "C=C=[N-]"),
    ("[CH2-]C(C)=O", "C=C(C)[O-]"),
    ("[O-]c1ccccc1", "O=C1C=C[CH-]C=C1"),
    ("[O-]c1ccccc1", "O=C1[CH-]C=CC=C1"),
    ("Cc1c[nH]c[nH+]1", "Cc1c[nH+]c[nH]1"),
    ("Nc1cc[nH+]cc1", "[NH2+]=c1cc[nH]cc1"),
    ("C[S+]([O-])C", "CS(=O)C"),
    ("C[S+2]([O-])([O-])C", "CS(=O)(=O)C"),
    ("CP(=O)([O-])[O-]", "C[P+]([O-])([O-])[O-]"),
    ("Nc1ccc[nH+]c1", "Nc1ccc[nH+]c1"),
    ("CN(C)c1ccc(C=[N+](C)C)cc1", "C[N+](C)=c1ccc(=CN(C)C)cc1"),
    ("CSc1[nH+]cccc1", "C[S+]=c1[nH]cccc1"),
    ("CS(=O)(=O)[NH-]", "CS(=O)([O-])=N"),
    ("C=[N+]=[N-]", "[CH2-][N+]#N"),
    ("O=[N+]([O-])[O-]", "[O-][N+]([O-])=O"),
    ("[O-][n+]1ccccc1", "O=n1ccccc1"),
    ("Cc1ccccc1Cl", "CC1=CC=CC=C1Cl"),
    ("c1ccc2ccccc2c1", "C1=CC=C2C=CC=CC2=C1"),
    ("[CH2-]C=C", "C=C[CH2-]"),
    ("[CH2+]C=C", "C=C[CH2+]"),
]


@pytest.mark.parametrize(("one", "other"), FORMS, ids=str)
def test_resonance_forms_look_the_same(one: str, other: str) -> None:
    first, second = topology(one), topology(other)
    np.testing.assert_array_equal(first.bonds, second.bonds)
    a, b = graph_features(first), graph_features(second)
    np.testing.assert_allclose(a.atoms, b.atoms, atol=1e-6)
    np.testing.assert_allclose(a.bonds, b.bonds, atol=1e-6)
    np.testing.assert_allclose(a.charges, b.charges, atol=1e-12)
    np.testing.assert_array_equal(a.averaged.bond_orders, b.averaged.bond_orders)


def test_five_valences_of_nitrogen_are_charges() -> None:
    """Files may hold N(=O)=O as it is; SMILES are cleaned up by their reader."""
    nitro, azide = topology("C[N+](=O)[O-]"), topology("CN=[N+]=[N-]")
    for given, orders in ((nitro, {(1, 2): 2.0, (1, 3): 2.0}), (azide, {(2, 3): 3.0})):
        drawn = given.bond_orders.copy()
        for bond, order in orders.items():
            drawn[(given.bonds == bond).all(axis=1)] = order
        neutral = replace(given, bond_orders=drawn, formal_charges=0 * given.formal_charges)
        np.testing.assert_array_equal(graph_features(neutral).atoms, graph_features(given).atoms)
        np.testing.assert_array_equal(graph_features(neutral).bonds, graph_features(given).bonds)


@pytest.mark.parametrize(
    ("smiles", "charges"),
    [
        ("CC(=O)[O-]", [0, 0, -0.5, -0.5]),
        ("O=[N+]([O-])[O-]", [-0.667, 1, -0.667, -0.667]),
        ("CNC(N)=[NH2+]", [0, 0.333, 0, 0.333, 0.333]),
        ("CS(=O)(=O)[O-]", [0, 0, -0.333, -0.333, -0.333]),
        ("COP(=O)([O-])OC", [0, 0, 0, -0.5, -0.5, 0, 0]),
        ("[O-]c1ccccc1", [-1, 0, 0, 0, 0, 0, 0]),
        ("[NH3+]CC(=O)[O-]", [1, 0, 0, -0.5, -0.5]),
        ("C[N+](C)(C)C", [0, 1, 0, 0, 0]),
        ("c1cc[nH+]cc1", [0, 0, 0, 1, 0, 0]),
        ("CC(=O)N", [0, 0, 0, 0]),
        ("C[O-]", [0, -1]),
        ("[Na+].[Cl-]", [1, -1]),
    ],
)
def test_charges_are_shared(smiles: str, charges: list[float]) -> None:
    assert heavy_charges(smiles) == pytest.approx(charges, abs=1e-3)


def test_charges_are_conserved_in_a_protein(repository: Path) -> None:
    (molecule,) = read(repository / "tests/data/chignolin.pdb")
    charges = resonance_average(molecule.topology).charges
    assert charges.sum() == pytest.approx(molecule.topology.total_charge, abs=1e-9)


@pytest.mark.parametrize(
    "smiles", ["CNC(N)=[NH2+]", "O=C([O-])c1ccc(N=[N+]=[N-])cc1", "CC1CC1C#N", "OC1CCC2CC2C1"]
)
def test_renumbering_only_renumbers(smiles: str) -> None:
    given = topology(smiles)
    before = graph_features(given)
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(given.n_atoms)
        other = given.subset(order)
        after = graph_features(other)
        np.testing.assert_array_equal(after.atoms, before.atoms[order])
        rows = {tuple(b): f for b, f in zip(given.bonds.tolist(), before.bonds, strict=True)}
        expected = [rows[tuple(sorted(bond))] for bond in order[other.bonds].tolist()]
        np.testing.assert_array_equal(after.bonds, expected)


def test_bonds_between_rings_are_in_no_ring() -> None:
    biphenyl = topology("c1ccccc1-c1ccccc1")
    ring = graph_features(biphenyl).bonds[:, -1].astype(bool)
    heavy = (biphenyl.atomic_numbers[biphenyl.bonds] > 1).all(axis=1)
    assert ring[heavy].sum() == 12
    assert not ring[~heavy].any()


def test_shapes_and_precision() -> None:
    for smiles in ("[Na+]", "[Fe+2].O", "CCO"):
        given = topology(smiles)
        features = graph_features(given)
        assert features.atoms.shape == (given.n_atoms, ATOM_FEATURES)
        assert features.bonds.shape == (given.n_bonds, BOND_FEATURES)
        assert features.atoms.dtype == features.bonds.dtype == np.float32


WATCHED = (
    "[H]O[H]",
    "CC(=O)NC",
    "C[NH2+]CC([O-])=O",
    "N#CC1CC1",
    "Clc1ccncc1",
    "C1CCC1Br",
    "c1cc[nH]c1",
    "CS(=O)(=O)NCF",
    "C[Si](C)(C)OP(=O)([O-])OI",
    "[Ca+2].[Na+].[Cl-].[Zn+2].C=C=C.OB(O)C[Se]C",
)
EVERY_PRIOR = '''
name = "every prior"
[[term]]
name = "bond"
over = "bond"
energy = "k*(r-r0)^2"
parameters.k = { unit = "kJ/mol/nm^2" }
parameters.r0 = { unit = "nm", default = "bond_length" }
[[term]]
name = "angle"
over = "angle"
energy = "k*(theta-theta0)^2+d*(cos(theta)-c0)^2"
parameters.k = { unit = "kJ/mol/rad^2" }
parameters.d = { unit = "kJ/mol" }
parameters.theta0 = { unit = "rad", default = "angle" }
parameters.c0 = { unit = "1", default = "cos_angle" }
[[term]]
name = "pair"
over = "pair14"
energy = """sqrt(epsilon1*epsilon2)*((sigma1+sigma2+r_min1+r_min2)/r)^6
  + COULOMB*charge1*charge2/r"""
parameters.sigma = { unit = "nm", per = "atom", default = "sigma" }
parameters.r_min = { unit = "nm", per = "atom", default = "r_min" }
parameters.epsilon = { unit = "kJ/mol", per = "atom", default = "epsilon" }
parameters.charge = { unit = "e", per = "atom", default = "charge" }
'''


def test_the_version_covers_features_and_priors() -> None:
    design = parse_design(EVERY_PRIOR)
    named = [(o, p) for o, p in design.own_parameters() if isinstance(p.default, str)]
    assert {parameter.default for _, parameter in named} == set(PRIORS), "watch every prior"
    sha = hashlib.sha256()
    for smiles in WATCHED:
        given = topology(smiles)
        features = graph_features(given)
        values = prior_values(design, given)
        priors = [values[owner.name][parameter.name] for owner, parameter in named]
        for array in (features.atoms, features.bonds, *priors):
            sha.update(" ".join(f"{value + 0.0:.5f}" for value in array.ravel()).encode())
    assert (FEATURES_VERSION, sha.hexdigest()[:16]) == (2, "9c4a8e0699554baf"), (
        "features or priors have changed, and trained networks correct the old ones: bump the "
        "version, FEATURES_VERSION, and put the new digest here"
    )
