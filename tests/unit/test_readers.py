"""Readers: SMILES, SDF, PDB and extended XYZ, against RDKit, OpenMM and each other."""

import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import rdDistGeom

from isthmus.chemistry.connectivity import perceived_bonds
from isthmus.chemistry.molecule import Molecule, combine
from isthmus.chemistry.pdb import read_pdb
from isthmus.chemistry.read import read
from isthmus.chemistry.residue_templates import find_ion, find_template
from isthmus.chemistry.sdf import read_sdf
from isthmus.chemistry.smiles import from_smiles
from isthmus.chemistry.topology import Topology
from isthmus.chemistry.xyz import read_xyz, read_xyz_groups
from isthmus.errors import InputError

DATA = Path(__file__).parents[1] / "data"

PERCEPTION = [
    "CC(=O)[O-]",
    "[NH3+]CC(=O)[O-]",
    "CN=[N+]=[N-]",
    "C[N+](=O)[O-]",
    "CS(=O)(=O)[N-]C",
    "CS(=O)(=O)NC",
    "CS(C)=O",
    "CS(=O)(=O)[O-]",
    "COP(=O)([O-])[O-]",
    "[O-]Cl(=O)(=O)=O",
    "C[S+](C)C",
    "[C-]#[N+]C",
    "CNC(N)=[NH2+]",
    "c1c[nH]c[nH+]1",
    "[O-][n+]1ccccc1",
    "C=[N+]=[N-]",
    "C[Si](C)(C)C",
    "CB(O)O",
    "Brc1ccc(I)cc1",
    "N#Cc1ccc(C#C)cc1",
    "C12C3C4C1C5C2C3C45",
    "C1CC12CC2",
    "O=C1C=CC(=O)C=C1",
    "[NH4+]",
    "COP(=S)(OC)SC",
    "IC(I)I",
    "ClC(Cl)(Cl)Cl",
]


def xyz_text(molecule: Molecule, comment: str = "") -> str:
    lines = [str(molecule.n_atoms), "Properties=species:S:1:pos:R:3 " + comment]
    for symbol, position in zip(molecule.topology.elements, molecule.positions * 10, strict=True):
        lines.append(symbol + " ".join(f"{x:16.8f}" for x in position))
    return "\n".join(lines) + "\n"


def pdb_text(molecule: Molecule, **names: str) -> str:
    """PDB records of a small molecule as one residue; keys are residue name and number."""
    name, number = names.get("residue", "LIG"), names.get("number", "1")
    lines = []
    for atom, (label, symbol, (x, y, z)) in enumerate(
        zip(
            molecule.topology.atom_names,
            molecule.topology.elements,
            molecule.positions * 10,
            strict=True,
        )
    ):
        lines.append(
            f"HETATM{atom + 1:5d} {label:<4s} {name:<4s}A{number:>4s}    "
            f"{x:8.3f}{y:8.3f}{z:8.3f}  1.00  0.00          {symbol:>2s}"
        )
    return "\n".join([*lines, "END", ""])


def biopolymer(sequence: str, flavour: int = 0, charges: dict | None = None) -> Chem.Mol:
    """An embedded peptide or strand from RDKit, with standard names; hydrogens by residue."""
    mol = Chem.MolFromSequence(sequence, flavor=flavour)
    for atom in mol.GetAtoms():
        info = atom.GetPDBResidueInfo()
        key = info.GetResidueName().strip(), info.GetName().strip()
        atom.SetFormalCharge((charges or {}).get(key, 0))
    Chem.SanitizeMol(mol)
    mol = Chem.AddHs(mol, addResidueInfo=True)
    numbers = [atom.GetPDBResidueInfo().GetResidueNumber() for atom in mol.GetAtoms()]
    mol = Chem.RenumberAtoms(mol, sorted(range(len(numbers)), key=numbers.__getitem__))
    assert rdDistGeom.EmbedMolecule(mol, randomSeed=1, useRandomCoords=True) == 0
    return mol


