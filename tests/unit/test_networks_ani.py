"""ANI: torchani's symmetry functions, however many neighbours, and smooth at the inner cutoff."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array

from isthmus.errors import DesignError
from isthmus.networks.ani import AniSettings, symmetry_functions
from isthmus.networks.neighbourhood import dense_neighbourhood
from isthmus.networks.trained import atoms_of

DATA = json.loads((Path(__file__).parents[1] / "data/torchani_symmetry_functions.json").read_text())
NUMBERS = np.array(DATA["numbers"])
POSITIONS = 0.1 * np.array(DATA["positions"])
CUTOFFS = {"ani1x": 0.52, "ani2x": 0.51}


def features(
    settings: AniSettings, cutoff: float, positions: np.ndarray, numbers: np.ndarray
) -> Array:
    atoms = atoms_of((1, 6, 7, 8), numbers, np.zeros(len(numbers)))

    @jax.jit
    def compute(x: Array) -> Array:
        return symmetry_functions(settings, cutoff, 4, atoms, dense_neighbourhood(x, cutoff))

    return compute(jnp.asarray(positions.T))


@pytest.mark.parametrize("form", ["ani1x", "ani2x"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_symmetry_functions_are_those_of_torchani(x64: None, form: str, dtype: type) -> None:
    cutoff = CUTOFFS[form]
    settings = AniSettings.of({"form": form}, cutoff)
    ours = features(settings, cutoff, POSITIONS.astype(dtype), NUMBERS)
    assert ours.dtype == dtype
    np.testing.assert_allclose(ours, DATA["features"][form], rtol=0, atol=1e-5)


@pytest.mark.parametrize("crowd", [3, 7])
def test_more_neighbours_than_places_change_nothing(x64: None, crowd: int) -> None:
    small = {"angular": 2, "angles": 3}
    wide = AniSettings.of({**small, "crowd": 100}, 0.5)
    narrow = AniSettings.of({**small, "crowd": crowd}, 0.5)
    for spread in (1.0, 1.6):  # with all near, and with few
        wanted = features(wide, 0.5, spread * POSITIONS, NUMBERS)
        ours = features(narrow, 0.5, spread * POSITIONS, NUMBERS)
        np.testing.assert_allclose(ours, wanted, rtol=1e-12, atol=1e-14)


def test_many_atoms_are_summed_some_at_a_time(x64: None, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = AniSettings.of({"angular": 2, "angles": 3}, 0.5)
    wanted = features(settings, 0.5, POSITIONS, NUMBERS)
    monkeypatch.setattr("isthmus.networks.blocks.symmetry_functions._AT_ONCE", 3000)
    ours = features(settings, 0.5, POSITIONS, NUMBERS)
    np.testing.assert_allclose(ours, wanted, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("envelope", "smooth"), [("polynomial", True), ("cosine", False)])
def test_curvature_at_the_angular_cutoff(x64: None, envelope: str, smooth: bool) -> None:
    settings = AniSettings.of({"envelope": envelope, "angular": 2, "start": 0.2}, 0.5)
    atoms = atoms_of((1, 6, 7, 8), np.array([6, 1, 1]), np.zeros(3))

    @jax.jit
    @jax.grad
    @jax.grad
    def curvature(d: Array) -> Array:
        x = jnp.asarray([[0, 0, 0], [0.25, 0, 0], [0, 0, 0]], d.dtype).at[2, 1].set(d)
        around = dense_neighbourhood(x.T, 0.5)
        return symmetry_functions(settings, 0.5, 4, atoms, around)[0, 64:].sum()

    jump = abs(curvature(0.35 - 1e-9) - curvature(0.35 + 1e-9))
    assert (jump < 1e-5 * abs(curvature(0.33))) == smooth


def test_settings_that_contradict_are_refused() -> None:
    with pytest.raises(DesignError, match="start < angular_cutoff ≤ cutoff"):
        AniSettings.of({"angular_cutoff": 0.6}, 0.5)
    with pytest.raises(DesignError, match="choose one of small, ani1x, ani2x"):
        AniSettings.of({"form": "ani3x"}, 0.5)
