"""The runner, with an engine that costs nothing: files, resuming, breaks, a disk that is full."""

import errno
import re
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_toy_engine import (  # pyright: ignore[reportMissingImports]
    PLACES,
    ToyEngine,
    settings,
    system,
)

from isthmus.chemistry.read import read
from isthmus.errors import InputError
from isthmus.evaluate.physics.motion import Motion
from isthmus.evaluate.physics.stability import first_break
from isthmus.simulate.breakage import Watch, bond_lengths
from isthmus.simulate.energy_table import read_table
from isthmus.simulate.mechanics import Mechanics
from isthmus.simulate.run import Outcome, Progress, carry_out
from isthmus.simulate.run_paths import RunPaths
from isthmus.simulate.trajectory import FORMATS

CONTRACT = Path(__file__).parents[1] / "contract"
MADE_OF = {"model": "toy", "seed": 1}

KILLED = """
import sys, time
from data_toy_engine import ToyEngine, settings, system
from isthmus.simulate.run import carry_out
from isthmus.simulate.run_paths import RunPaths

paths = RunPaths.of("killed", format=sys.argv[1], structure=".pdb", replicas=2)
carry_out(
    ToyEngine(replicas=2), system(), settings(n_steps=100_000), paths, run={},
    watch=lambda progress: time.sleep(0.002),
)
"""


def paths(folder: Path, name: str = "run", *, format: str = "dcd", replicas: int = 1) -> RunPaths:
    return RunPaths.of(folder / name, format=format, structure=".pdb", replicas=replicas)


def after(n_steps: int) -> tuple[Callable[[Progress], None], Callable[[], bool]]:
    """A wish to stop that comes when so many steps are done."""
    seen = [0]
    return lambda progress: seen.__setitem__(0, progress.step), lambda: seen[0] >= n_steps


def same_files(one: RunPaths, other: RunPaths) -> None:
    for a, b in zip(one.growing(), other.growing(), strict=True):
        assert a.read_bytes() == b.read_bytes(), f"{a.name} and {b.name} differ"
    assert one.topology.read_bytes() == other.topology.read_bytes()


def run(files: RunPaths, engine: ToyEngine | None = None, **options) -> Outcome:
    chosen = {"run": MADE_OF, **options}
    given = chosen.pop("settings", settings())
    return carry_out(engine or ToyEngine(len(files.trajectories)), system(), given, files, **chosen)


def test_files_hold_what_the_engine_said(tmp_path: Path) -> None:
    files = paths(tmp_path, replicas=2)
    assert run(files, ToyEngine(replicas=2, box=3.0)).ending == "complete"
    table = read_table(files.energies)
    np.testing.assert_array_equal(table["step"], np.repeat(np.arange(10, 201, 10), 2))
    np.testing.assert_array_equal(table["replica"], np.tile([0, 1], 20))
    np.testing.assert_allclose(table["total"], table["potential"] + table["kinetic"], rtol=1e-9)
    assert "volume [nm^3],density [g/cm^3]" in files.energies.read_text().splitlines()[0]
    engine = ToyEngine(replicas=2)
    for _ in range(50):
        engine.advance(4)
    last = files.trajectories[1].read_bytes()[-3 * (4 * 8 + 8) :]
    x = np.frombuffer(last[4:36], dtype="<f4")
    np.testing.assert_allclose(x, engine.positions[1, :, 0] * 10, atol=1e-6)
    (molecule,) = read(files.topology, ligands={"MOL": "CC"})
    np.testing.assert_allclose(molecule.positions, PLACES, atol=1e-4)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("stopped", [0, 3, 53])
def test_a_stopped_run_goes_on_as_if_nothing_had_been(
    tmp_path: Path, format: str, stopped: int
) -> None:
    whole, parts = (paths(tmp_path, name, format=format) for name in ("whole", "parts"))
    run(whole)
    watch, stop = after(stopped)
    first = run(parts, watch=watch, stop=stop)
    assert first.ending == "stopped"
    assert stopped <= first.step < stopped + 4
    # More steps than at first: a run can be made longer
    run(parts, resume=True, settings=settings(n_steps=120))
    assert run(parts, resume=True).ending == "complete"
    same_files(whole, parts)
    before = [path.stat().st_mtime_ns for path in parts.growing()]
    assert run(parts, resume=True).step == 200
    assert len(before) == 2
    same_files(whole, parts)


