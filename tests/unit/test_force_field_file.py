"""Saving and loading force fields: the same numbers come back, and damaged files are refused."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

import isthmus
from isthmus.chemistry.smiles import from_smiles
from isthmus.chemistry.topology import Topology
from isthmus.designs.design import Design
from isthmus.designs.schema import parse_design, preset
from isthmus.errors import InputError
from isthmus.forcefield.file import load_force_field, read_saved, save_force_field
from isthmus.forcefield.forcefield import ForceField
from isthmus.forcefield.records import RECORDS, decode, encode
from isthmus.parameters.mmff_source import MMFFSource
from isthmus.parameters.parameterization import Constraints, Parameterization
from isthmus.parameters.source import Source, TableSource
from isthmus.terms.bound import BoundTerm
from isthmus.terms.formula import FormulaTerm
from isthmus.terms.nonbonded import PairGroup, PairTerm, excluded_table
from isthmus.terms.nonbonded_method import NonbondedMethod
from isthmus.terms.parameter import Parameter
from isthmus.terms.special import Special
from isthmus.terms.virtual_sites import (
    LinearSites,
    LocalFrameSites,
    OutOfPlaneSites,
    VirtualSites,
)

SPRING = """
name = "spring"
[[term]]
name = "bond"
over = "bond"
energy = "k/2*(r-r0)^2"
parameters.k = { unit = "kJ/mol/nm^2", default = 3e5, scale = 1e5 }
parameters.r0 = { unit = "nm", default = "bond_length" }
"""


@pytest.fixture(scope="module")
def water() -> Topology:
    return from_smiles("O").topology


@pytest.fixture
def spring(water: Topology) -> ForceField:
    return ForceField.free(parse_design(SPRING), water, random_seed=3)


@pytest.fixture
def saved(spring: ForceField, tmp_path: Path) -> Path:
    path = tmp_path / "spring.safetensors"
    save_force_field(spring, path, provenance={"from": "a test"})
    return path


@pytest.fixture
def table() -> ForceField:
    """Every kind of record that an import can make, on five particles."""
    unknown = Parameter("k", None)
    term = FormulaTerm("drawn", "bond", "k*r^2", (unknown,))
    charge = Parameter("charge", "e", per="atom")
    coulomb = FormulaTerm(
        "coulomb", "pair", "COULOMB*charge1*charge2/r", (charge,), long_range="coulomb"
    )
    exclusions = np.array([[0, 1], [0, 2]], dtype=np.int32)
    method = NonbondedMethod("pme", cutoff=0.9, grid=(20, 21, 22), alpha=3.1)
    group = PairGroup(
        (PairTerm(coulomb, {"charge": np.array([0.1, -0.2, 0.1, 0.0, 0.0])}),),
        exclusions,
        excluded_table(exclusions, 5),
        method,
        True,
    )
    parents, weights = np.array([[0, 1, 2]]), np.array([[0.8, 0.1, 0.1]])
    sites = VirtualSites(
        (
            LinearSites(np.array([3]), parents, weights),
            OutOfPlaneSites(np.array([4]), parents, weights),
            LocalFrameSites(np.array([4]), parents, weights, weights, weights, np.ones((1, 3))),
        )
    )
    parameterization = Parameterization(
        masses=np.array([16.0, 1.0, 1.0, 0.0, 0.0]),
        terms=(BoundTerm(term, exclusions, {"k": np.array([1.5, 2.5])}, periodic=True),),
        pair_groups=(group,),
        virtual_sites=sites,
        constraints=Constraints(exclusions, np.array([0.1, 0.1])),
        box=np.diag([3.0, 3.0, 3.0]),
    )
    design = Design("imported", "from elsewhere", (), (), (term, coulomb), "")
    return ForceField(design, TableSource(parameterization))


def same(a: object, b: object) -> bool:
    """Whether two values are written in the same way, arrays included."""
    one: dict[str, np.ndarray] = {}
    other: dict[str, np.ndarray] = {}
    plain = encode(a, one, name="x") == encode(b, other, name="x")
    return (
        plain
        and one.keys() == other.keys()
        and all(np.array_equal(one[k], other[k]) and one[k].dtype == other[k].dtype for k in one)
    )


class TestRoundTrip:
    def test_free(self, spring: ForceField, saved: Path) -> None:
        loaded = load_force_field(saved)
        assert loaded.design == spring.design
        assert same(loaded.source, spring.source)

    def test_table(self, table: ForceField, tmp_path: Path) -> None:
        save_force_field(table, tmp_path / "table.safetensors")
        loaded = load_force_field(tmp_path / "table.safetensors")
        assert loaded.design == table.design
        assert same(loaded.source, table.source)

    def test_mmff(self, tmp_path: Path) -> None:
        save_force_field(
            ForceField(preset("mmff"), MMFFSource("MMFF94s")), tmp_path / "m.safetensors"
        )
        loaded = load_force_field(tmp_path / "m.safetensors")
        assert loaded == ForceField(preset("mmff"), MMFFSource("MMFF94s"))

    def test_bound_energy_is_the_same(
        self, spring: ForceField, saved: Path, water: Topology
    ) -> None:
        positions = np.array([[0.0, 0.0, 0.0], [0.1, 0.0, 0.0], [0.0, 0.09, 0.0]])
        energies = [
            float(force_field.bind(water, precision="float64").energy(positions))
            for force_field in (spring, load_force_field(saved))
        ]
        assert energies[0] == energies[1]

    def test_provenance_is_kept(self, saved: Path) -> None:
        assert read_saved(saved).provenance == {"from": "a test", "isthmus": isthmus.__version__}

    def test_the_design_can_be_read_by_people(self, saved: Path) -> None:
        with safe_open(saved, framework="numpy") as file:
            header = file.metadata()
        assert header["design"] == SPRING
        assert header["units"] == "kJ/mol, nm, ps, Da, e, rad"


class TestRefused:
    def test_existing_file(self, spring: ForceField, saved: Path) -> None:
        with pytest.raises(InputError, match="exists: choose another name"):
            save_force_field(spring, saved)
        save_force_field(spring, saved, overwrite=True)

    def test_other_suffix(self, spring: ForceField, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"saved as \.safetensors"):
            save_force_field(spring, tmp_path / "spring.npz")

    def test_provenance_that_is_no_json(self, spring: ForceField, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="cannot be written as JSON"):
            save_force_field(spring, tmp_path / "a.safetensors", provenance={"when": object()})
        assert list(tmp_path.iterdir()) == []

    def test_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="there is no file"):
            load_force_field(tmp_path / "no.safetensors")

    def test_truncated_file(self, saved: Path) -> None:
        saved.write_bytes(saved.read_bytes()[:-8])
        with pytest.raises(InputError, match="was cut off"):
            load_force_field(saved)

    def test_text_file(self, saved: Path) -> None:
        saved.write_text("not a force field")
        with pytest.raises(InputError, match="is no safetensors file"):
            load_force_field(saved)

    def test_edited_number(self, saved: Path) -> None:
        data = bytearray(saved.read_bytes())
        data[-1] ^= 1
        saved.write_bytes(data)
        with pytest.raises(InputError, match="was changed after it was saved"):
            load_force_field(saved)

    def test_edited_design(self, saved: Path) -> None:
        _rewrite(saved, design=SPRING.replace("3e5", "4e5"))
        with pytest.raises(InputError, match="was changed after it was saved"):
            load_force_field(saved)

    def test_unknown_version(self, saved: Path) -> None:
        _rewrite(saved, format_version="2")
        with pytest.raises(InputError, match=r"format version 2; .* reads version 1: update"):
            load_force_field(saved)

    def test_tensors_of_others(self, tmp_path: Path) -> None:
        save_file({"x": np.ones(3)}, tmp_path / "x.safetensors")
        with pytest.raises(InputError, match="holds no force field of Isthmus"):
            load_force_field(tmp_path / "x.safetensors")

    @pytest.mark.parametrize(
        "data",
        [
            {"record": "os.system", "fields": {}},
            {"record": ["list"], "fields": {}},
            {"record": "Constraints", "fields": {"pairs": None}},
            {"tensor": "absent"},
            {"strange": 1},
        ],
    )
    def test_unknown_entries(self, data: object) -> None:
        with pytest.raises(InputError, match=r"unknown|needs exactly"):
            decode(data, {})

    def test_unknown_objects_are_not_written(self) -> None:
        with pytest.raises(InputError, match="a complex cannot be saved"):
            encode((1, {"a": 1j}), {}, name="x")


@pytest.mark.parametrize("family", [Source, Special])
def test_every_member_of_a_family_can_be_saved(family: type) -> None:
    def members(parent: type) -> set[type]:
        children = parent.__subclasses__()
        return set(children).union(*(members(child) for child in children))

    ours = {m for m in members(family) if m.__module__.startswith("isthmus.")}
    assert ours <= set(RECORDS.values())


def _rewrite(path: Path, **changes: str) -> None:
    """The same tensors under an edited header."""
    with safe_open(path, framework="numpy") as file:
        header = file.metadata()
    tensors = load_file(path)
    save_file(tensors, path, metadata=header | changes)
    assert json.loads(header["source"])
