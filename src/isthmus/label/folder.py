"""Finished pieces on disk, beside the output, until all of them are there.

A piece is `00012-003.h5` (its frames, in the layout of SPICE) and `00012-003.json` (what was
dropped). The second is written last, by renaming: a piece counts from then on, and a process that
is killed at any moment leaves every piece either whole or not there.
"""

import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from isthmus.data.dataset import Dataset
from isthmus.data.entry import Entry
from isthmus.data.spice import open_dataset
from isthmus.data.spice_writer import write_dataset
from isthmus.errors import InputError
from isthmus.label.piece import Done
from isthmus.label.plan import Piece, Plan, read_plan

__all__ = ["Folder", "Report", "folder_of", "refused_by_disk"]

_PLAN = "plan.json"
_LOCK = "lock"


@dataclass(frozen=True)
class Report:
    """What is known of a finished piece.

    Attributes:
        n_frames: kept.
        dropped: how many frames were dropped, and why.
        sampler: of the frames.
    """

    n_frames: int
    dropped: tuple[tuple[int, str], ...]
    sampler: str


def folder_of(output: Path) -> "Folder":
    """The folder in which the pieces of an output are kept."""
    return Folder(output.with_name(f"{output.name}.parts"))


@dataclass(frozen=True)
class Folder:
    """The pieces of one plan.

    Attributes:
        path: of the folder.
    """

    path: Path

    def begun_with(self) -> Plan | None:
        """The plan of the run that is kept here, or None.

        Raises:
            InputError: there is one, and it cannot be read.
        """
        file = self.path / _PLAN
        return read_plan(file) if file.is_file() else None

    def begin(self, plan: Plan) -> None:
        """Make the folder and write the plan.

        Raises:
            OSError: the disk is full, or cannot be written to.
        """
        self.path.mkdir(exist_ok=True)
        _write_text(self.path / _PLAN, plan.text)

    def clear(self) -> None:
        """Remove what an earlier run left, but for the lock."""
        for file in self.path.iterdir():
            if file.name != _LOCK:
                file.unlink()

    def remove(self) -> None:
        """Remove everything."""
        shutil.rmtree(self.path, ignore_errors=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """For as long as a run works here; the lock ends with the process, however it ends.

        Raises:
            InputError: another run works here.
        """
        import fcntl

        self.path.mkdir(exist_ok=True)
        with (self.path / _LOCK).open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise InputError(
                    f"another run works on '{self.path}': wait for it, or choose another output"
                ) from None
            yield

    def commit(self, piece: Piece, done: Done) -> Report:
        """Write what came of a piece.

        Raises:
            OSError: the disk is full, or cannot be written to.
        """
        report = Report(
            0 if done.entry is None else done.entry.n_frames, tuple(done.dropped), done.sampler
        )
        if done.entry is not None:
            write_dataset(Dataset.create([done.entry]), self._frames(piece), overwrite=True)
        content = {"n_frames": report.n_frames, "dropped": done.dropped, "sampler": done.sampler}
        _write_text(self._report(piece), json.dumps(content))
        return report

    def report(self, piece: Piece) -> Report | None:
        """What is known of a piece; None if it is not finished, or is damaged."""
        try:
            content = json.loads(self._report(piece).read_text())
            dropped = tuple((int(n), str(reason)) for n, reason in content["dropped"])
            found = Report(int(content["n_frames"]), dropped, str(content["sampler"]))
            if found.n_frames and self.entry(piece).n_frames != found.n_frames:
                return None
        except (OSError, ValueError, KeyError, TypeError, InputError):
            return None
        return found

    def entry(self, piece: Piece) -> Entry:
        """The frames of a finished piece.

        Raises:
            InputError: they cannot be read.
        """
        return open_dataset(self._frames(piece), strict=False)[0]

    def log(self, number: int) -> Path:
        """Where a process writes what nobody asked for."""
        return self.path / f"process-{number}.log"

    def _frames(self, piece: Piece) -> Path:
        return self.path / f"{piece[0]:05d}-{piece[1]:03d}.h5"

    def _report(self, piece: Piece) -> Path:
        return self.path / f"{piece[0]:05d}-{piece[1]:03d}.json"


def _write_text(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def refused_by_disk(error: OSError, path: Path) -> OSError:
    """The same error with number and file name, which HDF5 gives in its text at most."""
    if error.errno is not None and error.filename is not None:
        return error
    said = re.search(r"errno = (\d+)", str(error))
    if error.errno is None and said is None:
        return OSError(0, " ".join(str(error).split()), str(path))
    number = error.errno if said is None else int(said[1])
    return OSError(number, os.strerror(number or 0), str(path))
