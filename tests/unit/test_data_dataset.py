"""Datasets in memory and in HDF5: contents, selection, hash, streaming."""

import json
import tracemalloc
from pathlib import Path

import h5py
import numpy as np
import pytest
from data_springs import springs  # pyright: ignore[reportMissingImports]

from isthmus.chemistry import from_smiles
from isthmus.data import (
    Dataset,
    Entry,
    check_dataset,
    concatenate,
    open_dataset,
    read_dataset,
    write_dataset,
    write_xyz,
)
from isthmus.errors import InputError
from isthmus.units import BOHR, HARTREE


@pytest.fixture
def dataset() -> Dataset:
    entries = [
        springs("CO", 6),
        springs("C/C=C/C", 5, charges=True),
        springs("C/C=C\\C", 5),
        springs("CC(=O)[O-]", 4, level="other"),
        springs("C[N+](=O)[O-]", 4),
    ]
    return Dataset.create(entries, source="springs", provenance={"seed": "0"})


def test_an_entry_is_frozen_and_checks_shapes() -> None:
    entry = springs("CO", 3)
    assert entry.n_frames == 3
    assert entry.formula == "CH4O"
    assert entry.smiles == "CO"
    with pytest.raises(ValueError, match="read-only"):
        entry.positions[0] = 0
    with pytest.raises(InputError, match=r"forces have shape \(2, 6, 3\); wanted \(3, 6, 3\)"):
        Entry.create(
            "x",
            entry.topology,
            positions=entry.positions,
            energies=entry.energies,
            forces=np.zeros((2, 6, 3)),
        )
    with pytest.raises(InputError, match="needs a name"):
        Entry.create("", entry.topology, positions=entry.positions, energies=entry.energies)
    with pytest.raises(InputError, match="has no frame 3"):
        entry.take([3])


def test_frames_are_taken_in_the_order_given() -> None:
    entry = springs("CO", 5)
    taken = entry.take([4, 1])
    assert taken.frame_idx.tolist() == [4, 1]
    assert np.array_equal(taken.energies, entry.energies[[4, 1]])
    assert taken.digest != entry.digest


def test_selection_by_name_index_and_frames(dataset: Dataset) -> None:
    assert len(dataset) == 5
    assert "CO" in dataset
    assert dataset["CO"].name == dataset[0].name == "CO"
    assert dataset[-1].name == "C[N+](=O)[O-]"
    chosen = dataset.select(["C/C=C/C", "CO"], frames={"CO": [1, 2]})
    assert [entry.n_frames for entry in chosen] == [5, 2]
    assert dataset.select([3]).names == ("CC(=O)[O-]",)
    with pytest.raises(InputError, match=r"no molecule 'CQ' among the 5 of springs; close are CO"):
        dataset["CQ"]
    with pytest.raises(InputError, match="chosen twice"):
        dataset.select(["CO", "CO"])
    with pytest.raises(InputError, match="no molecule is chosen"):
        dataset.select([])
    with pytest.raises(InputError, match="there is no molecule 5"):
        dataset.select([5])


def test_equal_names_are_numbered_and_datasets_join(dataset: Dataset) -> None:
    joined = concatenate([dataset, dataset.select(["CO"])])
    assert joined.names[-1] == "CO (2)"
    assert joined.provenance["1.seed"] == "0"
    assert joined.digest != dataset.digest


