"""Batches of molecules: the same energies and forces as one by one; which batches are made."""

from itertools import islice

import jax
import numpy as np
import pytest
from data_springs import springs  # pyright: ignore[reportMissingImports]
from data_training import NETWORK, TINY, network  # pyright: ignore[reportMissingImports]
from families import disturbed  # pyright: ignore[reportMissingImports]

from isthmus.chemistry.smiles import from_smiles
from isthmus.data.entry import Entry
from isthmus.designs.design import Design
from isthmus.designs.schema import preset
from isthmus.errors import InputError
from isthmus.forcefield.forcefield import ForceField
from isthmus.train.batch import Batch, Frames, Plan, Prepared, collate, prepare
from isthmus.train.model import energies_and_forces, loss_and_gradient
from isthmus.train.static_loss import LossWeights
from isthmus.train.stream import batch_capacity, batches, one_pass
from isthmus.train.trainable import Trainable

PRESETS = ("class1", "class2", "class2plus")
# no torsions and no pairs; a triple bond; a charge; branches and a double bond
SMILES = ("C", "O", "CC#N", "C[NH3+]", "CC(=O)[O-]")
N_FRAMES = 3


def batch_of(
    plan: Plan, prepared: list[Prepared], picked: list[int], *, room: int = 0, seed: int = 0
) -> tuple[Batch, list[np.ndarray]]:
    """A batch of some molecules with random frames; more room changes what is filled up."""
    random = np.random.default_rng(seed)
    capacity = {
        table: n + room for table, n in batch_capacity(prepared, len(SMILES), N_FRAMES).items()
    }
    frames = [random.permutation(N_FRAMES)[: random.integers(1, N_FRAMES + 1)] for _ in picked]
    molecules = [prepared[index] for index in picked]
    shape = {"capacity": capacity, "n_molecules": len(SMILES), "n_frames": N_FRAMES}
    return collate(plan, molecules, frames, **shape), frames


def check(design: Design, force_field: ForceField, picks: list[list[int]], room: int) -> None:
    entries = [springs(smiles, N_FRAMES) for smiles in SMILES]
    plan, prepared = prepare(design, entries)
    compute = jax.jit(
        lambda source, batch: energies_and_forces(
            design, batch, source.values(design, batch.structure.graph), ()
        )
    )
    wanted = {
        index: force_field.bind(entries[index].topology, precision="float64").energy_and_forces(
            entries[index].positions
        )
        for index in {index for picked in picks for index in picked}
    }
    for seed, picked in enumerate(picks):
        batch, frames = batch_of(plan, prepared, picked, room=room, seed=seed)
        energy, forces = map(np.asarray, compute(force_field.source, batch))
        first = 0
        for place, (index, chosen) in enumerate(zip(picked, frames, strict=True)):
            exact, columns = wanted[index], slice(len(chosen))
            last = first + entries[index].n_atoms
            np.testing.assert_allclose(
                energy[place, columns], np.asarray(exact.energy)[chosen], rtol=3e-5, atol=2e-3
            )
            scale = float(np.abs(np.asarray(exact.forces)).max())
            np.testing.assert_allclose(
                forces[:, first:last, columns].transpose(2, 1, 0),
                np.asarray(exact.forces)[chosen],
                atol=3e-5 * scale,
            )
            first = last
        # What fills the batch up has no energy and no forces
        np.testing.assert_array_equal(energy[len(picked) :], 0)
        np.testing.assert_array_equal(forces[:, first:], 0)


def test_a_batch_is_its_molecules_one_by_one() -> None:
    force_field = ForceField.graph(TINY, settings=NETWORK)
    picks = [[0, 1, 2, 3, 4], [0], [4, 2, 0], [3, 3], [1]]
    check(TINY, ForceField(TINY, disturbed(network(force_field))), picks, room=0)


@pytest.mark.slow
@pytest.mark.parametrize("room", [0, 24])
@pytest.mark.parametrize("name", PRESETS)
def test_batches_of_the_presets(name: str, room: int) -> None:
    design = preset(name)
    force_field = ForceField.graph(design, settings=NETWORK)
    picks = [[4, 3, 2, 1, 0], [0], [1, 0], [2, 4]]
    check(design, ForceField(design, disturbed(network(force_field))), picks, room=room)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("small", "design"),
    [
        *((small, TINY) for small in ("[Cl-]", "F", "O")),
        *((small, preset("class2plus")) for small in ("[Cl-]", "[H][H]", "C#N")),
    ],
    ids=lambda given: given if isinstance(given, str) else given.name,
)
def test_tables_that_are_empty_in_a_batch_do_no_harm(small: str, design: Design) -> None:
    """Without bonds, angles or torsions there is nothing to fill a table with."""
    molecule = from_smiles(small, conformers=1)
    entry = Entry.create(
        small, molecule.topology, positions=molecule.positions.reshape(1, -1, 3), energies=[1.0]
    )
    plan, prepared = prepare(design, [springs("CC", 2), entry])
    capacity = batch_capacity(prepared, 2, 2)
    shape = {"capacity": capacity, "n_molecules": 2, "n_frames": 2}
    batch = collate(plan, prepared[1:], [np.arange(1)], **shape)
    source = network(ForceField.graph(design, settings=NETWORK))
    trainable = Trainable(source, ())
    measures, slope = loss_and_gradient(design, trainable, batch, LossWeights(1.0, 1.0))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((measures, slope)))


