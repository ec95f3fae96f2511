"""Design files: what they may say, and errors that help."""

import pytest

from isthmus.designs.schema import design_names, parse_design, preset, read_design
from isthmus.errors import DesignError, FormulaError, IsthmusError
from isthmus.parameters.prior import PRIORS
from isthmus.terms.parameter import PRIOR_NAMES

GOOD = """
name = "mine"
[[term]]
name = "bond"
over = "bond"
energy = "k/2*(r-r0)^2"
parameters.k = { unit = "kJ/mol/nm^2", default = 1e5, min = 0 }
parameters.r0 = { unit = "nm", default = 0.15 }
[[term]]
name = "angle"
over = "angle"
energy = "c*(r12-r12_0)*(r23-r23_0)"
parameters.c = { unit = "kJ/mol/nm^2" }
parameters.r12_0 = { unit = "nm", from = "bond.r0", at = [1, 2] }
parameters.r23_0 = { unit = "nm", from = "bond.r0", at = [2, 3] }
"""


def test_a_good_design_is_read() -> None:
    design = parse_design(GOOD)
    assert [term.name for term in design.terms] == ["bond", "angle"]
    assert [(o.name, p.name) for o, p in design.own_parameters()] == [
        ("bond", "k"),
        ("bond", "r0"),
        ("angle", "c"),
    ]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('energy = "k', 'enrgy = "k', r"unknown key 'enrgy' \(did you mean 'energy'\?\)"),
        ("default = 1e5", "defualt = 1e5", r"unknown key 'defualt' \(did you mean 'default'\?\)"),
        ("[[term]]", "[[terms]]", r"unknown key 'terms' \(did you mean 'term'\?\)"),
        ('name = "mine"', "", "the key 'name' is missing"),
        ('name = "mine"', "name = 3", "name = 3 has the wrong type"),
        ('name = "mine"', 'name = "mine', "not valid TOML"),
        ('name = "angle"', 'name = "bond"', "two terms or coordinates are called 'bond'"),
        ("bond.r0", "bnd.r0", "names no term or coordinate; known are bond, angle"),
        ("bond.r0", "bond.q", "'bond' has no parameter 'q'; it has k, r0"),
        ("bond.r0", "bond", "must read 'term.parameter'"),
        ("at = [1, 2]", "at = [1]", "must name 2 atoms of the angle"),
        ("default = 1e5", 'default = "bond_lenght"', "'bond_lenght' is no prior; give a number"),
        ("default = 1e5, min = 0", "min = 3, max = 2", "is not below max = 2"),
        ("default = 1e5", "default = nan", "default = nan is no finite number"),
        ("default = 1e5", f"default = {'1' * 400}", "default = 1+ is no finite number"),
        ("default = 1e5", f"default = {'1' * 5000}", "not valid TOML: Exceeds the limit"),
        ('name = "mine"', "name = " + "[" * 5000, "not valid TOML: brackets are nested"),
        ("default = 1e5", "default = -1", "default = -1.0 is not in the range"),
        ("default = 1e5, min = 0", "min = 5", "default = 0.0 is not in the range"),
        ('unit = "nm", def', 'unit = "Å", def', r"term 1 'bond', parameter 'r0': unit 'Å'"),
        ("kJ/mol/nm^2", "kcal/mol/nm^2", "'k': unit .* write kJ/mol and multiply by 4.184"),
        ('over = "bond"', 'over = "bnd"', "term 1 'bond': unknown cluster kind 'bnd'"),
        ("(r-r0)^2", "(r-r9)^2", "'r9' is neither a variable nor a declared parameter"),
    ],
)
def test_a_wrong_design_is_refused(old: str, new: str, message: str) -> None:
    assert old in GOOD
    with pytest.raises(IsthmusError, match=message):
        parse_design(GOOD.replace(old, new, 1))


def test_a_design_without_terms_is_refused() -> None:
    with pytest.raises(DesignError, match=r"has no \[\[term\]\]"):
        parse_design('name = "empty"')


@pytest.mark.parametrize("name", design_names())
def test_presets_are_right(name: str) -> None:
    design = preset(name)
    assert design.name == name
    assert design.description
    assert design.references


def test_an_unknown_preset_lists_the_known() -> None:
    with pytest.raises(DesignError, match=r"did you mean 'class2plus'.*class1, class2"):
        preset("clas2plus")


def test_a_file_that_is_not_there(tmp_path) -> None:
    with pytest.raises(DesignError, match="cannot be read as text"):
        read_design(tmp_path / "no.toml")


def test_a_formula_error_names_the_term() -> None:
    with pytest.raises(FormulaError, match="term 'bond': "):
        parse_design(GOOD.replace("k/2*(r-r0)^2", "k/2*(r-r0)"))


FORM = 'name = "f"\n[[term]]\nname = "v"\nover = "pair"\nform = "buckingham"\n'


def test_a_form_brings_its_formula() -> None:
    (term,) = parse_design(FORM).terms
    assert term.energy.startswith("A*exp(-B*r)-C/r^6")
    assert [p.name for p in term.parameters] == ["A", "B", "C"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("buckingham", "bukingham", r"unknown form 'bukingham' \(did you mean 'buckingham'\?\)"),
        ("form = ", 'energy = "1"\nform = ', "leave out `energy` and `parameters`"),
        ('over = "pair"', 'over = "bond"', 'write over = "pair"'),
    ],
)
def test_a_wrong_form_is_refused(old: str, new: str, message: str) -> None:
    with pytest.raises(DesignError, match=message):
        parse_design(FORM.replace(old, new))


def test_the_priors_that_a_design_may_name_exist() -> None:
    assert set(PRIOR_NAMES) == set(PRIORS)


def test_single_brackets_are_explained() -> None:
    with pytest.raises(
        DesignError, match=r"write \[\[term\]\] \(two brackets\), one for each term"
    ):
        parse_design('name = "one"\n[term]\nname = "bond"\n')
