"""Bad molecules and files: each error says what came, what was wanted and what to do."""

from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem

from isthmus.chemistry.clusters import further_pairs
from isthmus.chemistry.molecule import Molecule, combine
from isthmus.chemistry.read import read
from isthmus.chemistry.smiles import from_smiles
from isthmus.chemistry.topology import Topology, concatenate
from isthmus.errors import InputError

DATA = Path(__file__).parents[1] / "data"
DIPEPTIDE = DATA / "alanine_dipeptide_in_water.pdb"


def message(call, *args, **kwargs) -> str:
    with pytest.raises(InputError) as caught:
        call(*args, **kwargs)
    return str(caught.value)


def written(tmp_path, name: str, text: str) -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("smiles", "what", "position"),
    [
        ("CC(C", "this '(' is never closed", 3),
        ("CC)C", "')' closes no branch", 3),
        ("C1CC", "ring bond 1 is never closed", 2),
        ("C[Xx]C", "unknown element in '[Xx]'", 2),
        ("CCQ", "'Q' is no atom or bond of SMILES", 3),
        ("C==C", "an atom was expected instead of '='", 3),
        ("C=", "a bond leads to no atom", 2),
        ("[CH3", "this '[' is never closed", 1),
        ("C[CH3]]", "']' closes no bracket", 7),
        ("[C?]", "'[C?]' is no bracket atom", 1),
        ("CC(C)(C)(C)C", "Explicit valence for atom # 1 C, 5", 2),
        ("Cc1cccc1", "Can't kekulize mol", 2),
        (")C", "')' closes no branch", 1),
        ("=C", "'=' has no atom before it", 1),
    ],
)
def test_unparsable_smiles_shows_where(smiles, what, position):
    text = message(from_smiles, smiles)
    assert text.startswith("cannot read SMILES: ")
    assert what in text
    assert f"at position {position}" in text
    _, shown, caret = text.split("\n")
    assert shown == f"  {smiles}"
    assert caret.index("^") == position + 1


def test_empty_smiles():
    assert "the SMILES is empty" in message(from_smiles, "  ")


def test_map_number_given_twice():
    text = message(from_smiles, "[H:1][O:2][H:2]")
    assert "map number 2 is given twice" in text


def test_missing_hydrogens_of_an_rdkit_molecule():
    text = message(Molecule.from_rdkit, Chem.MolFromSmiles("CO"))
    assert "hydrogens are missing: atom 0 (C) lacks 3" in text
    assert "AddHs" in text


def test_missing_hydrogens_of_a_pdb_name_residue_and_atoms(tmp_path):
    lines = DIPEPTIDE.read_text().splitlines()
    kept = [line for line in lines if line[12:16].strip() not in ("HB1", "HB2", "HA")]
    text = message(read, written(tmp_path, "some.pdb", "\n".join(kept)))
    assert "residue ALA 2 in chain A: hydrogens are missing: CA lacks 1, CB lacks 2" in text
    assert "PDBFixer" in text


def test_missing_heavy_atoms(tmp_path):
    lines = DIPEPTIDE.read_text().splitlines()
    kept = [line for line in lines if line[12:16].strip() != "CB"]
    text = message(read, written(tmp_path, "some.pdb", "\n".join(kept)))
    assert "residue ALA 2 in chain A lacks atoms CB" in text


def test_broken_chain(tmp_path):
    lines = DIPEPTIDE.read_text().splitlines()
    kept = [line for line in lines if line[17:20] != "NME"]
    text = message(read, written(tmp_path, "some.pdb", "\n".join(kept)))
    assert "residue ALA 2 in chain A: its C is bonded neither to a next residue nor to OXT" in text


def test_thiolate_must_be_called_so(tmp_path):
    lines = DIPEPTIDE.read_text().splitlines()
    lines = [line.replace("ALA", "CYS").replace(" HB3 CYS", " SG  CYS") for line in lines]
    path = written(tmp_path, "some.pdb", "\n".join(lines))
    assert "its SG has neither a hydrogen nor a disulfide partner" in message(read, path)
    path.write_text(path.read_text().replace("CYS", "CYM"))
    assert read(path)[0].total_charge == -1


def test_unknown_residue_says_what_to_do(tmp_path):
    path = written(tmp_path, "some.pdb", DIPEPTIDE.read_text().replace("ALA", "XYZ"))
    text = message(read, path)
    assert "unknown residue XYZ 2 in chain A" in text
    assert 'ligands={"XYZ": "..."}' in text


def test_unknown_atom_of_a_residue(tmp_path):
    path = written(tmp_path, "some.pdb", DIPEPTIDE.read_text().replace(" CB  ALA", " CX  ALA"))
    assert "residue ALA 2 in chain A has an atom CX, which ALA does not have" in message(read, path)


