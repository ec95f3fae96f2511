"""Designs with networks: read, trained, saved, evaluated and bound like all others."""

import jax
import numpy as np
import pytest
from data_springs import springs  # pyright: ignore[reportMissingImports]
from data_training import NETWORK, SPRINGS, short  # pyright: ignore[reportMissingImports]

from isthmus.chemistry.smiles import from_smiles
from isthmus.data.dataset import Dataset
from isthmus.designs.design import Design
from isthmus.designs.schema import parse_design
from isthmus.errors import DesignError, InputError
from isthmus.evaluate.evaluation import evaluate
from isthmus.evaluate.predict import Prediction, predict
from isthmus.forcefield.file import load_force_field, save_force_field
from isthmus.forcefield.forcefield import ForceField
from isthmus.networks import bound
from isthmus.terms.nonbonded_method import NonbondedMethod
from isthmus.train.loop import train
from isthmus.train.staged import left_over, train_networks

TABLE = """
[[network]]
name = "net"
architecture = "ani"
cutoff = 0.45
settings = { radial = 4, angular = 2, angles = 2, hidden = [16, 16] }
repulsion = true
"""
PURE = parse_design('name = "pure"\n' + TABLE)
HYBRID = parse_design(SPRINGS.replace('"springs"', '"hybrid"') + TABLE)
ELEMENTS = (1, 6, 7, 8)


def made(design: Design, *, seed: int = 1) -> ForceField:
    """A force field whose networks give energies that count."""
    force_field = ForceField.graph(design, seed=seed, settings=NETWORK, elements=ELEMENTS)
    random = np.random.default_rng(seed)
    networks = jax.tree.map(
        lambda leaf: leaf + 0.1 * random.standard_normal(np.shape(leaf)).astype(np.float32),
        force_field.networks,
    )
    return ForceField(design, force_field.source, networks)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('"ani"', '"anni"'), "unknown architecture 'anni'; known are ani"),
        (("cutoff = 0.45", "cutoff = 4.5"), "cutoff = 4.5 nm: wanted is a length in nm"),
        (("radial = 4", "radials = 4"), "unknown setting 'radials'"),
        (("[[network]]", "[network]"), r"\[network\] is a single table"),
        (("repulsion = true", 'repulsion = "yes"'), "repulsion = 'yes' has the wrong type"),
        (("radial = 4", "radial = { }"), r"settings.radial = \{\}: a number"),
    ],
)
def test_errors_of_a_design_say_what_is_wrong(change: tuple[str, str], message: str) -> None:
    with pytest.raises(DesignError, match=message):
        parse_design('name = "pure"\n' + TABLE.replace(*change))


@pytest.mark.parametrize("design", [PURE, HYBRID], ids=lambda design: design.name)
def test_lists_of_neighbours_change_nothing(
    design: Design, monkeypatch: pytest.MonkeyPatch
) -> None:
    molecule = from_smiles("CC(=O)N", conformers=1)
    force_field = made(design)
    small = force_field.bind(molecule.topology, precision="float64")
    positions = molecule.positions.reshape(-1, 3)
    wanted, virial = small.energy_and_forces(positions), small.virial(positions)
    assert not small.needs_neighbours
    monkeypatch.setattr(bound, "DENSE", 3)
    large = force_field.bind(molecule.topology, precision="float64")
    assert large.needs_neighbours
    found = large.energy_and_forces(positions)
    assert np.abs(wanted.forces).max() > 1
    np.testing.assert_allclose(found.energy, wanted.energy, rtol=1e-11)
    np.testing.assert_allclose(found.forces, wanted.forces, atol=1e-8)
    np.testing.assert_allclose(large.virial(positions), virial, atol=1e-8)


def test_a_box_shows_the_nearest_images() -> None:
    """A molecule that the boundary cuts apart is the whole one."""
    molecule = from_smiles("CCO", conformers=1)
    positions = molecule.positions.reshape(-1, 3)
    force_field, box = made(PURE), 3.0 * np.eye(3)
    whole = force_field.bind(molecule.topology, precision="float64")
    boxed = force_field.bind(molecule.topology, precision="float64", box=box)
    cut = np.mod(positions - positions[0], 3.0)
    assert np.ptp(cut) > 2
    np.testing.assert_allclose(boxed.energy(cut), whole.energy(positions), rtol=1e-10)
    with pytest.raises(InputError, match="cutoff"):
        boxed.energy(positions, 0.8 * np.eye(3))


def test_all_of_a_hybrid_sees_a_box_or_nothing() -> None:
    molecule = from_smiles("O.O", conformers=1)
    positions, box = molecule.positions.reshape(-1, 3), 2.5 * np.eye(3)
    hybrid = made(HYBRID)
    with pytest.raises(InputError, match="would not: bind it with a cutoff method"):
        hybrid.bind(molecule.topology, box=box)
    pme = NonbondedMethod("pme", cutoff=1.0)
    potential = hybrid.bind(molecule.topology, precision="float64", nonbonded=pme, box=box)
    moved = positions.copy()
    moved[np.asarray(molecule.topology.components) == 1] += box[0]
    np.testing.assert_allclose(potential.energy(moved), potential.energy(positions), atol=1e-6)


