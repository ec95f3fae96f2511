"""A calculator of ASE in a process of its own, perhaps of another interpreter.

What is said between the two stands in `isthmus.race.rivals.worker`. A process that takes too long
is ended; one that dies is a failure of the rival, with the last lines that it wrote.
"""

import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Float

from isthmus.data.entry import Entry
from isthmus.race.rivals import worker
from isthmus.race.rivals.caller import RivalError
from isthmus.units import ANGSTROM, ELECTRONVOLT

__all__ = ["ProcessCaller"]

_LAST_LINES: Final = 4
_CHUNK: Final = 1 << 20


class ProcessCaller:
    """A `Caller` that asks a process."""

    engine = "ase"

    def __init__(self, factory: str, *, python: str | None, timeout: float) -> None:
        """Start the process, and wait until the calculator is made.

        Args:
            factory: `module:name` or `path/file.py:name` of what gives a calculator.
            python: its interpreter; None for that of this process.
            timeout: for its start and for each answer [s].

        Raises:
            RivalError: it cannot be started, or the calculator cannot be made.
        """
        self._factory, self._timeout = factory, timeout
        self._python = python or sys.executable
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        try:
            self._process = subprocess.Popen(
                [self._python, str(Path(worker.__file__)), factory],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                # Ctrl-C is for the race, which ends its processes itself
                start_new_session=True,
            )
        except OSError as error:
            self._log.close()
            raise RivalError(
                f"the interpreter '{self._python}' cannot be started: {error.strerror}; give the "
                "path of a Python that has ASE and the rival"
            ) from None
        try:
            self.versions: Mapping[str, str] = self._answer()[0]["versions"]
        except BaseException:
            self.close()
            raise

    @property
    def description(self) -> str:
        """The factory, with versions."""
        known = ", ".join(f"{name} {number}" for name, number in self.versions.items())
        return f"{self._factory} through ASE ({known})"

    def evaluate(
        self, entry: Entry, positions: Float[np.ndarray, "frames atoms 3"]
    ) -> tuple[Float[np.ndarray, "frames"], Float[np.ndarray, "frames atoms 3"]]:
        """As `Caller.evaluate`."""
        _, found = self._asked({"do": "evaluate"}, entry, positions)
        energies, forces = found["energies"], found["forces"]
        if forces.shape != positions.shape or energies.shape != positions.shape[:1]:
            raise RivalError(f"{self._factory}: forces of shape {forces.shape} came")
        if not (np.isfinite(energies).all() and np.isfinite(forces).all()):
            raise RivalError(f"{self._factory}: an energy or a force is not finite")
        return energies * ELECTRONVOLT, forces * (ELECTRONVOLT / ANGSTROM)

    def seconds(
        self, entry: Entry, positions: Float[np.ndarray, "frames atoms 3"], calls: int
    ) -> float:
        """As `Caller.seconds`."""
        return self._asked({"do": "time", "calls": calls}, entry, positions)[0]["seconds"]

    def close(self) -> None:
        """End the process."""
        if self._process.poll() is None:
            self._process.kill()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except BrokenPipeError:
                    continue
        self._process.wait()
        self._log.close()

    def _asked(
        self, request: Mapping[str, Any], entry: Entry, positions: np.ndarray
    ) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        if entry.box is not None:
            raise RivalError("its frames are in a box, which rivals are not given")
        if self._process.poll() is not None or self._log.closed:
            raise RivalError(self._obituary())
        assert self._process.stdin is not None
        molecule = {
            "numbers": np.asarray(entry.topology.atomic_numbers).tolist(),
            "charge": entry.total_charge,
        }
        given = {"positions": positions / ANGSTROM}
        try:
            worker.send(self._process.stdin, {**request, **molecule}, given)
        except BrokenPipeError:
            raise RivalError(self._obituary()) from None
        return self._answer()

    def _answer(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        deadline = time.monotonic() + self._timeout
        found = worker.receive(lambda size: self._read(size, deadline))
        if found is None:
            raise RivalError(self._obituary())
        header, arrays = found
        if "error" in header:
            raise RivalError(f"{self._factory}: {header['error']}")
        return header, arrays

    def _read(self, size: int, deadline: float) -> bytes:
        """So many bytes of what the process says.

        Raises:
            RivalError: it says nothing for too long, or no more.
        """
        assert self._process.stdout is not None
        pieces: list[bytes] = []
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while size:
                if not selector.select(max(deadline - time.monotonic(), 0.0)):
                    self._process.kill()
                    raise RivalError(
                        f"{self._factory} gave no answer within {self._timeout:g} s, and was ended"
                    )
                piece = os.read(self._process.stdout.fileno(), min(size, _CHUNK))
                if not piece:
                    raise RivalError(self._obituary())
                pieces.append(piece)
                size -= len(piece)
        return b"".join(pieces)

    def _obituary(self) -> str:
        """How the process ended, and what it wrote last."""
        if self._log.closed:
            return f"the process of {self._factory} is closed"
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return f"the process of {self._factory} closed its output"
        how = f"exit code {code}"
        if code < 0:
            names = {number.value: number.name for number in signal.Signals}
            how = f"signal {names.get(-code, -code)}"
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").splitlines()
        last = [line.strip() for line in lines if line.strip()][-_LAST_LINES:]
        said = f": {' | '.join(last)[-600:]}" if last else ""
        return f"the process of {self._factory} ({self._python}) died ({how}){said}"
