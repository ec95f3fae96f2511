"""Files that commands write."""

from pathlib import Path

from isthmus.errors import InputError

__all__ = ["refuse_existing"]


def refuse_existing(path: Path, *, suffix: str, overwrite: bool) -> None:
    """Before any work is done: an output that exists, or has another suffix than its content.

    Raises:
        InputError: says which of the two.
    """
    if path.suffix != suffix:
        raise InputError(f"'{path}': this command writes {suffix}; give the output that suffix")
    if path.exists() and not overwrite:
        raise InputError(f"'{path}' exists: choose another name, or add --overwrite")
    if not path.parent.is_dir():
        raise InputError(f"there is no folder '{path.parent}': make it, or choose another")
