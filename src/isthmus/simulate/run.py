"""The runner: lets an engine move atoms, writes frames, energies and checkpoints, notices breaks.

A run goes in pieces of at most `Engine.grain` steps. After each piece the record is looked at;
where it is due, a frame is written, and after that perhaps a checkpoint. A checkpoint stands at
the end of a piece, names the sizes that all files had, and so a run that was killed goes on
without a gap, a repeated frame or another number.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from isthmus.chemistry.topology import Topology
from isthmus.errors import InputError
from isthmus.simulate.breakage import Breakage, Watch, bond_lengths, find_breakage
from isthmus.simulate.checkpoint import RunCheckpoint, read_run_checkpoint, write_run_checkpoint
from isthmus.simulate.record import Engine, Record
from isthmus.simulate.run_files import OpenFiles, begin_files, continue_files, refusal
from isthmus.simulate.run_paths import RunPaths
from isthmus.simulate.structure_file import write_structure

__all__ = ["Outcome", "Progress", "RunSettings", "System", "carry_out", "refuse_existing_run"]


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """How long, and what is written how often.

    Attributes:
        n_steps: of the whole run.
        timestep: [ps].
        report_every: steps between frames.
        temperature: that the run should have, to notice when it has broken [K].
        checkpoint_seconds: time between checkpoints [s].
    """

    n_steps: int
    timestep: float
    report_every: int
    temperature: float
    checkpoint_seconds: float = 60.0

    def __post_init__(self) -> None:
        if self.n_steps < 1 or self.report_every < 1:
            raise InputError(
                f"{self.n_steps} steps with a report every {self.report_every}: wanted is 1 or "
                "more of either"
            )


@dataclass(frozen=True)
class System:
    """What is written beside the numbers.

    Attributes:
        topology: of one replica.
        written: the same of OpenMM, for files.
    """

    topology: Topology
    written: Any


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes:
        step: steps done.
        n_steps: of the whole run.
        seconds: since this process began to move atoms, the first piece left out.
        steps_timed: steps done in these seconds.
        record: the last one.
    """

    step: int
    n_steps: int
    seconds: float
    steps_timed: int
    record: Record


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        ending: `complete`, `stopped` or `broken`.
        step: the last one.
        started_at: the step at which this process took the run over.
        seconds, steps_timed: as in `Progress`.
        breakage: where it broke, if it did.
    """

    ending: str
    step: int
    started_at: int
    seconds: float
    steps_timed: int
    breakage: Breakage | None = None


def refuse_existing_run(paths: RunPaths, *, overwrite: bool, resume: bool) -> None:
    """Before any work is done: files of another run, or nothing to resume.

    Raises:
        InputError: says which.
    """
    existing = paths.existing()
    if overwrite and resume:
        raise InputError("--overwrite starts anew, --resume goes on: give one of them")
    if resume and existing and paths.checkpoint not in existing:
        raise InputError(
            f"there is no checkpoint '{paths.checkpoint}' to resume from: start anew with "
            "--overwrite"
        )
    if existing and not (overwrite or resume):
        raise refusal(paths, existing)


def carry_out(
    engine: Engine,
    system: System,
    settings: RunSettings,
    paths: RunPaths,
    *,
    run: Mapping[str, Any],
    resume: bool = False,
    overwrite: bool = False,
    stop: Callable[[], bool] = lambda: False,
    watch: Callable[[Progress], None] = lambda _: None,
) -> Outcome:
    """Run to the end, or until it is asked to stop or breaks.

    Args:
        engine: at the start of the run.
        system: what is moved.
        settings: of the run.
        paths: of its files.
        run: what a checkpoint must agree with, as plain data; keys are words for people.
        resume: go on from the checkpoint, if there is one.
        overwrite: replace files that are there.
        stop: asked after every piece.
        watch: called after every piece.

    Raises:
        InputError: files that exist, a checkpoint of another run, or a start that is broken.
        OSError: the disk is full; the checkpoint and all frames before stay.
    """
    start = engine.record()
    made_of = {**run, "report every [steps]": settings.report_every}
    checkpoint, lengths = None, bond_lengths(system.topology, start)
    if resume and paths.checkpoint.is_file():
        checkpoint = read_run_checkpoint(paths.checkpoint, made_of)
        engine.restore(checkpoint.state)
        lengths = checkpoint.lengths
    guard = Watch(system.topology, lengths, temperature=settings.temperature)
    problem = guard.problem(engine.record())
    if problem is not None:
        raise InputError(f"the run cannot start: {problem[1]}; minimise the structure first")
    if checkpoint is None:
        files = begin_files(paths, system.written, settings, start, overwrite=overwrite)
    else:
        files = continue_files(paths, system.written, settings, start, checkpoint)
    loop = _Loop(engine, system, settings, paths, made_of, files, guard)
    try:
        return loop.run(stop, watch, fresh=checkpoint is None)
    finally:
        files.close()


@dataclass
class _Loop:
    engine: Engine
    system: System
    settings: RunSettings
    paths: RunPaths
    made_of: Mapping[str, Any]
    files: OpenFiles
    guard: Watch
    seconds: float = 0.0
    steps_timed: int = 0

    def run(
        self, stop: Callable[[], bool], watch: Callable[[Progress], None], *, fresh: bool
    ) -> Outcome:
        good = self.engine.record()
        snapshot = self.engine.snapshot()
        started_at = good.step
        if fresh:
            self._save(snapshot, good)
        saved, timed = time.monotonic(), None
        ending = "complete"
        while good.step < self.settings.n_steps:
            if stop():
                ending = "stopped"
                break
            n_steps = self._piece(good.step)
            self.engine.advance(n_steps)
            record = self.engine.record()
            if self.guard.problem(record) is not None:
                return self._broken(snapshot, good, record, started_at)
            self._write(snapshot, good, record)
            snapshot, good = self.engine.snapshot(), record
            now = time.monotonic()
            if timed is not None:
                self.seconds, self.steps_timed = now - timed[0], good.step - timed[1]
            else:
                timed = (now, good.step)
            if now - saved > self.settings.checkpoint_seconds:
                self._save(snapshot, good)
                saved = now
            watch(Progress(good.step, self.settings.n_steps, self.seconds, self.steps_timed, good))
        self._save(snapshot, good)
        return Outcome(ending, good.step, started_at, self.seconds, self.steps_timed)

    def _piece(self, step: int) -> int:
        """Steps to the next place where the engine or the files want to stop."""
        grain, report = self.engine.grain, self.settings.report_every
        return min(grain - step % grain, report - step % report, self.settings.n_steps - step)

    def _write(self, snapshot: Mapping[str, np.ndarray], good: Record, record: Record) -> None:
        """The frame of a record, where it is due; saves the run before it if that fails."""
        if record.step % self.settings.report_every:
            return
        try:
            self.files.write(record)
        except OSError:
            with suppress(OSError):
                self._save(snapshot, good, synced=False)
            raise

    def _save(
        self, snapshot: Mapping[str, np.ndarray], good: Record, *, synced: bool = True
    ) -> None:
        if synced:
            self.files.sync()
        checkpoint = RunCheckpoint(
            good.step, self.files.frames, self.files.sizes, self.guard.lengths, snapshot
        )
        write_run_checkpoint(self.paths.checkpoint, checkpoint, self.made_of)

    def _broken(
        self,
        snapshot: Mapping[str, np.ndarray],
        good: Record,
        record: Record,
        started_at: int,
    ) -> Outcome:
        """Keep the last good state, then look where it broke."""
        self._save(snapshot, good)
        found = find_breakage(self.engine, self.guard, snapshot, good, record)
        last = found.last_good
        box = None if last.box is None else last.box[found.replica]
        positions = last.positions[found.replica]
        write_structure(self.paths.last_good, self.system.written, positions, box)
        return Outcome("broken", found.step, started_at, self.seconds, self.steps_timed, found)
