"""Names of the files of a simulation."""

import os
from dataclasses import dataclass
from pathlib import Path

from isthmus.errors import InputError

__all__ = ["RunPaths"]

_NAME_IN_FOLDER = "md"


@dataclass(frozen=True)
class RunPaths:
    """Where a run writes; all names follow from one.

    Attributes:
        trajectories: `NAME.dcd` or `NAME.xtc`; `NAME.001.dcd` and so on for replicas.
        topology: `NAME.pdb` or `NAME.cif`, with the coordinates at the start.
        energies: `NAME.csv`.
        checkpoint: `NAME.checkpoint.safetensors`.
        last_good: `NAME.last_good.pdb`, only if the run breaks.
    """

    trajectories: tuple[Path, ...]
    topology: Path
    energies: Path
    checkpoint: Path
    last_good: Path

    @classmethod
    def of(cls, output: str | Path, *, format: str, structure: str, replicas: int) -> "RunPaths":
        """The files of a run.

        Args:
            output: a folder that exists, in which they are called `md`; or a folder and the
                beginning of their names.
            format: of trajectories, which is also their suffix.
            structure: suffix of the topology.
            replicas: how many.

        Raises:
            InputError: the folder does not exist, or cannot be written to.
        """
        path = Path(output)
        if str(output).endswith("/") or path.is_dir():
            path = path / _NAME_IN_FOLDER
        if path.suffix == f".{format}":
            path = path.with_suffix("")
        if not path.parent.is_dir():
            raise InputError(f"there is no folder '{path.parent}' for '{path.name}': make it first")
        if not os.access(path.parent, os.W_OK | os.X_OK):
            raise InputError(f"the folder '{path.parent}' cannot be written to: choose another")

        def named(end: str) -> Path:
            return path.with_name(path.name + end)

        digits = max(3, len(str(replicas - 1)))
        numbers = [""] if replicas == 1 else [f".{n:0{digits}d}" for n in range(replicas)]
        return cls(
            tuple(named(f"{number}.{format}") for number in numbers),
            named(structure),
            named(".csv"),
            named(".checkpoint.safetensors"),
            named(f".last_good{structure}"),
        )

    def growing(self) -> tuple[Path, ...]:
        """Those that grow during the run."""
        return (*self.trajectories, self.energies)

    def existing(self) -> list[Path]:
        """Those that are there, of this run or another."""
        every = (*self.growing(), self.topology, self.checkpoint, self.last_good)
        return [path for path in every if path.exists()]
