"""Neighbour lists against brute force; padding, capacity and staleness."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from isthmus.errors import InputError
from isthmus.geometry.box import minimum_image
from isthmus.geometry.neighbours import all_pairs, build_neighbours, is_stale

TRICLINIC = np.array([[2.2, 0, 0], [-0.6, 2.0, 0], [0.8, 0.7, 2.1]])
NONE = np.zeros((0, 2), dtype=np.int32)


def pairs_of(neighbours):
    i, column = np.nonzero(neighbours.mask)
    j = np.asarray(neighbours.rows)[i, column]
    both = {(int(i), int(j)) for i, j in zip(i, j, strict=True)}
    assert len(both) == len(i), "a neighbour stands twice in a row"
    assert both == {(j, i) for i, j in both}, "a pair stands in one row only"
    return {(i, j) for i, j in both if i < j}


def brute_force(positions, box, reach):
    i, j = np.triu_indices(len(positions), 1)
    apart = positions[i] - positions[j]
    if box is not None:
        apart = minimum_image(jnp.asarray(apart), jnp.asarray(box))
    near = np.linalg.norm(apart, axis=1) < reach
    return set(zip(i[near].tolist(), j[near].tolist(), strict=True))


@pytest.mark.parametrize("box", [None, np.diag([2.0, 2.1, 2.2]), TRICLINIC])
@pytest.mark.parametrize("skin", [0.0, 0.15])
def test_equals_brute_force(box, skin):
    rng = np.random.default_rng(5)
    # Well outside the box, too; and with 0.95 nm of cutoff the reach exceeds half the box.
    positions = rng.uniform(-3, 4, (150, 3))
    exclusions = np.array([(3, 2), (7, 8), (7, 8), (0, 149), (20, 60)])
    found = build_neighbours(positions, box, cutoff=0.95, skin=skin, exclusions=exclusions)
    with jax.enable_x64(True):
        wanted = brute_force(positions, box, 0.95 + skin)
    excluded = {(min(p), max(p)) for p in exclusions.tolist()}
    if box is None or skin == 0:
        assert pairs_of(found) == wanted - excluded
    else:
        assert pairs_of(found) >= wanted - excluded
        assert not pairs_of(found) & excluded
        assert len(pairs_of(found)) == int(found.n_pairs)


def test_padding_keeps_the_promises():
    positions = np.random.default_rng(0).uniform(0, 2, (100, 3))
    found = build_neighbours(positions, None, cutoff=0.5, skin=0.1, exclusions=NONE)
    rows, n_pairs = np.asarray(found.rows), int(found.n_pairs)
    assert rows.dtype == np.int32
    assert rows.shape == (100, found.width)
    assert found.width % 8 == 0
    assert np.all((rows >= 0) & (rows < 100))
    assert int(found.mask.sum()) == 2 * n_pairs


def test_rebuilding_compiles_nothing():
    positions = np.random.default_rng(0).uniform(0, 2, (100, 3)).astype(np.float32)
    box = np.diag([2.0, 2.0, 2.0]).astype(np.float32)
    traces = []

    @jax.jit
    def count(neighbours):
        traces.append(1)
        return neighbours.n_pairs

    found = build_neighbours(positions, box, cutoff=0.5, skin=0.1, exclusions=NONE)
    count(found)
    again = build_neighbours(
        positions + 0.01 * np.random.default_rng(1).normal(size=positions.shape).astype("f"),
        box,
        cutoff=0.5,
        skin=0.1,
        exclusions=NONE,
        width=found.width,
    )
    assert again.width == found.width
    assert int(count(again)) == int(again.n_pairs) != int(found.n_pairs)
    assert len(traces) == 1


def test_overflow_is_an_error():
    positions = np.random.default_rng(0).uniform(0, 1, (50, 3))
    with pytest.raises(InputError, match="more than the width of 8"):
        build_neighbours(positions, None, cutoff=0.5, skin=0.1, exclusions=NONE, width=8)


def test_stale_after_half_the_skin():
    positions = np.random.default_rng(0).uniform(0, 2, (50, 3)).astype(np.float32)
    box = np.diag([2.0, 2.0, 2.0]).astype(np.float32)
    found = build_neighbours(positions, box, cutoff=0.5, skin=0.1, exclusions=NONE)
    stale = jax.jit(is_stale)
    x, cell = found.positions, jnp.asarray(box)
    assert not stale(found, x, cell)
    assert not stale(found, x.at[3, 0].add(0.049), cell)
    assert stale(found, x.at[3, 0].add(0.051), cell)
    # A whole box length is no motion; a strain takes its part of the skin.
    assert not stale(found, x.at[3, 0].add(2.0), cell)
    assert not stale(found, x * 1.01, cell * 1.01)
    assert stale(found, x * 1.15, cell * 1.15)


def test_bad_input():
    positions = np.zeros((3, 3))
    positions[1, 2] = np.nan
    with pytest.raises(InputError, match="first: atom 1"):
        build_neighbours(positions, None, cutoff=0.5, skin=0.1, exclusions=NONE)
    with pytest.raises(InputError, match="smaller than twice the cutoff"):
        build_neighbours(np.zeros((3, 3)), TRICLINIC, cutoff=1.2, skin=0.1, exclusions=NONE)
    with pytest.raises(InputError, match="positive cutoff"):
        build_neighbours(np.zeros((3, 3)), None, cutoff=-1.0, skin=0.1, exclusions=NONE)


@pytest.mark.parametrize("n_atoms", [0, 1, 2])
def test_tiny_systems(n_atoms):
    found = build_neighbours(np.zeros((n_atoms, 3)), None, cutoff=1.0, skin=0.1, exclusions=NONE)
    assert int(found.n_pairs) == (n_atoms == 2)
    assert int(found.mask.sum()) == 2 * (n_atoms == 2)


def test_all_pairs():
    found = all_pairs(4, np.array([(2, 1), (0, 3)]))
    assert found.tolist() == [[0, 1], [0, 2], [1, 3], [2, 3]]
    assert all_pairs(1, NONE).shape == (0, 2)
