"""What every network must do, whatever its architecture."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array

from isthmus.errors import DesignError
from isthmus.geometry.neighbours import build_neighbours
from isthmus.networks.neighbourhood import dense_neighbourhood, listed_neighbourhood
from isthmus.networks.network import Network
from isthmus.networks.registry import ARCHITECTURES
from isthmus.networks.trained import atoms_of

CUTOFF = 0.35
ELEMENTS = (1, 6, 7, 8)
SMALL = {
    "mace": {"channels": 4, "radial": 4, "hidden": (6,), "l_max": 1, "readout": 4},
    "sake": {"channels": 4, "radial": 4, "heads": 2, "combinations": 4},
    "ani": {"radial": 4, "angular": 2, "angles": 2, "hidden": (6,), "crowd": 4},
    "moments": {"channels": 4, "radial": 4, "hidden": (6,), "degree": 3, "layers": 2},
    "schnet": {"channels": 6, "radial": 5, "layers": 2},
    "painn": {"channels": 6, "radial": 5, "layers": 2},
}
"""Sizes that compile fast and still run every line; an architecture without has its defaults."""

NUMBERS = np.array([6, 8, 1, 7, 1, 6, 1])
POSITIONS = np.array(
    [
        [0.000, 0.010, 0.000],
        [0.121, 0.000, 0.013],
        [-0.055, 0.095, 0.000],
        [-0.070, -0.110, 0.050],
        [-0.031, -0.190, 0.080],
        [0.190, 0.110, -0.060],
        [-0.160, -0.100, 0.100],
    ]
)
NO_PAIRS = np.zeros((0, 2), np.int64)

ALWAYS = ("moments", "painn")
"""Without messages and with equivariant ones; the others take longer to compile"""

pytestmark = [
    pytest.mark.parametrize(
        "name",
        [
            pytest.param(name, marks=() if name in ALWAYS else pytest.mark.slow)
            for name in sorted(ARCHITECTURES)
        ],
    ),
    pytest.mark.usefixtures("x64"),
]


def network(name: str) -> Network:
    """Small, with every weight moved at random, so that nothing is 0 by the way it starts."""
    random = np.random.default_rng(5)
    made = ARCHITECTURES[name].create(
        SMALL.get(name, {}), cutoff=CUTOFF, elements=ELEMENTS, random=random
    )
    return jax.tree.map(
        lambda w: (
            w + 0.2 * random.normal(size=w.shape).astype(w.dtype) if eqx.is_array_like(w) else w
        ),
        made,
    )


def energy_of(
    made: Network, numbers: np.ndarray = NUMBERS, charge: float = 0.0
) -> Callable[[Array], Array]:
    """Energy at positions (atoms, 3) in the dense layout."""
    atoms = atoms_of(ELEMENTS, numbers, np.full(len(numbers), charge))
    return jax.jit(lambda x: jnp.sum(made.energies(atoms, dense_neighbourhood(x.T, CUTOFF))))


def rotation() -> np.ndarray:
    q, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))
    return q


def test_energy_stays_when_the_molecule_is_turned_moved_mirrored_or_renumbered(name: str) -> None:
    made = network(name)
    order = np.random.default_rng(2).permutation(len(NUMBERS))
    moved = POSITIONS @ rotation() + 0.7
    before = energy_of(made)(jnp.asarray(POSITIONS))
    after = energy_of(made, NUMBERS[order])(jnp.asarray(moved[order]))
    np.testing.assert_allclose(after, before, rtol=1e-10)


def test_forces_are_the_slope_of_the_energy(name: str) -> None:
    energy = energy_of(network(name))
    x, step = jnp.asarray(POSITIONS), 1e-6
    along = jnp.asarray(np.random.default_rng(3).normal(size=POSITIONS.shape))
    slope = (energy(x + step * along) - energy(x - step * along)) / (2 * step)
    gradient = jax.jit(jax.grad(energy))(x)
    assert jnp.all(jnp.abs(gradient).max(axis=1) > 0)
    np.testing.assert_allclose(jnp.sum(gradient * along), slope, rtol=1e-6)


def test_both_ways_to_second_derivatives_agree(name: str) -> None:
    energy = energy_of(network(name))
    x = jnp.asarray(POSITIONS)
    along = jnp.asarray(np.random.default_rng(3).normal(size=POSITIONS.shape))
    forward = jax.jit(lambda x: jax.jvp(jax.grad(energy), (x,), (along,))[1])(x)
    reverse = jax.jit(jax.grad(lambda x: jax.jvp(energy, (x,), (along,))[1]))(x)
    np.testing.assert_allclose(
        forward, reverse, rtol=1e-8, atol=1e-10 * float(jnp.abs(forward).max())
    )


def test_energy_force_and_curvature_are_continuous_at_the_cutoff(name: str) -> None:
    energy = energy_of(network(name), np.array([6, 8, 1]))
    start = jnp.asarray([[0.0, 0, 0], [0.12, 0, 0], [0, 0, 0]])

    def at(t: Array) -> Array:
        return energy(start.at[2, 0].set(-CUTOFF - t))

    curvature = jax.jit(jax.vmap(jax.grad(jax.grad(at))))
    slope = jax.jit(jax.vmap(jax.grad(at)))
    inside = jnp.linspace(-0.1, -0.02, 9)
    across = jnp.asarray([-1e-8, 1e-8])
    for values in (jax.vmap(at), slope, curvature):
        before, after = values(across)
        assert abs(after - before) < 1e-5 * jnp.ptp(values(inside))
    assert curvature(across)[1] == 0.0


def test_two_molecules_far_apart_are_the_sum(name: str) -> None:
    made = network(name)
    both = np.concatenate([POSITIONS, POSITIONS @ rotation() + 3.0])
    single = energy_of(made)(jnp.asarray(POSITIONS))
    double = energy_of(made, np.tile(NUMBERS, 2))(jnp.asarray(both))
    np.testing.assert_allclose(double, 2 * single, rtol=1e-10)


@pytest.mark.parametrize(
    "positions",
    [
        [[0.1, 0.2, 0.3]],
        [[0.0, 0.0, 0.0], [0.0, 0.0, 0.1]],
        [[0.0, 0.0, 0.0], [0.0, 0.0, 0.1], [0.0, 0.0, -0.1]],
        [[0.0, 0.0, 0.0], [0.0, 0.0, 1.0]],
    ],
    ids=["atom", "pair", "line", "apart"],
)
def test_few_atoms_in_special_places_have_finite_derivatives(
    name: str, positions: list[list[float]]
) -> None:
    energy = energy_of(network(name), np.full(len(positions), 6))
    x = jnp.asarray(positions)
    value, gradient = jax.jit(jax.value_and_grad(energy))(x)
    second = jax.jit(lambda x: jax.jvp(jax.grad(energy), (x,), (x,))[1])(x)
    assert jnp.isfinite(value)
    assert jnp.all(jnp.isfinite(gradient))
    assert jnp.all(jnp.isfinite(second))


def test_neighbour_lists_change_nothing(name: str) -> None:
    made = network(name)
    atoms = atoms_of(ELEMENTS, NUMBERS, np.zeros(len(NUMBERS)))
    neighbours = build_neighbours(
        POSITIONS, None, cutoff=CUTOFF, skin=0.02, exclusions=NO_PAIRS, back=True
    )
    rows, back = neighbours.rows, neighbours.back
    assert back is not None

    def listed(x: Array) -> Array:
        return jnp.sum(made.energies(atoms, listed_neighbourhood(x.T, None, rows, back, CUTOFF)))

    x = jnp.asarray(POSITIONS)
    ours, slope = jax.jit(jax.value_and_grad(listed))(x)
    wanted, wanted_slope = jax.jit(jax.value_and_grad(energy_of(made)))(x)
    np.testing.assert_allclose(ours, wanted, rtol=1e-10)
    np.testing.assert_allclose(slope, wanted_slope, rtol=1e-8, atol=1e-10)


def test_many_systems_at_once_are_each_alone(name: str) -> None:
    single = jax.grad(energy_of(network(name)))
    # One is so spread out that atoms have fewer neighbours: programs may choose other branches
    frames = jnp.asarray(np.stack([POSITIONS, POSITIONS[::-1], 2.0 * POSITIONS]))
    together = jax.jit(jax.vmap(single))(frames)
    for frame, gradient in zip(frames, together, strict=True):
        np.testing.assert_allclose(gradient, jax.jit(single)(frame), rtol=1e-8, atol=1e-10)


def test_moving_atoms_compiles_nothing(name: str) -> None:
    made, traced = network(name), []
    atoms = atoms_of(ELEMENTS, NUMBERS, np.zeros(len(NUMBERS)))

    @jax.jit
    def energy(x: Array) -> Array:
        traced.append(1)
        return jnp.sum(made.energies(atoms, dense_neighbourhood(x.T, CUTOFF)))

    values = {float(energy(jnp.asarray(scale * POSITIONS))) for scale in (1.0, 1.1, 4.0)}
    assert len(values) == 3
    assert len(traced) == 1


def test_charge_is_seen_once_its_weights_are_not_zero(name: str) -> None:
    made, x = network(name), jnp.asarray(POSITIONS)
    assert energy_of(made)(x) != energy_of(made, charge=1.0)(x)


def test_single_precision_stays_single_and_is_near(name: str) -> None:
    made = network(name)
    double = jax.jit(jax.grad(energy_of(made)))(jnp.asarray(POSITIONS))
    single = jax.jit(jax.grad(energy_of(made)))(jnp.asarray(POSITIONS, jnp.float32))
    assert single.dtype == jnp.float32
    np.testing.assert_allclose(single, double, atol=2e-5 * float(jnp.abs(double).max()))


def test_equal_seeds_give_equal_weights_and_small_energies(name: str) -> None:
    first, second = (
        ARCHITECTURES[name].create(
            {}, cutoff=0.5, elements=ELEMENTS, random=np.random.default_rng(0)
        )
        for _ in range(2)
    )
    weights = jax.tree.leaves(eqx.filter(first, eqx.is_array_like))
    for a, b in zip(weights, jax.tree.leaves(eqx.filter(second, eqx.is_array_like)), strict=True):
        np.testing.assert_array_equal(a, b)
        assert a.dtype == np.float32
    atoms = atoms_of(ELEMENTS, NUMBERS, np.zeros(len(NUMBERS)))
    around = dense_neighbourhood(jnp.asarray(POSITIONS.T), 0.5)
    energies = jax.jit(lambda: first.energies(atoms, around))()
    assert jnp.abs(energies).max() < 2.0


def test_a_wrong_setting_is_an_error_that_lists_the_right_ones(name: str) -> None:
    with pytest.raises(DesignError, match="unknown setting 'widht'"):
        ARCHITECTURES[name].create(
            {"widht": 3}, cutoff=0.5, elements=ELEMENTS, random=np.random.default_rng(0)
        )
