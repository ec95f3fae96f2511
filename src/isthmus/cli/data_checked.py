"""Data that passed all checks, for every command that works with labels."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

if TYPE_CHECKING:
    from isthmus.data.dataset import Dataset

__all__ = ["refuse_structures", "refuse_unfit"]

_SHOWN: Final = 5
_STRUCTURES: Final = (".sdf", ".mol", ".mol2", ".pdb", ".smi", ".smiles")


def refuse_unfit(dataset: "Dataset", path: Path) -> None:
    """Refuse data in which the checks find an error, and show warnings on stderr.

    The data are read once, molecule by molecule, unless they are in memory.

    Args:
        dataset: read with `strict=False`, for its molecules are checked here.
        path: of the file, for the messages.

    Raises:
        InputError: names the first errors.
    """
    from isthmus.data.check import check_dataset
    from isthmus.data.finding import Severity, raise_errors

    findings = check_dataset(dataset)
    raise_errors(findings, source=str(path))
    warnings = [finding for finding in findings if finding.severity is Severity.WARNING]
    for finding in warnings[:_SHOWN]:
        typer.echo(f"isthmus: warning: {path}: {finding}", err=True)
    if len(warnings) > _SHOWN:
        rest = len(warnings) - _SHOWN
        typer.echo(
            f"isthmus: warning: {path}: {rest} more (`isthmus data info` lists them)", err=True
        )


def refuse_structures(path: Path, format: str | None) -> None:
    """Refuse files of structures, which have no labels, and say what makes some.

    Args:
        path: of what should be labelled data.
        format: as it was asked for; whoever names one knows what the file is.

    Raises:
        InputError: the suffix is that of structures alone.
    """
    from isthmus.errors import InputError

    if format is None and path.suffix.lower() in _STRUCTURES and path.is_file():
        raise InputError(
            f"'{path}' holds structures without energies and forces, and labelled data are wanted: "
            f"make some with `isthmus label {path} --method gfn2 -o labels.h5`"
        )
