"""What the commands show when all is well."""

import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import isthmus
from isthmus.cli import main
from isthmus.cli.console import Counter
from isthmus.cli.energy_tables import energy_table
from isthmus.cli.formulas import readable_formula
from isthmus.cli.import_system import _acts_on
from isthmus.deploy.comparison import evaluate
from isthmus.terms.bound import BoundTerm
from isthmus.terms.formula import FormulaTerm

energy_command = importlib.import_module("isthmus.cli.energy")

XYZ = "3\n\nO 0 0 0\nH 0.96 0 0\nH -0.24 0.93 0\n"
WATER_TOML = """
name = "spring"
[[coordinate]]
name = "d"
over = "bond"
formula = "r-r0"
unit = "nm"
parameters.r0 = { unit = "nm", default = 0.1, min = 0.05, max = 0.2, meaning = "length" }
[[term]]
name = "bond"
over = "bond"
energy = "k/2*d^2"
parameters.k = { unit = "kJ/mol/nm^2", default = 4e5, min = 0 }
[[term]]
name = "angle"
over = "angle"
energy = "k*(theta-theta0)^2"
parameters.k = { unit = "kJ/mol/rad^2", default = 200 }
parameters.theta0 = { unit = "rad", default = 1.9 }
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "water.xyz").write_text(XYZ)
    (tmp_path / "two.xyz").write_text(XYZ + XYZ.replace("0.96", "1.00"))
    (tmp_path / "spring.toml").write_text(WATER_TOML)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("isthmus.cli.compilation_cache.keep_compiled", lambda: None)
    return tmp_path


@pytest.fixture
def shown(folder: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs a command line and gives what it wrote on stdout."""

    def run(line: str) -> str:
        with pytest.raises(SystemExit) as ended:
            main.run(line.split())
        output = capsys.readouterr()
        assert ended.value.code == 0, output.err
        return output.out

    return run


