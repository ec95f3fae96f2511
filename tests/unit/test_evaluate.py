"""Errors against closed forms; predictions against those of one molecule at a time."""

import dataclasses
import io
import json

import numpy as np
import pytest
from data_springs import springs  # pyright: ignore[reportMissingImports]
from rich.console import Console

from isthmus.chemistry.environments import Domain
from isthmus.cli.evaluate_tables import evaluation_tables
from isthmus.data import Entry
from isthmus.errors import InputError
from isthmus.evaluate.as_json import evaluation_as_json
from isthmus.evaluate.evaluation import Evaluation, judge
from isthmus.evaluate.metrics import metrics
from isthmus.evaluate.predict import Prediction, Refusal, predict
from isthmus.evaluate.reweighting import effective_fraction, sample_note
from isthmus.forcefield.forcefield import ForceField
from isthmus.parameters.graph.source import GraphSettings
from isthmus.units import BOLTZMANN

KT = BOLTZMANN * 300.0
SLOW = pytest.mark.slow


def of(entry: Entry, *, energy: object = 0.0, force: object = 0.0) -> Prediction:
    """The labels and errors that are known."""
    assert entry.forces is not None
    return Prediction(
        np.array(entry.energies + np.asarray(energy, dtype=float)),
        np.array(entry.forces + np.asarray(force, dtype=float)),
    )


def judged(*pairs: tuple[Entry, Prediction | Refusal], **options: object) -> Evaluation:
    entries, predictions = zip(*pairs, strict=True)
    return judge(list(entries), list(predictions), **options)  # pyright: ignore[reportArgumentType]


def as_json(evaluation: Evaluation) -> dict:
    content = evaluation_as_json(evaluation, model={"name": "m"}, data={"path": "d"})
    return json.loads(json.dumps(content, allow_nan=False))


def test_a_perfect_model_and_any_zero_of_energy() -> None:
    first, second = springs("CO", 8), springs("CCO", 8)
    found = judged((first, of(first, energy=700.0)), (second, of(second, energy=-3e4))).overall
    assert found.force_rmse == found.force_mae == 0.0
    for value in (found.energy_rmse, found.energy_mae, found.sigma_delta_u):
        assert value == pytest.approx(0.0, abs=1e-9)
    assert found.effective_sample_size == pytest.approx(1.0)


def test_known_errors_give_known_numbers() -> None:
    # Errors of ±2 kcal/mol about any constant, of 3 kcal/mol/Å in x and 0 in y and z.
    first, second = springs("CO", 10), springs("CCO", 20)
    signs = [np.resize([1.0, -1.0], n) * 2 * 4.184 for n in (10, 20)]
    pull = np.array([3.0, 0.0, 0.0]) * 41.84
    content = as_json(
        judged(
            (first, of(first, energy=signs[0] + 55, force=pull)),
            (second, of(second, energy=signs[1] - 8, force=-pull)),
        )
    )
    assert content["force_rmse"] == pytest.approx(3 / np.sqrt(3))
    assert content["force_mae"] == pytest.approx(1.0)
    assert content["energy_rmse"] == pytest.approx(2.0)
    assert content["energy_mae"] == pytest.approx(2.0)
    assert content["sigma_delta_u"] == pytest.approx(2.0 * np.sqrt(30 / 28))
    assert content["force_rmse_95"] == pytest.approx([3 / np.sqrt(3)] * 2)
    assert (content["n_molecules"], content["n_frames"]) == (2, 30)
    assert content["n_force_components"] == 3 * (10 * 6 + 20 * 9)
    assert content["level_of_theory"] == "springs"
    assert {row["smiles"] for row in content["per_molecule"]} == {"CO", "CCO"}


def test_molecules_count_by_their_frames_and_elements_by_their_atoms() -> None:
    first, second = springs("CO", 10), springs("CCO", 30)
    only_oxygen = (second.topology.atomic_numbers == 8)[:, None] * np.array([3.0, 3.0, 3.0])
    found = judged((first, of(first, energy=0.0)), (second, of(second, force=only_oxygen)))
    n_first, n_second = 10 * 6, 30 * 9
    expected = np.sqrt(9.0 * 30 / (n_first + n_second))
    assert found.overall.force_rmse == pytest.approx(expected)
    assert found.by_element["O"] == (pytest.approx(np.sqrt(9.0 * 30 / 40)), 3 * 40)
    assert found.by_element["C"] == (0.0, 3 * 70)
    assert [m.name for m in found.worst(1)] == ["CCO"]
    assert found.intervals["force_rmse"].low == 0.0