@pytest.mark.parametrize("format", ["xtc"])
def test_a_killed_run_goes_on_as_if_nothing_had_been(tmp_path: Path, format: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, format], cwd=tmp_path, env={"PYTHONPATH": str(CONTRACT)}
    )
    killed = paths(tmp_path, "killed", format=format, replicas=2)
    deadline = time.monotonic() + 60
    while not killed.energies.is_file() or len(killed.energies.read_bytes()) < 2000:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    reached = int(read_table(killed.energies)["step"][-1])
    # What a process may have written when it was killed in the midst of a frame
    with killed.trajectories[1].open("ab") as file:
        file.write(bytes(50))
    with killed.energies.open("a") as file:
        file.write("9999,9.9")
    whole = paths(tmp_path, "whole", format=format, replicas=2)
    given = settings(n_steps=reached + 100)
    run(whole, settings=given, run={})
    assert run(killed, settings=given, run={}, resume=True).ending == "complete"
    same_files(whole, killed)


def test_resuming_something_else_is_refused(tmp_path: Path) -> None:
    files = paths(tmp_path)
    watch, stop = after(100)
    run(files, watch=watch, stop=stop)
    content = files.energies.read_bytes()
    changed: list[tuple[dict[str, Any], str]] = [
        ({"run": MADE_OF | {"seed": 2}}, r"seed \(1 there, 2 here\)"),
        ({"run": MADE_OF | {"pressure": 1.0}}, r"pressure \(none there, 1.0 here\)"),
        ({"settings": settings(report_every=20)}, r"report every \[steps\] \(10 there, 20 here\)"),
    ]
    for changes, words in changed:
        with pytest.raises(InputError, match=words):
            run(files, resume=True, **changes)
    held = files.checkpoint.read_bytes()
    files.checkpoint.write_bytes(held[:-3] + b"abc")
    with pytest.raises(InputError, match="damaged"):
        run(files, resume=True)
    files.checkpoint.write_bytes(held[:50])
    with pytest.raises(InputError, match="cannot be read as a checkpoint"):
        run(files, resume=True)
    files.checkpoint.write_bytes(held)
    assert files.energies.read_bytes() == content
    files.energies.write_bytes(content[:-20])
    with pytest.raises(InputError, match="shorter than when the checkpoint was written"):
        run(files, resume=True)


def test_files_that_exist_are_refused(tmp_path: Path) -> None:
    files = paths(tmp_path)
    files.trajectories[0].write_text("precious")
    with pytest.raises(InputError, match=r"run.dcd' exists: choose another --output, or add --ove"):
        run(files)
    assert files.trajectories[0].read_text() == "precious"
    assert not files.energies.exists()
    run(files, overwrite=True)
    with pytest.raises(InputError, match="go on with --resume"):
        run(files)


@pytest.mark.parametrize(
    ("how", "words", "atoms"),
    [
        ("bond", r"the bond C2 \(atom 2, C\)-H6 \(atom 8, H\) is 0.3.. nm long \(0.10", (1, 7)),
        ("nan", r"coordinates of 1 atom are not finite numbers \(first: H6 \(atom 8, H\)", (7,)),
        ("hot", r"the temperature is 30000 K; the fastest atom is H4 \(atom 6, H\)", (5,)),
    ],
)
def test_a_break_is_found_and_placed(
    tmp_path: Path, how: str, words: str, atoms: tuple[int, ...]
) -> None:
    files = paths(tmp_path, replicas=2)
    engine = ToyEngine(replicas=2, grain=50, breaks_at=137, how=how)
    outcome = run(files, engine, settings=settings(report_every=50))
    found = outcome.breakage
    assert outcome.ending == "broken"
    assert found is not None
    assert (found.step, found.last_good.step) == (137, 136)
    assert found.replica == (0 if how == "hot" else 1)
    assert found.atoms == atoms
    assert re.search(words, found.what), found.what
    assert found.term.startswith("'bond' with " if how == "bond" else "'angle' with 1 ")
    # The last frame before stays, and the checkpoint is that of the last good piece
    assert read_table(files.energies)["step"][-1] == 100
    assert files.last_good.is_file()
    (good,) = read(files.last_good, ligands={"MOL": "CC"})
    assert np.abs(good.positions - PLACES).max() < 0.02
    broken_again = run(
        files, replace(engine, step=0), resume=True, settings=settings(report_every=50)
    )
    assert broken_again.started_at == 100
    assert broken_again.ending == "broken"


