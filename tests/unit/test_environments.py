"""Environments of atoms: equal where they must be, different where they must be."""

import json

import numpy as np
import pytest

from isthmus.chemistry import Topology, from_smiles
from isthmus.chemistry.environments import Domain, atom_environments
from isthmus.errors import InputError


def environments(smiles: str, radius: int = 2) -> list[str]:
    return sorted(atom_environments(from_smiles(smiles).topology, radius))


@pytest.mark.parametrize("radius", [0, 1, 2, 5])
def test_they_follow_the_atoms_through_any_order(radius: int) -> None:
    topology = from_smiles("CC(=O)Nc1ccc(S(=O)(=O)[O-])cc1C#N").topology
    order = np.random.default_rng(3).permutation(topology.n_atoms)
    names = atom_environments(topology, radius)
    moved = atom_environments(topology.subset(order), radius)
    assert moved == tuple(names[atom] for atom in order)
    assert all(len(name) == 12 for name in names)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Cc1cccnc1F", "CC1=CC=CN=C1F"),
        ("CC1=C(F)N=CC=C1", "CC1=CC=CN=C1F"),
        ("CC(=O)[O-]", "CC([O-])=O"),
        ("C[N+](=O)[O-]", "CN(=O)=O"),
        ("NC(=[NH2+])C", "[NH2+]=C(N)C"),
        ("CS(=O)(=O)[NH-]", "CS(=O)([O-])=N"),
        ("O=c1cc[nH]cc1", "[O-]c1cc[nH+]cc1"),
    ],
)
def test_they_are_those_of_every_resonance_form(one: str, other: str) -> None:
    assert environments(one) == environments(other)


def test_equivalent_atoms_share_one() -> None:
    topology = from_smiles("CC(=O)[O-]").topology
    names = atom_environments(topology)
    oxygens = np.flatnonzero(topology.atomic_numbers == 8)
    assert names[oxygens[0]] == names[oxygens[1]]


@pytest.mark.parametrize(
    ("one", "other", "radius"),
    [
        ("CO", "CS", 0),
        ("C1CCCC1", "C1CCCCC1", 0),
        ("c1ccccc1[O-]", "c1ccccc1O", 0),
        ("[O-]c1ccc([O-])cc1", "O=C1C=CC(=O)C=C1", 0),
        ("CCN", "CC[NH3+]", 0),
        ("CCOC", "CCSC", 1),
        ("CCCF", "CCCCl", 2),
    ],
)
def test_different_ones_have_different_names(one: str, other: str, radius: int) -> None:
    assert environments(one, radius) != environments(other, radius)


def test_what_is_further_away_than_the_radius_is_not_seen() -> None:
    near, far = from_smiles("CCCCF").topology, from_smiles("CCCCCl").topology
    for radius, equal in ((0, True), (2, True), (3, True), (4, False)):
        first = atom_environments(near, radius)[0], atom_environments(far, radius)[0]
        assert (first[0] == first[1]) is equal, radius


def test_the_names_stay() -> None:
    """Stored in files of force fields: a change of the labels is a new version of the format."""
    methanol = Topology.create([6, 8, 1, 1, 1, 1], [[0, 1], [0, 2], [0, 3], [0, 4], [1, 5]])
    assert atom_environments(methanol, 0)[:3] == STORED[0]
    assert atom_environments(methanol, 2)[:3] == STORED[2]


STORED = {
    0: ("27ab6d49d872", "0077d1f7acdf", "ec5ae79fd417"),
    2: ("a95bf8f722ab", "a99d8f7a13c0", "9eb5cb73883c"),
}


def test_a_domain_knows_its_own_molecules_and_says_what_is_new() -> None:
    domain = Domain.of(from_smiles(smiles).topology for smiles in ("CCO", "CCCO", "c1ccccc1"))
    assert domain.elements == ("C", "H", "O")
    inside = domain.verdict(from_smiles("CCO").topology)
    assert (inside.inside, inside.radius, inside.text) == (True, None, "inside")
    # The chain of each carbon is known, what lies two bonds away is not
    near = Domain.of(from_smiles(s).topology for s in ("CCCCC", "CCCCO")).verdict(
        from_smiles("CCCCCO").topology
    )
    assert (near.inside, near.radius) == (True, 2)
    assert near.text.startswith("inside, at the edge: new environment of atom 2 (C3) at radius 2")
    # No alcohol so far has a CH2 between two others.
    longer = domain.verdict(from_smiles("CCCCO").topology)
    assert (longer.inside, longer.radius) == (False, 1)
    assert longer.unseen[1] == (2, 1)
    assert longer.text == "new environment of atom 2 (C3) at radius 1, and of 4 more atoms"
    amine = domain.verdict(from_smiles("CCN").topology)
    assert (amine.radius, amine.elements) == (0, ("N",))
    assert amine.text == "new element N"
    radii = domain.outside(from_smiles("CCN").topology)
    assert radii[2] == 0
    assert radii[0] == 2


def test_a_domain_goes_through_json() -> None:
    domain = Domain.of([from_smiles("CC(=O)NC").topology, from_smiles("CCO").topology])
    text = json.dumps(domain.as_json(), allow_nan=False)
    assert Domain.from_json(json.loads(text)) == domain
    assert sum(domain.environments[0].values()) == 12 + 9


@pytest.mark.parametrize(
    "content",
    [
        None,
        {"format": "another"},
        {"format": "isthmus domain 1"},
        {"format": "isthmus domain 1", "n_molecules": 1, "elements": [], "environments": [{}]},
        {"format": "isthmus domain 1", "n_molecules": 1, "elements": [], "environments": [1, 2, 3]},
    ],
)
def test_a_damaged_domain_is_refused(content: object) -> None:
    with pytest.raises(InputError, match="make it anew"):
        Domain.from_json(content)


def test_a_negative_radius_is_refused() -> None:
    with pytest.raises(InputError, match="wanted 0 or more"):
        atom_environments(from_smiles("C").topology, -1)
