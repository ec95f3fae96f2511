"""Who races and on what: names, refusals, and data that do not go together."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from data_springs import springs  # pyright: ignore[reportMissingImports]

from isthmus.data import Dataset, split_dataset
from isthmus.designs.schema import find_design
from isthmus.errors import InputError
from isthmus.race.course import lay_out
from isthmus.race.entrants import DESIGNS, competitors
from isthmus.race.smoothness import roughness


def test_without_names_the_three_classes_race() -> None:
    assert tuple(one.name for one in competitors([])) == DESIGNS
    assert [one.kind for one in competitors([], ["mmff94"])] == ["rival"]


def test_names_and_interpreters() -> None:
    found = competitors(
        ["class1", "mine=class1", "class1"],
        ["mmff94", "a.b:make", "own=c:make"],
        pythons=["/py/one", "/py/two"],
    )
    assert [one.name for one in found] == [
        *("class1", "mine", "class1 (2)", "mmff94", "a.b:make", "own"),
    ]
    assert [one.python for one in found[3:]] == [None, "/py/one", "/py/two"]
    one_for_all = competitors([], ["a:make", "b:make"], pythons=["/py"])
    assert {one.python for one in one_for_all} == {"/py"}


@pytest.mark.parametrize(
    ("texts", "rivals", "pythons", "said"),
    [
        (["clas1"], [], [], r"did you mean 'class1'\?"),
        (["gone.safetensors"], [], [], "no file 'gone.safetensors'"),
        (["mmff94"], [], [], "--rival mmff94"),
        ([], ["a:b", "c:d"], ["1", "2", "3"], "3 interpreters for 2 rivals"),
    ],
)
def test_who_cannot_race_is_told_why(
    texts: list[str], rivals: list[str], pythons: list[str], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        competitors(texts, rivals, pythons=pythons)


def test_the_identity_of_a_design_follows_its_file(tmp_path: Path) -> None:
    from data_training import SPRINGS  # pyright: ignore[reportMissingImports]

    path = tmp_path / "own.toml"
    path.write_text(SPRINGS)
    before = competitors([str(path)])[0].identity
    path.write_text(SPRINGS.replace("2e5", "3e5"))
    assert competitors([str(path)])[0].identity != before


def test_the_identity_of_a_preset_is_that_of_its_text(monkeypatch: pytest.MonkeyPatch) -> None:
    before = competitors(["class1"])[0].identity
    design = find_design("class1")
    changed = replace(design, text=design.text + "# other numbers")
    monkeypatch.setattr("isthmus.race.entrants.find_design", lambda _target: changed)
    assert competitors(["class1"])[0].identity != before


def test_the_validation_part_of_a_split_is_told() -> None:
    data = Dataset.create([springs("CO", 20)], source="co.h5")
    split = split_dataset(
        data, "frames", fractions=(0.6, 0.2, 0.2), names=("train", "validation", "test")
    )
    told = lay_out(data, {}, split=split).validation_record
    assert told is not None
    assert told.n_frames == 4
    assert told.sha256 == split.apply(data)["validation"].in_memory().digest
    assert lay_out(data, {"t": Dataset.create([springs("CCO", 2)])}).validation_record is None


def test_the_test_part_of_a_split_comes_first_and_says_what_is_held_out() -> None:
    data = Dataset.create([springs("CO", 20)], source="co.h5")
    split = split_dataset(data, "frames", fractions=(0.8, 0.2))
    course = lay_out(data, {"other": Dataset.create([springs("CCO", 4)])}, split=split)
    assert [test.name for test in course.tests] == ["test", "other"]
    assert [test.record.held_out for test in course.tests] == ["frames", "molecules"]
    assert course.one_molecule
    assert course.record is not None
    assert (course.record.name, course.record.n_frames) == ("co", 16)


def test_data_that_do_not_go_together() -> None:
    data = Dataset.create([springs("CO", 8)])
    with pytest.raises(InputError, match="stands in the data to train on"):
        lay_out(data, {"same": Dataset.create([springs("CO", 8).take([3])])})
    with pytest.raises(InputError, match="another level of theory"):
        lay_out(data, {"b": Dataset.create([springs("CO", 8, seed=1, level="other")])})
    with pytest.raises(InputError, match="nothing to measure on"):
        lay_out(data, {})


def test_timed_molecules_are_of_the_median_size_and_the_largest() -> None:
    sizes = ["CCCO", "CO", "CCO"]
    course = lay_out(None, {"t": Dataset.create([springs(s, 2) for s in sizes])})
    assert [entry.name for entry in course.tests[0].molecules()] == ["CCO", "CCCO"]


def test_roughness_sees_a_jump_and_no_smooth_curve() -> None:
    x = np.linspace(-np.pi, np.pi, 121)
    smooth = 3 * np.cos(3 * x)
    found = roughness(smooth.tolist())
    assert found is not None
    assert found < 1e-3
    jumped = np.where(x > 0.5, smooth + 0.3, smooth)
    found = roughness(jumped.tolist())
    assert found is not None
    # A jump leaves half of itself, and where it lies between two points nothing less
    assert found == pytest.approx(0.15, abs=0.01)
    clash = np.where(x > 2, 1e6 * (x - 2), smooth)
    assert roughness(clash.tolist()) == pytest.approx(roughness(smooth[x < 1.9].tolist()), rel=1)
    assert roughness([1.0, 2.0]) is None