@pytest.mark.parametrize(
    ("atom", "stretch", "broken"),
    [(1, 1.45, False), (1, 1.55, True), (7, 2.2, False), (7, 2.4, True)],
)
def test_runs_and_checks_call_the_same_bonds_broken(
    atom: int, stretch: float, broken: bool
) -> None:
    """C-C by its length, C-H beyond 0.25 nm."""
    engine, topology = ToyEngine(), system().topology
    start = engine.record()
    (bond,) = np.flatnonzero(topology.bonds[:, 1] == atom)
    (near,) = topology.bonds[bond, :1]
    # All on the side of the bond go along
    moves = [1, 5, 6, 7] if atom == 1 else [7]
    engine.positions[0, moves] += (stretch - 1) * (PLACES[atom] - PLACES[near])
    record = engine.record()
    watch = Watch(topology, bond_lengths(topology, start), temperature=300.0)
    assert (watch.problem(record) is not None) == broken
    motion = Motion(
        np.array([0.0]),
        record.potential[None],
        record.kinetic[None],
        record.positions[None],
        record.velocities[None],
        Mechanics.create(topology.masses),
        0.001,
        None,
    )
    assert (first_break(topology, PLACES, motion) is not None) == broken


def test_a_broken_start_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot start: the temperature is 30000 K"):
        run(paths(tmp_path), ToyEngine(breaks_at=0, how="hot"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("format", FORMATS)
def test_a_full_disk_loses_nothing(
    tmp_path: Path, format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    files, whole = (paths(tmp_path, name, format=format) for name in ("full", "whole"))
    run(whole)
    frames = [0]
    write = FORMATS[format].write  # pyright: ignore[reportFunctionMemberAccess]

    def failing(self, positions, box) -> None:
        frames[0] += 1
        if frames[0] < 12:
            write(self, positions, box)
            return
        with files.trajectories[0].open("ab") as file:
            file.write(b"half a frame")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(FORMATS[format], "write", failing)
    with pytest.raises(OSError, match=f"No space left on device: .*full.{format}"):
        run(files, settings=settings(checkpoint_seconds=1e9))
    assert read_table(files.energies)["step"][-1] == 110
    n_bytes = whole.trajectories[0].stat().st_size
    assert files.trajectories[0].stat().st_size == pytest.approx(n_bytes * 11 / 20, rel=0.1)
    monkeypatch.undo()
    again = run(files, resume=True)
    assert again.started_at > 100
    same_files(whole, files)


def test_a_small_frame_on_a_full_disk_is_noticed() -> None:
    """OpenMM does not notice by itself; /dev/full takes no byte."""
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    trajectory = FORMATS["xtc"](
        Path("/dev/full"), system().written, timestep=0.001, interval=1, append=True
    )
    with pytest.raises(OSError, match="No space left on device"):
        trajectory.write(PLACES, None)


def test_dcd_says_how_many_frames_it_holds(tmp_path: Path) -> None:
    files = paths(tmp_path)
    run(files)
    head = files.trajectories[0].read_bytes()[:48]
    assert struct.unpack_from("<4i", head, 8) == (20, 10, 10, 200)
    assert struct.unpack_from("<f", head, 44)[0] == pytest.approx(0.001 / 0.04888821)
