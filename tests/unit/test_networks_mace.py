"""MACE and the spherical tensors under it: e3nn's numbers, and what rotations must do."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array

from isthmus.errors import DesignError
from isthmus.networks.mace import Mace
from isthmus.networks.mace_layer import coupled, paths
from isthmus.networks.neighbourhood import dense_neighbourhood
from isthmus.networks.spherical import real_harmonics
from isthmus.networks.tensor_products import coupling, evaluate, polynomials, rotation_matrix
from isthmus.networks.trained import atoms_of

DATA = json.loads((Path(__file__).parents[1] / "data" / "e3nn_products.json").read_text())
ELEMENTS = (1, 6, 8)
NUMBERS = np.array([6, 8, 1, 1, 6, 1])
POSITIONS = np.array(
    [
        [0.000, 0.010, 0.000],
        [0.121, 0.000, 0.013],
        [-0.055, 0.095, 0.000],
        [-0.070, -0.110, 0.050],
        [0.190, 0.110, -0.060],
        [-0.160, -0.100, 0.100],
    ]
)


def turn() -> np.ndarray:
    """A proper rotation about no special axis."""
    rotation, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3)))
    return rotation * np.linalg.det(rotation)


def sign(l1: int, l2: int, l: int) -> float:
    """Between our coupling and that of e3nn, which differ by no more."""
    theirs = next(c["values"] for c in DATA["couplings"] if c["orders"] == [l1, l2, l])
    return float(np.sign(np.sum(coupling(l1, l2, l) * np.array(theirs))))


@pytest.mark.usefixtures("x64")
def test_harmonics_are_those_of_e3nn() -> None:
    found = real_harmonics(jnp.asarray(DATA["directions"]).T, 3)
    np.testing.assert_allclose(np.concatenate(found).T, DATA["harmonics"], rtol=0, atol=1e-12)


def test_couplings_are_those_of_e3nn_up_to_their_sign() -> None:
    for each in DATA["couplings"]:
        ours = coupling(*each["orders"]) * sign(*each["orders"])
        np.testing.assert_allclose(ours, each["values"], rtol=0, atol=1e-12)


@pytest.mark.usefixtures("x64")
def test_messages_of_an_edge_are_the_tensor_product_of_e3nn() -> None:
    given = DATA["product"]
    known = paths(1, 3)
    assert [list(path) for path in known] == given["paths"]
    directions = jnp.asarray(DATA["directions"]).T[:, :, None]
    harmonics = real_harmonics(directions, 3)
    weights, features = np.array(given["weights"]), np.array(given["features"])
    n = weights.shape[-1]
    by_order = [features[:, :n, None], features[:, n:].reshape(len(features), n, 3)]
    for k, (l1, l2, l) in enumerate(known):
        edges = coupled((l1, l2, l), harmonics)
        value = sum(
            np.asarray(edge)[:, :, 0][:, None] * by_order[l1][:, :, m1, None]
            for m1, edge in enumerate(edges)
        )
        ours = sign(l1, l2, l) * value * weights[:, k, :, None] / np.sqrt(2 * l + 1)
        np.testing.assert_allclose(ours, given["result"][k], rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("l_max", "l_out", "degree", "count"),
    [(3, 0, 2, 4), (3, 0, 3, 8), (2, 1, 2, 2), (2, 1, 3, 5), (3, 1, 3, 12)],
)
def test_polynomials_turn_with_their_tensors(
    l_max: int, l_out: int, degree: int, count: int
) -> None:
    found = polynomials(l_max, l_out, degree)
    assert len(found) == count
    random, rotation = np.random.default_rng(1), turn()
    tensors = [random.normal(size=(2 * l + 1, 40)) for l in range(l_max + 1)]
    turned = [rotation_matrix(l, rotation) @ tensor for l, tensor in enumerate(tensors)]

    def values(tensors: list[np.ndarray]) -> np.ndarray:
        parts = {(l, m): x for l, tensor in enumerate(tensors) for m, x in enumerate(tensor)}
        return np.array([evaluate(each, parts) for each in found])

    before, after = values(tensors), values(turned)
    expected = np.einsum("mn,pnx->pmx", rotation_matrix(l_out, rotation), before)
    np.testing.assert_allclose(after, expected, rtol=0, atol=1e-9)
    assert np.linalg.matrix_rank(before.reshape(count, -1), tol=1e-6) == count


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(("order", "l_max", "layers"), [(0, 3, 1), (1, 2, 2)])
def test_energies_stay_and_forces_turn(order: int, l_max: int, layers: int) -> None:
    sizes = {"order": order, "l_max": l_max, "layers": layers}
    settings = {"channels": 3, "hidden": (4,), "radial": 3, **sizes}
    random = np.random.default_rng(4)
    network = Mace.create(settings, cutoff=0.4, elements=ELEMENTS, random=random)
    atoms = atoms_of(ELEMENTS, NUMBERS, np.ones(len(NUMBERS)))

    @jax.jit
    def found(x: Array) -> tuple[Array, Array, Array]:
        def total(x: Array) -> tuple[Array, Array]:
            around = dense_neighbourhood(x, 0.4)
            return jnp.sum(network.energies(atoms, around)), network.features(atoms, around)[0][-1]

        (energy, last), gradient = jax.value_and_grad(total, has_aux=True)(x)
        return energy, gradient, last

    rotation = turn()
    energy, gradient, last = found(jnp.asarray(POSITIONS.T))
    turned_energy, turned_gradient, turned_last = found(jnp.asarray(rotation @ POSITIONS.T))
    assert float(jnp.max(jnp.abs(gradient))) > 1e-2
    assert float(turned_energy) == pytest.approx(float(energy), rel=1e-10)
    np.testing.assert_allclose(turned_gradient, rotation @ gradient, rtol=0, atol=1e-10)
    expected = np.einsum("mn,nic->mic", rotation_matrix(order, rotation), last)
    np.testing.assert_allclose(turned_last, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"order": 2}, "order = 2: wanted is a whole number from 0 to 1"),
        ({"l_max": 4}, "l_max = 4"),
        ({"correlation": 0}, "correlation = 0"),
        ({"hidden": ()}, "hidden is empty"),
        ({"crowd": 0.0}, "crowd = 0"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(DesignError, match=message):
        Mace.create(settings, cutoff=0.4, elements=ELEMENTS, random=np.random.default_rng(0))