# SMILES -------------------------------------------------------------------------------------


def test_smiles_order_of_atoms_and_maps():
    assert from_smiles("OC").topology.elements == ("O", "C", "H", "H", "H", "H")
    mapped = from_smiles("[H:3][O:1][H:2]").topology
    assert mapped.elements == ("O", "H", "H")
    partly = from_smiles("[CH3:2][OH:1]").topology
    assert partly.elements[:2] == ("C", "O")


def test_smi_file(tmp_path):
    path = tmp_path / "some.smi"
    path.write_text("# two molecules\nCCO ethanol\n\nc1ccccc1\tbenzene ring\n")
    molecules = read(path)
    assert [m.name for m in molecules] == ["ethanol", "benzene ring"]
    assert [m.smiles for m in molecules] == ["CCO", "c1ccccc1"]


# SDF ----------------------------------------------------------------------------------------


def sdf_text(smiles: list[str], *, v3000: bool = False) -> str:
    text = ""
    for index, one in enumerate(smiles):
        mol = from_smiles(one, conformers=1, name=f"mol {index}").to_rdkit()
        block = Chem.MolToV3KMolBlock(mol) if v3000 else Chem.MolToMolBlock(mol)
        text += f"{block}> <energy>\n-1.5\n\n> <note>\nsome text\n\n$$$$\n"
    return text


@pytest.mark.parametrize("v3000", [False, True])
def test_sdf_records_round_trip(tmp_path, v3000):
    smiles = ["CC(=O)Nc1ccc(O)cc1", "C[C@H](N)C(=O)[O-]", "F/C=C/Cl", "O"]
    path = tmp_path / "some.sdf"
    path.write_text(sdf_text(smiles, v3000=v3000))
    molecules = read(path)
    assert [m.smiles for m in molecules] == [Chem.CanonSmiles(s) for s in smiles]
    for index, (molecule, text) in enumerate(zip(molecules, smiles, strict=True)):
        original = from_smiles(text, conformers=1)
        assert molecule.topology == original.topology
        assert molecule.name == f"mol {index}"
        assert molecule.properties == {"energy": -1.5, "note": "some text"}
        np.testing.assert_allclose(molecule.conformers, original.conformers, atol=1e-5)


def test_sdf_in_two_dimensions_has_no_conformers(tmp_path):
    mol = Chem.AddHs(Chem.MolFromSmiles("C[C@H](N)O"))
    path = tmp_path / "flat.mol"
    path.write_text(Chem.MolToMolBlock(mol))
    (molecule,) = read_sdf(path)
    assert molecule.n_conformers == 0


# PDB ----------------------------------------------------------------------------------------


def test_alanine_dipeptide_in_water():
    (molecule,) = read(DATA / "alanine_dipeptide_in_water.pdb")
    topology = molecule.topology
    assert molecule.smiles == "CNC(=O)[C@H](C)NC(C)=O.O.O.O"
    assert topology.residue_names.tolist() == ["ACE", "ALA", "NME", "HOH", "HOH", "HOH"]
    assert topology.residue_ids.tolist() == ["1", "2", "3", "1", "1", "1"]
    assert topology.chain_ids.tolist() == ["A", "A", "A", "B", "C", "D"]
    assert topology.atom_names[:4].tolist() == ["H1", "CH3", "H2", "H3"]
    assert molecule.box is not None
    np.testing.assert_allclose(molecule.box, np.diag([3.2853, 3.2862, 3.1855]))
    np.testing.assert_allclose(molecule.positions[0], [1.5908, 1.1969, 1.6089])