def test_labels_stay_with_their_frames() -> None:
    entry = springs("CO", 4)
    assert entry.forces is not None
    forces = np.array(entry.forces)
    forces[2] = np.nan
    energies = np.array(entry.energies)
    energies[1] = np.nan
    part = Entry.create(
        "part", entry.topology, positions=entry.positions, energies=energies, forces=forces
    )
    plan, prepared = prepare(TINY, [part])
    capacity = batch_capacity(prepared, 1, 5)
    chosen = np.array([2, 1, 3])
    batch = collate(plan, prepared, [chosen], capacity=capacity, n_molecules=2, n_frames=5)
    np.testing.assert_array_equal(batch.force_weights, [[0, 1, 1, 0, 0], [0] * 5])
    np.testing.assert_array_equal(batch.energy_weights, [[1, 0, 1, 0, 0], [0] * 5])
    np.testing.assert_array_equal(batch.charge_weights, 0)
    np.testing.assert_allclose(
        batch.forces[:, : entry.n_atoms, 2].T, entry.forces[3], rtol=1e-6, atol=1e-3
    )
    known = np.delete(entry.energies, 1)
    np.testing.assert_allclose(
        batch.energies[0, [0, 2]], entry.energies[[2, 3]] - known.mean(), rtol=1e-5, atol=1e-4
    )
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(batch))


def test_energies_of_elements_that_were_not_fitted_do_not_count() -> None:
    _, prepared = prepare(
        TINY, [springs("CO", 2), springs("CC", 2)], element_energies={1: 0.0, 6: 1.0}
    )
    assert not prepared[0].frames.has_energy.any()
    assert prepared[1].frames.has_energy.all()


def test_what_cannot_be_prepared() -> None:
    entry = springs("CO", 2)
    boxed = Entry.create(
        "boxed",
        entry.topology,
        positions=entry.positions,
        energies=entry.energies,
        box=np.eye(3) * 3,
    )
    for entries, message in (
        ([], "nothing to train on"),
        ([boxed], "periodic box"),
        ([entry.take([])], "no frames"),
    ):
        with pytest.raises(InputError, match=message):
            prepare(TINY, entries)


@pytest.fixture(scope="module")
def prepared() -> list[Prepared]:
    alkanes = ["C" * length for length in (1, 1, 2, 2, 3, 4, 1, 8)]
    entries = [springs(smiles, 3 + k, name=f"{k}") for k, smiles in enumerate(alkanes)]
    return prepare(TINY, entries)[1]


def test_a_batch_has_room_for_pieces_of_one_molecule() -> None:
    _, (small, large) = prepare(TINY, [springs("CC", 40), springs("CCCCCC", 2)])
    shape = {"n_molecules": 4, "n_frames": 5}
    capacity = batch_capacity([small], 4, 5, [large])
    choices = [c for _, c in islice(batches([small], capacity=capacity, **shape, seed=0), 6)]
    assert {len(choice) for choice in choices} == {4}
    assert all(count < capacity[table] for table, count in large.sizes.items())
    assert batch_capacity([small], 1, 5, [large])["atom"] < 2 * large.sizes["atom"]


def test_frames_far_from_the_origin_are_as_good_as_others() -> None:
    near = springs("CO", 4)
    far = Entry.create("far", near.topology, positions=near.positions + 1e4, energies=near.energies)
    np.testing.assert_allclose(
        Frames.of(far).positions, Frames.of(near).positions, rtol=0, atol=1e-7
    )


@pytest.mark.parametrize(("smiles", "counts"), [("CO", True), ("C[NH3+]", False)])
def test_dipoles_of_ions_do_not_count(smiles: str, counts: bool) -> None:
    made = springs(smiles, 3)
    entry = Entry.create(
        smiles,
        made.topology,
        positions=made.positions,
        energies=made.energies,
        dipoles=np.ones((3, 3)),
    )
    assert Frames.of(entry).has_dipole.tolist() == [float(counts)] * 3


@pytest.mark.parametrize("n_molecules", [1, 3, 8])
def test_every_pass_has_each_frame_once(prepared: list[Prepared], n_molecules: int) -> None:
    capacity = batch_capacity(prepared, n_molecules, 4)

    def drawn(seed: int) -> list[list[tuple[int, tuple[int, ...]]]]:
        shape = {"capacity": capacity, "n_molecules": n_molecules, "n_frames": 4, "seed": seed}
        return [
            [(index, tuple(frames.tolist())) for index, frames in choice]
            for _, choice in islice(batches(prepared, **shape), 60)
        ]

    found = drawn(3)
    assert found == drawn(3)
    assert found != drawn(4)
    pieces = [piece for choice in found for piece in choice]
    assert all(1 <= len(frames) <= 4 for _, frames in pieces)
    order = [(index, frame) for index, frames in pieces for frame in frames]
    every = sorted((i, f) for i, m in enumerate(prepared) for f in range(m.frames.energies.size))
    for first in range(0, len(order) - len(every) + 1, len(every)):
        assert sorted(order[first : first + len(every)]) == every
    for choice in found:
        assert 1 <= len(choice) <= n_molecules
        for table, n_rows in capacity.items():
            assert sum(prepared[index].sizes[table] for index, _ in choice) < n_rows


@pytest.mark.parametrize("n_molecules", [1, 3])
def test_one_pass_has_every_frame_once(prepared: list[Prepared], n_molecules: int) -> None:
    capacity = batch_capacity(prepared, n_molecules, 4)
    shape = {"capacity": capacity, "n_molecules": n_molecules, "n_frames": 4}
    choices = list(one_pass(prepared, **shape))
    seen = [(i, f) for choice in choices for i, frames in choice for f in frames.tolist()]
    wanted = [(i, f) for i, m in enumerate(prepared) for f in range(m.frames.energies.size)]
    assert seen == wanted
    assert all(len(frames) <= 4 for choice in choices for _, frames in choice)
    assert all(1 <= len(choice) <= n_molecules for choice in choices)
