"""Files that commands read and write."""

import os
from pathlib import Path

from isthmus.errors import InputError

__all__ = ["refuse_existing", "refuse_missing"]


def refuse_existing(path: Path, *, suffix: str, overwrite: bool) -> None:
    """Before any work is done: an output that exists, or that cannot be written.

    Raises:
        InputError: another suffix than its content has, an existing file, a folder that is
            missing or not writable.
    """
    if path.suffix != suffix:
        raise InputError(f"'{path}': this command writes {suffix}; give the output that suffix")
    if path.is_dir():
        raise InputError(f"'{path}' is a folder: choose another name")
    if path.exists() and not overwrite:
        raise InputError(f"'{path}' exists: choose another name, or add --overwrite")
    if not path.parent.is_dir():
        raise InputError(f"there is no folder '{path.parent}': make it, or choose another")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise InputError(f"the folder '{path.parent}' cannot be written to: choose another")


def refuse_missing(path: Path) -> None:
    """Before any work is done: an input that is not there, or is a folder.

    Raises:
        InputError: says which of the two.
    """
    if path.is_dir():
        raise InputError(f"'{path}' is a folder; give one file")
    if not path.exists():
        raise InputError(f"there is no file '{path}'; check the path")