def test_writing_and_reading_changes_nothing(dataset: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "data.h5"
    write_dataset(dataset, path)
    read = open_dataset(path)
    assert read.names == dataset.names
    assert read.digest == dataset.digest
    assert read.provenance == {"seed": "0"}
    for one, other in zip(dataset, read, strict=True):
        assert np.array_equal(one.positions, other.positions)
        assert one.forces is not None
        assert other.forces is not None
        assert np.array_equal(one.forces, other.forces)
        assert one.level_of_theory == other.level_of_theory
        assert one.topology == other.topology
    assert read["C/C=C/C"].charges is not None
    assert read["CO"].charges is None
    assert read.in_memory().digest == dataset.digest
    with pytest.raises(InputError, match="exists"):
        write_dataset(dataset, path)
    write_dataset(read.select(["CO"]), path, overwrite=True)
    assert open_dataset(path).names == ("CO",)


def test_a_failed_write_leaves_nothing(dataset: Dataset, tmp_path: Path) -> None:
    def load(index: int) -> Entry:
        if index:
            raise InputError("cannot load")
        return dataset[0]

    broken = Dataset(dataset.names, "", "", {}, (), load)
    with pytest.raises(InputError, match="cannot load"):
        write_dataset(broken, tmp_path / "data.h5")
    assert list(tmp_path.iterdir()) == []


def spice_file(path: Path) -> Entry:
    """A file as SPICE writes it: arrays of one string, charges of three axes, no level."""
    entry = springs("CO", 4)
    assert entry.forces is not None
    with h5py.File(path, "w") as file:
        group = file.create_group("methanol")
        group.create_dataset("subset", data=["SPICE Test"], dtype=h5py.string_dtype())
        group.create_dataset("smiles", data=[entry.mapped_smiles], dtype=h5py.string_dtype())
        group["atomic_numbers"] = entry.topology.atomic_numbers.astype(np.int16)
        for name, values, unit in (
            ("conformations", (entry.positions / BOHR).astype(np.float32), "bohr"),
            ("dft_total_energy", entry.energies / HARTREE, "hartree"),
            ("formation_energy", entry.energies / HARTREE - 7, "hartree"),
            ("dft_total_gradient", -entry.forces / (HARTREE / BOHR), "hartree/bohr"),
            ("mbis_charges", np.zeros((4, 6, 1), dtype=np.float32), "elementary_charge"),
            ("scf_dipole", np.ones((4, 3)), "elementary_charge*bohr"),
        ):
            group[name] = values
            group[name].attrs["units"] = unit
    return entry


def test_files_of_spice_itself_are_read(tmp_path: Path) -> None:
    entry = spice_file(tmp_path / "SPICE.hdf5")
    read = read_dataset(tmp_path / "SPICE.hdf5")["methanol"]
    assert read.forces is not None
    assert read.charges is not None
    assert read.dipoles is not None
    assert entry.forces is not None
    np.testing.assert_allclose(read.positions, entry.positions, rtol=1e-6)
    np.testing.assert_allclose(read.energies, entry.energies, rtol=1e-12)
    np.testing.assert_allclose(read.forces, entry.forces, rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(read.dipoles, BOHR)
    assert read.charges.shape == (4, 6)
    assert read.source == "SPICE Test"
    stated = open_dataset(tmp_path / "SPICE.hdf5", level_of_theory="wB97M-D3BJ/def2-TZVPPD")
    assert stated[0].level_of_theory == stated.level_of_theory == "wB97M-D3BJ/def2-TZVPPD"


def test_units_of_the_file_are_heeded(tmp_path: Path) -> None:
    path = tmp_path / "SPICE.hdf5"
    entry = spice_file(path)
    with h5py.File(path, "a") as file:
        file["methanol/conformations"].attrs["units"] = "furlong"
    with pytest.raises(InputError, match="'conformations' is in the unit 'furlong'"):
        open_dataset(path)[0]
    with h5py.File(path, "a") as file:
        file["methanol/conformations"].attrs["units"] = "nm"
    np.testing.assert_allclose(open_dataset(path)[0].positions, entry.positions / BOHR, rtol=1e-6)


def test_a_graph_is_perceived_where_the_smiles_is_not_mapped(tmp_path: Path) -> None:
    path = tmp_path / "SPICE.hdf5"
    entry = spice_file(path)
    with h5py.File(path, "a") as file:
        del file["methanol/smiles"]
        file["methanol/smiles"] = "CO"
    assert np.array_equal(open_dataset(path)[0].topology.bonds, entry.topology.bonds)
    with h5py.File(path, "a") as file:
        del file["methanol/smiles"]
    assert open_dataset(path)[0].smiles == "CO"


def test_bad_hdf5_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.h5"
    with pytest.raises(InputError, match="there is no file"):
        open_dataset(path)
    path.write_text("no HDF5")
    with pytest.raises(InputError, match="is no HDF5 file"):
        open_dataset(path)
    with h5py.File(path, "w") as file:
        file.create_group("empty")
    with pytest.raises(InputError, match="no molecule in the layout of SPICE"):
        open_dataset(path)
    with pytest.raises(InputError, match="neither in the layout of SPICE"):
        read_dataset(path)
    spice_file(path)
    with h5py.File(path, "a") as file:
        del file["methanol/dft_total_energy"]
    with pytest.raises(InputError, match="energies-missing"):
        open_dataset(path)[0]
    spice_file(path)
    with h5py.File(path, "a") as file:
        del file["methanol/dft_total_energy"]
        file["methanol/dft_total_energy"] = np.zeros(4)
    with pytest.raises(InputError, match="energies-zero"):
        open_dataset(path)[0]
    assert open_dataset(path, strict=False)[0].n_frames == 4
    spice_file(path)
    with h5py.File(path, "a") as file:
        file.attrs["level_of_theory"] = "GFN2-xTB"
    with pytest.raises(InputError, match="states the level of theory 'GFN2-xTB'"):
        open_dataset(path, level_of_theory="PBE0")


def test_a_file_larger_than_memory_streams(tmp_path: Path) -> None:
    topology = from_smiles("CCO").topology
    rng = np.random.default_rng(0)
    n_frames, n_molecules = 2000, 12

    def load(index: int) -> Entry:
        positions = np.arange(9)[None, :, None] * 0.15 + rng.normal(size=(n_frames, 9, 3)) * 0.01
        return Entry.create(
            f"m{index}", topology, positions=positions, energies=rng.normal(size=n_frames)
        )

    names = tuple(f"m{index}" for index in range(n_molecules))
    path = tmp_path / "large.h5"
    one = load(0).positions.nbytes
    tracemalloc.start()
    write_dataset(Dataset(names, "", "", {}, (), load), path)
    total = sum(entry.n_frames for entry in open_dataset(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total == n_frames * n_molecules
    assert peak < 8 * one, f"{peak / one:.1f} times the positions of one molecule were held"


def test_extended_xyz_goes_round(dataset: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "data.xyz"
    write_xyz(dataset, path)
    read = read_dataset(path, strict=False)
    assert read.names == dataset.names
    for one, other in zip(dataset, read, strict=True):
        assert one.forces is not None
        assert other.forces is not None
        assert one.topology == other.topology
        np.testing.assert_allclose(other.positions, one.positions, atol=1e-9)
        np.testing.assert_allclose(other.energies, one.energies, atol=1e-6)
        np.testing.assert_allclose(other.forces, one.forces, atol=1e-4)
        assert one.level_of_theory == other.level_of_theory
    charged = read["C/C=C/C"].charges
    assert charged is not None


@pytest.mark.slow
def test_the_organic_set(shared_data: Path, tmp_path: Path) -> None:
    dataset = open_dataset(shared_data / "organic_gfn2_500K.h5")
    assert len(dataset) == 333
    assert dataset.level_of_theory == "GFN2-xTB (tblite 0.8.0)"
    assert sum(entry.n_frames for entry in dataset) == 9990
    assert check_dataset(dataset) == ()
    write_dataset(dataset, tmp_path / "copy.h5")
    assert open_dataset(tmp_path / "copy.h5").digest == dataset.digest
    assert json.dumps(dict(dataset.provenance))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "molecules", "frames"),
    [
        ("3bpa/train_300K.xyz", 1, 500),
        ("gdb7/train.extxyz", 800, 800),
        ("spice_dipeptides/spice-dipep-dipolar_test.xyz", 1, 50),
        ("spice_dipeptides/spice-dipep-dipolar_train.xyz", 11, 495),
    ],
)
def test_sets_of_extended_xyz(shared_data: Path, file: str, molecules: int, frames: int) -> None:
    dataset = read_dataset(shared_data / file)
    assert len(dataset) == molecules
    assert sum(entry.n_frames for entry in dataset) == frames
    assert {finding.name for finding in check_dataset(dataset)} == {"level-of-theory-missing"}
