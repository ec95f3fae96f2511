"""Topology: validation, content equality, stereo, rings, subsets and concatenation."""

import pickle

import numpy as np
import pytest
from rdkit import Chem

from isthmus.chemistry.molecule import Molecule, combine
from isthmus.chemistry.smiles import from_smiles
from isthmus.chemistry.topology import Topology, concatenate
from isthmus.errors import InputError

STEREO_SMILES = [
    "C[C@H](N)C(=O)O",
    "C[S@](=O)CC",
    "C[P@](=O)(OC)N",
    "F/C=C/F",
    "F/C=C\\F",
    "C/C=N/O",
    "[H]/N=C(/C)F",
    "C/C=C/C=C\\C",
    "O=C([O-])/C=C\\C(=O)O",
    "C[C@H]1CC[C@@H](O)CC1",
    "C/C=C1/CC[C@H](O)CC1",
    "C[C@H]1C[C@@H]2CC[C@H]1C2",
    "CCC(/C)=C(\\F)Cl",
]


def ethanol() -> Topology:
    return from_smiles("CCO").topology


def test_create_sorts_bonds_with_what_belongs_to_them():
    topology = Topology.create([6, 8, 6], [(2, 0), (1, 0)], bond_orders=[1.0, 2.0])
    np.testing.assert_array_equal(topology.bonds, [[0, 1], [0, 2]])
    np.testing.assert_array_equal(topology.bond_orders, [2.0, 1.0])


def test_arrays_are_read_only_copies():
    numbers = np.array([1, 1])
    topology = Topology.create(numbers, [(0, 1)])
    numbers[0] = 6
    assert topology.atomic_numbers[0] == 1
    with pytest.raises(ValueError, match="read-only"):
        topology.atomic_numbers[0] = 6
    with pytest.raises(AttributeError):
        topology.bonds = np.zeros((0, 2))  # pyright: ignore[reportAttributeAccessIssue]


def test_equality_and_hash_are_by_content():
    one, two = ethanol(), ethanol()
    assert one == two
    assert hash(one) == hash(two)
    assert one.digest == two.digest
    assert len(one.digest) == 64
    assert one != from_smiles("CCS").topology
    assert one != "CCO"
    assert len({one, two}) == 1


def test_digest_does_not_depend_on_the_width_of_strings():
    narrow = Topology.create([2], [], atom_names=np.array(["He"], dtype="<U2"))
    wide = Topology.create([2], [], atom_names=np.array(["He"], dtype="<U9"))
    assert narrow == wide


def test_properties():
    topology = from_smiles("CC(=O)[O-].[Na+]").topology
    assert topology.n_atoms == 8
    assert topology.n_bonds == 6
    assert topology.total_charge == 0
    assert topology.elements == ("C", "C", "O", "O", "Na", "H", "H", "H")
    assert topology.n_components == 2
    np.testing.assert_array_equal(topology.components, [0, 0, 0, 0, 1, 0, 0, 0])
    assert topology.masses[0] == pytest.approx(12.011)
    np.testing.assert_array_equal(topology.neighbours.of(1), [0, 2, 3])
    assert repr(topology).startswith("Topology(8 atoms, 6 bonds, 1 residues, 2 components")


def test_empty_topology():
    topology = Topology.create([], [])
    assert topology.n_atoms == topology.n_components == 0
    assert topology.clusters.torsions.shape == (0, 4)
    assert topology.ring_sizes.shape == (0, 6)


def test_virtual_sites_have_no_mass():
    topology = Topology.create([8, 1, 1, 0], [(0, 1), (0, 2)])
    assert topology.masses[3] == 0
    assert topology.elements[3] == "*"


def test_aromatic_orders_do_not_depend_on_the_kekule_form():
    forms = ["CC1=CC=CC=C1F", "CC1=C(F)C=CC=C1", "Cc1ccccc1F"]
    smiles = {from_smiles(form).smiles for form in forms}
    assert len(smiles) == 1
    for form in forms:
        topology = from_smiles(form).topology
        assert (topology.bond_orders == 1.5).sum() == 6
        assert topology.aromatic_atoms.sum() == 6


@pytest.mark.parametrize(
    ("smiles", "heavy_rings"),
    [
        ("C1CC1", [3, 3, 3]),
        ("C1CCC1C", [4, 4, 4, 4, 0]),
        ("c1ccccc1O", [6, 6, 6, 6, 6, 6, 0]),
        ("C1CC2CCC1C2", [5] * 7),
        ("C12C3C4C1C5C2C3C45", [4] * 8),
        ("C1CCCCCCCC1", [0] * 9),
        ("C1CCCCCCC1", [8] * 8),
    ],
)
def test_smallest_rings(smiles: str, heavy_rings: list[int]):
    topology = from_smiles(smiles).topology
    assert topology.smallest_ring[: len(heavy_rings)].tolist() == heavy_rings


def test_rings_of_fused_systems_are_those_of_rdkit():
    for smiles in ["c1ccc2[nH]ccc2c1", "C1CC2CC1C=C2", "O=C1N(C)C2CCC1C2", "C1CC12CCCC2"]:
        mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
        member = from_smiles(smiles).topology.ring_sizes
        for ring in Chem.GetSymmSSSR(mol):
            assert member[list(ring), len(ring) - 3].all()
        in_ring = [atom.IsInRing() for atom in mol.GetAtoms()]
        np.testing.assert_array_equal(member.any(axis=1), in_ring)


