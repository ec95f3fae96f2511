"""Bad input on the command line: one clear line that says what to do, and exit code 2."""

from pathlib import Path

import numpy as np
import pytest

from isthmus.cli import main
from isthmus.deploy.openmm.evaluating import EngineEnergies

SMALL_BOX = """\
CRYST1   10.000   10.000   10.000  90.00  90.00  90.00 P 1           1
HETATM    1  O   HOH A   1       0.000   0.000   0.000  1.00  0.00           O
HETATM    2  H1  HOH A   1       0.957   0.000   0.000  1.00  0.00           H
HETATM    3  H2  HOH A   1      -0.240   0.927   0.000  1.00  0.00           H
END
"""
NO_HYDROGENS = """\
methanol


  2  1  0  0  0  0  0  0  0  0999 V2000
    0.0000    0.0000    0.0000 C   0  0
    1.4000    0.0000    0.0000 O   0  0
  1  2  1  0
M  END
"""
FILES = {
    "truncated.sdf": "\n".join(NO_HYDROGENS.splitlines()[:5]),
    "bare.mol": NO_HYDROGENS,
    "nan.xyz": "3\n\nO 0 0 0\nH 0.96 0 0\nH nan 0.9 0\n",
    "overlap.xyz": "3\n\nO 0 0 0\nH 0.96 0 0\nH 0.96 0.01 0\n",
    "element.xyz": "3\n\nO 0 0 0\nH 0.96 0 0\nQq -0.3 0.9 0\n",
    "small.pdb": SMALL_BOX,
    "residue.pdb": SMALL_BOX.replace("HOH", "XQZ"),
    "misspelt.toml": 'name = "a"\n[[term]]\nname = "b"\nover = "bond"\nenergi = "r"\n',
    "unit.toml": 'name = "a"\n[[term]]\nname = "b"\nover = "bond"\nenergy = "k*r"\n'
    'parameters.k = { unit = "kJ/mol" }\n',
    "plain.txt": "no structure",
    "names.smi": "CCO ethanol\n",
    "flat.mol": NO_HYDROGENS.replace("methanol\n\n", "water\n" + " " * 20 + "2D\n")
    .replace("  2  1", "  3  2", 1)
    .replace("1.4000    0.0000    0.0000 O   0  0", "1.4000    0.0000    0.0000 H   0  0")
    .replace(" C   0  0\n", " O   0  0\n   -1.4000    0.0000    0.0000 H   0  0\n")
    .replace("  1  2  1  0\n", "  1  2  1  0\n  1  3  1  0\n"),
}
CASES = {
    "unparsable SMILES": (
        "energy C1CC( --smiles --ff mmff94",
        "cannot read SMILES: this '(' is never closed, at position 5",
    ),
    "missing hydrogens": (
        "energy bare.mol --ff mmff94",
        "bare.mol, record 1 ('methanol'): hydrogens are missing: atom 0 (C) lacks 3",
    ),
    "wrong total charge": (
        "energy CC(=O)[O-] --smiles --charge 0 --ff mmff94",
        "wrong total charge: the atoms and bonds give -1, 0 was stated; correct the stated charge",
    ),
    "unknown residue": (
        "energy residue.pdb --ff amber14",
        "residue.pdb: unknown residue XQZ 1 in chain A: it is no standard residue",
    ),
    "two dimensions": (
        "energy flat.mol --ff mmff94",
        "record 1 (water) is two-dimensional: generate 3D coordinates, e.g. by giving its SMILES",
    ),
    "huge SMILES": (f"energy {'C' * 400} --smiles --ff mmff94", "1202 atoms are too many"),
    "needless --smiles": (
        "energy names.smi --smiles --ff mmff94",
        "'names.smi' is a file: leave out --smiles",
    ),
    "NaN coordinates": (
        "energy nan.xyz --ff mmff94",
        "has coordinates (nan, 0.09, 0) nm, which are not finite numbers",
    ),
    "overlapping atoms": (
        "energy overlap.xyz --ff mmff94",
        "overlap: they are 0.0010 nm apart and at least 0.02 nm was wanted",
    ),
    "small box, amber": (
        "energy small.pdb --ff amber14",
        "The box is smaller than twice the cutoff: it is 1 x 1 x 1 nm wide",
    ),
    "small box, design": (
        "energy small.pdb --ff class1",
        "The box is smaller than twice the cutoff: it is 1 x 1 x 1 nm wide",
    ),
    "unknown element": (
        "energy element.xyz --ff mmff94",
        "element.xyz: unknown element 'Qq'; element symbols from H to Og are understood",
    ),
    "truncated SDF": (
        "energy truncated.sdf --ff mmff94",
        "truncated.sdf, record 1 ('methanol'), line 5: truncated: the counts line announces",
    ),
    "misspelt key": (
        "design check misspelt.toml",
        "misspelt.toml, term 1: unknown key 'energi' (did you mean 'energy'?); known are name,",
    ),
    "misspelt key, when used": (
        "energy C --smiles --ff misspelt.toml",
        "unknown key 'energi' (did you mean 'energy'?)",
    ),
    "wrong unit in a formula": ("design check unit.toml", "term 'b'"),
    "unknown design": ("design show clas2", "unknown design 'clas2' (did you mean 'class2'?)"),
    "missing file": ("energy none.sdf --ff mmff94", "there is no file 'none.sdf'"),
    "folder": ("energy . --ff mmff94", "'.' is a folder; give one file"),
    "forgotten --smiles": ("energy CCO --ff mmff94", "or add --smiles to a SMILES"),
    "missing design": ("design check none.toml", "there is no file 'none.toml'"),
    "missing System": (
        "import none.xml nan.xyz -o a.safetensors",
        "there is no file 'none.xml'",
    ),
    "unknown format": ("energy plain.txt --ff mmff94", "unknown format 'txt'; known are pdb,"),
    "unknown force field": (
        "energy C --smiles --ff mmff95",
        "unknown force field 'mmff95' (did you mean 'mmff94'?): give mmff94, mmff94s, amber14",
    ),
    "design mmff": (
        "energy C --smiles --ff mmff",
        "the design 'mmff' takes its numbers from RDKit: ask for 'mmff94' or 'mmff94s'",
    ),
    "unknown OpenMM file": (
        "energy C --smiles --ff amber99.xml",
        "OpenMM cannot read the force field 'amber99.xml': Could not locate file",
    ),
    "residue without template": (
        "energy CCCO --smiles --ff amber14",
        "'amber14' has no template for residue MOL 1",
    ),
    "unknown unit": (
        "energy C --smiles --ff mmff94 --unit kcal",
        "unknown energy unit 'kcal': choose one of kJ/mol, kcal/mol",
    ),
    "unknown precision": (
        "energy C --smiles --ff mmff94 --precision float16",
        "unknown precision 'float16': choose 'float32' or 'float64'",
    ),
    "unknown engine": (
        "energy C --smiles --ff mmff94 --engine gromacs",
        "'gromacs' is not one of 'isthmus', 'openmm', 'both'. (see 'isthmus energy --help')",
    ),
    "no force field": ("energy small.pdb", "Missing option '--ff'. (see 'isthmus energy --help')"),
    "bad ligand": (
        "energy small.pdb --ff amber14 --ligand LIG",
        "--ligand LIG: wanted is NAME=SMILES, e.g. LIG=CCO",
    ),
    "no System": ("import small.pdb small.pdb -o a.safetensors", "small.pdb: "),
    "wrong suffix": (
        "import a.xml small.pdb -o a.npz",
        "'a.npz': this command writes .safetensors; give the output that suffix",
    ),
    "existing output": (
        "export C --smiles --ff mmff94 -o exists.xml",
        "'exists.xml' exists: choose another name, or add --overwrite",
    ),
    "no folder": (
        "export C --smiles --ff mmff94 -o no/such/a.xml",
        "there is no folder 'no/such': make it, or choose another",
    ),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in (FILES | {"exists.xml": ""}).items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("isthmus.cli.compilation_cache.keep_compiled", lambda: None)
    return tmp_path


@pytest.mark.parametrize(("line", "message"), CASES.values(), ids=CASES.keys())
@pytest.mark.usefixtures("folder")
def test_bad_input(line: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main.run(line.split())
    shown = capsys.readouterr()
    assert ended.value.code == 2
    assert shown.err.startswith("isthmus: error: ")
    assert message in shown.err
    assert shown.out == ""


def test_nothing_is_left_behind(folder: Path) -> None:
    before = set(folder.iterdir())
    with pytest.raises(SystemExit):
        main.run(["import", "small.pdb", "small.pdb", "-o", "a.safetensors"])
    assert set(folder.iterdir()) == before


def test_a_folder_without_permission_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "locked").mkdir()
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(SystemExit):
        main.run(["export", "C", "--smiles", "--ff", "mmff94", "-o", "locked/a.xml"])
    assert "the folder 'locked' cannot be written to" in capsys.readouterr().err


def test_a_wrong_export_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    energies = EngineEnergies({"all": 1e3}, np.zeros((5, 3)))
    monkeypatch.setattr(
        "isthmus.deploy.openmm.evaluating.evaluate_openmm", lambda *_, **__: energies
    )
    before = set(folder.iterdir())
    with pytest.raises(SystemExit) as ended:
        main.run(["export", "C", "--smiles", "--ff", "mmff94", "-o", "a.xml"])
    assert ended.value.code == 2
    assert "kJ/mol by OpenMM, which differ by more than 1e-06" in capsys.readouterr().err
    assert set(folder.iterdir()) == before