def test_kish_of_two_values() -> None:
    # Half of the frames weigh 1, half exp(-x): (1 + w)² / (2 (1 + w²)).
    weight = np.exp(-1.5)
    differences = np.resize([0.0, 1.5], 40) * KT + 1e4
    expected = (1 + weight) ** 2 / (2 * (1 + weight**2))
    none = np.full(40, np.nan)
    assert effective_fraction(differences, none) == pytest.approx(expected)
    # At twice the temperature the same energies weigh less.
    weight = np.exp(-0.75)
    hot = effective_fraction(differences, np.full(40, 600.0))
    assert hot == pytest.approx((1 + weight) ** 2 / (2 * (1 + weight**2)))


def test_kish_of_a_gaussian_and_of_one_frame_that_takes_all() -> None:
    sigma = 0.5
    differences = np.random.default_rng(0).normal(scale=sigma * KT, size=200_000)
    none = np.full(len(differences), np.nan)
    assert effective_fraction(differences, none) == pytest.approx(np.exp(-(sigma**2)), rel=0.01)
    alone = np.array([-1e6, 0, 0, 0, 0, 0, 0, 0])
    assert effective_fraction(alone, np.full(8, np.nan)) == pytest.approx(1 / 8)


def test_kish_takes_temperatures_one_by_one_and_needs_five_frames() -> None:
    # A constant that is another at each temperature changes no weight within one of them.
    temperatures = np.repeat([300.0, 600.0, 900.0], [5, 15, 4])
    constant = np.repeat([0.0, 50.0, 99.0], [5, 15, 4])
    assert effective_fraction(constant, temperatures) == pytest.approx(1.0)
    constant[0] = -1e5
    assert effective_fraction(constant, temperatures) == pytest.approx((5 * 0.2 + 15) / 20)
    assert effective_fraction(np.zeros(4), np.full(4, 300.0)) is None


def test_temperatures_share_the_mean_of_their_molecule() -> None:
    temperatures = [300.0] * 6 + [600.0] * 6
    entry = springs("CO", 12, temperatures=temperatures)
    shift = np.where(np.array(temperatures) > 400, 4.0, 0.0)
    found = judged((entry, of(entry, energy=shift))).by_temperature
    assert list(found) == [300.0, 600.0]
    assert [m.energy_rmse for m in found.values()] == pytest.approx([2.0, 2.0])
    # Within a temperature nothing varies.
    assert [m.sigma_delta_u for m in found.values()] == pytest.approx([0.0, 0.0], abs=1e-9)


def test_sigma_leaves_out_a_molecule_with_one_frame_at_a_temperature() -> None:
    first = springs("CO", 9, temperatures=[300.0] * 8 + [600.0])
    second = springs("CCO", 8, temperatures=[300.0] * 4 + [600.0] * 4)
    found = judged(
        (first, of(first, energy=np.array([0.0] * 8 + [90.0]))),
        (second, of(second, energy=np.resize([1.0, -1.0], 8))),
    ).by_temperature
    # Sums of squares 0 and 4 over 7 + 3, and 4 over 3; the single frame is in neither sum.
    expected = [np.sqrt(4 / 10), np.sqrt(4 / 3)]
    assert [m.sigma_delta_u for m in found.values()] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("source", "provenance", "said"),
    [
        ("sampled with mmff94", {}, "sampled with mmff94, not with the reference"),
        ("sampled with label; sampled with mmff94", {}, "sampled with mmff94, not"),
        ("sampled with label", {}, None),
        ("sampled with label", {"relabelled_from": "a.h5"}, "the level that labelled them before"),
        ("SPICE PubChem Set 1", {}, None),
    ],
)
def test_frames_that_another_potential_sampled(
    source: str, provenance: dict[str, str], said: str | None
) -> None:
    entry = dataclasses.replace(springs("CO", 6), source=source)
    note = sample_note([entry], provenance)
    assert (note is None) if said is None else (note is not None and said in note)
    data = {"path": "d", "provenance": provenance}
    content = evaluation_as_json(judged((entry, of(entry))), model={"name": "m"}, data=data)
    assert content["effective_sample_size_note"] == note


