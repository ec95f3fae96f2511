"""`isthmus design`: list, show and check functional forms."""

from pathlib import Path
from typing import Annotated

import typer

from isthmus.cli.console import results
from isthmus.words import counted

__all__ = ["app"]

app = typer.Typer(
    name="design",
    help="Functional forms: list, show and check them.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

_EXAMPLE = "Example: `isthmus design "


@app.command("list", epilog=_EXAMPLE + "list`")
def list_designs() -> None:
    """The designs that come with Isthmus."""
    from rich.table import Table

    from isthmus.designs.schema import design_names, preset

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("name", style="cyan", no_wrap=True)
    table.add_column("terms", justify="right")
    table.add_column("what it is")
    for name in design_names():
        design = preset(name)
        n_terms = len(design.terms) + len(design.networks)
        table.add_row(name, str(n_terms), " ".join(design.description.split()))
    results().print(table)


@app.command(epilog=_EXAMPLE + "show class2plus`")
def show(
    name: Annotated[str, typer.Argument(metavar="NAME_OR_FILE", help="A design or a TOML file.")],
    toml: Annotated[
        bool, typer.Option("--toml", help="The text itself, to start a design of your own from.")
    ] = False,
) -> None:
    """Formulas, and every parameter with unit, default, range and meaning."""
    from isthmus.cli.formulas import readable_design
    from isthmus.designs.schema import find_design

    design = find_design(name)
    if toml:
        typer.echo(design.text, nl=False)
    else:
        results().print(readable_design(design))


@app.command(epilog=_EXAMPLE + "check own.toml`")
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A design as TOML.")],
) -> None:
    """Check keys, formulas, units and symmetry of a design file."""
    from isthmus.cli.files import refuse_missing
    from isthmus.designs.schema import read_design

    refuse_missing(file)
    design = read_design(file)
    own = sum(1 for _ in design.own_parameters())
    shared = f", {len(design.coordinates)} coordinates" if design.coordinates else ""
    networks = f", {counted(len(design.networks), 'network')}" if design.networks else ""
    results().print(
        f"{file}: design '{design.name}' is fine: {counted(len(design.terms), 'term')}{shared}, "
        f"{counted(own, 'parameter')}{networks}",
        markup=False,
        soft_wrap=True,
    )
