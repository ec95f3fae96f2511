"""The files that a simulation writes: opened, grown together, cut back together."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from isthmus.errors import InputError
from isthmus.simulate.checkpoint import RunCheckpoint
from isthmus.simulate.energy_table import EnergyTable, cut_table
from isthmus.simulate.record import Record
from isthmus.simulate.run_paths import RunPaths
from isthmus.simulate.structure_file import write_structure
from isthmus.simulate.trajectory import FORMATS, Trajectory, cut_trajectory

__all__ = ["OpenFiles", "Spacing", "begin_files", "continue_files"]


@runtime_checkable
class Spacing(Protocol):
    """What trajectories say of time."""

    @property
    def timestep(self) -> float:
        """[ps]."""
        ...

    @property
    def report_every(self) -> int:
        """Steps between frames."""
        ...


class OpenFiles:
    """Trajectories and the table of a run, which hold the same frames."""

    def __init__(
        self,
        paths: RunPaths,
        trajectories: list[Trajectory],
        table: EnergyTable,
        frames: int,
        interval: int,
    ) -> None:
        """Made by `begin_files` or `continue_files`."""
        self._paths = paths
        self._trajectories = trajectories
        self._table = table
        self._interval = interval
        self.frames = frames
        self.sizes = _sizes(paths)

    def write(self, record: Record) -> None:
        """Add a frame to all of them.

        Raises:
            OSError: the disk is full or cannot be written; none of the files has this frame, and
                none takes another.
        """
        path = self._paths.energies
        try:
            for replica, trajectory in enumerate(self._trajectories):
                path = self._paths.trajectories[replica]
                box = None if record.box is None else record.box[replica]
                trajectory.write(record.positions[replica], box)
            path = self._paths.energies
            self._table.write(record)
        except OSError as error:
            self.close()
            with suppress(OSError):
                _cut(self._paths, self.sizes, self.frames, self._interval)
            raise OSError(error.errno, error.strerror or str(error), str(path)) from error
        self.frames += 1
        self.sizes = _sizes(self._paths)

    def sync(self) -> None:
        """Wait until all is on the disk.

        Raises:
            OSError: the disk is full.
        """
        for file in (*self._trajectories, self._table):
            file.sync()

    def close(self) -> None:
        """Let the files go, whatever state they are in."""
        for file in (*self._trajectories, self._table):
            file.close()


def begin_files(
    paths: RunPaths, topology: Any, spacing: Spacing, start: Record, *, overwrite: bool
) -> OpenFiles:
    """The files of a new run; the topology is written here.

    Args:
        paths: of the files.
        topology: of OpenMM.
        spacing: of frames.
        start: where the run starts.
        overwrite: whether files that are there are replaced.

    Raises:
        InputError: there are such files.
        OSError: they cannot be written.
    """
    existing = paths.existing()
    if existing and not overwrite:
        raise refusal(paths, existing)
    # The checkpoint first: it must never stand beside files of another run
    for path in sorted(existing, key=lambda one: one != paths.checkpoint):
        path.unlink()
    box = None if start.box is None else start.box[0]
    write_structure(paths.topology, topology, start.positions[0], box)
    return _opened(paths, topology, spacing, start, frames=0, append=False)


def refusal(paths: RunPaths, existing: list[Path]) -> InputError:
    """Files of another run are in the way."""
    shown = ", ".join(f"'{path}'" for path in existing[:3])
    more = f" and {len(existing) - 3} more" if len(existing) > 3 else ""
    verb = "exists" if len(existing) == 1 else "exist"
    resume = ", go on with --resume" if paths.checkpoint in existing else ""
    return InputError(f"{shown}{more} {verb}: choose another --output{resume}, or add --overwrite")


def continue_files(
    paths: RunPaths, topology: Any, spacing: Spacing, start: Record, checkpoint: RunCheckpoint
) -> OpenFiles:
    """The files of a run as they were when a checkpoint was written.

    Raises:
        InputError: a file is missing, or shorter than it was.
        OSError: they cannot be written.
    """
    _cut(paths, checkpoint.sizes, checkpoint.frames, spacing.report_every)
    return _opened(paths, topology, spacing, start, frames=checkpoint.frames, append=True)


def _opened(
    paths: RunPaths, topology: Any, spacing: Spacing, start: Record, *, frames: int, append: bool
) -> OpenFiles:
    trajectories: list[Trajectory] = []
    for path in paths.trajectories:
        trajectories.append(
            FORMATS[path.suffix[1:]](
                path,
                topology,
                timestep=spacing.timestep,
                interval=spacing.report_every,
                append=append,
            )
        )
    table = EnergyTable(paths.energies, start, append=append)
    return OpenFiles(paths, trajectories, table, frames, spacing.report_every)


def _sizes(paths: RunPaths) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in paths.growing()}


def _cut(paths: RunPaths, sizes: Mapping[str, int], frames: int, interval: int) -> None:
    for path in paths.trajectories:
        cut_trajectory(path, n_bytes=sizes[path.name], n_frames=frames, interval=interval)
    cut_table(paths.energies, n_bytes=sizes[paths.energies.name])
