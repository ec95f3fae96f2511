"""SAKE: written out in numpy, and refusals."""

import jax.numpy as jnp
import numpy as np
import pytest

from isthmus.errors import DesignError
from isthmus.networks.blocks.envelopes import polynomial_envelope
from isthmus.networks.blocks.layers import MLP, Linear
from isthmus.networks.blocks.radial import exponential_basis
from isthmus.networks.neighbourhood import dense_neighbourhood
from isthmus.networks.sake import Sake, SakeLayer
from isthmus.networks.trained import atoms_of

ELEMENTS = (1, 6, 8)
NUMBERS = np.array([6, 8, 1, 1, 1])
POSITIONS = 0.06 * np.random.default_rng(6).normal(size=(5, 3)) + 0.1 * np.arange(5)[:, None]
CUTOFF = 0.35


def made(**settings: object) -> Sake:
    small = {"channels": 3, "radial": 4, "heads": 2, "combinations": 5, **settings}
    random = np.random.default_rng(1)
    return Sake.create(small, cutoff=CUTOFF, elements=ELEMENTS, random=random)


def silu(x: np.ndarray) -> np.ndarray:
    return x / (1 + np.exp(-x))


def linear(layer: Linear, x: np.ndarray) -> np.ndarray:
    return x @ layer.weight + (0 if layer.bias is None else layer.bias)


def mlp(layers: MLP, x: np.ndarray) -> np.ndarray:
    first, last = layers.layers
    return linear(last, silu(linear(first, x)))


def written_out(layer: SakeLayer, h: np.ndarray) -> np.ndarray:
    """The formulas of the module, one edge at a time, X applied on edges as in the paper."""
    n, found = h.shape[1], []
    for i in range(len(h)):
        edges, attention, directions = [], [], []
        for j in range(len(h)):
            step = POSITIONS[j] - POSITIONS[i]
            r = np.linalg.norm(step)
            if i == j or r >= CUTOFF:
                continue
            basis = np.asarray(exponential_basis(jnp.asarray(r), CUTOFF, 4))
            filters = linear(layer.filters, h[i])[:4] + linear(layer.filters, h[j])[4:]
            inside = linear(layer.ends, h[i])[:n] + linear(layer.ends, h[j])[n:]
            edge = linear(layer.edge, silu(inside + linear(layer.radial, basis * filters)))
            shape = float(polynomial_envelope(jnp.asarray(r), CUTOFF))
            edges.append(edge)
            attention.append(shape * np.exp(3 * np.tanh(linear(layer.attention, edge) / 3)))
            directions.append(step / r)
        whole = 1 + np.sum(attention, axis=0)
        both = [np.outer(a / whole, e).ravel() for a, e in zip(attention, edges, strict=True)]
        combined = np.array(both) @ layer.combinations
        vectors = np.einsum("jk,jx->kx", combined, np.array(directions))
        norms = silu(mlp(layer.norms, np.sum(vectors**2, axis=1)))
        given = np.concatenate([h[i], np.sum(both, axis=0), norms])
        found.append(h[i] + mlp(layer.update, given))
    return np.array(found)


@pytest.mark.usefixtures("x64")
def test_formulas_written_out_for_each_edge() -> None:
    network = made()
    atoms = atoms_of(ELEMENTS, NUMBERS, np.zeros(len(NUMBERS)))
    h = np.asarray(network.embedding, np.float64)[atoms.species]
    for layer in network.layers:
        h = written_out(layer, h)
    expected = mlp(network.readout, h)[:, 0]
    ours = network.energies(atoms, dense_neighbourhood(jnp.asarray(POSITIONS.T), CUTOFF))
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-10)
    assert np.ptp(expected) > 1e-3


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"heads": 0}, "heads = 0"), ({"radial": 1}, "radial = 1"), ({"envelope": "box"}, "envelope")],
)
def test_wrong_settings_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(DesignError, match=message):
        made(**settings)
