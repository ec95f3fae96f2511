"""OpenMM out: any potential becomes a System.

A term becomes a native force where its formula is one (`writer_recognise`), and otherwise part
of a custom force, of which there is at most one for each kind of cluster. Forces are named after
their terms, or after the forces that they were imported from.
"""

import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from isthmus.deploy.openmm.writer_custom import custom_force
from isthmus.deploy.openmm.writer_custom_nonbonded import custom_nonbonded_force
from isthmus.deploy.openmm.writer_native import native_bonded_force
from isthmus.deploy.openmm.writer_nonbonded import NativePairs, native_pairs
from isthmus.deploy.openmm.writer_parts import Part, part_of
from isthmus.deploy.openmm.writer_special import empty_system, special_force
from isthmus.errors import InputError, UnsupportedForceError
from isthmus.forcefield.potential import Potential
from isthmus.parameters.origin import Origin
from isthmus.parameters.parameterization import Parameterization
from isthmus.terms.dispersion import DispersionCorrection

if TYPE_CHECKING:
    import openmm

__all__ = ["bonded_forces", "to_openmm", "write_system_xml"]


def to_openmm(source: Potential | Parameterization, *, readable: bool = False) -> "openmm.System":
    """A System with the same energy.

    Args:
        source: what to write, in the numbers that it was parameterised with, whatever the
            precision it was bound with.
        readable: write the geometry of compound forces as distances, angles and dihedrals, which
            people and `from_openmm` can read. The default writes it in coordinates, which OpenMM
            evaluates about three times faster on CPUs, but takes seconds to prepare when a
            Context is made. Periodic terms are always written readably.

    Raises:
        UnsupportedForceError: a term that OpenMM cannot say; names it.
    """
    item = source.parameterization if isinstance(source, Potential) else source
    for network in item.networks:
        raise UnsupportedForceError(
            f"'{network.name}' is a network over atoms and their neighbours, which no force of "
            "OpenMM is: run it there with `isthmus md --engine openmm`, which calls it from Python"
        )
    system = empty_system(item)
    corrections = [s for s in item.specials if isinstance(s, DispersionCorrection)]
    _check_corrections(item, corrections)
    parts = [part_of(term, item.coordinates) for term in item.terms if term.n_clusters]
    groups = [native_pairs(group, corrections) for group in item.pair_groups]
    for group in groups:
        left = [
            group.take_exceptions(part) if _may_join(part, group, item.origin) else part
            for part in parts
        ]
        parts = [part for part in left if part is not None]
    for force in bonded_forces(parts, readable=readable):
        _add(system, force, force.getName().split(" + "), item.origin)
    for group in groups:
        corrected = {c.pair_term for c in corrections}
        if group.written:
            force = group.force(item.box, bool(corrected & set(group.written)))
            _add(system, force, group.written, item.origin)
        if group.rest:
            names = [t.term.name for t in group.rest]
            force = custom_nonbonded_force(
                group.group, group.rest, box=item.box, correction=bool(corrected & set(names))
            )
            _add(system, force, names, item.origin)
    for special in item.specials:
        if not isinstance(special, DispersionCorrection):
            _add(system, special_force(special), [special.name], item.origin)
    return system


def bonded_forces(parts: Sequence[Part], *, readable: bool) -> list["openmm.Force"]:
    """Forces of terms over clusters: native ones, and one custom force a kind of cluster."""
    forces: list[openmm.Force] = []
    custom: dict[tuple[str, bool], list[Part]] = {}
    for part in parts:
        force = native_bonded_force(part)
        if force is None:
            custom.setdefault((part.over, part.periodic), []).append(part)
        else:
            force.setName(part.name)
            forces.append(force)
    for same in custom.values():
        force = custom_force(same, readable=readable)
        if force is not None:
            forces.append(force)
    return forces


def _may_join(part: Part, group: NativePairs, origin: Origin | None) -> bool:
    """Whether a term may become exceptions: what was imported stays in the force it came from."""
    if origin is None or not group.written:
        return True
    label = {t: label for label, terms in origin.forces for t in terms}
    return label.get(part.name) == label.get(group.written[0])


def _check_corrections(item: Parameterization, corrections: list[DispersionCorrection]) -> None:
    known = {t.term.name for group in item.pair_groups for t in group.terms}
    for correction in corrections:
        if correction.pair_term not in known:
            raise UnsupportedForceError(
                f"'{correction.name}' corrects the pair term '{correction.pair_term}', which is "
                "not there; OpenMM corrects a force's own terms only"
            )


def _add(
    system: "openmm.System", force: "openmm.Force", names: Sequence[str], origin: Origin | None
) -> None:
    labels = {t: label for label, terms in origin.forces for t in terms} if origin else {}
    force.setName(" + ".join(dict.fromkeys(labels.get(name, name) for name in names)))
    system.addForce(force)


def write_system_xml(system: "openmm.System", path: str | Path, *, overwrite: bool = False) -> None:
    """Write a System as OpenMM's XML; the file is complete, or not there at all.

    Raises:
        InputError: the file exists and `overwrite` is not set, or it cannot be written.
    """
    import openmm

    target = Path(path)
    if target.exists() and not overwrite:
        raise InputError(f"{target} exists already: give another path, or overwrite=True")
    text = openmm.XmlSerializer.serialize(system)
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(target)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise InputError(
            f"{target} cannot be written ({error.strerror}): choose another folder, or check "
            "the disk"
        ) from None
