"""An OpenMM System of a structure and a model, ready to be started.

Three cases, by `environment` and `ours`:

| environment | ours | System |
|---|---|---|
| None | all | everything by the model, also water that is added |
| files of OpenMM | a molecule | that molecule by the model, the rest by the files (`combine`) |
| files of OpenMM, or MODEL is one | none | all by the files |

A model acts through OpenMM's own forces where its formulas can be written as such, and through a
`PythonForce` otherwise (`via`).
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int

from isthmus.chemistry.molecule import Molecule
from isthmus.deploy.md.building import (
    bind_model,
    put_in,
    submolecule,
    system_of_files,
    whole_system,
)
from isthmus.deploy.md.choosing import chosen_atoms, solute_atoms, whole_molecules
from isthmus.deploy.md.holding import hold_hydrogens, hold_nothing, make_hydrogens_heavier
from isthmus.deploy.md.python_force import PythonPart
from isthmus.deploy.md.settings import Settings
from isthmus.deploy.md.solvation import WATER_FILES, Solvent, solvate
from isthmus.deploy.md.templates import (
    add_templates,
    file_names,
    names_files,
    no_template,
    read_force_field,
)
from isthmus.deploy.openmm.topology import openmm_topology
from isthmus.errors import InputError
from isthmus.forcefield.forcefield import ForceField
from isthmus.geometry.box import box_widths

if TYPE_CHECKING:
    import openmm
    import openmm.app

__all__ = ["Prepared", "prepare"]


@dataclass(frozen=True)
class Prepared:
    """A System with its first positions; nothing has been computed yet.

    Attributes:
        system: all that OpenMM's forces say; without what acts through Python, and without
            barostat and restraints. `build` gives the whole.
        inner: potentials that act through Python.
        molecule: all particles with their first positions [nm] and box; extra particles of
            water models have the atomic number 0.
        ours_idx: (ours,) atoms that the model describes.
        solute_idx: (solute,) atoms that are neither water nor ions.
        via: "forces", "python", or "files" where nothing is ours.
        notes: what the user should be told, one sentence each.
    """

    system: "openmm.System"
    inner: tuple[PythonPart, ...]
    molecule: Molecule
    ours_idx: Int[np.ndarray, " ours"]
    solute_idx: Int[np.ndarray, " solute"]
    via: str
    notes: tuple[str, ...] = field(default=())

    def build(self, *extra: "openmm.Force") -> "openmm.System":
        """A new System with all forces, and these besides."""
        system = copy.deepcopy(self.system)
        for part in self.inner:
            for force in part.forces():
                system.addForce(force)
        for force in extra:
            system.addForce(force)
        return system

    @property
    def positions(self) -> Float[np.ndarray, "atoms 3"]:
        """First positions [nm]."""
        return self.molecule.positions

    @property
    def box(self) -> Float[np.ndarray, "3 3"] | None:
        """Cell vectors [nm]; None without a box."""
        return self.molecule.box

    @property
    def topology(self) -> "openmm.app.Topology":
        """For OpenMM's file writers."""
        return openmm_topology(self.molecule.topology, self.box)


def prepare(
    molecule: Molecule,
    model: str | ForceField,
    *,
    environment: str | Sequence[str] | None = None,
    ours: str | Sequence[int] | None = None,
    solvent: Solvent | None = None,
    settings: Settings | None = None,
) -> Prepared:
    """Build a System.

    Args:
        molecule: the structure; its first conformer is where the simulation starts.
        model: a force field, or the text of one (`isthmus.deploy.spec`). If it names files of
            OpenMM, such as amber14, these describe everything.
        environment: what describes all that is not ours: `amber14`, `charmm36`, or names of
            OpenMM's files; None leaves everything to the model. The file of the solvent's water
            is added to names of files that do not say a water.
        ours: which atoms the model describes where there is an environment: "LIG" or "LIG,ABC",
            residue names of whole molecules; indices of atoms; None takes the molecules for
            which the environment has no template.
        solvent: water and ions to add; None takes the structure as it is.
        settings: None for the defaults.

    Raises:
        InputError: an unknown name, a residue without template, a structure that cannot be
            solvated, a choice that does not fit the model; says what to do.
        UnsupportedForceError: a model that cannot act in this way, with `via="forces"`.
    """
    settings = settings or Settings()
    files = file_names(environment, solvent)
    if isinstance(model, str) and names_files(model):
        if files is not None:
            raise InputError(
                f"'{model}' and an environment were given, both of which are files of OpenMM: "
                "give one of them, or a model of Isthmus for a part of the system"
            )
        files, ours = file_names(model, solvent), ()
    # One start: the other conformers are of no use here
    molecule = replace(molecule, conformers=molecule.conformers[:1])
    if files is None:
        return _all_ours(molecule, model, solvent, settings)
    return _with_files(molecule, model, files, ours, solvent, settings)