def test_ligand_that_does_not_fit(tmp_path):
    path = written(tmp_path, "some.pdb", DIPEPTIDE.read_text().replace("HOH B", "LIG B"))
    text = message(read, path, ligands={"LIG": "[OH3+]"})
    assert "residue LIG 1 in chain B: it has 2 atoms of H, the given molecule has 3" in text
    assert "hydrogens are missing" in text
    text = message(read, path, ligands={"LIG": "CO"})
    assert "atoms of C, the given molecule has 1; check that the right molecule" in text


@pytest.mark.parametrize("suffix", ["xyz", "sdf", "pdb", "smi"])
def test_wrong_total_charge(tmp_path, suffix):
    ammonium = from_smiles("[NH4+]", conformers=1)
    texts = {
        "smi": "[NH4+]\n",
        "sdf": Chem.MolToMolBlock(ammonium.to_rdkit()),
        "pdb": "HETATM    1 NA   NA  A   1       0.000   0.000   0.000\n",
        "xyz": Chem.MolToXYZBlock(ammonium.to_rdkit()),
    }
    path = written(tmp_path, f"some.{suffix}", texts[suffix])
    text = message(read, path, total_charge=0)
    assert "wrong total charge: the atoms and bonds give +1, 0 was stated" in text
    assert read(path, total_charge=1)[0].total_charge == 1


def test_no_bond_orders_fit(tmp_path):
    path = written(tmp_path, "some.xyz", "2\n\nC 0 0 0\nC 0 0 6.0\n")
    assert "no bond orders fit the bonds between atoms C0 (counted from 0)" in message(read, path)


def test_smiles_of_another_molecule(tmp_path):
    water = Chem.MolToXYZBlock(from_smiles("O", conformers=1).to_rdkit())
    lines = water.splitlines()
    lines[1] = "smiles=CO"
    path = written(tmp_path, "some.xyz", "\n".join(lines))
    assert "it has 0 atoms of C, the given molecule has 1" in message(read, path)
    lines[1] = 'smiles="[H:1][O:2][H:3]"'
    path.write_text("\n".join(lines))
    assert "not in the order of the map numbers" in message(read, path)


def test_coordinates_that_are_not_finite(tmp_path):
    molecule = from_smiles("CCO", conformers=1)
    positions = molecule.positions.copy()
    positions[2, 1] = np.nan
    text = message(Molecule.create, molecule.topology, positions)
    assert "atom 2 (O1) has coordinates (" in text
    assert "nan" in text
    assert "not finite numbers (1 such atoms)" in text
    spoilt = DIPEPTIDE.read_text().replace("  15.377  12.899  15.886", "     nan  12.899  15.886")
    text = message(read, written(tmp_path, "some.pdb", spoilt))
    assert "atom 1 (CH3 of ACE 1 in chain A) has coordinates (nan" in text
    path = written(tmp_path, "some.xyz", "1\n\nHe 0 inf 0\n")
    assert "not finite numbers" in message(read, path)


def test_overlapping_atoms_are_named_with_their_distance(tmp_path):
    molecule = from_smiles("CCO", conformers=1)
    positions = molecule.positions.copy()
    positions[7] = positions[4] + [0.01, 0, 0]
    text = message(Molecule.create, molecule.topology, positions)
    assert "atom 4 (H2) and atom 7 (H5) overlap: they are 0.0100 nm apart" in text
    assert "at least 0.02 nm was wanted (1 such pairs)" in text
    text = message(Molecule.create, molecule.topology, np.stack([molecule.positions, positions]))
    assert "of conformer 1 overlap" in text
    path = written(tmp_path, "some.xyz", "2\n\nHe 0 0 0\nHe 0 0 0.1\n")
    assert "overlap" in message(read, path)


@pytest.mark.parametrize("shape", [(2, 3), (1, 9, 2), (9,), (1, 1, 9, 3)])
def test_atoms_and_coordinates_do_not_match(shape):
    topology = from_smiles("CCO").topology
    text = message(Molecule.create, topology, np.ones(shape))
    assert f"coordinates have shape {(1, 2, 3) if shape == (2, 3) else shape}" in text
    assert "the topology has 9 atoms: wanted (conformers, 9, 3)" in text


def test_boxes_are_checked():
    topology = Topology.create([18], [])
    text = message(Molecule.create, topology, np.zeros((1, 3)), box=[3.0, 3.0, 3.0])
    assert "a box has shape (3,)" in text
    text = message(Molecule.create, topology, np.zeros((1, 3)), box=np.ones((3, 3)))
    assert "not in reduced form" in text


