"""Blocks of networks: the formulas that they state, and what vanishes where."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import eval_legendre

from isthmus.errors import DesignError
from isthmus.networks.blocks.envelopes import ENVELOPES, envelope
from isthmus.networks.blocks.harmonics import as_matrix, harmonics
from isthmus.networks.blocks.layers import activate
from isthmus.networks.blocks.radial import bessel_basis, exponential_basis
from isthmus.networks.blocks.repulsion import repulsion_energies
from isthmus.networks.blocks.settings import filled
from isthmus.networks.blocks.sine import sine_of_half_turns
from isthmus.networks.moments import MomentsSettings
from isthmus.networks.neighbourhood import dense_neighbourhood

pytestmark = pytest.mark.usefixtures("x64")


@pytest.mark.parametrize("name", ENVELOPES)
def test_envelopes_go_from_one_to_zero_smoothly(name: str) -> None:
    def f(d: jax.Array) -> jax.Array:
        return envelope(name, d, 0.4)

    d = jnp.linspace(0.0, 0.4, 50)
    assert f(d[0]) == 1.0
    assert jnp.all(jnp.diff(f(d)) <= 0)
    assert f(jnp.asarray(0.4)) == pytest.approx(0.0, abs=1e-15)
    assert f(jnp.asarray(0.5)) == pytest.approx(0.0, abs=1e-15)
    near = jnp.asarray(0.4 - 1e-9)
    assert jax.grad(f)(near) == pytest.approx(0.0, abs=1e-6)
    second = float(jax.grad(jax.grad(f))(near))
    wanted = 0.5 * (math.pi / 0.4) ** 2 if name == "cosine" else 0.0
    assert second == pytest.approx(wanted, abs=1e-4)


def test_polynomial_envelope_is_the_published_one() -> None:
    x, p = np.linspace(0, 1, 21), 6
    published = 1 - (p + 1) * (p + 2) / 2 * x**p + p * (p + 2) * x ** (p + 1)
    published -= p * (p + 1) / 2 * x ** (p + 2)
    np.testing.assert_allclose(envelope("polynomial", jnp.asarray(x), 1.0), published, atol=1e-14)


@pytest.mark.parametrize(("dtype", "off"), [(np.float32, 1e-6), (np.float64, 1e-14)])
def test_sine_as_a_series(dtype: type, off: float) -> None:
    y = jnp.asarray(np.linspace(0, 9, 1001), dtype)
    np.testing.assert_allclose(sine_of_half_turns(y), np.sin(np.pi * np.float64(y)), atol=off * 5)
    slope = jax.vmap(jax.grad(sine_of_half_turns))(y)
    np.testing.assert_allclose(slope, np.pi * np.cos(np.pi * np.float64(y)), atol=off * 50)


def test_bessel_functions_and_where_they_stand() -> None:
    d = np.array([[0.1, 0.3], [0.2, 0.45]])
    found = bessel_basis(jnp.asarray(d), 0.5, 3)
    for k in range(3):
        wanted = math.sqrt(2 / 0.5) * np.sin((k + 1) * np.pi * d / 0.5) / d
        np.testing.assert_allclose(found[..., k], wanted, rtol=1e-12, atol=1e-12)
    moved = bessel_basis(jnp.asarray(d), 0.5, 3, axis=1)
    np.testing.assert_allclose(moved, jnp.moveaxis(found, -1, 1))


def test_exponential_functions_peak_from_the_cutoff_to_zero() -> None:
    d = jnp.asarray([0.5, 0.0])
    assert jnp.argmax(exponential_basis(d, 0.5, 6), axis=1).tolist() == [0, 5]


def test_sums_of_products_of_harmonics_are_legendre_polynomials() -> None:
    random = np.random.default_rng(0)
    a, b = (v / np.linalg.norm(v, axis=0) for v in random.normal(size=(2, 3, 20)))
    cosine = np.sum(a * b, axis=0)
    first, second = harmonics(jnp.asarray(a), 3), harmonics(jnp.asarray(b), 3)
    for degree, (u, v) in enumerate(zip(first, second, strict=True)):
        assert u.shape[0] == 2 * degree + 1
        np.testing.assert_allclose(
            jnp.sum(u * v, axis=0), eval_legendre(degree, cosine), atol=1e-13
        )


def test_matrix_of_the_second_degree() -> None:
    a, b = (v / np.linalg.norm(v) for v in np.random.default_rng(1).normal(size=(2, 3)))
    xx, yy, zz, xy, xz, yz = as_matrix(harmonics(jnp.asarray(a), 2)[2])
    matrix = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
    assert np.trace(matrix) == pytest.approx(0.0, abs=1e-14)
    assert b @ matrix @ b == pytest.approx(eval_legendre(2, a @ b))


def test_celu_has_no_kink_and_never_overflows() -> None:
    x = jnp.asarray([-1e3, -0.1, 0.0, 2.0])
    np.testing.assert_allclose(
        activate("celu", x), [-0.1, 0.1 * (math.exp(-1) - 1), 0, 2], atol=1e-15
    )
    slope = jax.vmap(jax.grad(lambda v: activate("celu", v)))(jnp.asarray([-1e3, -1e-9, 1e-9, 1e3]))
    np.testing.assert_allclose(slope, [0, 1, 1, 1], atol=1e-7)


def test_repulsion_of_nuclei() -> None:
    numbers = np.array([6, 6])

    def energy(d: jax.Array) -> jax.Array:
        x = jnp.zeros((3, 2)).at[0, 1].set(d)
        return jnp.sum(repulsion_energies(numbers, dense_neighbourhood(x, 0.5)))

    # At 0.01 nm the envelope is 1; ZBL by hand: 36 · 138.935/0.01 · φ(0.01/a), a = 0.01555 nm
    length = 0.88534 * 0.0529177210903 / (2 * 6**0.23)
    shares, rates = [0.18175, 0.50986, 0.28022, 0.02817], [3.1998, 0.94229, 0.4029, 0.20162]
    screening = np.dot(shares, np.exp(-np.array(rates) * 0.01 / length))
    assert energy(jnp.asarray(0.01)) == pytest.approx(36 * 13893.545764 * screening, rel=1e-5)
    assert energy(jnp.asarray(0.16)) == 0.0


def test_settings_take_the_type_of_their_defaults() -> None:
    made = filled(MomentsSettings(), {"hidden": [8.0, 4], "channels": 16.0})
    assert made == MomentsSettings(hidden=(8, 4), channels=16)
    assert all(isinstance(n, int) for n in (*made.hidden, made.channels))
    for wrong in ({"channels": "many"}, {"channels": 1.5}, {"envelope": 3}, {"hidden": 3}):
        with pytest.raises(DesignError, match="wanted is"):
            filled(MomentsSettings(), wrong)
    with pytest.raises(DesignError, match="known are channels"):
        filled(MomentsSettings(), {"width": 3})