def test_missing_labels_are_left_out_and_counted() -> None:
    entry = springs("CO", 10)
    assert entry.forces is not None
    energies, forces = entry.energies.copy(), entry.forces.copy()
    prediction = of(entry, energy=np.arange(10.0) % 2, force=1.0)
    energies[:2], forces[3, 1, 2], forces[7] = np.nan, np.nan, np.nan
    holes = dataclasses.replace(entry, energies=energies, forces=forces)
    content = as_json(judged((holes, prediction)))
    assert content["n_frames_without_energy_error"] == 2
    assert content["n_frames_without_forces"] == 2
    assert (content["n_energies"], content["n_force_components"]) == (8, 8 * 18)
    assert content["energy_rmse"] == pytest.approx(0.5 / 4.184)
    assert content["force_rmse"] == pytest.approx(1 / 41.84)


def test_one_frame_has_no_energy_error_and_no_forces_no_force_error() -> None:
    single, bare = springs("CO", 1), springs("CCO", 6)
    without = dataclasses.replace(bare, forces=None)
    content = as_json(judged((single, of(single)), (without, of(bare, energy=0.0))))
    assert content["n_molecules_without_energy_error"] == 1
    assert (content["n_energies"], content["n_force_components"]) == (6, 18)
    assert content["force_rmse_95"] is None
    assert content["energy_rmse_95"] is None
    rows = {row["name"]: row for row in content["per_molecule"]}
    assert rows["CO"]["energy_rmse"] is None
    assert rows["CO"]["effective_sample_size"] is None
    assert rows["CCO"]["force_rmse"] is None
    assert rows["CCO"]["force_rmse_of_atoms"] == [None] * 9


def test_numbers_that_are_not_finite_are_no_prediction() -> None:
    entry, other = springs("CO", 6), springs("CCO", 6)
    wrong = of(entry)
    wrong.forces[2, 0, 0] = np.inf
    found = judged((entry, wrong), (other, Refusal("no numbers for it")))
    assert not found.molecules
    assert "not finite in 1 of 6 frames" in found.refused[0].reason
    content = as_json(found)
    assert (content["n_molecules"], content["n_unsupported"]) == (0, 2)
    assert content["force_rmse"] is content["effective_sample_size"] is None
    assert content["unsupported"][1]["reason"] == "no numbers for it"


def test_molecules_outside_the_domain_stand_apart() -> None:
    known, new = springs("CO", 6), springs("CN", 6)
    domain = Domain.of([known.topology])
    found = judged((known, of(known, force=1.0)), (new, of(new, force=2.0)), domain=domain)
    assert found.inside is not None
    assert found.outside is not None
    assert (found.inside.force_rmse, found.outside.force_rmse) == (1.0, 2.0)
    assert found.by_radius[0].n_molecules == 1
    content = as_json(found)
    assert (content["domain"]["n_inside"], content["domain"]["n_outside"]) == (1, 1)
    assert content["per_molecule"][1]["domain"]["text"] == "new element N"


def test_a_temperature_must_be_positive() -> None:
    entry = springs("CO", 3)
    with pytest.raises(InputError, match="wanted a positive number"):
        judged((entry, of(entry)), temperature=0.0)


