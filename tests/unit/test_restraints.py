"""Restraints: closed forms, derivatives, and a sum that is a surface like any other."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from isthmus.chemistry.smiles import from_smiles
from isthmus.errors import InputError
from isthmus.forcefield.forcefield import ForceField
from isthmus.simulate.restraints import (
    Restrained,
    angle_restraint,
    distance_restraint,
    position_restraint,
    restraint_surface,
    torsion_restraint,
)

RNG = np.random.default_rng(5)
X = RNG.normal(0, 0.15, (6, 3))
K = 700.0


def geometry() -> dict[str, float]:
    """Distance of 0 and 3, angle 0-1-4 and torsion 5-0-1-2 of `X`."""
    u, v = X[0] - X[1], X[4] - X[1]
    a, b, c = X[0] - X[5], X[1] - X[0], X[2] - X[1]
    n1, n2 = np.cross(a, b), np.cross(b, c)
    return {
        "distance": float(np.linalg.norm(X[0] - X[3])),
        "angle": float(np.arccos(u @ v / np.linalg.norm(u) / np.linalg.norm(v))),
        "torsion": float(np.arctan2(np.linalg.norm(b) * (a @ n2), n1 @ n2)),
    }


def away(name: str, by: float, width: float):
    """A restraint whose target is `by` away from where the coordinate is."""
    options: dict[str, Any] = {"force_constant": K, "width": width}
    if name == "position":
        shift = by * np.array([[2.0, -1.0, 2.0]]) / 3
        return position_restraint([2], X[2:3] + shift, **options)
    target = geometry()[name] + by
    make = {
        "distance": lambda: distance_restraint([[0, 3]], target, **options),
        "angle": lambda: angle_restraint([[0, 1, 4]], target, **options),
        "torsion": lambda: torsion_restraint([[5, 0, 1, 2]], target, **options),
    }
    return make[name]()


@pytest.mark.parametrize("name", ["position", "distance", "angle", "torsion"])
@pytest.mark.parametrize("width", [0.0, 0.03])
def test_energy_and_forces(name, width, x64):
    for by in (0.02, 0.1):
        surface = restraint_surface([away(name, by, width)], n_atoms=6, precision="float64")
        wanted = K / 2 * max(0.0, by - width) ** 2
        found = surface.energy_and_forces(X)
        np.testing.assert_allclose(found.energy, wanted, rtol=1e-9, atol=1e-12)
        numeric = np.zeros_like(X)
        step = 1e-5
        shifts = step * np.eye(18).reshape(18, 6, 3)
        energies = surface.energy(np.concatenate([X + shifts, X - shifts]))
        numeric = -(energies[:18] - energies[18:]).reshape(6, 3) / (2 * step)
        np.testing.assert_allclose(found.forces, numeric, rtol=1e-6, atol=1e-6)


def test_a_torsion_takes_the_shorter_way_around():
    angle = geometry()["torsion"]
    for turns in (-1, 0, 3):
        item = torsion_restraint([[5, 0, 1, 2]], angle + 2 * np.pi * turns - 3.0, force_constant=2)
        surface = restraint_surface([item], n_atoms=6, precision="float64")
        assert float(surface.energy(X)) == pytest.approx(9.0, abs=1e-9)
        item = torsion_restraint([[5, 0, 1, 2]], angle + 2 * np.pi * turns - 3.5, force_constant=2)
        surface = restraint_surface([item], n_atoms=6, precision="float64")
        assert float(surface.energy(X)) == pytest.approx((2 * np.pi - 3.5) ** 2, abs=1e-9)


def test_at_the_target_nothing_is_singular():
    items = [
        position_restraint([0], X[:1], force_constant=K, width=0.01, name="wide"),
        position_restraint([1], X[1:2], force_constant=K),
    ]
    found = restraint_surface(items, n_atoms=6, precision="float32").energy_and_forces(X)
    assert found.energy == 0
    assert np.all(found.forces == 0)


def test_the_nearest_image_counts_where_asked(x64):
    box = np.diag([1.0, 1.0, 1.0])
    x = np.array([[0.05, 0.5, 0.5], [0.95, 0.5, 0.5]])
    item = distance_restraint([[0, 1]], 0.2, force_constant=K, periodic=True)
    surface = restraint_surface([item], n_atoms=2, precision="float64")
    assert float(surface.energy(x, box)) == pytest.approx(K / 2 * 0.01, abs=1e-9)


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_restrained_is_the_sum(precision):
    molecule = from_smiles("CCO")
    potential = ForceField.free("class1", molecule.topology, random_seed=1).bind(
        molecule.topology, precision=precision
    )
    x = np.random.default_rng(2).normal(0, 0.2, (molecule.topology.n_atoms, 3))
    item = distance_restraint([[0, 2]], 0.3, force_constant=K)
    both = Restrained(potential, [item])
    own = restraint_surface([item], n_atoms=potential.n_atoms, precision=precision)
    found, parts = both.energy_and_forces(x), [s.energy_and_forces(x) for s in (potential, own)]
    np.testing.assert_allclose(found.energy, sum(p.energy for p in parts), rtol=1e-6)
    np.testing.assert_allclose(found.forces, sum(p.forces for p in parts), rtol=1e-5, atol=1e-2)
    np.testing.assert_allclose(
        both.virial(x), potential.virial(x) + own.virial(x), rtol=1e-5, atol=1e-2
    )
    with jax.enable_x64(precision == "float64"):
        frames = jnp.asarray(np.stack([x, x + 0.01]), precision)
        traced = jax.jit(lambda y: both.energy_and_forces(y).energy)(frames)
    assert traced.dtype == precision
    np.testing.assert_allclose(traced[0], found.energy, rtol=1e-5)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: distance_restraint([[0, 1, 2]], 0.1, force_constant=1), r"\(restraints, 2\)"),
        (lambda: distance_restraint([[0, 1]], [0.1, 0.2], force_constant=1), "one each"),
        (lambda: distance_restraint([[0, 1]], 0.1, force_constant=-1), "not < 0"),
        (lambda: position_restraint([0], np.zeros(3), force_constant=1), "centres"),
        (
            lambda: restraint_surface([away("angle", 0.0, 0.0)], n_atoms=3, precision="float32"),
            "3 at",
        ),
        (
            lambda: restraint_surface(
                [away("angle", 0.0, 0.0), away("angle", 1.0, 0.0)], n_atoms=6, precision="float32"
            ),
            "same name",
        ),
    ],
)
def test_refuses(make, says):
    with pytest.raises(InputError, match=says):
        make()
