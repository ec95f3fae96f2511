"""How errors reach the reader of the command line."""

import os
import signal
import subprocess
import sys
import time

import pytest
import typer

import isthmus
from isthmus.cli import main
from isthmus.errors import InputError

MANY_LINES = """
import typer
from isthmus.cli import main

@main.app.command()
def count() -> None:
    for number in range(100_000):
        typer.echo(number)

main.run(["count"])
"""

FOREVER = """
import signal
import time
import typer
from isthmus.cli import main

@main.app.command()
def wait() -> None:
    typer.echo("started")
    time.sleep(60)

# Shells that start a job in the background have it ignore Ctrl-C
signal.signal(signal.SIGINT, signal.default_int_handler)
main.run(["wait"])
"""


@pytest.fixture
def failing_app(monkeypatch: pytest.MonkeyPatch) -> typer.Typer:
    """The real application with commands that fail, each in its own way."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.callback()(main._shared)

    @app.command()
    def refuse() -> None:
        raise InputError("no atoms in 'empty.sdf': give a file with at least one molecule")

    @app.command()
    def crash() -> None:
        raise ZeroDivisionError("a mistake of ours\nwith a second line")

    @app.command()
    def read(path: str) -> None:
        with open(path):
            pass

    @app.command()
    def interrupt() -> None:
        raise KeyboardInterrupt

    @app.command()
    def leave(code: int) -> None:
        raise typer.Exit(code)

    monkeypatch.setattr(main, "app", app)
    return app


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main.run(words)
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--version") == 0
    assert capsys.readouterr().out == f"isthmus {isthmus.__version__}\n"


@pytest.mark.parametrize("words", [(), ("--help",)])
def test_help(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*words) == 0
    assert "Force fields anywhere between" in capsys.readouterr().out


@pytest.mark.usefixtures("failing_app")
class TestErrors:
    def test_ours_is_one_line(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert run("refuse") == 2
        shown = capsys.readouterr()
        assert shown.out == ""
        assert shown.err == (
            "isthmus: error: no atoms in 'empty.sdf': give a file with at least one molecule\n"
        )

    @pytest.mark.parametrize("words", [("--debug", "refuse"), ("refuse", "--debug")])
    def test_debug_shows_the_trace(
        self, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run(*words) == 2
        shown = capsys.readouterr().err
        assert "Traceback (most recent call last)" in shown
        assert shown.endswith("give a file with at least one molecule\n")

    def test_unforeseen_is_one_line(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert run("crash") == 1
        assert capsys.readouterr().err == (
            "isthmus: unexpected ZeroDivisionError: a mistake of ours "
            "(run the same command with --debug for the trace)\n"
        )

    def test_unforeseen_with_debug(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert run("crash", "--debug") == 1
        assert "raise ZeroDivisionError" in capsys.readouterr().err

    def test_missing_file(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert run("read", "no/such.sdf") == 2
        shown = capsys.readouterr().err
        assert shown == "isthmus: error: no/such.sdf: No such file or directory\n"

    def test_unknown_option(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert run("refuse", "--colour") == 2
        shown = capsys.readouterr().err
        assert shown.startswith("isthmus: error: No such option: --colour")
        assert shown.endswith("(see 'isthmus refuse --help')\n")

    def test_unknown_command(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert run("refuze") == 2
        assert "No such command 'refuze'" in capsys.readouterr().err

    def test_missing_argument(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert run("read") == 2
        assert capsys.readouterr().err.count("\n") == 1

    def test_interrupt(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert run("interrupt") == 130
        assert capsys.readouterr().err == ""

    def test_a_command_may_choose_its_code(self) -> None:
        assert run("leave", "3") == 3


def test_module_runs_as_the_command() -> None:
    command = [sys.executable, "-m", "isthmus", "--version"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert shown == f"isthmus {isthmus.__version__}\n"


@pytest.mark.skipif(os.name != "posix", reason="pipes and signals as POSIX has them")
class TestProcess:
    def test_broken_pipe_is_quiet(self) -> None:
        with subprocess.Popen(
            [sys.executable, "-c", MANY_LINES], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.readline()
            process.stdout.close()
            assert process.stderr.read() == b""
            assert process.wait() == 1

    def test_control_c_is_quiet(self) -> None:
        with subprocess.Popen(
            [sys.executable, "-c", FOREVER], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.readline()
            time.sleep(0.1)
            process.send_signal(signal.SIGINT)
            assert process.stderr.read() == b""
            assert process.wait() == 130
