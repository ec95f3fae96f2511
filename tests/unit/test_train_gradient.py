"""The loss, its gradient, and what the optimiser makes of it."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from data_springs import springs  # pyright: ignore[reportMissingImports]
from data_training import NETWORK, SPRING, network, start, weights_of  # pyright: ignore[reportMissingImports]
from families import disturbed  # pyright: ignore[reportMissingImports]

from isthmus.data.entry import Entry
from isthmus.forcefield.forcefield import ForceField
from isthmus.parameters.graph.source import GraphSettings
from isthmus.train.batch import Batch, collate, prepare
from isthmus.train.model import energies, loss_and_gradient
from isthmus.train.optimiser import Packing, clip_by_habit, learning_rate, make_optimiser
from isthmus.train.static_loss import LossWeights
from isthmus.train.step import Stepper
from isthmus.train.stream import batch_capacity
from isthmus.train.trainable import Trainable
from isthmus.units import ANGSTROM, KILOCALORIE


def labelled(smiles: str, *, without: str = "") -> Entry:
    """Frames with every kind of label, the first of them without one kind."""
    made = springs(smiles, 3)
    random = np.random.default_rng(1)
    arrays: dict[str, Any] = {
        "energies": np.array(made.energies),
        "forces": np.array(made.forces),
        "charges": random.normal(0, 0.2, (3, made.n_atoms)),
        "dipoles": random.normal(0, 0.02, (3, 3)),
    }
    if without:
        arrays[without][0] = np.nan
    return Entry.create(smiles, made.topology, positions=made.positions, **arrays)


def make_batch(zeros: dict[int, float] | None) -> tuple[Batch, list[int]]:
    entries = [
        labelled("CO", without="forces"),
        labelled("C[NH3+]", without="energies"),
        labelled("O", without="charges"),
    ]
    plan, prepared = prepare(SPRING, entries, element_energies=zeros)
    capacity = batch_capacity(prepared, 4, 3)
    frames = [np.array([0, 2]), np.array([0, 1, 2]), np.array([1])]
    made = collate(plan, prepared, frames, capacity=capacity, n_molecules=4, n_frames=3)
    return made, [entry.n_atoms for entry in entries]


def plain_loss(
    source: Trainable, batch: Batch, sizes: list[int], weights: LossWeights
) -> jax.Array:
    """Written down term by term, molecule by molecule."""
    values = source.values(SPRING, batch.structure.graph)
    x = jnp.asarray(batch.positions)

    def total(x: jax.Array) -> tuple[jax.Array, jax.Array]:
        energy = energies(SPRING, batch, values, (), x)
        return energy.sum(), energy

    gradient, energy = jax.grad(total, has_aux=True)(x)
    sums = dict.fromkeys(("force", "energy", "charge", "dipole", "restraint"), jnp.zeros(()))
    counts = dict.fromkeys(sums, 0.0)
    first = 0
    charges = values["coulomb"]["charge"]
    for m, n_atoms in enumerate(sizes):
        own = slice(first, first + n_atoms)
        first += n_atoms
        offset = energy[m] - batch.energies[m]
        known = [f for f in range(3) if batch.energy_weights[m, f]]
        for f in range(3):
            if batch.force_weights[m, f]:
                sums["force"] += jnp.sum((-gradient[:, own, f] - batch.forces[:, own, f]) ** 2)
                counts["force"] += 3 * n_atoms
            if batch.charge_weights[m, f]:
                sums["charge"] += jnp.sum((charges[own] - batch.charges[own, f]) ** 2)
                counts["charge"] += n_atoms
            if batch.dipole_weights[m, f]:
                dipole = x[:, own, f] @ charges[own]
                sums["dipole"] += jnp.sum((dipole - batch.dipoles[:, m, f]) ** 2) / n_atoms
                counts["dipole"] += 3
        if weights.centred and len(known) < 2:
            continue
        mean = sum(offset[f] for f in known) / len(known) if weights.centred else 0.0
        for f in known:
            sums["energy"] += (offset[f] - mean) ** 2 / n_atoms
            counts["energy"] += 1
    for owner, parameter in SPRING.own_parameters():
        table = "atom" if parameter.per == "atom" else owner.over
        n_rows = int(np.sum(batch.structure.members[table] < len(sizes)))
        prior = parameter.default
        if isinstance(prior, str):
            prior = batch.structure.graph.priors[owner.name][parameter.name][:n_rows]
        found = values[owner.name][parameter.name][:n_rows]
        sums["restraint"] += jnp.sum(((found - prior) / parameter.scale) ** 2)
        counts["restraint"] += n_rows
    return sum(
        (getattr(weights, name) * sums[name] / max(counts[name], 1.0) for name in sums),
        jnp.zeros(()),
    )


@pytest.mark.parametrize("zero", ["molecule", pytest.param("elements", marks=pytest.mark.slow)])
def test_the_gradient_is_that_of_a_plain_loss(zero: str) -> None:
    zeros = None if zero == "molecule" else {1: -7e3, 6: -6e4, 7: -7e4, 8: -8e4}
    batch, sizes = make_batch(zeros)
    weights = LossWeights(
        1.0, 5e4, dipole=1e6, charge=1e5, restraint=1e3, centred=zero == "molecule"
    )
    source = weights_of(disturbed(network(start())))
    measures, found = jax.jit(lambda s: loss_and_gradient(SPRING, s, batch, weights))(source)
    loss, wanted = jax.jit(jax.value_and_grad(lambda s: plain_loss(s, batch, sizes, weights)))(
        source
    )
    np.testing.assert_allclose(measures.loss, loss, rtol=1e-5)
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        scale = max(float(jnp.abs(other).max()), 1e-3)
        np.testing.assert_allclose(one, other, atol=1e-3 * scale)
    # One frame of the first lacks forces, one of the second energies
    assert float(measures.force_count) == 3 * (1 * sizes[0] + 3 * sizes[1] + 1 * sizes[2])
    assert float(measures.energy_count) == (2 + 2 if zero == "molecule" else 2 + 2 + 1)


@pytest.mark.slow
def test_the_gradient_against_finite_differences(x64: None) -> None:
    batch, _ = make_batch(None)
    weights = LossWeights(1.0, 5e4, dipole=1e6, charge=1e5, restraint=1e3)
    wide = lambda tree: jax.tree.map(  # noqa: E731
        lambda leaf: jnp.asarray(leaf, jnp.float64 if leaf.dtype.kind == "f" else None), tree
    )
    source, batch = wide(weights_of(disturbed(network(start())))), wide(batch)
    compute = jax.jit(lambda s: loss_and_gradient(SPRING, s, batch, weights))
    _, slope = compute(source)
    random = np.random.default_rng(0)
    along = jax.tree.map(lambda leaf: random.normal(size=leaf.shape), source)
    size = 1e-4

    def moved(by: float) -> float:
        return float(compute(jax.tree.map(lambda w, d: w + by * d, source, along))[0].loss)

    numeric = (moved(size) - moved(-size)) / (2 * size)
    parts = jax.tree.map(lambda g, d: float(jnp.sum(g * d)), slope, along)
    np.testing.assert_allclose(sum(jax.tree.leaves(parts)), numeric, rtol=1e-4)


def test_loss_weights_have_the_units_that_settings_state() -> None:
    from isthmus.train.settings import TrainSettings

    settings = TrainSettings(energy_weight=2.0, charge_weight=3.0, dipole_weight=5.0)
    weights = LossWeights.of(settings)
    unit = (KILOCALORIE / ANGSTROM) ** 2
    np.testing.assert_allclose(
        [weights.energy * KILOCALORIE**2, weights.charge, weights.dipole * ANGSTROM**2],
        np.array([2.0, 3.0, 5.0]) * unit,
    )


def test_packing_goes_there_and_back() -> None:
    source = weights_of(disturbed(network(start())))
    packing = Packing(source)
    packed = packing.pack(source)
    assert set(packed) == {"rest", f"{NETWORK.width} x {NETWORK.width}", "16 x 8"}
    assert sum(p.size for p in packed.values()) == sum(w.size for w in jax.tree.leaves(source))
    for one, other in zip(
        jax.tree.leaves(packing.unpack(packed)), jax.tree.leaves(source), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_last_layers_of_heads_are_no_inner_matrices() -> None:
    """Springs have two parameters, as many as this network has units."""
    small = GraphSettings(width=2, depth=1, head_width=2)
    source = weights_of(network(ForceField.graph(SPRING, settings=small)))
    # Only last layers start as 0
    assert np.asarray(Packing(source).pack(source)["2 x 2"]).all()


def test_an_outlier_is_shortened_and_nan_becomes_0() -> None:
    clip = clip_by_habit(3.0)
    same: Any
    short: Any
    after: Any
    ones = {"a": jnp.ones(4), "b": jnp.ones((2, 2))}
    state = clip.init(ones)
    nothing, state = clip.update(jax.tree.map(lambda g: g * jnp.nan, ones), state)
    assert not any(leaf.any() for leaf in jax.tree.leaves(nothing))
    for _ in range(5):
        same, state = clip.update(ones, state)
        np.testing.assert_allclose(same["a"], 1, rtol=1e-6)
    short, state = clip.update(jax.tree.map(lambda g: 1e4 * g, ones), state)
    np.testing.assert_allclose(short["b"], 3, rtol=1e-5)
    broken = {"a": ones["a"].at[2].set(jnp.inf), "b": ones["b"]}
    nothing, state = clip.update(broken, state)
    assert not any(leaf.any() for leaf in jax.tree.leaves(nothing))
    after, state = clip.update(ones, state)
    np.testing.assert_allclose(after["a"], 1, rtol=1e-6)


@pytest.mark.parametrize("name", ["muon", "adam"])
def test_a_step_has_the_size_of_the_rate(name: str) -> None:
    random = np.random.default_rng(0)
    packed = {"rest": jnp.ones(5), "8 x 8": jnp.asarray(random.normal(size=(3, 8, 8)), jnp.float32)}
    optimiser = make_optimiser(name, clip=3.0)
    gradient = jax.tree.map(lambda w: 1e-3 * w, packed)
    change: Any
    change, _ = optimiser.update(gradient, optimiser.init(packed), packed)
    # The first step of Adam; with the look ahead of Nesterov inside Muon
    np.testing.assert_allclose(change["rest"], -1 if name == "adam" else -1.474, rtol=1e-3)
    if name == "muon":
        # An orthogonal matrix, nearly
        for matrix in np.asarray(change["8 x 8"]):
            assert 0.5 < np.median(np.linalg.svd(matrix, compute_uv=False)) < 1.5


def test_the_learning_rate_rises_and_falls() -> None:
    rates = [learning_rate(k / 100, highest=2.0, warmup=0.1) for k in range(101)]
    assert rates[0] == pytest.approx(0.2)
    assert np.argmax(rates) == 10
    assert rates[10] == pytest.approx(2.0)
    assert rates[55] == pytest.approx(1.0)
    assert rates[100] == pytest.approx(0.0, abs=1e-12)
    assert learning_rate(0.0, highest=2.0, warmup=0.0) == 2.0


@pytest.mark.parametrize("name", ["muon", "adam"])
def test_a_step_without_a_finite_gradient_changes_nothing(name: str) -> None:
    """Not even by the momentum of the steps before."""
    batch, _ = make_batch(None)
    optimiser = make_optimiser(name, clip=3.0)
    stepper = Stepper(start(), optimiser, LossWeights(1e-6, 1e-2), jax.devices()[:1])
    state, _ = stepper.step(stepper.start(), [batch], rate=1e-2, memory=0.5)
    before = jax.tree.map(np.array, state)
    wild = replace(batch, forces=np.full_like(batch.forces, 1e30))
    state, measures = stepper.step(state, [wild], rate=1e-2, memory=0.5)
    assert np.isnan(measures.loss)
    after = jax.tree.map(np.array, state)
    for one, other in zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True):
        np.testing.assert_array_equal(one, other)
    state, measures = stepper.step(state, [batch], rate=1e-2, memory=0.5)
    assert np.isfinite(measures.loss)
    changed = [not np.array_equal(after.weights[k], state.weights[k]) for k in after.weights]
    assert all(changed)