class TestEnergy:
    def test_each_term_and_the_unit(self, shown: Any) -> None:
        text = shown("energy water.xyz --ff spring.toml --unit kJ/mol")
        assert "H2O, 3 atoms; spring.toml, float64; energies in kJ/mol" in text
        rows = {line.split()[0]: line.split()[1:] for line in text.splitlines()[3:] if line}
        # k/2 d²: r0 = 0.1 nm, bonds of 0.096 and 0.0960469 nm
        bond = 2e5 * (0.004**2 + (0.1 - np.hypot(0.024, 0.093)) ** 2)
        assert float(rows["bond"][0]) == pytest.approx(bond, abs=1e-6)
        total = float(rows["bond"][0]) + float(rows["angle"][0])
        assert float(rows["total"][0]) == pytest.approx(total, abs=2e-6)

    def test_priors_are_called_untrained(self, shown: Any) -> None:
        text = " ".join(shown("energy water.xyz --ff spring.toml").split())
        assert "note: 'spring' is a functional form without trained parameters" in text

    def test_conformers_stand_side_by_side(self, shown: Any) -> None:
        text = shown("energy two.xyz --ff spring.toml")
        assert "conformer 1" in text
        assert "conformer 2" in text

    def test_many_conformers_take_several_tables(self) -> None:
        molecule = isthmus.from_smiles("O", conformers=1)
        many = isthmus.Molecule.create(molecule.topology, np.repeat(molecule.conformers, 7, axis=0))
        force_field = isthmus.ForceField.free(isthmus.parse_design(WATER_TOML), molecule.topology)
        potential = force_field.bind(molecule.topology, precision="float64")
        evaluations = evaluate(potential, many.conformers, engine="isthmus")
        table = energy_table(many, evaluations, unit="eV", title="")
        assert len(getattr(table, "renderables")) == 4  # noqa: B009 - rich has no types here

    def test_json(self, shown: Any) -> None:
        content = json.loads(shown("energy two.xyz --ff spring.toml --json --unit eV"))
        assert content["unit"] == "eV"
        (record,) = content["records"]
        assert record["formula"] == "H2O"
        assert "without trained parameters" in record["note"]
        first = record["conformers"][0]
        parts = [group["isthmus"] for group in first["groups"]]
        assert first["total"]["isthmus"] == pytest.approx(sum(parts))
        assert first["total"]["openmm"] is None

    def test_both_engines(self, shown: Any) -> None:
        content = json.loads(shown("energy water.xyz --ff spring.toml --engine both --json"))
        first = content["records"][0]["conformers"][0]
        for group in first["groups"]:
            assert group["isthmus"] == pytest.approx(group["openmm"], rel=1e-9)
        assert first["forces"]["unit"] == "kcal/mol/Å"
        assert first["forces"]["relative_difference"] < 1e-9

    def test_openmm_alone(self, shown: Any) -> None:
        text = shown("energy water.xyz --ff spring.toml --engine openmm")
        assert "OpenMM" in text
        assert "Isthmus" not in text

    def test_units_in_any_case(self, shown: Any) -> None:
        assert "energies in kcal/mol" in shown("energy O --smiles --ff spring.toml --unit KCAL/MOL")

    def test_limit(self, folder: Path, shown: Any) -> None:
        (folder / "some.smi").write_text("O\nOO\nCO\n")
        content = json.loads(shown("energy some.smi --ff spring.toml --json --limit 2"))
        assert [record["formula"] for record in content["records"]] == ["H2O", "H2O2"]
        assert content["complete"]

    def test_interrupted_json_is_whole(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def interrupted(*arguments: Any) -> Any:
            if arguments[0].formula == "H2O2":
                raise KeyboardInterrupt
            return evaluated(*arguments)

        evaluated = energy_command._evaluated
        monkeypatch.setattr(energy_command, "_evaluated", interrupted)
        (folder / "some.smi").write_text("O\nOO\n")
        with pytest.raises(SystemExit) as ended:
            main.run(["energy", "some.smi", "--ff", "spring.toml", "--json"])
        assert ended.value.code == 130
        content = json.loads(capsys.readouterr().out)
        assert [record["formula"] for record in content["records"]] == ["H2O"]
        assert not content["complete"]

    def test_smiles(self, shown: Any) -> None:
        assert "H2O, 3 atoms" in shown("energy O --smiles --ff spring.toml")


def test_steps_are_counted_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for forced in ("", "1"):
        monkeypatch.setenv("FORCE_COLOR", forced)
        counter = Counter(3)
        with counter.working("methane"):
            pass
        with counter.working("ethane"):
            pass
        shown = capsys.readouterr()
        assert shown.out == ""
        assert ("ethane" in shown.err and "1/3" in shown.err) == bool(forced)


def test_what_an_imported_term_acts_on() -> None:
    topology = isthmus.from_smiles("C=O").topology  # atoms 2 and 3 are the hydrogens of 0
    cases = {
        ((0, 1), (2, 3)): "1 bonds, 1 pairs",
        ((1, 0, 2),): "1 angles",
        ((0, 1, 2, 3),): "1 groups of 4 atoms",
        ((2,),): "1 atoms",
    }
    kinds = {1: "atom", 2: "bond", 3: "angle", 4: "torsion"}
    for atoms, words in cases.items():
        term = FormulaTerm("t", kinds[len(atoms[0])], "1", ())
        bound = BoundTerm(term, np.array(atoms, dtype=np.int32), {})
        assert _acts_on(bound, topology) == words


class TestDesign:
    def test_list(self, shown: Any) -> None:
        text = shown("design list")
        for name in isthmus.design_names():
            assert name in text

    def test_show_says_everything(self, shown: Any) -> None:
        text = shown("design show spring.toml")
        assert "d = r - r0" in text
        assert "E = k/2·d²" in text
        assert "0.05 to 0.2" in text
        assert "length" in text
        assert "kJ/mol/nm²" in text
        assert text.index("Coordinates") < text.index("Energy terms")

    @pytest.mark.parametrize("name", isthmus.design_names())
    def test_show_names_every_term_and_parameter(self, name: str, shown: Any) -> None:
        text = shown(f"design show {name}")
        for owner in isthmus.preset(name).owners.values():
            assert owner.name in text
            assert all(parameter.name in text for parameter in owner.parameters)

    def test_toml_is_the_text_itself(self, shown: Any) -> None:
        assert shown("design show class1 --toml") == isthmus.preset("class1").text

    def test_check(self, shown: Any) -> None:
        text = shown("design check spring.toml")
        assert "design 'spring' is fine: 2 terms, 1 coordinates, 4 parameters" in text


class TestExportAndImport:
    def test_there_and_back(self, folder: Path, shown: Any) -> None:
        text = shown("export water.xyz --ff spring.toml --readable -o water.xml")
        assert "written: water.xml: 3 particles" in text
        text = shown("import water.xml water.xyz -o water.safetensors")
        assert "largest difference of forces" in text
        assert "written: water.safetensors" in text
        saved = isthmus.load_force_field(folder / "water.safetensors")
        (molecule,) = isthmus.read(folder / "water.xyz")
        again = saved.bind(molecule.topology, precision="float64").energy(molecule.positions)
        first = isthmus.resolve_force_field("spring.toml", molecule).bind(molecule)
        assert float(again) == pytest.approx(float(first.energy(molecule.positions)), rel=1e-9)

    def test_help_of_every_command_has_an_example(self, shown: Any) -> None:
        for command in ("energy", "export", "import", "design list", "design show", "design check"):
            assert "Example: isthmus " in shown(f"{command} --help")


@pytest.mark.parametrize(
    ("formula", "lines"),
    [
        ("k*(r-r0)^2", ["k·(r - r0)²"]),
        ("a^12-b^-6; a=1e-5*r; b = -r", ["a¹² - b⁻⁶", "a = 1e-5·r", "b = -r"]),
        ("k1*cos(phi)\n  +k2*cos(2*phi)", ["k1·cos(phi) + k2·cos(2·phi)"]),
    ],
)
def test_formulas_are_readable(formula: str, lines: list[str]) -> None:
    assert readable_formula(formula) == lines
