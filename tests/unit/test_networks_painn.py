"""PaiNN: SchNetPack's numbers with its weights, and the same numbers a few channels at a time."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array

from isthmus.chemistry.elements import atomic_number
from isthmus.errors import DesignError
from isthmus.geometry.neighbours import build_neighbours
from isthmus.networks.blocks import channels
from isthmus.networks.blocks.layers import MLP, Linear
from isthmus.networks.neighbourhood import (
    Neighbourhood,
    dense_neighbourhood,
    listed_neighbourhood,
)
from isthmus.networks.painn import PaiNN, PaiNNLayer, PaiNNSettings
from isthmus.networks.trained import atoms_of

DATA = json.loads((Path(__file__).parents[1] / "data" / "schnetpack_painn.json").read_text())
WEIGHTS = {name: np.array(values) for name, values in DATA["weights"].items()}
CUTOFF = 0.1 * DATA["sizes"]["cutoff"]
ELEMENTS = (1, 6, 7, 8)
NUMBERS = np.array([atomic_number(symbol) for symbol in DATA["elements"]])
POSITIONS = 0.1 * np.array(DATA["positions"])
NO_PAIRS = np.zeros((0, 2), np.int64)


def chain(name: str) -> MLP:
    """Two linear layers of SchNetPack."""
    layers = [
        Linear(WEIGHTS[f"{name}.{n}.weight"].T, WEIGHTS[f"{name}.{n}.bias"]) for n in range(2)
    ]
    return MLP(tuple(layers), "silu")


def copied() -> PaiNN:
    """The network with SchNetPack's weights."""
    sizes = DATA["sizes"]
    n_channels, n_layers = sizes["channels"], sizes["layers"]
    filters = np.concatenate(
        [WEIGHTS["filter_net.weight"].T, WEIGHTS["filter_net.bias"][None]]
    ).reshape(-1, n_layers, 3, n_channels)
    layers = tuple(
        PaiNNLayer(
            filters[:, n],
            chain(f"interactions.{n}.interatomic_context_net"),
            WEIGHTS[f"mixing.{n}.mu_channel_mix.weight"].T,
            chain(f"mixing.{n}.intraatomic_context_net"),
        )
        for n in range(n_layers)
    )
    settings = PaiNNSettings(
        channels=n_channels,
        layers=n_layers,
        radial=sizes["radial"],
        basis="gaussian",
        envelope="cosine",
        epsilon=1e-8,
    )
    embedding = WEIGHTS["embedding.weight"][list(ELEMENTS)]
    return PaiNN(CUTOFF, settings, embedding, np.zeros(n_channels), layers, chain("outnet"))


def untrained(**settings: object) -> PaiNN:
    random = np.random.default_rng(3)
    small = {"channels": 16, "radial": 4, **settings}
    return PaiNN.create(small, cutoff=0.4, elements=ELEMENTS, random=random)


def dense(positions: Array) -> Neighbourhood:
    return dense_neighbourhood(positions, CUTOFF)


@pytest.mark.usefixtures("x64")
def test_schnetpack_with_copied_weights() -> None:
    atoms = atoms_of(ELEMENTS, NUMBERS, np.zeros(len(NUMBERS)))
    network = copied()
    x = jnp.asarray(POSITIONS.T)
    scalars, vectors = jax.jit(lambda x: network.features(atoms, dense(x)))(x)
    np.testing.assert_allclose(scalars, DATA["scalars"], rtol=0, atol=1e-5)
    expected = np.moveaxis(np.array(DATA["vectors"]), 1, 0)
    np.testing.assert_allclose(vectors, expected, rtol=0, atol=1e-5)

    total = jax.jit(jax.value_and_grad(lambda x: jnp.sum(network.energies(atoms, dense(x)))))
    energy, gradient = total(x)
    assert float(energy) == pytest.approx(DATA["energy"], rel=1e-5)
    np.testing.assert_allclose(-0.1 * gradient.T, DATA["forces"], rtol=0, atol=1e-5)


@pytest.mark.usefixtures("x64")
def test_blocks_of_channels_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    network, cutoff = untrained(), 0.4
    atoms = atoms_of(ELEMENTS, NUMBERS, np.zeros(len(NUMBERS)))
    near = build_neighbours(
        POSITIONS, None, cutoff=cutoff, skin=0.05, exclusions=NO_PAIRS, back=True
    )
    rows, back = near.rows, near.back
    assert back is not None

    def listed(x: Array) -> Array:
        around = listed_neighbourhood(x, None, rows, back, cutoff)
        return jnp.sum(network.energies(atoms, around))

    def whole(x: Array) -> Array:
        return jnp.sum(network.energies(atoms, dense_neighbourhood(x, cutoff)))

    x = jnp.asarray(POSITIONS.T)
    energy, gradient = jax.jit(jax.value_and_grad(whole))(x)
    monkeypatch.setattr(channels, "NUMBERS", 1)
    assert "scan" in str(jax.make_jaxpr(listed)(x))
    in_blocks, slope = jax.jit(jax.value_and_grad(listed))(x)
    assert float(in_blocks) == pytest.approx(float(energy), rel=1e-12)
    np.testing.assert_allclose(slope, gradient, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"channels": 0}, "channels = 0"),
        ({"radial": 1}, "radial = 1"),
        ({"basis": "fourier"}, "choose one of bessel, gaussian"),
        ({"epsilon": 0.0}, "epsilon = 0"),
        ({"chanels": 8}, "unknown setting 'chanels'"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(DesignError, match=message):
        untrained(**settings)