def test_unknown_elements(tmp_path):
    assert "atom 1 has atomic number 119" in message(Topology.create, [1, 119], [])
    path = written(tmp_path, "some.xyz", "1\n\nXq 0 0 0\n")
    assert "unknown element 'Xq'" in message(read, path)
    ligand = "HETATM    1 XQ1  LIG A   1       0.000   0.000   0.000  1.00  0.00          XQ\n"
    path = written(tmp_path, "some.pdb", ligand)
    text = message(read, path, ligands={"LIG": "[He]"})
    assert "residue LIG 1 in chain A, atom XQ1: unknown element 'XQ'" in text


def sdf(smiles: str = "CCO") -> list[str]:
    block = Chem.MolToMolBlock(from_smiles(smiles, conformers=1, name="first").to_rdkit())
    return block.splitlines()


def test_truncated_sdf_names_record_and_line(tmp_path):
    lines = sdf()
    for length in (2, 8, 16, len(lines) - 1):
        text = message(read, written(tmp_path, "some.sdf", "\n".join(lines[:length])))
        assert "record 1" in text
        assert "truncated" in text
    two = [*lines, "$$$$", *lines[:12]]
    text = message(read, written(tmp_path, "some.sdf", "\n".join(two)))
    assert f"record 2 ('first'), line {len(two)}: truncated: the counts line announces 9" in text
    assert "ends after 8 of these 17 lines" in text


def test_sdf_counts_that_do_not_match(tmp_path):
    lines = sdf()
    fewer = [*lines[:3], lines[3].replace("  9  8", "  8  8"), *lines[4:]]
    text = message(read, written(tmp_path, "some.sdf", "\n".join(fewer)))
    assert "line 13: the counts line announces 8 atoms and 8 bonds, but instead of a bond" in text
    fewer = [*lines[:3], lines[3].replace("  9  8", "  9  7"), *lines[4:]]
    text = message(read, written(tmp_path, "some.sdf", "\n".join(fewer)))
    assert "but there are more lines; correct the counts" in text
    fewer = [*lines[:3], "what is this", *lines[4:]]
    text = message(read, written(tmp_path, "some.sdf", "\n".join(fewer)))
    assert "line 4: the counts line 'what is this' does not begin with two numbers" in text


def test_sdf_chemistry(tmp_path):
    lines = sdf()
    unknown = [*lines[:4], lines[4].replace(" C ", " Xq"), *lines[5:]]
    text = message(read, written(tmp_path, "some.sdf", "\n".join(unknown)))
    assert "line 5: unknown element 'Xq'" in text
    bare = Chem.MolToMolBlock(Chem.MolFromSmiles("CCO"))
    text = message(read, written(tmp_path, "some.sdf", bare))
    assert "record 1: hydrogens are missing: atom 0 (C) lacks 3" in text
    impossible = "\n".join(lines).replace("  1  2  1  0", "  1  2  3  0")
    text = message(read, written(tmp_path, "some.sdf", impossible))
    assert "Explicit valence for atom # 0 C" in text


@pytest.mark.parametrize("suffix", ["xyz", "sdf", "pdb", "smi"])
def test_empty_files(tmp_path, suffix):
    path = written(tmp_path, f"some.{suffix}", "\n")
    text = message(read, path)
    assert str(path) in text
    assert ("has no ATOM or HETATM records" if suffix == "pdb" else "is empty") in text


def test_unfinished_xyz(tmp_path):
    text = message(read, written(tmp_path, "some.xyz", "3\n\nO 0 0 0\nH 0 0 1\n"))
    assert "is no complete extended XYZ file" in text


def test_pdb_coordinates_that_are_no_numbers(tmp_path):
    spoilt = DIPEPTIDE.read_text().replace("  15.377  12.899  15.886", "********  12.899  15.886")
    text = message(read, written(tmp_path, "some.pdb", spoilt))
    assert "line 5: the coordinates '********  12.899  15.886' (columns 31 to 54)" in text


def test_pdb_box_that_is_none(tmp_path):
    spoilt = DIPEPTIDE.read_text().replace("CRYST1   32.853", "CRYST1        x")
    assert "does not hold three lengths" in message(read, written(tmp_path, "a.pdb", spoilt))


def test_unknown_format_lists_the_known_ones(tmp_path):
    text = message(read, tmp_path / "molecule.mol2")
    assert "unknown format 'mol2'; known are pdb, ent, sdf, mol, smi, smiles, xyz, extxyz" in text


def test_no_such_file(tmp_path):
    assert "there is no file" in message(read, tmp_path / "absent.pdb")


def test_line_of_a_smi_file(tmp_path):
    text = message(read, written(tmp_path, "some.smi", "CCO\nC(\n"))
    assert "some.smi, line 2: cannot read SMILES: this '(' is never closed" in text


