"""Each way in which data can be bad is found under its name, and good data pass."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from data_springs import springs  # pyright: ignore[reportMissingImports]

from isthmus.chemistry import from_smiles
from isthmus.data import Dataset, Entry, Severity, check_dataset
from isthmus.errors import InputError
from isthmus.units import ANGSTROM, BOHR, ELECTRONVOLT, KILOCALORIE

SMILES = ("CCO", "CC=O", "CCN", "CC#N")


def good() -> list[Entry]:
    return [springs(smiles, 20, seed=k) for k, smiles in enumerate(SMILES)]


def found(entries: list[Entry]) -> dict[str, Severity]:
    return {finding.name: finding.severity for finding in check_dataset(Dataset.create(entries))}


def changed(entry: Entry, field: str, make: Callable[[np.ndarray], np.ndarray]) -> Entry:
    return replace(entry, **{field: make(np.array(getattr(entry, field)))})


def every(field: str, make: Callable[[np.ndarray], np.ndarray]) -> list[Entry]:
    return [changed(entry, field, make) for entry in good()]


def first(field: str, index: Any, value: float) -> list[Entry]:
    def put(array: np.ndarray) -> np.ndarray:
        array[index] = value
        return array

    entries = good()
    return [changed(entries[0], field, put), *entries[1:]]


def test_good_data_pass() -> None:
    assert found(good()) == {}


ERRORS = {
    "energies-zero": lambda: every("energies", np.zeros_like),
    "energies-constant": lambda: every("energies", lambda e: np.full_like(e, -7.0)),
    "energies-missing": lambda: first("energies", 3, np.nan),
    "forces-zero": lambda: every("forces", np.zeros_like),
    "forces-constant": lambda: every("forces", lambda f: np.repeat(f[:1], len(f), axis=0)),
    "forces-missing": lambda: first("forces", 3, np.nan),
    "not-finite": lambda: first("forces", (3, 0, 0), np.inf),
    "forces-sign": lambda: every("forces", np.negative),
    "forces-not-gradient": lambda: every("energies", lambda e: np.roll(e, 7)),
    "forces-unit": lambda: every("energies", lambda e: e * ELECTRONVOLT / KILOCALORIE),
    "no-frames": lambda: [good()[0].take([]), *good()[1:]],
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_are_found(name: str) -> None:
    assert found(ERRORS[name]())[name] is Severity.ERROR


def test_positions_that_are_not_finite() -> None:
    assert found(first("positions", (3, 0, 0), np.nan))["not-finite"] is Severity.ERROR
    assert found(first("energies", 2, np.inf))["not-finite"] is Severity.ERROR


def test_a_wrong_sign_shows_without_energies_that_fit() -> None:
    entries = every("forces", np.negative)
    assert found([changed(e, "energies", np.negative) for e in entries]).keys() >= {"forces-sign"}


def test_a_single_zero_is_only_wrong_where_all_are() -> None:
    entries = [changed(e.take([0]), "energies", np.zeros_like) for e in good()]
    assert found(entries)["energies-zero"] is Severity.ERROR
    assert "energies-zero" not in found([entries[0], *good()[1:]])


def test_both_units_wrong_show_in_the_stiffness() -> None:
    size = ELECTRONVOLT / KILOCALORIE
    entries = [changed(e, "energies", lambda a: a * size) for e in good()]
    entries = [changed(e, "forces", lambda a: a * size) for e in entries]
    findings = {f.name: f for f in check_dataset(Dataset.create(entries))}
    assert findings["forces-magnitude"].severity is Severity.WARNING
    assert "eV and kcal/mol, mistaken" in findings["forces-magnitude"].text
    assert "forces-unit" not in findings


def test_forces_per_bohr_do_not_fit() -> None:
    findings = check_dataset(
        Dataset.create(every("forces", lambda forces: forces * ANGSTROM / BOHR))
    )
    texts = {finding.name: finding.text for finding in findings}
    assert "Å and bohr, mistaken" in texts["forces-magnitude"]


def test_forces_of_other_atoms_do_not_cancel() -> None:
    def reordered(forces: np.ndarray) -> np.ndarray:
        return np.roll(forces, 1, axis=1)

    assert found(every("forces", reordered))["net-torque"] is Severity.WARNING
    cut = [changed(e, "forces", lambda f: np.where(np.arange(f.shape[1])[:, None] < 2, 0, f))
           for e in good()]  # fmt: skip
    assert found(cut)["net-force"] is Severity.WARNING


def test_no_forces_at_all_is_a_warning() -> None:
    entries = [replace(good()[0], forces=None), *good()[1:]]
    assert found(entries) == {"forces-missing": Severity.WARNING}


def test_duplicates() -> None:
    entry = good()[0]
    twice = entry.take([0, 1, 2, 3, 4, 5, 6, 7, 8, 1])
    findings = check_dataset(Dataset.create([twice, *good()[1:]]))
    assert [(f.name, f.severity, f.frames) for f in findings] == [
        ("duplicate-frames", Severity.WARNING, (9,))
    ]
    differ = changed(twice, "energies", lambda e: np.append(e[:-1], e[-1] + 1))
    assert found([differ, *good()[1:]])["duplicate-frames-differ"] is Severity.ERROR


def test_frames_with_other_bonds() -> None:
    entry = good()[0]

    def torn(positions: np.ndarray) -> np.ndarray:
        positions[4, 2] += 0.3
        return positions

    findings = check_dataset(Dataset.create([changed(entry, "positions", torn), *good()[1:]]))
    bonds = [finding for finding in findings if finding.name == "bond-graph"]
    assert bonds[0].frames == (4,)
    assert "is broken" in bonds[0].text
    assert str(bonds[0]).startswith("bond-graph: molecule 'CCO': 1 of 20 frames")


def test_molecules_that_are_astray_frames_of_another() -> None:
    entry = springs("CCO", 40)
    topology = from_smiles("COC").topology
    order = [0, 2, 1, *range(3, 9)]
    stray = replace(entry.take([0]), name="stray", topology=topology.subset(order))
    stray = replace(
        stray, topology=replace(stray.topology, atomic_numbers=entry.topology.atomic_numbers)
    )
    findings = check_dataset(Dataset.create([entry, stray]))
    assert any(f.name == "bond-graph" and "the atoms of 'CCO'" in f.text for f in findings)


def test_levels_of_theory() -> None:
    assert found([replace(e, level_of_theory="") for e in good()]) == {
        "level-of-theory-missing": Severity.WARNING
    }
    mixed = [replace(good()[0], level_of_theory="PBE0"), *good()[1:]]
    assert found(mixed) == {"level-of-theory-mixed": Severity.ERROR}


def test_frames_with_another_zero_of_energy() -> None:
    def shifted(energies: np.ndarray) -> np.ndarray:
        energies[:3] += 900
        return energies

    entries = [changed(good()[0], "energies", shifted), *good()[1:]]
    assert found(entries)["energies-gap"] is Severity.WARNING


def test_molecules_with_another_zero_of_energy() -> None:
    smiles = ("CC", "CCC", "CCO", "CO", "CC=O", "CCN", "CN", "CC#N", "CCCC", "CCCO", "COC",
              "C=C", "CC=C", "C#C", "CCC#N", "NCC=O", "NCCO")  # fmt: skip
    entries = [springs(text, 4, seed=k) for k, text in enumerate(smiles)]
    assert found(entries) == {}
    other = changed(entries[3], "energies", lambda e: e / KILOCALORIE)
    findings = check_dataset(Dataset.create([*entries[:3], other, *entries[4:]]))
    texts = [f.text for f in findings if f.name == "energies-outlier"]
    assert len(texts) == 1
    assert "1 molecules" in texts[0]
    assert "'CO'" in texts[0]


def test_data_without_molecules_are_refused() -> None:
    with pytest.raises(InputError, match="at least one molecule"):
        Dataset.create([])
