"""Files that appear whole or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from isthmus.errors import InputError

__all__ = ["replacing"]


@contextmanager
def replacing(path: Path, *, overwrite: bool) -> Iterator[Path]:
    """A temporary file beside a path, which takes its place if all went well.

    Raises:
        InputError: the path exists and is not to be replaced, or its folder does not exist.
        OSError: the disk is full, or the folder cannot be written; names the path, and what
            stood there stays.
    """
    if path.exists() and not overwrite:
        raise InputError(f"'{path}' exists: choose another name, or overwrite it")
    if not path.parent.is_dir():
        raise InputError(f"there is no folder '{path.parent}': make it, or choose another")
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    except OSError as error:
        if error.filename is None and error.strerror is not None:
            # A write to an open file does not say which file it was
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)
