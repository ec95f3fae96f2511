"""OpenMM in: any System whose forces our formula language can say becomes a force field."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, Final

import numpy as np

import isthmus.deploy.openmm.reader_bonded
import isthmus.deploy.openmm.reader_custom_bonded
import isthmus.deploy.openmm.reader_custom_gb
import isthmus.deploy.openmm.reader_custom_nonbonded
import isthmus.deploy.openmm.reader_implicit
import isthmus.deploy.openmm.reader_nonbonded
import isthmus.deploy.openmm.reader_passive  # noqa: F401 (importing a reader registers it)
from isthmus.deploy.openmm.reader_registry import READERS, ForceToRead, Reading, number
from isthmus.deploy.openmm.reader_sites import read_virtual_sites
from isthmus.designs.design import Design
from isthmus.designs.writer import design_text
from isthmus.errors import InputError
from isthmus.forcefield.forcefield import ForceField
from isthmus.parameters.origin import Origin
from isthmus.parameters.parameterization import Constraints, Parameterization
from isthmus.parameters.source import TableSource

__all__ = ["force_labels", "from_openmm", "read_system_xml"]

MAX_BYTES: Final = 2_000_000_000


def from_openmm(system: Any) -> ForceField:
    """The force field of an OpenMM System, term by term.

    Its source is a table that belongs to the System's particles. `source.parameterization.origin`
    says which terms make up which force, and holds notes on what has no energy or was fixed.

    Args:
        system: an `openmm.System`.

    Raises:
        InputError: it is something else, or has no particles.
        UnsupportedForceError: a force or virtual site that cannot be imported; says which, why,
            and what to do.
    """
    from openmm import System

    if not isinstance(system, System):
        raise InputError(
            f"an openmm.System was wanted, {type(system).__name__} came; make one with "
            "ForceField.createSystem, or read one with read_system_xml"
        )
    if not system.getNumParticles():
        raise InputError("this System has no particles: add them before importing it")
    labels = force_labels(system)
    readings = [_read(system, index, label) for index, label in enumerate(labels)]
    forces = tuple((label, r.term_names) for label, r in zip(labels, readings, strict=True))
    notes = tuple(note for reading in readings for note in reading.notes)
    parameterization = Parameterization(
        np.array([number(system.getParticleMass(n)) for n in range(system.getNumParticles())]),
        terms=tuple(term for reading in readings for term in reading.terms),
        pair_groups=tuple(group for reading in readings for group in reading.pair_groups),
        specials=tuple(special for reading in readings for special in reading.specials),
        virtual_sites=read_virtual_sites(system),
        constraints=_constraints(system),
        box=_box(system),
        origin=Origin("OpenMM", forces, notes),
    )
    return ForceField(_design(parameterization), TableSource(parameterization))


def force_labels(system: Any) -> tuple[str, ...]:
    """A unique name for each force of a System: its own, numbered where several share it."""
    names = [force.getName() for force in system.getForces()]
    labels: list[str] = []
    for name in names:
        candidates = (f"{name} {n}" for n in count(1))
        label = name if names.count(name) == 1 else next(candidates)
        while label in labels or (label != name and label in names):
            label = next(candidates)
        labels.append(label)
    return tuple(labels)


def _read(system: Any, index: int, label: str) -> Reading:
    force = system.getForce(index)
    item = ForceToRead(force, index, label, system.getNumParticles())
    reader = READERS.get(type(force).__name__)
    if reader is None:
        raise item.unsupported(
            "this kind of force cannot be said in our formula language",
            f"remove or replace it; forces that can be imported are {', '.join(sorted(READERS))}",
        )
    return reader(item)


def _constraints(system: Any) -> Constraints | None:
    rows = [system.getConstraintParameters(n) for n in range(system.getNumConstraints())]
    if not rows:
        return None
    return Constraints(
        np.array([row[:2] for row in rows], dtype=np.int32),
        np.array([number(row[2]) for row in rows]),
    )


def _box(system: Any) -> np.ndarray | None:
    if not system.usesPeriodicBoundaryConditions():
        return None
    return np.array([[number(x) for x in v] for v in system.getDefaultPeriodicBoxVectors()])


def _design(parameterization: Parameterization) -> Design:
    def terms() -> Iterator:
        yield from (t.term for t in parameterization.terms)
        yield from (t.term for group in parameterization.pair_groups for t in group.terms)

    found = tuple(terms())
    description = "Imported from an OpenMM System."
    text = design_text("imported", found, description=description)
    return Design("imported", description, (), (), found, text)


def read_system_xml(path: str | Path) -> Any:
    """An `openmm.System` from the XML that `openmm.XmlSerializer` writes.

    A file from a stranger can do nothing but describe a System: a `PythonForce`, whose XML holds
    code that runs when it is read, is refused before OpenMM sees it.

    Raises:
        InputError: not a file, too large, not the XML of a System, or with code in it.
    """
    import openmm

    file = Path(path)
    try:
        size = file.stat().st_size
        if size > MAX_BYTES:
            raise InputError(
                f"{file}: {size} bytes; a System of up to {MAX_BYTES} bytes can be read"
            )
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: cannot be read as text ({error}); give an XML file") from None
    if "PythonForce" in text or "&#" in text or "<!" in text.replace("<!--", ""):
        raise InputError(
            f"{file}: holds a PythonForce, a document type or encoded characters, which could run "
            "code when read; write the System again without them, using openmm.XmlSerializer"
        )
    if "<System" not in text[:1000]:
        raise InputError(
            f"{file}: this is not the XML of an OpenMM System; write one with "
            "openmm.XmlSerializer.serialize(system)"
        )
    try:
        system = openmm.XmlSerializer.deserialize(text)
    except (openmm.OpenMMException, ValueError, TypeError) as error:
        raise InputError(
            f"{file}: OpenMM cannot read this System ({error}); the file may be truncated, or "
            "written by a newer OpenMM"
        ) from None
    if not isinstance(system, openmm.System):
        raise InputError(f"{file}: holds a {type(system).__name__}, an openmm.System was wanted")
    return system