def test_charges_and_the_dipoles_they_make() -> None:
    """In frames that are labelled; ions have no dipole."""
    entry = springs("CO", 4, charges=True)
    charges = np.array([0.3, -0.3, 0.1, 0.1, -0.2, 0.0])
    dipoles = np.einsum("a,fac->fc", charges, entry.positions) - [0.03, 0.0, 0.0]
    labels = np.zeros((4, 6)) + charges - 0.02
    dipoles[1], labels[2] = np.nan, np.nan
    entry = dataclasses.replace(
        entry, charges=labels, dipoles=dipoles, temperatures=np.array([3.0, 3, 4, 4])
    )
    ion = dataclasses.replace(
        springs("C[NH3+]", 2), charges=np.zeros((2, 8)) + 0.1, dipoles=np.zeros((2, 3))
    )
    found = judged(
        (entry, dataclasses.replace(of(entry), charges=charges)),
        (ion, dataclasses.replace(of(ion), charges=np.full(8, 0.14))),
        (springs("CCO", 2), of(springs("CCO", 2))),
    )
    content = as_json(found)
    # 18 charges are off by 0.02 e, those of the ion by 0.04 e; dipoles by 0.03 e nm along x.
    assert content["charge_rmse"] == pytest.approx(np.sqrt((18 * 0.02**2 + 16 * 0.04**2) / 34))
    assert content["dipole_rmse"] == pytest.approx(0.3 / np.sqrt(3))
    assert [row["charge_rmse"] for row in content["per_molecule"]] == [
        pytest.approx(0.02),
        pytest.approx(0.04),
        None,
    ]
    text = Console(width=200, file=io.StringIO(), record=True)
    text.print(next(iter(evaluation_tables(found, worst=0))))
    assert "dipole RMSE [e Å]" in text.export_text()
    without = Console(width=200, file=io.StringIO(), record=True)
    plain = judged((springs("CO", 4), of(springs("CO", 4))))
    without.print(next(iter(evaluation_tables(plain, worst=0))))
    assert "RMSE [e" not in without.export_text()


def test_metrics_of_nothing_are_none() -> None:
    found = metrics([])
    assert found.force_rmse is found.energy_rmse is found.sigma_delta_u is None


@pytest.mark.parametrize(
    "name",
    ["mmff94", pytest.param("free", marks=SLOW), pytest.param("graph", marks=SLOW)],
)
def test_many_molecules_at_once_equal_one_by_one(name: str) -> None:
    """Different sizes and numbers of frames; for networks also two components."""
    smiles = {"CO": 3, "CC#N": 1} if name == "mmff94" else {"CO": 3, "[Cl-].[NH4+]": 1, "CC#N": 9}
    entries = [springs(text, n, seed=n) for text, n in smiles.items()]
    network = ForceField.graph("class1", settings=GraphSettings(width=8, depth=1, head_width=8))

    def force_field(entry: Entry) -> ForceField:
        if name == "graph":
            return network
        if name == "mmff94":
            return ForceField.mmff()
        return ForceField.free("class2", entry.topology, random_seed=1)

    done = []
    model = network if name == "graph" else force_field
    together = predict(model, entries, progress=done.append)
    assert sum(done) == sum(smiles.values())
    # A network runs in float32, where the order of sums shows.
    rtol, atol = (2e-5, 0.05) if name == "graph" else (1e-9, 1e-7)
    for entry, found in zip(entries, together, strict=True):
        assert isinstance(found, Prediction)
        potential = force_field(entry).bind(entry.topology, precision="float64")
        alone = potential.energy_and_forces(entry.positions)
        np.testing.assert_allclose(found.energies, alone.energy, rtol=rtol, atol=atol)
        np.testing.assert_allclose(found.forces, alone.forces, rtol=rtol, atol=atol)
        own = force_field(entry).parameterise(entry.topology)
        bound = [*own.terms, *(term for group in own.pair_groups for term in group.terms)]
        (coulomb,) = (term for term in bound if term.term.name == "coulomb")
        assert found.charges is not None
        np.testing.assert_allclose(found.charges, coulomb.values["charge"], atol=1e-6)


def test_molecules_that_cannot_be_evaluated_say_why() -> None:
    good, boxed = springs("CO", 2), springs("CCO", 2)
    box = np.diag([3.0, 3.0, 3.0])
    exotic = springs("C[As]C", 2)
    entries = [
        good,
        dataclasses.replace(boxed, box=box),
        exotic,
        good.take([]),
        dataclasses.replace(good, positions=np.zeros_like(good.positions)),
    ]
    found = predict(ForceField.mmff(), entries)
    assert isinstance(found[0], Prediction)
    reasons = [item.reason for item in found[1:] if isinstance(item, Refusal)]
    assert len(reasons) == 4
    for reason, text in zip(reasons, ("box", "MMFF", "no frames", "same place"), strict=True):
        assert text in reason
