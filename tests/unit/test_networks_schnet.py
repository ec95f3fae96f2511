"""SchNet: SchNetPack's energies and forces with its weights."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from isthmus.chemistry.elements import atomic_number
from isthmus.networks.blocks.layers import MLP, Linear
from isthmus.networks.neighbourhood import dense_neighbourhood
from isthmus.networks.schnet import SchNet, SchNetLayer, SchNetSettings
from isthmus.networks.trained import atoms_of

DATA = json.loads((Path(__file__).parents[1] / "data" / "schnetpack_schnet.json").read_text())
WEIGHTS = {name: np.array(values) for name, values in DATA["weights"].items()}
CUTOFF = 0.1 * DATA["sizes"]["cutoff"]
ELEMENTS = (1, 6, 7, 8)


def linear(name: str) -> Linear:
    return Linear(WEIGHTS[f"{name}.weight"].T, WEIGHTS.get(f"{name}.bias"))


def chain(name: str, activation: str) -> MLP:
    return MLP((linear(f"{name}.0"), linear(f"{name}.1")), activation)


def copied() -> SchNet:
    sizes = DATA["sizes"]
    settings = SchNetSettings(sizes["channels"], sizes["layers"], sizes["radial"], "cosine")
    layers = tuple(
        SchNetLayer(
            linear(f"interactions.{n}.in2f"),
            chain(f"interactions.{n}.filter_network", "softplus"),
            chain(f"interactions.{n}.f2out", "softplus"),
        )
        for n in range(settings.layers)
    )
    embedding = WEIGHTS["embedding.weight"][list(ELEMENTS)]
    none = np.zeros(settings.channels)
    return SchNet(CUTOFF, settings, embedding, none, layers, chain("outnet", "silu"))


def test_energy_and_forces_are_those_of_schnetpack(x64: None) -> None:
    numbers = np.array([atomic_number(symbol) for symbol in DATA["elements"]])
    atoms = atoms_of(ELEMENTS, numbers, np.zeros(len(numbers)))
    network = copied()

    @jax.jit
    @jax.value_and_grad
    def energy(x: Array) -> Array:
        return jnp.sum(network.energies(atoms, dense_neighbourhood(x.T, CUTOFF)))

    value, gradient = energy(jnp.asarray(0.1 * np.array(DATA["positions"])))
    np.testing.assert_allclose(value, DATA["energy"], rtol=1e-6)
    np.testing.assert_allclose(-0.1 * gradient, DATA["forces"], rtol=0, atol=1e-5)
