"""Compiled functions are kept by the command line, in the user's cache, and nowhere else."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from isthmus.cli.compilation_cache import cache_folder

COMMAND = [sys.executable, "-m", "isthmus", "energy", "CCO", "--smiles", "--ff", "mmff94"]


def run(cache: Path) -> tuple[float, subprocess.CompletedProcess[str]]:
    unset = ("JAX_COMPILATION_CACHE_DIR", "TF_CPP_MIN_LOG_LEVEL")
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    environment["XDG_CACHE_HOME"] = str(cache)
    started = time.perf_counter()
    result = subprocess.run(
        COMMAND, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    return time.perf_counter() - started, result


def energies_in(cache: Path) -> set[str]:
    """Compiled functions that evaluate energies; smaller ones are kept if they took long."""
    return {path.name for path in (cache / "isthmus").rglob("*term_energies*-cache")}


@pytest.mark.skipif(sys.platform != "linux", reason="XDG_CACHE_HOME is for Linux")
def test_a_second_process_compiles_nothing(tmp_path: Path) -> None:
    _, first = run(tmp_path)
    kept = energies_in(tmp_path)
    assert first.returncode == 0
    assert kept
    _, second = run(tmp_path)
    assert energies_in(tmp_path) == kept
    assert second.stdout == first.stdout
    assert second.stderr == ""  # XLA's loader says nothing


@pytest.mark.skipif(sys.platform != "linux", reason="permissions as Linux has them")
def test_a_folder_that_cannot_be_made_is_no_error(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    _, result = run(blocked)
    assert result.returncode == 0
    assert result.stderr == ""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="XDG_CACHE_HOME is for Linux")
def test_a_second_process_is_faster(tmp_path: Path) -> None:
    first, _ = run(tmp_path)
    assert min(run(tmp_path)[0] for _ in range(2)) < first


def test_folder_belongs_to_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder().parent == tmp_path / "isthmus" / "compiled"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert "Library/Caches/isthmus" in cache_folder().as_posix()
