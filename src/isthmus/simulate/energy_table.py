"""Energies of a run as CSV: one line a frame and replica, units in the header."""

import csv
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float

from isthmus.errors import InputError
from isthmus.simulate.record import Record

__all__ = ["EnergyTable", "cut_table", "read_table"]

_COLUMNS: Final = {
    "potential": "potential [kJ/mol]",
    "kinetic": "kinetic [kJ/mol]",
    "total": "total [kJ/mol]",
    "temperature": "temperature [K]",
    "conserved": "conserved [kJ/mol]",
    "volume": "volume [nm^3]",
    "density": "density [g/cm^3]",
}


class EnergyTable:
    """A CSV file, open for adding lines."""

    def __init__(self, path: Path, start: Record, *, append: bool) -> None:
        """Make a file with its header, or go on with one.

        Args:
            path: of the file.
            start: any record of the run, which says what columns there are.
            append: whether the file is there already.

        Raises:
            OSError: the file cannot be written.
        """
        self._names = [name for name in _COLUMNS if _value(start, name) is not None]
        self._several = len(start.potential) > 1
        self._file = path.open("a" if append else "w", encoding="utf-8", newline="")
        if not append:
            head = ["step", "time [ps]", *(["replica"] if self._several else [])]
            try:
                self._add([",".join([*head, *(_COLUMNS[name] for name in self._names)])])
            except BaseException:
                self.close()
                raise

    def write(self, record: Record) -> None:
        """Add a line for each replica.

        Raises:
            OSError: the disk is full; the file may end with a part of a line.
        """
        values = np.array([_value(record, name) for name in self._names], dtype=np.float64)
        lines = []
        for replica, column in enumerate(values.T):
            head = [str(record.step), f"{record.time:.10g}"]
            if self._several:
                head.append(str(replica))
            lines.append(",".join([*head, *(f"{value:.10g}" for value in column)]))
        self._add(lines)

    def _add(self, lines: list[str]) -> None:
        self._file.write("".join(line + "\n" for line in lines))
        self._file.flush()

    def sync(self) -> None:
        """Wait until all lines are on the disk.

        Raises:
            OSError: the disk is full.
        """
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Let the file go, whatever state it is in."""
        with suppress(OSError):
            self._file.close()


def cut_table(path: Path, *, n_bytes: int) -> None:
    """Take away what was written after a checkpoint.

    Raises:
        InputError: the file is missing, or shorter than it was.
        OSError: it cannot be written.
    """
    if not path.is_file() or path.stat().st_size < n_bytes:
        raise InputError(
            f"'{path}' is missing or shorter than when the checkpoint was written, so the run "
            "cannot go on there: put the file back, or start anew with --overwrite"
        )
    os.truncate(path, n_bytes)


def read_table(path: Path) -> Mapping[str, Float[np.ndarray, " lines"]]:
    """Columns of a table, by their names without units, such as `temperature`.

    Raises:
        InputError: there is no such file, or it is no such table.
    """
    if not path.is_file():
        raise InputError(f"there is no file '{path}'; check the path")
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    try:
        names = [name.partition(" [")[0] for name in rows[0]]
        values = np.array(rows[1:], dtype=np.float64).reshape(-1, len(names))
    except (IndexError, ValueError):
        raise InputError(f"'{path}' is no table of energies that `isthmus md` wrote") from None
    return dict(zip(names, values.T, strict=True))


def _value(record: Record, name: str) -> Float[np.ndarray, " replicas"] | None:
    if name == "total":
        return record.potential + record.kinetic
    return getattr(record, name)
