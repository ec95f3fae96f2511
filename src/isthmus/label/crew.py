"""All processes of a run: one thread each, and whichever dies is replaced."""

import json
import os
import selectors
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from isthmus.errors import IsthmusError
from isthmus.label.folder import Folder
from isthmus.label.plan import Piece

__all__ = ["default_jobs", "run_crew"]

_ONE_THREAD = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NPROC",
)
_TICK = 0.5
"""Longest time between two calls of `tick` [s]"""


def default_jobs() -> int:
    """Number of processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(eq=False)
class _Member:
    """A process, and what it is doing."""

    number: int
    process: subprocess.Popen[bytes]
    piece: Piece | None = None
    target: int | None = None
    ready: bool = False
    unread: bytes = field(default=b"")


def run_crew(
    folder: Folder,
    pieces: Iterable[Piece],
    *,
    jobs: int,
    finished: Callable[[Piece, str | None], None],
    tick: Callable[[], None],
) -> None:
    """Do all pieces, in so many processes.

    Args:
        folder: with the plan; the results come there.
        pieces: to be done.
        jobs: number of processes.
        finished: called with each piece, and with the reason if its process died over it.
        tick: called now and then.

    Raises:
        IsthmusError: processes cannot start.
        OSError: a process could not write its result.
    """
    waiting = _Waiting(pieces)
    crew: dict[int, _Member] = {}
    with selectors.DefaultSelector() as selector:
        try:
            for number in range(min(jobs, waiting.count)):
                _start(folder, number, crew, selector)
            while crew:
                for key, _ in selector.select(_TICK):
                    member = crew[key.data]
                    if not _hear(member, folder, waiting, finished):
                        selector.unregister(key.fileobj)
                        del crew[key.data]
                        if waiting.count:
                            _start(folder, member.number, crew, selector)
                tick()
        finally:
            for member in crew.values():
                member.process.kill()
                _close(member)


class _Waiting:
    """Pieces by molecule: a process keeps its molecule, and takes others' when none is left."""

    def __init__(self, pieces: Iterable[Piece]) -> None:
        self._fresh: deque[int] = deque()
        self._pieces: dict[int, deque[Piece]] = {}
        for piece in pieces:
            if piece[0] not in self._pieces:
                self._fresh.append(piece[0])
                self._pieces[piece[0]] = deque()
            self._pieces[piece[0]].append(piece)
        self.count = sum(map(len, self._pieces.values()))

    def next(self, target: int | None) -> Piece | None:
        """The next piece for a process whose last molecule was `target`; None if all are given."""
        if target not in self._pieces:
            if self._fresh:
                target = self._fresh.popleft()
            elif self._pieces:
                target = max(self._pieces, key=lambda one: len(self._pieces[one]))
            else:
                return None
        assert target is not None
        piece = self._pieces[target].popleft()
        self.count -= 1
        if not self._pieces[target]:
            del self._pieces[target]
        return piece


def _start(
    folder: Folder, number: int, crew: dict[int, _Member], selector: selectors.BaseSelector
) -> None:
    environment = dict(os.environ) | dict.fromkeys(_ONE_THREAD, "1")
    environment["JAX_PLATFORMS"] = "cpu"
    flags = environment.get("XLA_FLAGS", "")
    environment["XLA_FLAGS"] = f"{flags} --xla_cpu_multi_thread_eigen=false".strip()
    with folder.log(number).open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "isthmus.label.worker", str(folder.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=environment,
            # Ctrl-C is for the parent, which ends its processes itself
            start_new_session=True,
        )
    member = _Member(number, process)
    crew[process.pid] = member
    assert process.stdout is not None
    selector.register(process.stdout, selectors.EVENT_READ, process.pid)


def _hear(
    member: _Member,
    folder: Folder,
    waiting: _Waiting,
    finished: Callable[[Piece, str | None], None],
) -> bool:
    """Take what a process says; False if it has ended."""
    assert member.process.stdout is not None
    said = os.read(member.process.stdout.fileno(), 65536)
    if not said:
        _buried(member, folder, finished)
        return False
    *lines, member.unread = (member.unread + said).split(b"\n")
    for line in lines:
        answer = json.loads(line)
        if "disk" in answer:
            raise OSError(*answer["disk"])
        if "fatal" in answer:
            raise IsthmusError(answer["fatal"])
        member.ready = True
        if member.piece is not None:
            piece, member.piece = member.piece, None
            finished(piece, None)
        _give(member, waiting)
    return True


def _give(member: _Member, waiting: _Waiting) -> None:
    """The next piece, or the end of its stdin, by which a process ends."""
    stdin = member.process.stdin
    assert stdin is not None
    piece = waiting.next(member.target)
    try:
        if piece is None:
            stdin.close()
            return
        member.piece, member.target = piece, piece[0]
        stdin.write(json.dumps(piece).encode() + b"\n")
        stdin.flush()
    except BrokenPipeError:
        # It has died in between; its end is seen at its stdout.
        return


def _buried(member: _Member, folder: Folder, finished: Callable[[Piece, str | None], None]) -> None:
    """Account for a process that has ended."""
    _close(member)
    code = member.process.returncode
    how = f"exit code {code}"
    if code < 0:
        names = {number.value: number.name for number in signal.Signals}
        how = f"signal {names.get(-code, -code)}"
    last = _last_line(folder, member.number)
    if not member.ready:
        raise IsthmusError(f"a process of the run cannot start ({how}){last}")
    if member.piece is not None:
        finished(member.piece, f"its process died ({how}){last}")


def _close(member: _Member) -> None:
    for stream in (member.process.stdin, member.process.stdout):
        if stream is not None:
            try:
                stream.close()
            except BrokenPipeError:
                continue
    member.process.wait()


def _last_line(folder: Folder, number: int) -> str:
    lines = folder.log(number).read_text(errors="replace").split("\n")
    said = [line.strip() for line in lines if line.strip()]
    return f": {said[-1][:200]}" if said else ""