def test_molecules_of_all_sizes_are_predicted() -> None:
    """Sorted into rows of about one length, and given back in their order."""
    force_field = made(PURE)
    entries = [springs(smiles, n) for smiles, n in (("CCCCCCO", 2), ("O", 9), ("CO", 2), ("N", 1))]
    for entry, found in zip(entries, predict(force_field, entries), strict=True):
        assert isinstance(found, Prediction)
        alone = force_field.bind(entry.topology, precision="float64").energy(entry.positions)
        np.testing.assert_allclose(found.energies, alone, rtol=1e-10, atol=1e-9)


def test_forces_are_slopes_of_the_energy() -> None:
    molecule = from_smiles("CO", conformers=1)
    potential = made(HYBRID).bind(molecule.topology, precision="float64")
    x, h = molecule.positions.reshape(-1, 3), 1e-6
    forces = potential.energy_and_forces(x).forces
    for atom in range(len(x)):
        step = np.zeros_like(x)
        step[atom, 1] = h
        slope = (potential.energy(x + step) - potential.energy(x - step)) / (2 * h)
        np.testing.assert_allclose(forces[atom, 1], -slope, atol=1e-4)


@pytest.mark.parametrize("design", [PURE, HYBRID], ids=lambda design: design.name)
def test_a_file_holds_all_of_it(design: Design, tmp_path) -> None:
    force_field, path = made(design), tmp_path / "model.safetensors"
    save_force_field(force_field, path)
    molecule = from_smiles("CCN", conformers=1)
    x = molecule.positions.reshape(-1, 3)
    energies = [f.bind(molecule.topology).energy(x) for f in (force_field, load_force_field(path))]
    assert energies[0] == energies[1]


def test_products_keep_their_digits_on_every_device() -> None:
    potential = made(PURE).bind(from_smiles("CO").topology)
    x = np.zeros((6, 3), np.float32)
    text = str(jax.make_jaxpr(jax.grad(potential.energy))(x))
    assert text.count("dot_general[") == text.count("precision=(Precision.HIGHEST")
    assert "dot_general[" in text


def test_an_element_that_it_does_not_know_is_refused() -> None:
    with pytest.raises(InputError, match="made for H, C, N, O, and this molecule has S"):
        made(PURE).bind(from_smiles("CS").topology)


@pytest.mark.parametrize("design", [PURE, HYBRID], ids=lambda design: design.name)
def test_many_molecules_at_once_are_each_by_itself(design: Design) -> None:
    force_field = made(design)
    entries = [springs(smiles, 3) for smiles in ("CO", "CCN", "O", "C[NH3+]")]
    for entry, found in zip(entries, predict(force_field, entries), strict=True):
        assert isinstance(found, Prediction)
        alone = force_field.bind(entry.topology, precision="float64")
        wanted = alone.energy_and_forces(entry.positions)
        # Parameters from the graph are float32 numbers, which depend on what else is in a batch
        slack = 1e-10 if design is PURE else 1e-4
        np.testing.assert_allclose(found.energies, wanted.energy, rtol=slack, atol=10 * slack)
        np.testing.assert_allclose(found.forces, wanted.forces, rtol=slack, atol=100 * slack)


@pytest.mark.parametrize(
    "design",
    [
        pytest.param(PURE, id="pure"),
        pytest.param(HYBRID, id="hybrid", marks=pytest.mark.slow),
    ],
)
def test_training_lowers_the_error(design: Design) -> None:
    entries = [springs(smiles, 8) for smiles in ("CO", "CN")]
    start = ForceField.graph(design, settings=NETWORK, elements=ELEMENTS)
    result = train(start, entries, settings=short(epochs=200))
    assert result.ending == "complete"
    before, after = (
        evaluate(f, Dataset.create(entries)).overall.force_rmse for f in (start, result.force_field)
    )
    assert before is not None
    assert after is not None
    assert after < 0.6 * before


def test_a_network_learns_what_formulas_leave() -> None:
    entries = [springs("CO", 8)]
    formulas = ForceField.free(HYBRID.formulas, entries[0].topology)
    settings = short(epochs=200, molecules=1)
    result = train_networks(HYBRID, formulas, entries, settings=settings)
    before, after = (
        evaluate(f, Dataset.create(entries)).overall.force_rmse
        for f in (formulas, result.force_field)
    )
    assert before is not None
    assert after is not None
    assert after < 0.6 * before
    # What the run measured, of what formulas leave, is the error of the whole
    rest = evaluate(result.force_field, Dataset.create(left_over(formulas, entries)))
    assert rest.overall.force_rmse != pytest.approx(after, rel=0.1)
