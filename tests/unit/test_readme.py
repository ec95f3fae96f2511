"""What README.md shows works as it stands there, from the root of the repository."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    lines = "".join(blocks("bash")).splitlines()
    return [line.partition("  #")[0].strip() for line in lines if line.startswith("isthmus ")]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the shipped input in its place, where output does no harm."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_python_blocks_run_in_order(folder: Path) -> None:
    # one process for all of them: a later block goes on where the one before ended
    script = "\n".join(blocks("python"))
    result = subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr


RACE = ("isthmus race ", "isthmus pick ")


def test_command_lines_run(folder: Path) -> None:
    # A few steps show that a command works; the README gives it the time to be of use
    lines = [line for line in commands() if not line.startswith(RACE)]
    run(folder, [re.sub(r"--time \S+", "--epochs 2", line) for line in lines])


@pytest.mark.slow
def test_the_race_runs(folder: Path) -> None:
    lines = [line for line in commands() if line.startswith(RACE)]
    assert len(lines) == 2
    run(folder, lines)


def run(folder: Path, lines: list[str]) -> None:
    for line in lines:
        words = shlex.split(line)[1:]
        result = subprocess.run(
            [sys.executable, "-m", "isthmus", *words],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert result.returncode == 0, f"{line}\n{result.stderr}"


def test_files_that_it_names_exist() -> None:
    links = re.findall(r"\]\((?!http)([^)#]+)\)", README)
    missing = [link for link in links if not (ROOT / link).exists()]
    assert not missing


def test_two_commands_set_it_up() -> None:
    # the set-up is the first block of commands; it stays two lines long
    assert blocks("bash")[0].splitlines() == [
        "make demo   # environment, installation, a race of five force fields on a real molecule",
        "make test   # the same environment, all checks and tests",
    ]