def test_chignolin_equals_rdkit_and_openmm():
    from openmm import app

    path = DATA / "chignolin.pdb"
    molecule = read_pdb(path)
    assert molecule.total_charge == -2
    theirs = app.PDBFile(str(path)).topology
    bonds = {tuple(sorted((a.index, b.index))) for a, b in theirs.bonds()}
    assert {tuple(bond) for bond in molecule.topology.bonds.tolist()} == bonds
    assert molecule.topology.elements == tuple(a.element.symbol for a in theirs.atoms())
    # Aromaticity and stereo of the templates are what RDKit perceives in the whole.
    mol = molecule.to_rdkit()
    assert Molecule.from_rdkit(mol).topology == molecule.topology
    Chem.AssignStereochemistryFrom3D(mol)
    assert Chem.MolToSmiles(Chem.RemoveHs(mol)) == molecule.smiles


@pytest.mark.parametrize(
    ("sequence", "flavour", "charges"),
    [
        ("GAVLMF", 0, {}),
        ("WPSTCY", 0, {}),
        ("NQDEKR", 0, {}),
        ("HKRDE", 0, {("LYS", "NZ"): 1, ("ARG", "NH2"): 1, ("ASP", "OD2"): -1}),
        ("AGH", 0, {("HIS", "ND1"): 1, ("ALA", "N"): 1, ("HIS", "OXT"): -1}),
        ("AT", 1, {}),
        ("ACGT", 6, {}),
        ("ACGU", 2, {}),
    ],
)
def test_residues_equal_rdkits_in_any_protonation(tmp_path, sequence, flavour, charges):
    mol = biopolymer(sequence, flavour, charges)
    path = tmp_path / "chain.pdb"
    path.write_text(Chem.MolToPDBBlock(mol))
    molecule = read_pdb(path)
    assert molecule.smiles == Chem.MolToSmiles(Chem.RemoveHs(mol))
    mol.RemoveAllConformers()
    theirs = Molecule.from_rdkit(mol).topology
    np.testing.assert_array_equal(molecule.topology.bonds, theirs.bonds)
    np.testing.assert_array_equal(molecule.topology.bond_orders, theirs.bond_orders)
    np.testing.assert_array_equal(molecule.topology.aromatic_atoms, theirs.aromatic_atoms)


def test_templates_have_the_bonds_of_openmm():
    """Heavy-atom bonds of every residue that both know."""
    from openmm import app

    path = Path(app.__file__).parent / "data" / "residues.xml"
    compared = 0
    for residue in ET.parse(path).getroot():
        template = find_template(residue.get("name", ""))
        if template is None or template.is_water:
            continue
        bonds = [(bond.get("from", ""), bond.get("to", "")) for bond in residue.iter("Bond")]
        named = [[template.heavy_name(atom) for atom in bond] for bond in bonds]
        theirs = {frozenset(bond) for bond in named if None not in bond}
        # DNA shares the skeleton of RNA, and a 5' phosphate is no part of OpenMM's residues.
        ours = {frozenset(bond) for bond in template.bonds if not {"OP3", "O2'"} & set(bond)}
        theirs = {bond for bond in theirs if not {"OP3", "O2'"} & bond}
        assert ours == theirs, residue.get("name")
        compared += 1
    assert compared >= 28


def test_other_names_of_residues_and_atoms():
    for name in ("HIS", "HID", "HIE", "HIP", "HSD", "HSE", "HSP", "NHIS", "CHIE"):
        histidine = find_template(name)
        assert histidine is not None
        assert histidine.name == "HIS"
    isoleucine = find_template("ILE")
    assert isoleucine is not None
    assert isoleucine.heavy_name("CD") == "CD1"
    assert isoleucine.heavy_name("OT2") == "OXT"
    assert isoleucine.heavy_name("HB") is None
    sodium = find_ion("Na+")
    assert sodium is not None
    assert (sodium.atomic_number, sodium.charge) == (11, 1)
    assert find_template("XYZ") is None