@pytest.mark.parametrize(
    ("bonds", "what"),
    [
        ([(0, 2)], "bond (0, 2) names an atom that does not exist: there are 2 atoms"),
        ([(1, 1)], "atom 1 is bonded to itself"),
        ([(0, 1), (1, 0)], "bond (0, 1) is given more than once"),
        ([(0.5, 1.0)], "wanted integers (bonds, 2)"),
    ],
)
def test_impossible_bonds(bonds, what):
    assert what in message(Topology.create, [1, 1], bonds)


def test_other_topology_input():
    assert "order 1.2; wanted 1, 1.5" in message(
        Topology.create, [1, 1], [(0, 1)], bond_orders=[1.2]
    )
    assert "formal_charges has shape (1,); wanted (2,)" in message(
        Topology.create, [1, 1], [], formal_charges=[0]
    )
    assert "formal_charges must be integers" in message(
        Topology.create, [1], [], formal_charges=[0.5]
    )
    assert "ascend without gaps" in message(Topology.create, [1, 1], [], residue_idx=[0, 2])
    topology = Topology.create([1, 1], [])
    assert "atom 2 is out of range" in message(topology.subset, [2])
    assert "given twice" in message(topology.subset, [0, 0])
    assert "flatnonzero" in message(topology.subset, [True, False])
    assert "nothing to concatenate" in message(concatenate, [])
    assert "nothing to combine" in message(combine, [])
    assert "wanted 1 or more" in message(
        lambda: next(further_pairs(topology.clusters, block_size=0))
    )


def test_bonds_and_stereo_that_are_not_understood():
    dative = Chem.MolFromSmiles("[NH3]->[Cu+2]", sanitize=False)
    dative.UpdatePropertyCache(strict=False)
    text = message(Molecule.from_rdkit, Chem.AddHs(dative))
    assert "is of type DATIVE; wanted single, double, triple or aromatic" in text


def test_conformers_that_cannot_be_made():
    impossible = from_smiles("C1C[C@@H]2CC[C@H]1C2.C1#CC1")
    assert "conformers were asked for" in message(impossible.with_conformers, 0)
    metal = from_smiles("[Og]")
    assert "neither MMFF94s nor UFF has parameters" in message(metal.with_conformers, 1)


def test_components_of_a_salt_lie_apart():
    salt = from_smiles("CC(=O)[O-].[Na+]", conformers=1)
    sodium = int(np.flatnonzero(salt.topology.atomic_numbers == 11)[0])
    others = np.delete(salt.positions, sodium, axis=0)
    assert np.linalg.norm(others - salt.positions[sodium], axis=1).min() > 0.1


@pytest.mark.parametrize(
    "xyz",
    [
        "1\n\nC 0 0 0\n",
        "2\n\nC 0 0 0\nC 1.5 0 0\n",
        "3\n\nC 0 0 0\nC 1.5 0 0\nO 2.0 1.3 0\n",
        "3\n\nC 0 0 0\nC 1.5 0 0\nC 0.75 1.3 0\n",
    ],
)
def test_xyz_without_hydrogens(tmp_path, xyz):
    path = tmp_path / "bare.xyz"
    path.write_text(xyz)
    assert "hydrogens are probably missing" in message(read, path)


def test_xyz_that_has_no_hydrogens_to_miss(tmp_path):
    path = tmp_path / "dioxide.xyz"
    path.write_text("3\n\nC 0 0 0\nO 1.16 0 0\nO -1.16 0 0\n")
    assert read(path)[0].smiles == "O=C=O"


def test_sdf_marked_3d_that_is_flat(tmp_path):
    block = Chem.MolToMolBlock(Chem.AddHs(Chem.MolFromSmiles("C")))
    rows = block.splitlines()
    rows[4:9] = [f"{n:10.4f}{n * n:10.4f}{row[20:]}" for n, row in enumerate(rows[4:9])]
    path = tmp_path / "flat.mol"
    path.write_text("\n".join(rows).replace("          2D", "          3D"))
    assert "marked 3D but look flat: every z is 0, and atom 0 (C) has 4" in message(read, path)


def test_too_many_atoms_to_embed(monkeypatch):
    monkeypatch.setattr("isthmus.chemistry.embedding._MAX_ATOMS", 8)
    assert "9 atoms are too many" in message(lambda: from_smiles("CCO", conformers=1))


def test_embedding_that_takes_too_long(monkeypatch):
    monkeypatch.setattr("isthmus.chemistry.embedding._TIMEOUT", 1)
    text = message(lambda: from_smiles("C" * 250, conformers=1))
    assert "could embed 0 of 1 conformers" in text
    assert "within 1 s for each" in text