def _all_ours(
    molecule: Molecule, model: str | ForceField, solvent: Solvent | None, settings: Settings
) -> Prepared:
    """Everything by the model, which must know the water too."""
    if solvent is not None:
        files = (WATER_FILES[solvent.water],)
        force_field = read_force_field(files, called=solvent.water)
        add_templates(force_field, molecule.topology, np.arange(molecule.n_atoms))
        molecule = solvate(molecule, solvent, force_field)
        if np.any(molecule.topology.atomic_numbers == 0):
            raise InputError(
                f"the water {solvent.water} has sites without atoms, which no model of Isthmus "
                "describes: choose one of three sites, such as tip3p, or an environment"
            )
    _check_box(molecule, settings)
    every = np.arange(molecule.n_atoms)
    bound = bind_model(model, molecule, cutoff=settings.cutoff)
    system, inner = whole_system(bound, molecule, settings)
    if settings.constraints == "hydrogens":
        item = bound.potential.parameterization
        hold_hydrogens(system, molecule.topology, item, every)
    return _prepared(system, inner, molecule, every, bound.notes, settings)


def _with_files(
    molecule: Molecule,
    model: str | ForceField,
    files: Sequence[str],
    ours: str | Sequence[int] | None,
    solvent: Solvent | None,
    settings: Settings,
) -> Prepared:
    """A part by the model, or none, and the rest by files of OpenMM."""
    called = ",".join(files)
    force_field = read_force_field(files, called=called)
    unknown = force_field.getUnmatchedResidues(openmm_topology(molecule.topology))
    unknown_idx = np.array([residue.index for residue in unknown], dtype=np.int64)
    atoms = chosen_atoms(molecule.topology, ours, unknown_idx)
    parts = whole_molecules(molecule.topology, atoms)
    add_templates(force_field, molecule.topology, atoms)
    if solvent is not None:
        try:
            molecule = solvate(molecule, solvent, force_field)
        except ValueError as error:
            raise no_template(force_field, molecule.topology, None, error, called=called) from None
    _check_box(molecule, settings)
    system = system_of_files(
        force_field,
        molecule,
        cutoff=settings.cutoff,
        constraints=settings.constraints,
        called=called,
    )
    notes: tuple[str, ...] = ()
    inner: list[PythonPart] = []
    for part in parts:
        inside = submolecule(molecule, part)
        bound = bind_model(model, inside, cutoff=None)
        system, found = put_in(system, bound, part, settings)
        inner += found
        notes = bound.notes
        if settings.constraints == "hydrogens":
            item = bound.potential.parameterization
            hold_hydrogens(system, inside.topology, item, part)
    return _prepared(system, inner, molecule, atoms, notes, settings)


def _check_box(molecule: Molecule, settings: Settings) -> None:
    """Half of the smallest width of a box is the longest cutoff."""
    if molecule.box is None:
        return
    widest = float(box_widths(molecule.box).min()) / 2
    if settings.cutoff > widest:
        raise InputError(
            f"the cutoff of {settings.cutoff:g} nm is more than half of the box, {widest:.3f} nm: "
            "choose a shorter cutoff or, where water is added, more padding"
        )


def _prepared(
    system: "openmm.System",
    inner: Sequence[PythonPart],
    molecule: Molecule,
    atoms: Int[np.ndarray, " ours"],
    notes: Sequence[str],
    settings: Settings,
) -> Prepared:
    if settings.constraints == "none":
        hold_nothing(system)
    if settings.hydrogen_mass is not None:
        make_hydrogens_heavier(system, molecule.topology, settings.hydrogen_mass)
    if molecule.box is not None:
        system.setDefaultPeriodicBoxVectors(*np.asarray(molecule.box).tolist())
    via = ("python" if inner else "forces") if len(atoms) else "files"
    solute = solute_atoms(molecule.topology)
    return Prepared(system, tuple(inner), molecule, atoms, solute, via, tuple(notes))
