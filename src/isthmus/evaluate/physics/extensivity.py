"""Far apart, molecules must not know of each other: energies add up, forces stay.

A second molecule is put 5 nm away. Energies: |E(both) − E(one) − E(other)|; where both carry a
net charge, they are put 50 nm apart and their Coulomb energy, which is real, is taken off.
Locality: the largest change of a force component of the first molecule. With a second molecule of
another kind, parameters of the first that depend on it would show as well.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
from jaxtyping import Float

from isthmus.chemistry.molecule import Molecule
from isthmus.chemistry.smiles import from_smiles
from isthmus.chemistry.topology import concatenate
from isthmus.errors import InputError
from isthmus.evaluate.physics.check import Check, judged, not_applicable
from isthmus.evaluate.physics.gradient import shaken
from isthmus.evaluate.physics.settings import Settings
from isthmus.evaluate.physics.subject import Subject, evaluate_frames
from isthmus.units import ANGSTROM, COULOMB, ENERGY_UNITS

__all__ = ["GROUP", "beside", "check_extensivity"]

GROUP: Final = "extensivity"
DISTANCE: Final = 5.0
"""Between the atoms of the two molecules that are closest [nm]"""

_CHARGED: Final = 50.0

_MEV: Final = ENERGY_UNITS["meV"]
_FORCE: Final = _MEV / ANGSTROM
_SOURCE: Final = "ml-peg"
_OTHER: Final = "CO"


def check_extensivity(subject: Subject, settings: Settings) -> Iterator[Check]:
    """Energies of two molecules, and forces of one beside another."""
    names = ("energy of two copies", "forces beside a copy", "parameters beside another molecule")
    if subject.is_periodic:
        for name in names:
            yield not_applicable(GROUP, name, "in a periodic box nothing is far away")
        return
    x = shaken(subject, settings.seed)
    molecule = Molecule.create(subject.molecule.topology, x, name=subject.molecule.name)
    try:
        energy, change, note = _two_copies(subject, molecule)
    except InputError as error:
        for name in names[:2]:
            yield not_applicable(GROUP, name, f"no numbers for two molecules: {error}")
    else:
        yield _judged(names[0], energy, 10.0, "meV", note)
        yield _judged(names[1], change, 5.0, "meV/Å", "")
    try:
        change = _beside_another(subject, molecule)
    except InputError as error:
        yield not_applicable(GROUP, names[2], f"no numbers beside methanol: {error}")
    else:
        yield _judged(names[2], change, 5.0, "meV/Å", "change of forces beside methanol")


def _judged(name: str, value: float, threshold: float, unit: str, note: str) -> Check:
    # Dipoles act over 5 nm too: the goal is what is left of them
    return judged(
        GROUP,
        name,
        value,
        threshold=threshold,
        goal=threshold / 100,
        unit=unit,
        source=_SOURCE,
        note=note,
    )


def _two_copies(subject: Subject, molecule: Molecule) -> tuple[float, float, str]:
    """Error of the energy [meV], change of the forces [meV/Å], what to say of charges."""
    charges = molecule.total_charge**2
    distance = _CHARGED if charges else DISTANCE
    both = beside(molecule, molecule, distance)
    n_atoms, x = molecule.n_atoms, both.positions
    (one,), (alone,) = evaluate_frames(subject.double, molecule.positions[None])
    (two,), (forces,) = evaluate_frames(subject.binder(both, "float64"), x[None])
    far = COULOMB * charges / float(np.linalg.norm(x[n_atoms] - x[0]))
    note = ""
    if charges:
        note = f"{distance:g} nm; less the Coulomb energy of the charges, {far / _MEV:.1f} meV"
    change = float(np.abs(forces[:n_atoms] - alone).max())
    return float(abs(two - 2 * one - far)) / _MEV, change / _FORCE, note


def _beside_another(subject: Subject, molecule: Molecule) -> float:
    """Change of the forces [meV/Å]."""
    other = from_smiles(_OTHER, conformers=1)
    both = beside(molecule, other, DISTANCE)
    _, (alone,) = evaluate_frames(subject.double, molecule.positions[None])
    _, (forces,) = evaluate_frames(subject.binder(both, "float64"), both.positions[None])
    return float(np.abs(forces[: molecule.n_atoms] - alone).max()) / _FORCE


def beside(one: Molecule, other: Molecule, distance: float) -> Molecule:
    """Two molecules, the second moved along x until no atom is closer than `distance` [nm]."""
    start = float(one.positions[:, 0].max() - other.positions[:, 0].min())
    moved: Float[np.ndarray, "atoms 3"] = other.positions + np.array([start + distance, 0.0, 0.0])
    return Molecule.create(
        concatenate([one.topology, other.topology]), np.concatenate([one.positions, moved])
    )
