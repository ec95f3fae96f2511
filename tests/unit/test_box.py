"""Boxes: validation, reduced form, volume and minimum images."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from isthmus.errors import InputError
from isthmus.geometry.box import (
    box_from_lengths_angles,
    check_box,
    check_cutoff,
    fractional,
    minimum_image,
    minimum_image_xyz,
    reduce_box,
    volume,
)

TRICLINIC = np.array([[2.2, 0, 0], [-0.6, 2.0, 0], [0.8, 0.7, 2.1]])


@pytest.fixture(autouse=True)
def _float64():
    with jax.enable_x64(True):
        yield


def nearest(displacement, box):
    """Shortest of all near images, by brute force."""
    shifts = np.stack(np.meshgrid(*[np.arange(-3, 4)] * 3, indexing="ij"), -1).reshape(-1, 3)
    images = displacement[:, None, :] + shifts @ box
    best = np.argmin(np.linalg.norm(images, axis=-1), axis=1)
    return images[np.arange(len(displacement)), best]


def test_minimum_image_is_the_nearest():
    rng = np.random.default_rng(0)
    displacement = rng.uniform(-3, 3, (2000, 3))
    wanted = nearest(displacement, TRICLINIC)
    found = minimum_image(jnp.asarray(displacement), jnp.asarray(TRICLINIC))
    close = np.linalg.norm(wanted, axis=1) < 1.0
    assert close.sum() > 500
    np.testing.assert_allclose(np.asarray(found)[close], wanted[close], atol=1e-12)
    dx, dy, dz = jnp.asarray(displacement.T)
    components = minimum_image_xyz(dx, dy, dz, jnp.asarray(TRICLINIC))
    np.testing.assert_array_equal(jnp.stack(components, axis=1), found)


def test_without_a_box_nothing_moves():
    displacement = jnp.asarray([[5.0, -7.0, 9.0]])
    assert minimum_image(displacement, None) is displacement
    dx, dy, dz = displacement.T
    assert all(
        a is b for a, b in zip(minimum_image_xyz(dx, dy, dz, None), (dx, dy, dz), strict=True)
    )


def test_fractions_and_volume():
    positions = np.random.default_rng(1).normal(size=(5, 3))
    box = jnp.asarray(TRICLINIC)
    np.testing.assert_allclose(fractional(jnp.asarray(positions), box) @ box, positions)
    assert float(volume(box)) == pytest.approx(np.linalg.det(TRICLINIC))
    np.testing.assert_allclose(
        jax.grad(volume)(box), np.linalg.det(TRICLINIC) * np.linalg.inv(TRICLINIC).T
    )


@pytest.mark.parametrize("seed", range(5))
def test_reduced_box_spans_the_same_lattice(seed):
    box = np.random.default_rng(seed).normal(size=(3, 3))
    reduced, rotation = reduce_box(box)
    check_box(reduced)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    turns = box @ rotation @ np.linalg.inv(reduced)
    np.testing.assert_allclose(turns, np.round(turns), atol=1e-9)
    assert abs(np.linalg.det(box)) == pytest.approx(np.linalg.det(reduced))


def test_a_lower_triangular_box_is_not_rotated():
    reduced, rotation = reduce_box(TRICLINIC + np.array([[0, 0, 0], [2.2, 0, 0], [0, 0, 0]]))
    np.testing.assert_array_equal(rotation, np.eye(3))
    np.testing.assert_allclose(reduced, TRICLINIC)


def test_lengths_and_angles():
    octahedron = box_from_lengths_angles(np.full(3, 3.0), np.arccos([1 / 3, -1 / 3, 1 / 3]))
    check_box(octahedron)
    np.testing.assert_allclose(np.linalg.norm(octahedron, axis=1), 3.0)
    assert np.linalg.det(octahedron) == pytest.approx(3.0**3 * 4 / 9 * np.sqrt(3))
    right = box_from_lengths_angles(np.array([1.0, 2.0, 3.0]), np.full(3, np.pi / 2))
    np.testing.assert_array_equal(right, np.diag([1.0, 2.0, 3.0]))


@pytest.mark.parametrize(
    ("box", "message"),
    [
        (np.diag([1.0, np.nan, 1.0]), "not finite"),
        (np.diag([1.0, 0.0, 1.0]), "no positive lengths"),
        (np.array([[1.0, 0, 0], [0.9, 1, 0], [0, 0, 1]]), r"reduced form.*Use `reduce_box`"),
        (np.array([[1.0, 0.2, 0], [0, 1, 0], [0, 0, 1]]), "reduced form"),
    ],
)
def test_bad_boxes(box, message):
    with pytest.raises(InputError, match=message):
        check_box(box)


def test_box_smaller_than_twice_the_cutoff():
    check_cutoff(TRICLINIC, 1.0)
    message = r"smaller than twice the cutoff: it is 2.2 x 2 x 2.1 nm wide.*cutoff of at most 1 nm"
    with pytest.raises(InputError, match=message):
        check_cutoff(TRICLINIC, 1.01)


def test_flat_boxes_and_impossible_angles():
    with pytest.raises(InputError, match="spans no volume"):
        reduce_box(np.array([[1.0, 0, 0], [0, 1, 0], [1, 1, 0]]))
    with pytest.raises(InputError, match="check the units"):
        box_from_lengths_angles(np.ones(3), np.array([0.3, 0.3, 2.0]))
