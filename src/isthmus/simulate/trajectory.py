"""Trajectories as files: DCD and XTC, written by OpenMM, cut where a run is resumed.

Coordinates are as the engine gives them, not wrapped into the box. A frame is written whole or
an error is raised; what stood in the file before stays.
"""

import os
import struct
from collections.abc import Callable, Mapping
from contextlib import suppress
from errno import EIO
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from isthmus.errors import InputError

__all__ = ["FORMATS", "DCDTrajectory", "Trajectory", "XTCTrajectory", "cut_trajectory"]

_FRAMES_AT: Final = 8
_LAST_STEP_AT: Final = 20
_DATE_AT: Final = 180
_DATE_BYTES: Final = 80
"""Places in a DCD file that OpenMM writes"""

_XTC_HEAD: Final = 56
"""Bytes of an XTC frame before its coordinates"""
_XTC_FEW: Final = 9
"""Atoms up to which XTC does not compress"""


@runtime_checkable
class Trajectory(Protocol):
    """A file that grows by whole frames."""

    def write(
        self, positions: Float[np.ndarray, "atoms 3"], box: Float[np.ndarray, "3 3"] | None
    ) -> None:
        """Add a frame [nm].

        Raises:
            OSError: it could not be written; the file may end with a part of it.
        """
        ...

    def sync(self) -> None:
        """Wait until all frames are on the disk.

        Raises:
            OSError: the disk is full.
        """
        ...

    def close(self) -> None:
        """Let the file go, whatever state it is in."""
        ...


class DCDTrajectory:
    """A DCD file, open for adding frames."""

    def __init__(
        self, path: Path, topology: Any, *, timestep: float, interval: int, append: bool
    ) -> None:
        """Make a file with its header, or go on with one.

        Args:
            path: of the file.
            topology: of OpenMM.
            timestep: [ps].
            interval: steps between frames.
            append: whether the file is there already.

        Raises:
            OSError: the file cannot be written.
        """
        from openmm import app

        self._file: BinaryIO = path.open("r+b" if append else "w+b")
        try:
            self._writer = app.DCDFile(
                self._file, topology, timestep, interval, interval, append=append
            )
            if not append:
                # The date would make every file another one
                self._file.seek(_DATE_AT)
                self._file.write(b"Written by Isthmus".ljust(_DATE_BYTES))
                self._file.flush()
        except BaseException:
            self.close()
            raise

    def write(
        self, positions: Float[np.ndarray, "atoms 3"], box: Float[np.ndarray, "3 3"] | None
    ) -> None:
        """Add a frame; see `Trajectory`."""
        self._writer.writeModel(positions, periodicBoxVectors=_vectors(box))

    def sync(self) -> None:
        """Wait for the disk; see `Trajectory`."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Let the file go; see `Trajectory`."""
        with suppress(OSError):
            self._file.close()


class XTCTrajectory:
    """An XTC file in nm with a precision of 0.001 nm; it is opened for each frame."""

    def __init__(
        self, path: Path, topology: Any, *, timestep: float, interval: int, append: bool
    ) -> None:
        """Start a file, or go on with one; arguments and errors as `DCDTrajectory`."""
        from openmm import app

        self._path = path
        if not append:
            path.write_bytes(b"")
        self._writer = app.XTCFile(
            str(path), topology, timestep, interval, interval, append=append and _size(path) > 0
        )

    def write(
        self, positions: Float[np.ndarray, "atoms 3"], box: Float[np.ndarray, "3 3"] | None
    ) -> None:
        """Add a frame; see `Trajectory`."""
        before = _size(self._path)
        try:
            self._writer.writeModel(positions, periodicBoxVectors=_vectors(box))
        except RuntimeError:
            self._raise_reason(len(positions))
        # OpenMM does not notice that the end of a frame, or a small one, found no place
        if _size(self._path) - before != _xtc_length(self._path, before):
            self._raise_reason(len(positions))

    def _raise_reason(self, n_atoms: int) -> None:
        """Try to write as much, which names the reason that OpenMM does not.

        Raises:
            OSError: in any case.
        """
        with self._path.open("ab", buffering=0) as file:
            for _ in range(n_atoms + 1):
                file.write(bytes(16))
            os.fsync(file.fileno())
        raise OSError(EIO, "a frame could not be written", str(self._path))

    def sync(self) -> None:
        """Wait for the disk; see `Trajectory`."""
        with self._path.open("rb") as file:
            os.fsync(file.fileno())

    def close(self) -> None:
        """Nothing is held; see `Trajectory`."""


FORMATS: Final[Mapping[str, Callable[..., Trajectory]]] = {
    "dcd": DCDTrajectory,
    "xtc": XTCTrajectory,
}
"""What writes each format, by its name, which is also the suffix of its files"""


def cut_trajectory(path: Path, *, n_bytes: int, n_frames: int, interval: int) -> None:
    """Take away what was written after a checkpoint.

    Args:
        path: of the file.
        n_bytes: that it had.
        n_frames: that it had.
        interval: steps between frames.

    Raises:
        InputError: the file is missing, or shorter than it was.
        OSError: it cannot be written.
    """
    if not path.is_file() or _size(path) < n_bytes:
        raise InputError(
            f"'{path}' is missing or shorter than when the checkpoint was written, so the run "
            "cannot go on there: put the file back, or start anew with --overwrite"
        )
    with path.open("r+b") as file:
        file.truncate(n_bytes)
        if path.suffix == ".dcd":
            # DCD says in its header how many frames follow
            file.seek(_FRAMES_AT)
            file.write(struct.pack("<i", n_frames))
            file.seek(_LAST_STEP_AT)
            file.write(struct.pack("<i", n_frames * interval))
        file.flush()
        os.fsync(file.fileno())


def _vectors(box: Float[np.ndarray, "3 3"] | None) -> Any:
    from openmm import Vec3

    if box is None:
        return None
    return [Vec3(*map(float, row)) for row in box]


def _size(path: Path) -> int:
    return path.stat().st_size


def _xtc_length(path: Path, start: int) -> int:
    """Bytes that the frame at `start` should have; -1 where it has no whole header."""
    with path.open("rb") as file:
        file.seek(start)
        head = file.read(_XTC_HEAD + 36)
    if len(head) < _XTC_HEAD:
        return -1
    (n_atoms,) = struct.unpack_from(">i", head, _XTC_HEAD - 4)
    if n_atoms <= _XTC_FEW:
        return _XTC_HEAD + 12 * n_atoms
    if len(head) < _XTC_HEAD + 36:
        return -1
    (n_bytes,) = struct.unpack_from(">i", head, _XTC_HEAD + 32)
    return _XTC_HEAD + 36 + -(-n_bytes // 4) * 4
