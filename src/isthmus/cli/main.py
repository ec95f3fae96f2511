"""The command `isthmus`: what all commands share, and how errors reach the reader.

| what happened | what is shown on stderr | exit code |
|---|---|---|
| an error that Isthmus or the operating system explains | `isthmus: error: ...` | 2 |
| a wrong option or argument | the same, and where the help is | 2 |
| an error that nobody foresaw | one line with its kind, and how to see the trace | 1 |
| Ctrl-C | nothing | 130 |
| the reader of our output went away (`isthmus ... | head`) | nothing | 1 |

With `--debug`, anywhere on the line, the trace comes first; the exit code stays the same.
"""

import os
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer
from typer.main import get_command

from isthmus import __version__
from isthmus.cli import data, design
from isthmus.cli.check import check
from isthmus.cli.compilation_cache import silence_loader
from isthmus.cli.energy import energy
from isthmus.cli.evaluate import evaluate
from isthmus.cli.export_system import export_system
from isthmus.cli.import_system import import_system
from isthmus.cli.label import label
from isthmus.cli.md import md
from isthmus.cli.pick import pick
from isthmus.cli.race import race
from isthmus.cli.train import train
from isthmus.errors import IsthmusError

__all__ = ["app", "run"]

INTERRUPTED = 130
REFUSED = 2
UNFORESEEN = 1

app = typer.Typer(
    name="isthmus",
    help="Force fields anywhere between molecular mechanics and machine learning.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
app.command(epilog="Example: `isthmus check model.safetensors ligand.sdf --quick --report out`")(
    check
)
app.command(epilog="Example: `isthmus energy ligand.sdf --ff mmff94 --engine both`")(energy)
app.command(
    epilog="Example: `isthmus evaluate model.safetensors data.h5 --split split.json --report out`"
)(evaluate)
app.add_typer(design.app)
app.add_typer(data.app)
app.command("export", epilog="Example: `isthmus export ligand.sdf --ff mmff94 -o ligand.xml`")(
    export_system
)
app.command("import", epilog="Example: `isthmus import system.xml start.pdb -o own.safetensors`")(
    import_system
)
app.command(epilog="Example: `isthmus label CCO molecules.smi --method gfn2 -o labels.h5`")(label)

app.command(
    epilog="Example: `isthmus train class2plus data.h5 --split split.json -o model.safetensors`"
)(train)
app.command(
    epilog="Example: `isthmus md model.safetensors ligand.sdf --ns 1 --temperature 300 -o run`"
)(md)
app.command(
    epilog="Example: `isthmus race --data data.h5 --split split.json --rival mmff94 --out race`"
)(race)
app.command(epilog="Example: `isthmus pick race --accuracy 1.0 -o model.safetensors`")(pick)


def _show_version(wanted: bool) -> bool:
    if wanted:
        typer.echo(f"isthmus {__version__}")
        raise typer.Exit
    return wanted


@app.callback()
def _shared(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
    _debug: Annotated[
        bool, typer.Option("--debug", help="Show the whole trace of an error.")
    ] = False,
) -> None:
    """Holds the options that come before the command; both act elsewhere."""


def run(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs one command line and ends the process with its exit code.

    Args:
        arguments: The words after `isthmus`; None takes those of the process.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    silence_loader()
    # A trace is asked for after the fact, by adding the option at the end of the same line.
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    sys.exit(_exit_code(words or ["--help"], debug))


def _exit_code(words: list[str], debug: bool) -> int:
    try:
        result = get_command(app).main(args=words, prog_name="isthmus", standalone_mode=False)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Python flushes stdout once more at exit: let that go nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return UNFORESEEN
    except Exception as error:  # noqa: BLE001 - the border: the reader gets a line, not a trace
        if debug:
            traceback.print_exc()
        return _show(error, debug)
    # A command that raises typer.Exit hands back its code.
    return result if isinstance(result, int) else 0


def _show(error: Exception, debug: bool) -> int:
    """Writes the line that stands for an error and gives its exit code."""
    explanation = _explanation(error)
    if explanation is not None:
        typer.echo(f"isthmus: error: {explanation}", err=True)
        return REFUSED
    first_line = next(iter(str(error).splitlines()), "")
    hint = "" if debug else " (run the same command with --debug for the trace)"
    typer.echo(f"isthmus: unexpected {type(error).__name__}: {first_line}{hint}", err=True)
    return UNFORESEEN


def _explanation(error: Exception) -> str | None:
    """What an error says that was made for the reader; None for any other."""
    if isinstance(error, IsthmusError):
        return str(error)
    if isinstance(error, typer.TyperException):
        context = getattr(error, "ctx", None)
        place = "" if context is None else f" (see '{context.command_path} --help')"
        return error.format_message() + place
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return None