def disulfide(tmp_path, *, periodic: bool) -> Molecule:
    """Two cysteines of a peptide joined; in a box that cuts through them, if wanted."""
    mol = Chem.RWMol(Chem.MolFromSequence("CGGC"))
    sulphurs = [a.GetIdx() for a in mol.GetAtoms() if a.GetSymbol() == "S"]
    mol.AddBond(sulphurs[0], sulphurs[1], Chem.BondType.SINGLE)
    Chem.SanitizeMol(mol)
    mol = Chem.AddHs(mol, addResidueInfo=True)
    numbers = [atom.GetPDBResidueInfo().GetResidueNumber() for atom in mol.GetAtoms()]
    mol = Chem.RenumberAtoms(mol, sorted(range(len(numbers)), key=numbers.__getitem__))
    assert rdDistGeom.EmbedMolecule(mol, randomSeed=3) == 0
    text = ""
    if periodic:
        edge = 30.0
        text = f"CRYST1{edge:9.3f}{edge:9.3f}{edge:9.3f}  90.00  90.00  90.00 P 1           1\n"
        conformer = mol.GetConformer()
        conformer.SetPositions(np.mod(conformer.GetPositions(), edge))
    path = tmp_path / "disulfide.pdb"
    path.write_text(text + Chem.MolToPDBBlock(mol))
    molecule = read_pdb(path)
    assert molecule.smiles == Chem.MolToSmiles(Chem.RemoveHs(mol))
    return molecule


@pytest.mark.parametrize("periodic", [False, True])
def test_disulfides_are_found_also_across_the_box(tmp_path, periodic):
    molecule = disulfide(tmp_path, periodic=periodic)
    names = molecule.topology.atom_names[molecule.topology.bonds].tolist()
    assert ["SG", "SG"] in names


def test_hydrogens_may_be_called_anything(tmp_path):
    text = (DATA / "chignolin.pdb").read_text()
    renamed = text.replace(" HB2 ", " HB1 ").replace(" HB3 ", " HB2 ").replace(" H   ", " HN  ")
    path = tmp_path / "renamed.pdb"
    path.write_text(renamed)
    ours, original = read_pdb(path).topology, read_pdb(DATA / "chignolin.pdb").topology
    np.testing.assert_array_equal(ours.bonds, original.bonds)
    assert "HN" in ours.atom_names


def test_models_become_conformers(tmp_path):
    atoms = [
        line
        for line in (DATA / "alanine_dipeptide_in_water.pdb").read_text().splitlines()
        if line.startswith("ATOM")
    ]
    moved = [f"{line[:30]}{float(line[30:38]) + 1:8.3f}{line[38:]}" for line in atoms]
    path = tmp_path / "models.pdb"
    lines = ["MODEL        1", *atoms, "ENDMDL", "MODEL        2", *moved, "ENDMDL", "END"]
    path.write_text("\n".join(lines))
    molecule = read_pdb(path)
    assert molecule.n_conformers == 2
    shift = molecule.conformers[1] - molecule.conformers[0]
    np.testing.assert_allclose(shift, np.broadcast_to([0.1, 0, 0], shift.shape), atol=1e-9)
    path.write_text("\n".join([*lines[:-3], "ENDMDL", "END"]))
    with pytest.raises(InputError, match="model 2 has other atoms"):
        read_pdb(path)


@pytest.mark.parametrize("how", ["smiles", "molecule"])
def test_ligand_protein_water_and_ions(tmp_path, how):
    ligand = from_smiles("C[C@H](O)c1ccc(C(=O)[O-])cc1", conformers=1)
    order = np.random.default_rng(0).permutation(ligand.n_atoms)
    shuffled = Molecule.create(
        ligand.topology.subset(order), ligand.conformers[:, order] + [5.0, 0, 0]
    )
    protein = (DATA / "chignolin.pdb").read_text().replace("END\n", "").replace("ENDMDL\n", "")
    ion = "HETATM    1 Na+  Na+ A 100      30.000  30.000  30.000  1.00  0.00          Na\n"
    path = tmp_path / "complex.pdb"
    path.write_text(protein + ion + pdb_text(shuffled))
    known = ligand.smiles if how == "smiles" else ligand
    molecule = read_pdb(path, ligands={"LIG": known})
    part = molecule.topology.subset(range(167, molecule.n_atoms))
    assert Molecule.create(part).smiles == ligand.smiles
    assert molecule.total_charge == -2 + 1 - 1
    assert molecule.topology.n_components == 3
    (same,) = read(path, ligands={"LIG": known}, total_charge=-2)
    assert same.topology == molecule.topology


