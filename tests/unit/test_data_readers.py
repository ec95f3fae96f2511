"""Frames of ASE, npz of MD17, HDF5 of ANI-1: good files, and each way to be bad."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write
from data_springs import springs  # pyright: ignore[reportMissingImports]

from isthmus.data import (
    Entry,
    Stated,
    check_dataset,
    read_dataset,
    split_dataset,
    write_dataset,
    write_xyz,
)
from isthmus.data.summary import summarise
from isthmus.errors import InputError
from isthmus.train.batch import Frames
from isthmus.units import ANGSTROM, ELECTRONVOLT, HARTREE, KILOCALORIE

PER = ELECTRONVOLT / ANGSTROM


def frames(entry: Entry, energy: str = "REF_energy", forces: str = "REF_forces") -> list[Atoms]:
    assert entry.forces is not None
    made = []
    for k in range(entry.n_frames):
        atoms = Atoms(entry.topology.atomic_numbers, entry.positions[k] / ANGSTROM)
        atoms.info["level_of_theory"] = "springs"
        atoms.info[energy] = entry.energies[k] / ELECTRONVOLT
        atoms.arrays[forces] = entry.forces[k] / PER
        made.append(atoms)
    return made


def saved(path: Path, made: list[Atoms]) -> Path:
    write(path, made)
    return path


@pytest.fixture
def entry() -> Entry:
    return springs("CCO", 12)


@pytest.fixture
def xyz(tmp_path: Path) -> Path:
    return tmp_path / "md.xyz"


def assert_same(read: Entry, entry: Entry) -> None:
    assert read.forces is not None
    assert entry.forces is not None
    np.testing.assert_allclose(read.positions, entry.positions, atol=1e-8)
    np.testing.assert_allclose(read.energies, entry.energies, atol=1e-3)
    np.testing.assert_allclose(read.forces, entry.forces, atol=0.1)


@pytest.mark.parametrize(
    ("energy", "forces"),
    [("REF_energy", "REF_forces"), ("Energy", "force"), ("dft_energy", "dft_forces")],
)
def test_recognised_keys(entry: Entry, xyz: Path, energy: str, forces: str) -> None:
    dataset = read_dataset(saved(xyz, frames(entry, energy, forces)))
    assert_same(dataset[0], entry)
    assert dataset.names == ("CCO",)
    assert dataset.level_of_theory == "springs"
    assert dataset.provenance["energy_key"] == f"{energy} (info)"
    assert dataset.provenance["energy_unit"] == "eV (convention of the format)"


def test_other_formats_of_ase(entry: Entry, tmp_path: Path) -> None:
    made = []
    assert entry.forces is not None
    for k, atoms in enumerate(frames(entry)):
        bare = Atoms(atoms.numbers, atoms.positions)
        bare.calc = SinglePointCalculator(
            bare, energy=entry.energies[k] / ELECTRONVOLT, forces=entry.forces[k] / PER
        )
        made.append(bare)
    read = read_dataset(saved(tmp_path / "md.traj", made))[0]
    assert_same(read, entry)
    assert_same(read_dataset(tmp_path / "md.traj", format="ase:traj")[0], entry)


def test_a_key_that_ase_moved_is_found_and_reported(entry: Entry, xyz: Path) -> None:
    # ASE itself moves the names `energy` and `forces` into a calculator when it reads the file.
    text = saved(xyz, frames(entry)).read_text()
    xyz.write_text(text.replace("REF_energy", "energy").replace("REF_forces", "forces"))
    dataset = read_dataset(xyz, stated=Stated(energy_key="energy"))
    assert_same(dataset[0], entry)
    assert [finding.name for finding in dataset.findings] == ["key-moved"]
    assert check_dataset(dataset)[0].name == "key-moved"
    assert read_dataset(xyz).findings == ()


def test_keys_that_are_stated_or_ambiguous(entry: Entry, xyz: Path) -> None:
    made = frames(entry, "E_special")
    with pytest.raises(
        InputError, match=r"energies-missing: .*keys of the first frame .*E_special"
    ):
        read_dataset(saved(xyz, made))
    assert_same(read_dataset(xyz, stated=Stated(energy_key="E_special"))[0], entry)
    with pytest.raises(InputError, match="forces-missing: no frame has the forces key 'f'"):
        read_dataset(xyz, stated=Stated(energy_key="E_special", forces_key="f"))
    for atoms in made:
        atoms.info |= {"REF_energy": 1.0, "dft_energy": 2.0}
    with pytest.raises(InputError, match="several keys may be the energy: REF_energy, dft_energy"):
        read_dataset(saved(xyz, made))


def test_keys_that_differ_from_frame_to_frame(entry: Entry, xyz: Path) -> None:
    made = frames(entry.take(range(6))) + frames(entry.take(range(6, 12)), "dft_energy")
    dataset = read_dataset(saved(xyz, made))
    assert [finding.name for finding in dataset.findings] == ["key-differs"]


def test_labels_that_are_missing_zero_or_no_numbers(entry: Entry, xyz: Path) -> None:
    made = frames(entry)
    del made[3].info["REF_energy"]
    with pytest.raises(InputError, match="energies-missing: molecule 'CCO': 1 of 12 frames"):
        read_dataset(saved(xyz, made))
    made = frames(entry)
    for atoms in made:
        atoms.info["REF_energy"] = 0.0
    with pytest.raises(InputError, match="energies-zero"):
        read_dataset(saved(xyz, made))
    made[2].info["REF_energy"] = "high"
    with pytest.raises(InputError, match=r"frame 2 of .*'REF_energy' is no number: 'high'"):
        read_dataset(saved(xyz, made))
    made = frames(entry)
    for atoms in made:
        atoms.arrays["REF_forces"] *= -1
    with pytest.raises(InputError, match="forces-sign"):
        read_dataset(saved(xyz, made))


def test_levels_of_theory_of_frames_are_kept_apart(entry: Entry, xyz: Path) -> None:
    made = frames(entry)
    for atoms in made[6:]:
        atoms.info["level_of_theory"] = "other"
    with pytest.raises(InputError, match="level-of-theory-mixed"):
        read_dataset(saved(xyz, made))
    dataset = read_dataset(xyz, strict=False)
    assert [e.level_of_theory for e in dataset] == ["springs", "other"]
    assert dataset[1].frame_idx.tolist() == list(range(6, 12))


def test_units_are_stated_or_of_the_format(entry: Entry, xyz: Path) -> None:
    assert entry.forces is not None
    made = frames(entry)
    for k, atoms in enumerate(made):
        atoms.positions = entry.positions[k]
        atoms.info["REF_energy"] = entry.energies[k]
        atoms.arrays["REF_forces"] = np.array(entry.forces[k])
    with pytest.raises(InputError, match=r"length-unit: .*as if nm were taken for Å"):
        read_dataset(saved(xyz, made))
    stated = Stated(energy_unit="kJ/mol", length_unit="nm")
    read = read_dataset(xyz, stated=stated)
    assert_same(read[0], entry)
    assert read.provenance["length_unit"] == "nm (stated)"
    with pytest.raises(InputError, match="unknown length unit 'inch'"):
        read_dataset(xyz, stated=Stated(length_unit="inch"))
    with pytest.raises(InputError, match="unknown energy unit 'erg'"):
        read_dataset(xyz, stated=Stated(energy_unit="erg"))


def test_files_that_ase_cannot_read(tmp_path: Path) -> None:
    (tmp_path / "a.xyz").write_text("3\n\nO 0 0 0\n")
    with pytest.raises(InputError, match="ASE cannot read it"):
        read_dataset(tmp_path / "a.xyz")
    (tmp_path / "a.unknown").write_text("?")
    with pytest.raises(InputError, match="ASE does not know this format"):
        read_dataset(tmp_path / "a.unknown")
    with pytest.raises(InputError, match="unknown format 'hoard'"):
        read_dataset(tmp_path / "a.unknown", format="hoard")
    with pytest.raises(InputError, match="there is no file"):
        read_dataset(tmp_path / "b.xyz")


def test_a_periodic_box_turns_forces_along(xyz: Path) -> None:
    entry = springs("O", 6)
    assert entry.forces is not None
    turn = np.array([[0.0, 1, 0], [0, 0, 1], [1, 0, 0]])
    made = frames(entry)
    for k, atoms in enumerate(made):
        atoms.positions = (entry.positions[k] + 0.5) / ANGSTROM @ turn
        atoms.arrays["REF_forces"] = entry.forces[k] @ turn / PER
        atoms.set_cell(np.eye(3) * 20 @ turn)
        atoms.pbc = True
    read = read_dataset(saved(xyz, made))[0]
    assert read.forces is not None
    assert read.box is not None
    np.testing.assert_allclose(read.box, np.eye(3) * 2, atol=1e-9)
    np.testing.assert_allclose(read.forces, entry.forces, atol=0.1)


def npz(path: Path, entry: Entry, **changes: Any) -> Path:
    assert entry.forces is not None
    arrays: dict[str, Any] = {
        "nuclear_charges": entry.topology.atomic_numbers,
        "coords": entry.positions / ANGSTROM,
        "energies": entry.energies / KILOCALORIE,
        "forces": entry.forces / (KILOCALORIE / ANGSTROM),
    }
    arrays |= changes
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    return path


def test_md17_and_rmd17(entry: Entry, tmp_path: Path) -> None:
    path = npz(tmp_path / "rmd17_ethanol.npz", entry)
    stated = Stated(temperature=500.0, level_of_theory="PBE/def2-SVP")
    read = read_dataset(path, stated=stated)[0]
    assert read.name == "CCO"
    assert read.smiles == "CCO"
    assert read.level_of_theory == "PBE/def2-SVP"
    assert read.temperatures is not None
    assert set(read.temperatures.tolist()) == {500.0}
    assert_same(read, entry)
    arrays = dict(np.load(path))
    old = {
        new: arrays[name]
        for new, name in zip("zRF", ["nuclear_charges", "coords", "forces"], strict=True)
    }
    old |= {
        "E": arrays["energies"][:, None],
        "e_unit": np.array("kcal/mol"),
        "theory": np.array(b"pbe"),
    }
    np.savez(tmp_path / "md17.npz", **old)
    read = read_dataset(tmp_path / "md17.npz")[0]
    assert_same(read, entry)
    assert read.level_of_theory == "pbe"
    with pytest.raises(InputError, match="states the unit 'kcal/mol', but 'eV' was given"):
        read_dataset(tmp_path / "md17.npz", stated=Stated(energy_unit="eV"))


def test_bad_npz(entry: Entry, tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    path.write_text("no npz")
    with pytest.raises(InputError, match="is no npz file"):
        read_dataset(path)
    with pytest.raises(InputError, match=r"energies-missing: wanted one of energies, E; found are"):
        read_dataset(npz(path, entry, energies=None))
    with pytest.raises(InputError, match="one molecule a file"):
        read_dataset(npz(path, entry, nuclear_charges=np.ones((12, 9), dtype=int)))
    with pytest.raises(InputError, match="do not fit 11 energies"):
        read_dataset(npz(path, entry, energies=np.arange(11.0)))
    with pytest.raises(InputError, match="which is not known"):
        read_dataset(npz(path, entry, e_unit=np.array("Rydberg")))
    with pytest.raises(InputError, match="length-unit"):
        read_dataset(npz(path, entry, coords=entry.positions))
    with pytest.raises(InputError, match="energy_key cannot be stated"):
        read_dataset(npz(path, entry), stated=Stated(energy_key="E"))


def ani(path: Path, entry: Entry, smiles: str | None = None) -> Path:
    with h5py.File(path, "w") as file:
        group = file.create_group("gdb11_s03/gdb11_s03-0")
        group["species"] = np.array([s.encode() for s in entry.topology.elements])
        group["coordinates"] = (entry.positions / ANGSTROM).astype(np.float32)
        group["energies"] = entry.energies / HARTREE
        if smiles == "whole":
            group["smiles"] = "OCC"
        elif smiles == "letters":
            group["smiles"] = np.array([b"O", b"C", b"C"])
    return path


@pytest.mark.parametrize("smiles", [None, "whole", "letters"])
def test_ani1(entry: Entry, tmp_path: Path, smiles: str | None) -> None:
    path = ani(tmp_path / "ani.h5", entry, smiles)
    dataset = read_dataset(path, stated=Stated(level_of_theory="wB97X/6-31G(d)"))
    read = dataset["gdb11_s03/gdb11_s03-0"]
    assert read.forces is None
    assert read.smiles == "CCO"
    np.testing.assert_allclose(read.energies, entry.energies)
    np.testing.assert_allclose(read.positions, entry.positions, atol=1e-7)
    assert {finding.name for finding in check_dataset(dataset)} == {"forces-missing"}
    with h5py.File(path, "a") as file:
        del file["gdb11_s03/gdb11_s03-0/energies"]
        file["gdb11_s03/gdb11_s03-0/energies"] = np.zeros(12)
    with pytest.raises(InputError, match="energies-zero"):
        read_dataset(path)[0]


@pytest.mark.parametrize("name", ["a.xyz", "a.npz", "a.h5"])
def test_a_file_that_is_renamed_holds_the_same_data(
    entry: Entry, tmp_path: Path, name: str
) -> None:
    """Splits and checkpoints know data by their digest."""
    path = tmp_path / name
    if path.suffix == ".xyz":
        saved(path, frames(entry))
    else:
        (npz if path.suffix == ".npz" else ani)(path, entry)
    before = read_dataset(path).in_memory()
    renamed = path.rename(path.with_stem("b"))
    after = read_dataset(renamed)
    assert (after.names, after.digest) == (before.names, before.digest)
    assert after.source == renamed.name


def test_labels_that_some_frames_lack_are_kept_frame_by_frame(entry: Entry, xyz: Path) -> None:
    made = frames(entry)
    for k, atoms in enumerate(made):
        if k != 3:
            atoms.info["dipole"] = [0.1 * k, 0.0, 0.0]
            atoms.info["temperature"] = 300.0
        if k != 5:
            atoms.arrays["charges"] = np.linspace(-0.1, 0.1, len(atoms))
    read = read_dataset(saved(xyz, made))
    assert check_dataset(read) == ()

    def missing(array: np.ndarray | None) -> list[int]:
        assert array is not None
        return np.flatnonzero(np.isnan(array.reshape(12, -1)).any(axis=1)).tolist()

    def assert_kept(one: Entry) -> None:
        assert missing(one.dipoles) == missing(one.temperatures) == [3]
        assert missing(one.charges) == [5]
        assert one.dipoles is not None
        np.testing.assert_allclose(one.dipoles[4], [0.4 * ANGSTROM, 0, 0])

    assert_kept(read[0])
    known = Frames.of(read[0])
    assert np.flatnonzero(known.has_charges == 0).tolist() == [5]
    assert np.flatnonzero(known.has_dipole == 0).tolist() == [3]
    assert summarise(read).temperatures == {300.0: 11}
    write_dataset(read, xyz.with_suffix(".h5"))
    write_xyz(read, xyz.with_name("copy.xyz"))
    assert read_dataset(xyz.with_suffix(".h5")).digest == read.digest
    assert_kept(read_dataset(xyz.with_name("copy.xyz"))[0])
    with pytest.raises(InputError, match=r"1 of 12 frames of molecule 'CCO' have no temperature"):
        split_dataset(read, "temperature")
