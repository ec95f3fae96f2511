"""Splits: what stays together, the same from the same seed, and files that are refused."""

import json
from pathlib import Path

import numpy as np
import pytest
from data_springs import springs  # pyright: ignore[reportMissingImports]

from isthmus.data import (
    Dataset,
    Split,
    open_dataset,
    read_dataset,
    read_split,
    split_dataset,
    split_frames,
    write_split,
)
from isthmus.errors import InputError

SMILES = ("CO", "CCO", "COC", "C1CC1", "CC1CC1", "C1CCO1", "C[C@H](O)F", "C[C@@H](O)F", "CN", "N")


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return Dataset.create([springs(smiles, 10, seed=k) for k, smiles in enumerate(SMILES)])


def homes(split: Split) -> dict[str, str]:
    return {name: part for part, molecules in split.parts.items() for name in molecules}


def test_molecules(dataset: Dataset) -> None:
    split = split_dataset(dataset, "molecule", fractions=(0.6, 0.2, 0.2))
    assert list(split.parts) == ["train", "validation", "test"]
    home = homes(split)
    assert set(home) == set(SMILES)
    assert home["C[C@H](O)F"] == home["C[C@@H](O)F"]
    assert split.data_digest == dataset.digest
    again = split_dataset(
        dataset.select(dataset.names[::-1]), "molecule", fractions=(0.6, 0.2, 0.2)
    )
    assert homes(again) == home
    others = [
        split_dataset(dataset, "molecule", seed=seed, fractions=(0.6, 0.2, 0.2))
        for seed in (1, 2, 3)
    ]
    assert any(homes(other) != home for other in others)


def test_scaffolds_and_formulas(dataset: Dataset) -> None:
    for seed in range(3):
        home = homes(split_dataset(dataset, "scaffold", fractions=(0.5, 0.5), seed=seed))
        assert home["C1CC1"] == home["CC1CC1"]
        home = homes(split_dataset(dataset, "formula", fractions=(0.5, 0.5), seed=seed))
        assert home["CCO"] == home["COC"]


def test_random_frames(dataset: Dataset) -> None:
    split = split_dataset(dataset, "frames", fractions=(0.8, 0.2))
    parts = split.apply(dataset)
    counts = {part: sum(entry.n_frames for entry in some) for part, some in parts.items()}
    assert sum(counts.values()) == 100
    assert 70 <= counts["train"] <= 90
    together = split.parts["train"]["CO"], split.parts["test"]["CO"]
    assert sorted((together[0] or ()) + (together[1] or ())) == list(range(10))


def test_temperatures() -> None:
    temperatures = [300.0] * 6 + [600.0] * 2 + [1200.0] * 2
    dataset = Dataset.create([springs("CO", 10, temperatures=temperatures)])
    split = split_dataset(dataset, "temperature", fractions=(0.6, 0.2, 0.2))
    assert split.parts["train"]["CO"] == tuple(range(6))
    assert split.parts["test"]["CO"] == (8, 9)
    two = split_dataset(dataset, "temperature", fractions=(0.6, 0.4), names=("cold", "hot"))
    assert two.parts["hot"]["CO"] == (6, 7, 8, 9)
    with pytest.raises(InputError, match="has no temperatures"):
        split_dataset(Dataset.create([springs("CO", 4)]), "temperature")


def test_a_split_goes_through_its_file(dataset: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "split.json"
    split = split_dataset(dataset, "frames", fractions=(0.7, 0.3))
    write_split(split, path)
    read = read_split(path)
    assert read == split
    assert read.apply(dataset)["test"].digest == split.apply(dataset)["test"].digest
    with pytest.raises(InputError, match="exists"):
        write_split(split, path)
    content = json.loads(path.read_text())
    del content["train"]["CO"]
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match="was changed after it was written"):
        read_split(path)


def test_splits_are_held_to_their_data(dataset: Dataset) -> None:
    split = split_dataset(dataset, "molecule")
    other = dataset.select(["CO", "CCO"])
    with pytest.raises(InputError, match="made for other data"):
        split.apply(other)
    with pytest.raises(InputError, match="there is no molecule"):
        split.apply(other, check_data=False)


def test_frames_as_given() -> None:
    dataset = Dataset.create([springs("CO", 10)])
    split = split_frames(dataset, {"train": range(9), "test": range(9, 10)})
    assert [e.n_frames for part in split.apply(dataset).values() for e in part] == [9, 1]
    with pytest.raises(InputError, match="share frames of 'CO'"):
        split_frames(dataset, {"train": range(9), "test": range(8, 10)})
    with pytest.raises(InputError, match="has no frame 10"):
        split_frames(dataset, {"train": range(11)})


def test_what_cannot_be_split(dataset: Dataset) -> None:
    with pytest.raises(InputError, match="add up to 1"):
        split_dataset(dataset, "molecule", fractions=(0.5, 0.1))
    with pytest.raises(InputError, match="unknown method 'luck'"):
        split_dataset(dataset, "luck")
    with pytest.raises(InputError, match="nothing is left for validation, test"):
        split_dataset(dataset.select(["CO"]), "molecule")
    with pytest.raises(InputError, match="4 parts need 4 different names"):
        split_dataset(dataset, "molecule", fractions=(0.25,) * 4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is no JSON"),
        ("[1]", "wanted an object"),
        ('{"train": 3}', "wanted a list of molecules"),
        ('{"train": [3]}', "wanted names of molecules"),
        ('{"train": ["a", "a"]}', "'a' stands there twice"),
        ('{"train": ["a"], "test": ["a"]}', "share frames of 'a'"),
        ('{"train": {"a": "0-x"}}', "are no frames"),
        ('{"train": {"a": "3,3"}}', "names no frame, or one twice"),
        ('{"train": []}', "has no parts"),
        ('{"format": "isthmus split 9", "train": ["a"]}', "this version reads"),
    ],
)
def test_bad_files(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "split.json"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_split(path)


def test_the_fixed_splits(shared_data: Path) -> None:
    split = read_split(shared_data / "organic_gfn2_500K.split.json")
    parts = split.apply(open_dataset(shared_data / "organic_gfn2_500K.h5"))
    assert {part: len(some) for part, some in parts.items()} == {
        "train": 234,
        "validation": 33,
        "test": 66,
    }
    assert parts["test"][0].n_frames == 30


@pytest.mark.slow
def test_the_fixed_split_of_3bpa(shared_data: Path, tmp_path: Path) -> None:
    dataset = read_dataset(shared_data / "3bpa" / "train_300K.xyz")
    split = split_frames(dataset, {"train": range(450), "test": range(450, 500)})
    write_split(split, tmp_path / "3bpa.json")
    assert '"0-449"' in (tmp_path / "3bpa.json").read_text()
    parts = read_split(tmp_path / "3bpa.json").apply(dataset)
    assert np.array_equal(parts["test"][0].frame_idx, np.arange(450, 500))