def test_ligand_of_the_other_hand_is_refused(tmp_path):
    ligand = from_smiles("C[C@H](O)F", conformers=1)
    path = tmp_path / "ligand.pdb"
    path.write_text(pdb_text(ligand))
    with pytest.raises(InputError, match="another stereoisomer"):
        read_pdb(path, ligands={"LIG": "C[C@@H](O)F"})
    assert read_pdb(path, ligands={"LIG": "CC(O)F"}).smiles == ligand.smiles


def test_four_site_water_has_a_virtual_site(tmp_path):
    water = from_smiles("O", conformers=1)
    text = pdb_text(water, residue="TIP4").replace("END\n", "").replace("O1", "OW")
    text += "HETATM    4 M    TIP4A   1       0.010   0.010   0.010  1.00  0.00\nEND\n"
    path = tmp_path / "water.pdb"
    path.write_text(text)
    topology = read_pdb(path).topology
    assert topology.atomic_numbers.tolist() == [8, 1, 1, 0]
    assert topology.n_bonds == 2


def test_triclinic_box_is_reduced(tmp_path):
    text = (DATA / "alanine_dipeptide_in_water.pdb").read_text()
    cryst1 = "CRYST1   60.000   60.000   60.000 109.47 109.47 109.47 P 1           1"
    lines = [cryst1 if line.startswith("CRYST1") else line for line in text.splitlines()]
    path = tmp_path / "octahedron.pdb"
    path.write_text("\n".join(lines))
    box = read_pdb(path).box
    assert box is not None
    assert abs(box[1, 0]) <= box[0, 0] / 2 + 1e-6
    assert abs(box[2, 1]) <= box[1, 1] / 2 + 1e-6
    assert np.linalg.det(box) == pytest.approx(6.0**3 * 0.7698, rel=1e-3)


def test_waters_with_one_number_are_apart(tmp_path):
    line = "HETATM    1 {:<4s} HOH A9999    {:8.3f}{:8.3f}{:8.3f}  1.00  0.00\n"
    text = ""
    for shift in range(3):
        text += line.format("O", 5.0 * shift, 0, 0)
        text += line.format("H1", 5.0 * shift + 0.96, 0, 0)
        text += line.format("H2", 5.0 * shift - 0.24, 0.93, 0)
    path = tmp_path / "waters.pdb"
    path.write_text(text)
    assert read_pdb(path).topology.n_residues == 3


def test_alternative_locations_keep_the_first(tmp_path):
    text = (DATA / "alanine_dipeptide_in_water.pdb").read_text()
    lines = []
    for line in text.splitlines():
        if line.startswith("ATOM") and line[12:16].strip() == "CB":
            lines.append(line[:16] + "A" + line[17:])
            lines.append(line[:16] + "B" + line[17:])
        else:
            lines.append(line)
    path = tmp_path / "altloc.pdb"
    path.write_text("\n".join(lines))
    assert read_pdb(path).n_atoms == 31