def test_small_rings_beside_a_macrocycle_are_found():
    # A ring of 15 atoms that runs through a benzene ring.
    topology = from_smiles("C1CCCCCCCCCCc2ccc1cc2").topology
    assert sorted(set(topology.smallest_ring.tolist())) == [0, 6]
    assert (topology.smallest_ring == 6).sum() == 6


@pytest.mark.parametrize("smiles", STEREO_SMILES)
def test_stereo_survives_every_round_trip(smiles: str):
    molecule = from_smiles(smiles)
    assert molecule.smiles == Chem.CanonSmiles(smiles)
    assert from_smiles(molecule.mapped_smiles).topology == molecule.topology
    assert Molecule.from_rdkit(molecule.to_rdkit()).topology == molecule.topology


@pytest.mark.parametrize("smiles", STEREO_SMILES)
def test_stereo_survives_renumbering(smiles: str):
    topology = from_smiles(smiles).topology
    order = np.random.default_rng(0).permutation(topology.n_atoms)
    shuffled = topology.subset(order)
    assert Molecule.create(shuffled).smiles == Chem.CanonSmiles(smiles)
    assert shuffled.subset(np.argsort(order)) == topology


def test_stereo_is_dropped_with_the_atoms_that_define_it():
    topology = from_smiles("C[C@H](N)C(=O)O").topology
    assert topology.chirality[1] != 0
    without_methyl = topology.subset([i for i in range(topology.n_atoms) if i != 0])
    assert not without_methyl.chirality.any()
    alkene = from_smiles("F/C=C/F").topology
    assert not alkene.subset([1, 2]).bond_stereo.any()
    # Without fluorine at one end the hydrogen there becomes the reference, on the other side.
    assert alkene.bond_stereo.sum() == -1
    assert alkene.subset([1, 2, 3, 4, 5]).bond_stereo.sum() == 1


def test_subset_keeps_inner_bonds_and_splits_torn_residues():
    topology = concatenate([from_smiles("O").topology, from_smiles("CO").topology])
    part = topology.subset([0, 3, 4, 1])
    np.testing.assert_array_equal(part.bonds, [[0, 3], [1, 2]])
    np.testing.assert_array_equal(part.residue_idx, [0, 1, 1, 2])
    np.testing.assert_array_equal(part.atom_names, topology.atom_names[[0, 3, 4, 1]])


def test_concatenate_of_components_is_the_whole():
    whole = from_smiles("CCO").topology
    water = from_smiles("O").topology
    both = concatenate([whole, water])
    assert both.n_residues == 2
    assert both.subset(range(whole.n_atoms)) == whole
    assert both.subset(range(whole.n_atoms, both.n_atoms)) == water


def test_combine_molecules():
    ligand = from_smiles("CC(=O)O", conformers=1, name="ligand")
    water = from_smiles("O", conformers=1)
    moved = Molecule.create(water.topology, water.conformers + 1.0)
    box = np.diag([3.0, 3.0, 3.0])
    system = combine([ligand, moved], box=box)
    assert system.topology.n_components == 2
    np.testing.assert_array_equal(system.box, box)
    np.testing.assert_array_equal(system.positions[ligand.n_atoms :], moved.positions)
    assert system.name == "ligand"
    with pytest.raises(InputError, match=r"\[1, 0\] conformers"):
        combine([ligand, from_smiles("O")])
    with pytest.raises(InputError, match="overlap"):
        combine([ligand, ligand])


def test_conformers_are_reproducible_and_keep_stereo():
    molecule = from_smiles("C[C@H](N)C(=O)O/C=C/F", conformers=2, seed=7)
    again = from_smiles("C[C@H](N)C(=O)O/C=C/F", conformers=2, seed=7)
    np.testing.assert_array_equal(molecule.conformers, again.conformers)
    mol = molecule.to_rdkit()
    Chem.AssignStereochemistryFrom3D(mol, confId=1)
    assert Chem.MolToSmiles(Chem.RemoveHs(mol)) == molecule.smiles


def test_molecule_facts():
    molecule = from_smiles("CC(=O)[O-]", name="acetate")
    assert molecule.formula == "C2H3O2-"
    assert from_smiles("OP(=O)([O-])[O-]").formula == "HO4P-2"
    assert molecule.total_charge == -1
    assert repr(molecule) == "Molecule('acetate', C2H3O2-, 7 atoms, 0 conformers)"
    assert molecule.to_rdkit().GetProp("_Name") == "acetate"
    with pytest.raises(InputError, match="no coordinates"):
        _ = molecule.positions


def test_pickled_molecules_come_back_read_only():
    molecule = Molecule.create(
        ethanol(), np.arange(27.0).reshape(9, 3), box=np.eye(3), properties={"a": 1.0}
    )
    again = pickle.loads(pickle.dumps(molecule))
    assert again.topology == molecule.topology
    assert again.properties == {"a": 1.0}
    for array in (again.conformers, again.box, again.topology.bonds):
        assert not array.flags.writeable


def test_isotopes_are_dropped():
    assert from_smiles("[2H]C([13CH3])O").smiles == "CCO"


def test_residues_survive_rdkit():
    topology = concatenate([from_smiles("O").topology] * 2)
    named = Topology.create(
        topology.atomic_numbers,
        topology.bonds,
        residue_idx=topology.residue_idx,
        residue_names=["HOH", "HOH"],
        residue_ids=["7", "8A"],
        chain_ids=["A", "B"],
        atom_names=["O", "H1", "H2"] * 2,
    )
    assert Molecule.from_rdkit(Molecule.create(named).to_rdkit()).topology == named
