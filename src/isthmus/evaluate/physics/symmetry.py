"""What must not change the energy: translation, rotation, reflection, and names of equal atoms.

Each transformation T has forces that go with it. Value: the largest component of
F(T x) − T F(x), relative to the root mean square of all components; energies are compared in
the same unit, |E(T x) − E(x)| / (RMS force × 0.1 nm).
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np
from jaxtyping import Float, Int

from isthmus.chemistry.molecule import Molecule
from isthmus.chemistry.topology import Topology
from isthmus.errors import InputError
from isthmus.evaluate.physics.check import Check, judged, not_applicable
from isthmus.evaluate.physics.equivalent import equivalent_orders
from isthmus.evaluate.physics.gradient import shaken
from isthmus.evaluate.physics.settings import Settings
from isthmus.evaluate.physics.subject import Subject, evaluate_frames

__all__ = ["GROUP", "check_symmetry"]

GROUP: Final = "symmetry"
_SOURCE: Final = "as force = −∇E"
_LENGTH: Final = 0.1
_THRESHOLD: Final = 1e-6
_GOAL: Final = 1e-8
_GRID_THRESHOLD: Final = 1e-3
_GRID: Final = "the mesh of the Ewald sum stands still: its own error, not that of the model"


def check_symmetry(subject: Subject, settings: Settings) -> Iterator[Check]:
    """Translation, rotation, reflection, equivalent atoms, order of the input."""
    rng = np.random.default_rng(settings.seed + 2)
    x = shaken(subject, settings.seed)
    yield _moved(subject, "translation", x, x + rng.uniform(-1, 1, 3), np.eye(3))
    if subject.is_periodic:
        for name in ("rotation", "reflection"):
            yield not_applicable(GROUP, name, "the box does not turn with the molecules")
    else:
        turn = _random_rotation(rng)
        yield _moved(subject, "rotation", x, x @ turn, turn)
        yield _reflection(subject, x)
    yield _equivalent(subject, x, settings)
    yield _reordered(subject, x, rng)


def _moved(
    subject: Subject,
    name: str,
    before: Float[np.ndarray, "atoms 3"],
    after: Float[np.ndarray, "atoms 3"],
    turn: Float[np.ndarray, "3 3"],
    *,
    note: str = "",
) -> Check:
    energies, forces = evaluate_frames(subject.double, np.stack([before, after]), subject.box)
    value = _deviation(energies, forces[0] @ turn, forces[1])
    on_grid = subject.is_periodic
    return judged(
        GROUP,
        name,
        value,
        threshold=_GRID_THRESHOLD if on_grid else _THRESHOLD,
        goal=None if on_grid else _GOAL,
        source=_SOURCE,
        note=_GRID if on_grid else note,
    )


def _reflection(subject: Subject, x: Float[np.ndarray, "atoms 3"]) -> Check:
    """The mirror image, with the stereo of the mirror image."""
    mirror = np.diag([1.0, 1.0, -1.0])
    topology = subject.molecule.topology
    if not topology.chirality.any():
        return _moved(subject, "reflection", x, x @ mirror, mirror)
    image = Molecule.create(
        replace(topology, chirality=-topology.chirality), subject.positions @ mirror
    )
    try:
        surface = subject.binder(image, "float64")
    except InputError as error:
        return not_applicable(
            GROUP, "reflection", f"chiral, and no numbers for the mirror image: {error}"
        )
    energies, forces = evaluate_frames(subject.double, x[None])
    energies_image, forces_image = evaluate_frames(surface, (x @ mirror)[None])
    value = _deviation(
        np.array([energies[0], energies_image[0]]), forces[0] @ mirror, forces_image[0]
    )
    return judged(
        GROUP,
        "reflection",
        value,
        threshold=_THRESHOLD,
        goal=_GOAL,
        source=_SOURCE,
        note="chiral: the enantiomer, with its own topology",
    )


def _equivalent(subject: Subject, x: Float[np.ndarray, "atoms 3"], settings: Settings) -> Check:
    name = "exchange of equivalent atoms"
    topology = subject.molecule.topology
    orders = equivalent_orders(topology, most=8 if settings.quick else 40)
    if not len(orders):
        return not_applicable(GROUP, name, "no two atoms are equivalent by the graph")
    frames = np.stack([x, *(x[order] for order in orders)])
    energies, forces = evaluate_frames(subject.double, frames, subject.box)
    values = [
        _deviation(np.array([energies[0], energy]), forces[0][order], exchanged)
        for order, energy, exchanged in zip(orders, energies[1:], forces[1:], strict=True)
    ]
    worst = int(np.argmax(values))
    moved = np.flatnonzero(orders[worst] != np.arange(len(x)))
    said = ", ".join(f"{topology.atom_names[a]} (atom {a + 1})" for a in moved[:6])
    return judged(
        GROUP,
        name,
        float(values[worst]),
        threshold=_THRESHOLD,
        goal=_GOAL,
        source=_SOURCE,
        note=f"{len(orders)} exchanges; worst: {said}",
    )


def _reordered(
    subject: Subject, x: Float[np.ndarray, "atoms 3"], rng: np.random.Generator
) -> Check:
    """Atoms in another order, parameterised anew; residues stay together."""
    name = "order of atoms in the input"
    topology = subject.molecule.topology
    order = _shuffled(topology, rng)
    try:
        molecule = Molecule.create(topology.subset(order), x[order], box=subject.box)
        surface = subject.binder(molecule, "float64")
    except InputError as error:
        return not_applicable(GROUP, name, f"no numbers for another order: {error}")
    energies, forces = evaluate_frames(subject.double, x[None], subject.box)
    energies_other, forces_other = evaluate_frames(surface, x[order][None], subject.box)
    value = _deviation(
        np.array([energies[0], energies_other[0]]), forces[0][order], forces_other[0]
    )
    return judged(
        GROUP,
        name,
        value,
        threshold=_THRESHOLD,
        goal=_GOAL,
        source=_SOURCE,
        note="parameterised anew",
    )


def _deviation(
    energies: Float[np.ndarray, " two"],
    wanted: Float[np.ndarray, "atoms 3"],
    found: Float[np.ndarray, "atoms 3"],
) -> float:
    size = float(np.sqrt(np.mean(wanted**2)))
    of_forces = float(np.abs(found - wanted).max()) / size
    return max(of_forces, float(abs(energies[1] - energies[0])) / (size * _LENGTH))


def _random_rotation(rng: np.random.Generator) -> Float[np.ndarray, "3 3"]:
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    return turn * np.sign(np.linalg.det(turn))


def _shuffled(topology: Topology, rng: np.random.Generator) -> Int[np.ndarray, " atoms"]:
    """Another order, in which residues stay together."""
    parts = []
    every = np.argsort(topology.residue_idx, kind="stable")
    sizes = np.bincount(topology.residue_idx, minlength=topology.n_residues)
    for atoms in np.split(every, np.cumsum(sizes)[:-1]):
        order = rng.permutation(atoms)
        parts.append(atoms[::-1] if np.array_equal(order, atoms) else order)
    return np.concatenate(parts)