def test_cyclic_peptide_closes(tmp_path):
    mol = Chem.MolFromHELM("PEPTIDE1{G.A.G.A}$PEPTIDE1,PEPTIDE1,1:R1-4:R2$$$")
    mol = Chem.AddHs(mol, addResidueInfo=True)
    numbers = [atom.GetPDBResidueInfo().GetResidueNumber() for atom in mol.GetAtoms()]
    mol = Chem.RenumberAtoms(mol, sorted(range(len(numbers)), key=numbers.__getitem__))
    assert rdDistGeom.EmbedMolecule(mol, randomSeed=1) == 0
    path = tmp_path / "cycle.pdb"
    path.write_text(Chem.MolToPDBBlock(mol))
    assert read_pdb(path).smiles == Chem.MolToSmiles(Chem.RemoveHs(mol))


def test_solvated_systems(shared_data):
    ubiquitin = read_pdb(shared_data / "systems" / "ubiquitin_solvated.pdb", total_charge=0)
    assert ubiquitin.n_atoms == 23_000
    assert (ubiquitin.topology.residue_names == "Na+").sum() == 2
    dhfr = read_pdb(shared_data / "systems" / "dhfr.pdb").topology
    protein = Molecule.create(dhfr)
    assert Molecule.from_rdkit(protein.to_rdkit()).topology == dhfr


# Extended XYZ -------------------------------------------------------------------------------


@pytest.mark.parametrize("smiles", PERCEPTION)
def test_perception_finds_the_molecule(tmp_path, smiles):
    original = from_smiles(smiles, conformers=1)
    path = tmp_path / "some.xyz"
    path.write_text(xyz_text(original))
    (molecule,) = read(path, total_charge=original.total_charge)
    assert molecule.smiles == original.smiles
    np.testing.assert_array_equal(molecule.topology.bonds, original.topology.bonds)


def test_perception_of_a_whole_peptide(tmp_path):
    """Residue templates and bond perception are two ways to the same molecule."""
    peptide = read_pdb(DATA / "chignolin.pdb")
    path = tmp_path / "peptide.xyz"
    path.write_text(xyz_text(peptide))
    (molecule,) = read(path, total_charge=-2)
    assert molecule.smiles == peptide.smiles
    np.testing.assert_array_equal(molecule.topology.bonds, peptide.topology.bonds)


def test_perception_finds_stereo(tmp_path):
    original = from_smiles("C[C@H](N)C(=O)N/C=C/F", conformers=1)
    path = tmp_path / "some.xyz"
    path.write_text(xyz_text(original))
    assert read_xyz(path)[0].topology == original.topology


def test_3bpa_frames_are_conformers_of_one_molecule():
    (group,) = read_xyz_groups(DATA / "3bpa_two_frames.xyz")
    assert group.molecule.smiles == "Nc1ncccc1OCc1ccccc1"
    assert group.molecule.n_conformers == 2
    assert group.molecule.box is None
    assert group.frame_idx.tolist() == [0, 1]
    np.testing.assert_allclose(
        group.molecule.positions[0], [0.032656990, -0.101286015, 0.072107275]
    )


def test_frames_of_several_molecules_are_told_apart(tmp_path):
    one, other = from_smiles("CCO", conformers=2), from_smiles("COC", conformers=1)
    first = Molecule.create(one.topology, one.conformers[0])
    second = Molecule.create(one.topology, one.conformers[1])
    # Both have their hydrogens last; the ether's oxygen is moved to the same place.
    moved = other.topology.subset([0, 2, 1, *range(3, 9)])
    ether = Molecule.create(moved, other.positions[[0, 2, 1, *range(3, 9)]])
    path = tmp_path / "mixed.xyz"
    path.write_text(xyz_text(first) + xyz_text(ether) + xyz_text(second))
    groups = read_xyz_groups(path)
    assert [group.molecule.smiles for group in groups] == ["CCO", "COC"]
    assert [group.frame_idx.tolist() for group in groups] == [[0, 2], [1]]
    with pytest.raises(InputError, match=r"frame 1 of .* is not the molecule of frame 0: the bond"):
        read_xyz(path, one_molecule=True)


