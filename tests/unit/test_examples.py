"""Every example runs, from any folder, in reasonable time."""

import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "examples"
EXAMPLES = sorted(FOLDER.glob("*.py"))
LONGEST_RUN = 240
"""Time limit [s]; on an idle machine the longest, training, takes 40."""


def with_mark(path: Path) -> object:
    """Training compiles for longer than all other examples together run."""
    marks = (pytest.mark.slow,) if path.stem == "train" else ()
    return pytest.param(path, marks=marks, id=path.stem)


@pytest.mark.parametrize("path", [with_mark(path) for path in EXAMPLES])
def test_example_runs(path: Path, tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, str(path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=LONGEST_RUN,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout, "an example shows something"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_is_listed(path: Path) -> None:
    assert path.name in (FOLDER / "README.md").read_text()
