"""Systems of a model, of OpenMM's files, and of both."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Int

from isthmus.chemistry.molecule import Molecule
from isthmus.chemistry.topology import Topology
from isthmus.deploy.md.choosing import water_atoms
from isthmus.deploy.md.python_force import PythonPart
from isthmus.deploy.md.templates import no_template
from isthmus.deploy.openmm.combining import combine
from isthmus.deploy.openmm.exporting import to_openmm
from isthmus.deploy.openmm.topology import openmm_topology
from isthmus.deploy.openmm.writer_special import empty_system
from isthmus.deploy.spec import resolve_force_field
from isthmus.errors import InputError, UnsupportedForceError
from isthmus.forcefield.binding import bind_parameterization
from isthmus.forcefield.forcefield import ForceField
from isthmus.forcefield.potential import Potential
from isthmus.parameters.mmff_source import MMFFSource
from isthmus.parameters.source import FreeSource, TableSource
from isthmus.terms.nonbonded_method import NonbondedMethod

if TYPE_CHECKING:
    import openmm

    from isthmus.deploy.md.settings import Settings

__all__ = ["Bound", "bind_model", "put_in", "submolecule", "system_of_files", "whole_system"]


@dataclass(frozen=True)
class Bound:
    """A model on one molecule or system.

    Attributes:
        potential: in float64.
        system: that it was imported from, if it was.
        notes: what the user should know.
    """

    potential: Potential
    system: "openmm.System | None" = None
    notes: tuple[str, ...] = ()


def bind_model(model: str | ForceField, molecule: Molecule, *, cutoff: float | None) -> Bound:
    """The model on a molecule.

    Args:
        model: a force field, or its text.
        molecule: with its box, if any.
        cutoff: of particle-mesh Ewald where there is a box [nm]; None: all pairs interact.

    Raises:
        InputError: as `resolve_force_field` and `ForceField.bind`.
    """
    notes: tuple[str, ...] = ()
    system = None
    if isinstance(model, str):
        found = resolve_force_field(model, molecule)
        model, system = found.force_field, found.system
        notes = () if found.note is None else (found.note,)
    given = isinstance(model.source, TableSource | MMFFSource)
    box = None if cutoff is None else molecule.box
    method = NonbondedMethod()
    if box is not None and cutoff is not None and not given:
        method = NonbondedMethod("pme", cutoff=cutoff)
    if isinstance(model.source, MMFFSource) and box is not None:
        raise InputError(
            "MMFF94 knows no periodic images, and this system has a box: give an environment, in "
            "which MMFF94 describes one molecule, or a structure without a box"
        )
    topology = _known(model, molecule.topology)
    potential = model.bind(topology, precision="float64", nonbonded=method, box=box)
    return Bound(potential, system, notes)


def _known(model: ForceField, topology: Topology) -> Topology:
    """The same graph without names, where a bespoke model was made for that."""
    if not isinstance(model.source, FreeSource) or topology.digest == model.source.digest:
        return topology
    plain = Topology.create(
        topology.atomic_numbers,
        topology.bonds,
        formal_charges=topology.formal_charges,
        bond_orders=topology.bond_orders,
        aromatic_atoms=topology.aromatic_atoms,
        chirality=topology.chirality,
        bond_stereo=topology.bond_stereo,
    )
    return plain if plain.digest == model.source.digest else topology


def submolecule(molecule: Molecule, atoms: Int[np.ndarray, " atoms"]) -> Molecule:
    """Some atoms of a system, without its box."""
    return Molecule.create(molecule.topology.subset(atoms), molecule.conformers[:, atoms])


def whole_system(
    bound: Bound, molecule: Molecule, settings: "Settings"
) -> tuple["openmm.System", list[PythonPart]]:
    """A System in which the model describes everything, and what acts through Python.

    Raises:
        UnsupportedForceError: forces were asked for, and cannot be written.
    """
    if settings.via != "python":
        try:
            # What came from OpenMM goes back as it was
            system = bound.system or to_openmm(bound.potential, readable=settings.readable)
        except UnsupportedForceError:
            if settings.via == "forces":
                raise
        else:
            return system, []
    item = bound.potential.parameterization
    potential = bind_parameterization(item, precision=settings.precision)
    bonds = molecule.topology.bonds if item.box is not None else None
    return empty_system(item), [PythonPart.create(potential, bonds=bonds)]


def put_in(
    system: "openmm.System", bound: Bound, atoms: Int[np.ndarray, " atoms"], settings: "Settings"
) -> tuple["openmm.System", list[PythonPart]]:
    """A System in which one molecule is the model's, and what acts through Python.

    Raises:
        InputError, UnsupportedForceError: as `combine`.
    """
    choices: dict[str, Any] = {
        "interaction": settings.interaction,
        "readable": settings.readable,
    }
    if settings.via != "python":
        try:
            return combine(system, bound.potential, atoms, **choices), []
        except UnsupportedForceError:
            if settings.via == "forces":
                raise
    item = bound.potential.parameterization
    potential = bind_parameterization(item, precision=settings.precision)
    bonds = None
    if system.usesPeriodicBoundaryConditions():
        found = [np.asarray(t.atoms_idx) for t in item.terms if t.term.over == "bond"]
        bonds = np.concatenate([np.zeros((0, 2), dtype=np.int64), *found])
    part = PythonPart.create(potential, particles=atoms, bonds=bonds)
    return combine(system, bound.potential, atoms, inner=False, **choices), [part]


def system_of_files(
    force_field: Any, molecule: Molecule, *, cutoff: float, constraints: str, called: str
) -> "openmm.System":
    """A System by OpenMM's files.

    Raises:
        InputError: a residue without template, or a cutoff that does not fit the box.
    """
    import openmm
    from openmm import app

    topology = openmm_topology(molecule.topology, molecule.box)
    _name_waters(topology, molecule.topology)
    method: Any = app.NoCutoff if molecule.box is None else app.PME
    free = constraints == "none"
    try:
        return force_field.createSystem(
            topology,
            nonbondedMethod=method,
            nonbondedCutoff=cutoff,
            constraints=None if free else app.HBonds,
            rigidWater=not free,
            removeCMMotion=False,
        )
    except openmm.OpenMMException as error:
        raise InputError(
            f"OpenMM cannot build this system: {error}; choose a smaller cutoff or a larger box"
        ) from None
    except Exception as error:  # noqa: BLE001 - OpenMM raises bare Exception for templates
        raise no_template(
            force_field, molecule.topology, molecule.box, error, called=called
        ) from None


def _name_waters(named: Any, topology: Topology) -> None:
    """OpenMM knows which molecules to keep rigid by the name HOH."""
    others = set(topology.residue_idx[~water_atoms(topology)].tolist())
    for residue in named.residues():
        if residue.index not in others:
            residue.name = "HOH"