def test_smiles_of_the_comment_line_is_used(tmp_path):
    original = from_smiles("CS(=O)(=O)[N-]C", conformers=1)
    path = tmp_path / "some.xyz"
    path.write_text(xyz_text(original, 'smiles="C[N-]S(C)(=O)=O" charge=-1.0'))
    (molecule,) = read_xyz(path)
    assert molecule.smiles == original.smiles
    (mapped,) = read_xyz(path, smiles=original.mapped_smiles)
    assert mapped.topology == original.topology


def test_a_distorted_frame_is_understood_with_its_smiles(tmp_path):
    original = from_smiles("CO", conformers=1)
    positions = original.positions.copy()
    hydroxyl = original.topology.neighbours.of(1)[-1]
    positions[hydroxyl] += 0.6 * (positions[hydroxyl] - positions[1])
    path = tmp_path / "stretched.xyz"
    path.write_text(xyz_text(Molecule.create(original.topology, positions), "smiles=CO"))
    assert read_xyz(path)[0].smiles == "CO"


def test_periodic_water_is_whole(tmp_path):
    water = from_smiles("O", conformers=1)
    moved = [
        Molecule.create(water.topology, water.conformers + np.array([s, 0.3, 0.3]))
        for s in (0, 0.45)
    ]
    pair = combine(moved)
    wrapped = Molecule.create(pair.topology, np.mod(pair.conformers, 0.9))
    path = tmp_path / "water.xyz"
    path.write_text(xyz_text(wrapped, 'Lattice="9 0 0 0 9 0 0 0 9" pbc="T T T"'))
    (molecule,) = read_xyz(path)
    assert molecule.smiles == "O.O"
    assert molecule.box is not None
    np.testing.assert_allclose(molecule.box, np.eye(3) * 0.9)


def test_ions_and_molecules_in_one_frame(tmp_path):
    salt = from_smiles("CC(=O)[O-].[Na+].O")
    parts = [from_smiles(s, conformers=1) for s in ("CC(=O)[O-]", "[Na+]", "O")]
    moved = [
        Molecule.create(part.topology, part.conformers + np.array([0.5 * index, 0, 0]))
        for index, part in enumerate(parts)
    ]
    path = tmp_path / "salt.xyz"
    path.write_text(xyz_text(combine(moved)))
    assert read_xyz(path)[0].smiles == salt.smiles


def test_metals_get_no_bonds():
    bonds = perceived_bonds(
        np.array([11, 8, 1, 1]),
        np.array([[0.23, 0, 0], [0, 0, 0], [-0.06, 0.075, 0], [-0.06, -0.075, 0]]),
    )
    assert bonds.tolist() == [[1, 2], [1, 3]]


@pytest.mark.parametrize(
    ("file", "n_molecules", "n_frames"),
    [
        ("3bpa/train_300K.xyz", 1, 500),
        ("3bpa/train_mixedT.xyz", 1, 500),
        ("gdb7/valid.extxyz", 800, 800),
        ("spice_dipeptides/spice-dipep-dipolar_train.xyz", 11, 495),
        ("torsion_scans/gen2_pfizer.extxyz", 35, 733),
        ("torsion_scans/gen2_roche.extxyz", 56, 1180),
        ("torsion_scans/gen2_supplemental.extxyz", 6, 134),
    ],
)
@pytest.mark.slow
def test_published_sets_are_understood(shared_data, file, n_molecules, n_frames):
    groups = read_xyz_groups(shared_data / file)
    assert len(groups) == n_molecules
    assert sum(len(group.frame_idx) for group in groups) == n_frames


# Any format ---------------------------------------------------------------------------------


def test_read_goes_by_suffix_or_by_format(tmp_path):
    path = tmp_path / "molecule.txt"
    path.write_text("CCO\n")
    assert read(path, format="smi")[0].smiles == "CCO"
    assert isinstance(read(path, format="smi")[0].topology, Topology)
