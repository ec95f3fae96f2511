"""Checkpoints of simulations in OpenMM, as files that appear whole or not at all.

A checkpoint holds OpenMM's own, with the state of the random numbers, and the State as XML for
when that cannot be used. OpenMM's does not hold all that the next step depends on: not
the random numbers of a barostat, nor the neighbour lists of the CPU platform, from which the
order of its sums follows. So where a simulation is to be deterministic, it makes its context anew
when a checkpoint is taken, as resuming does; both then go on from the same point. What is
the same bit for bit:

| platform | |
|---|---|
| Reference | always |
| CPU | with one thread (`deterministic`); threads of OpenMM add in an order that varies |
| CUDA, HIP, OpenCL | with `deterministic`, as far as OpenMM's DeterministicForces goes |
"""

import hashlib
import io
import json
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import jax
import numpy as np

from isthmus.deploy.md.conditions import Conditions
from isthmus.deploy.md.platforms import choose_platform
from isthmus.deploy.md.prepare import Prepared
from isthmus.deploy.md.production import Simulation, make_simulation
from isthmus.errors import InputError
from isthmus.files import replacing

__all__ = ["Resumed", "checkpoint", "digest_of", "resume", "resume_from", "save_checkpoint"]

_FORMAT: Final = 1


@dataclass(frozen=True)
class Resumed:
    """A simulation that goes on.

    Attributes:
        simulation: at the step of the checkpoint.
        exact: whether it goes on as if it had never stopped, bit for bit.
        note: why not, for the user; None where it is exact.
    """

    simulation: Simulation
    exact: bool
    note: str | None


def save_checkpoint(simulation: Simulation, path: str | Path) -> None:
    """Write a checkpoint in the place of an older one.

    Raises:
        OSError: the disk is full or the folder cannot be written; the older one stays.
    """
    data = checkpoint(simulation)
    with replacing(Path(path), overwrite=True) as temporary:
        temporary.write_bytes(data)


def checkpoint(simulation: Simulation) -> bytes:
    """A checkpoint; a deterministic simulation makes its context anew, see above."""
    import openmm

    if simulation.deterministic:
        _fence(simulation)
    state = simulation.context.getState(
        positions=True, velocities=True, parameters=True, integratorParameters=True
    )
    facts = {
        "format": _FORMAT,
        "openmm": openmm.__version__,
        "platform": simulation.platform.name,
        "properties": simulation.platform.properties,
        "deterministic": simulation.deterministic,
        "conditions": asdict(simulation.conditions),
        "digest": digest_of(simulation.prepared),
        "step": simulation.step,
        "time_ps": simulation.time,
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("facts.json", json.dumps(facts, indent=1))
        archive.writestr("state.xml", openmm.XmlSerializer.serialize(state))
        archive.writestr("checkpoint.bin", simulation.context.createCheckpoint())
    return buffer.getvalue()


def _fence(simulation: Simulation) -> None:
    for part in simulation.prepared.inner:
        part.computation.reset()
    barostat = simulation.barostat
    listed = simulation.platform.name != "Reference" and simulation.prepared.box is not None
    if barostat is not None:
        barostat.setRandomNumberSeed(simulation.conditions.barostat_seed(simulation.step))
    if barostat is not None or listed:
        simulation.context.reinitialize(preserveState=True)


def resume(
    prepared: Prepared,
    conditions: Conditions,
    path: str | Path,
    *,
    platform: str | None = None,
    precision: str = "mixed",
    threads: int | None = None,
) -> Resumed:
    """Go on from a checkpoint.

    Args:
        prepared: the same system again, prepared from the same input.
        conditions: the same; others are taken, and the run is then not exact.
        path: the file.
        platform: None takes that of the checkpoint, if it is here.
        precision, threads: as for `start`, where the platform is another one.

    Raises:
        InputError: no such file, no checkpoint, or one of another system.
        EngineMissingError: no such platform here.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"the checkpoint {path} cannot be read ({error.strerror})") from None
    return resume_from(
        prepared,
        conditions,
        data,
        called=str(path),
        platform=platform,
        precision=precision,
        threads=threads,
    )


def resume_from(
    prepared: Prepared,
    conditions: Conditions,
    data: bytes,
    *,
    called: str = "checkpoint",
    platform: str | None = None,
    precision: str = "mixed",
    threads: int | None = None,
) -> Resumed:
    """As `resume`, from the bytes of `checkpoint`."""
    import openmm

    facts, state, binary = _unpacked(data, called)
    if facts["digest"] != digest_of(prepared):
        raise InputError(
            f"{called} belongs to another system: give the structure, the model and the choices "
            "that the simulation was begun with"
        )
    chosen = choose_platform(
        prepared.system.getNumParticles(),
        periodic=prepared.box is not None,
        name=platform or _if_known(facts["platform"]),
        precision=precision,
        deterministic=facts["deterministic"],
        threads=threads,
    )
    chosen = chosen.with_properties(facts["properties"], of=facts["platform"])
    simulation = make_simulation(
        prepared,
        conditions,
        chosen,
        deterministic=facts["deterministic"],
        barostat_stage=facts["step"],
    )
    for part in prepared.inner:
        part.computation.reset()
    why = _why_not_exact(facts, simulation)
    if why is None or facts["platform"] == chosen.name:
        try:
            simulation.context.loadCheckpoint(binary)
        except openmm.OpenMMException as error:
            why = f"OpenMM does not take its own checkpoint ({error})"
        else:
            return Resumed(simulation, why is None, why)
    simulation.context.setState(openmm.XmlSerializer.deserialize(state))
    simulation.context.setStepCount(facts["step"])
    return Resumed(simulation, False, why)


def _if_known(name: str) -> str | None:
    from isthmus.deploy.md.platforms import known_platforms

    return name if name in known_platforms() else None


def _why_not_exact(facts: dict[str, Any], simulation: Simulation) -> str | None:
    import openmm

    if facts["openmm"] != openmm.__version__:
        return f"it was written by OpenMM {facts['openmm']}, and this is {openmm.__version__}"
    if facts["platform"] != simulation.platform.name:
        return f"it was written on {facts['platform']}, and this is {simulation.platform.name}"
    if facts["conditions"] != asdict(simulation.conditions):
        return "the conditions are others than those it was written with"
    if not simulation.deterministic:
        return f"the platform {simulation.platform.name} was not asked to be deterministic"
    return None


def _unpacked(data: bytes, called: str) -> tuple[dict[str, Any], str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            facts = json.loads(archive.read("facts.json"))
            state = archive.read("state.xml").decode()
            binary = archive.read("checkpoint.bin")
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise InputError(
            f"{called} is no checkpoint of an OpenMM simulation ({error}): give another file, or "
            "begin anew"
        ) from None
    if facts.get("format") != _FORMAT:
        raise InputError(
            f"{called} is a checkpoint of format {facts.get('format')}, wanted is {_FORMAT}: "
            "resume it with the Isthmus that wrote it"
        )
    return facts, state, binary


def digest_of(prepared: Prepared) -> str:
    """SHA-256 of a system: its forces in OpenMM and the numbers of what acts through Python."""
    import openmm

    sha = hashlib.sha256(openmm.XmlSerializer.serialize(prepared.system).encode())
    for part in prepared.inner:
        for leaf in jax.tree.leaves(part.computation.potential):
            if isinstance(leaf, np.ndarray | jax.Array):
                sha.update(np.asarray(leaf).tobytes())
            else:
                sha.update(repr(leaf).encode())
    return sha.hexdigest()
