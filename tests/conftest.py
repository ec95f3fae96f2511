"""What every test may ask for."""

from collections.abc import Iterator
from pathlib import Path

import jax
import pytest

ROOT = Path(__file__).parents[1]

MANY_MAPS = 20_000


@pytest.fixture
def repository() -> Path:
    """The root folder of the repository."""
    return ROOT


@pytest.fixture
def shared_data() -> Path:
    """The reference data beside the repository; a test that needs them is skipped without."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the reference data are not at ../shared/data: this test needs them")
    return folder


@pytest.fixture(autouse=True, scope="module")
def room_for_compiled_code() -> Iterator[None]:
    """Drop what JAX has compiled before a process has more memory maps than Linux gives it.

    Each compiled function takes several of 65,530 (`vm.max_map_count`); where none are left, the
    process dies.
    """
    yield
    maps = Path("/proc/self/maps")
    if maps.exists() and maps.read_text().count("\n") > MANY_MAPS:
        jax.clear_caches()


@pytest.fixture
def x64() -> Iterator[None]:
    """Runs one test in float64, without touching the others.

    Fixtures that make JAX arrays for such a test must ask for `x64` themselves, since pytest
    may build them first.
    """
    with jax.enable_x64(True):
        yield
