"""One potential by one engine or by two: energies side by side, largest difference of forces.

Where a force field was imported from an OpenMM System, that System is the other side, and each
of its forces stands against the terms that it became. Any other potential is written as a
System, each group of terms also alone, so that it stands against what OpenMM makes of it.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from jaxtyping import Bool, Float

from isthmus.errors import InputError
from isthmus.forcefield.potential import Potential
from isthmus.parameters.parameterization import Parameterization
from isthmus.types import Box

if TYPE_CHECKING:
    import openmm

    from isthmus.deploy.openmm.evaluating import EngineEnergies

__all__ = ["ENGINES", "Evaluation", "ForceDifference", "Group", "evaluate"]

ENGINES: Final = ("isthmus", "openmm", "both")
"""Who can be asked"""


@dataclass(frozen=True)
class Group:
    """Terms that stand for one force of OpenMM [kJ/mol]; None where an engine was not asked.

    Attributes:
        name: of the force, or of the term where each stands alone.
        terms: our energies by term.
        openmm: OpenMM's energy of all of them.
    """

    name: str
    terms: Mapping[str, float] | None
    openmm: float | None

    @property
    def isthmus(self) -> float | None:
        """Sum of our terms [kJ/mol]."""
        return None if self.terms is None else sum(self.terms.values())


@dataclass(frozen=True)
class ForceDifference:
    """The largest difference of a force component between the engines [kJ/mol/nm].

    Attributes:
        largest: over all atoms and components.
        scale: the largest force component.
        atom: where the difference is largest.
    """

    largest: float
    scale: float
    atom: int

    @property
    def relative(self) -> float:
        """The difference as a part of the largest force component."""
        return self.largest / self.scale if self.scale else 0.0


@dataclass(frozen=True)
class Evaluation:
    """Energies of one conformer [kJ/mol]; None where an engine was not asked.

    Attributes:
        groups: of terms.
        isthmus, openmm: energies of the whole potential.
        forces: how they differ, where both engines were asked.
    """

    groups: tuple[Group, ...]
    isthmus: float | None
    openmm: float | None
    forces: ForceDifference | None

    @property
    def difference(self) -> float | None:
        """Isthmus less OpenMM [kJ/mol]."""
        if self.isthmus is None or self.openmm is None:
            return None
        return self.isthmus - self.openmm


def evaluate(
    potential: Potential,
    conformers: Float[np.ndarray, "conformers atoms 3"],
    box: Box = None,
    *,
    engine: str = "both",
    system: "openmm.System | None" = None,
    platform: str = "Reference",
) -> list[Evaluation]:
    """Energies term by term, for each conformer.

    Args:
        potential: bound in float64, or differences are those of rounding.
        conformers: [nm].
        box: cell vectors [nm]; None keeps the potential's.
        engine: one of `ENGINES`.
        system: that the potential was imported from; None writes one.
        platform: of OpenMM; Reference computes in float64.

    Raises:
        InputError: an unknown engine, positions or a box that cannot be used.
        UnsupportedForceError: a potential that OpenMM cannot express.
    """
    if engine not in ENGINES:
        raise InputError(f"unknown engine '{engine}': choose one of {', '.join(ENGINES)}")
    ours = engine != "openmm"
    energies = potential.term_energies(conformers, box) if ours else {}
    other = None if engine == "isthmus" else _OpenMMSide(potential, system, platform)
    cell = potential.parameterization.box if box is None else np.asarray(box)
    result = []
    for index, positions in enumerate(conformers):
        of_terms = {name: float(e[index]) for name, e in energies.items()} if ours else None
        theirs = None if other is None else other.whole(positions, cell)
        by_group = (
            {} if other is None or theirs is None else other.by_group(positions, cell, theirs)
        )
        groups = tuple(
            Group(
                name,
                None if of_terms is None else {term: of_terms[term] for term in terms},
                by_group.get(name),
            )
            for name, terms in _grouping(potential.parameterization)
        )
        forces = None
        if engine == "both" and theirs is not None:
            found = np.asarray(potential.energy_and_forces(positions, box).forces)
            real = potential.parameterization.masses > 0
            forces = _force_difference(found, theirs.forces, real)
        total = None if of_terms is None else sum(of_terms.values())
        result.append(Evaluation(groups, total, None if theirs is None else theirs.energy, forces))
    return result


def _grouping(parameterization: Parameterization) -> list[tuple[str, tuple[str, ...]]]:
    """Terms by the force that they were imported from; each alone where there is none."""
    origin = parameterization.origin
    if origin is None:
        return [(name, (name,)) for name in parameterization.term_names]
    return [(label, names) for label, names in origin.forces if names]


class _OpenMMSide:
    """Systems to evaluate: the whole, and one for each group where its forces do not say them."""

    def __init__(self, potential: Potential, system: "openmm.System | None", platform: str) -> None:
        self._platform = platform
        self._parts: dict[str, openmm.System] = {}
        if system is not None and potential.parameterization.origin is not None:
            self._system = system
            return
        from isthmus.deploy.openmm.exporting import to_openmm

        self._system = to_openmm(potential)
        for name, terms in _grouping(potential.parameterization):
            alone = _only(potential.parameterization, terms)
            self._parts[name] = to_openmm(dataclasses.replace(potential, parameterization=alone))

    def whole(self, positions: Float[np.ndarray, "atoms 3"], box: Box) -> "EngineEnergies":
        return self._evaluate(self._system, positions, box)

    def by_group(
        self, positions: Float[np.ndarray, "atoms 3"], box: Box, whole: "EngineEnergies"
    ) -> Mapping[str, float]:
        if not self._parts:
            return whole.by_force
        return {
            name: self._evaluate(system, positions, box).energy
            for name, system in self._parts.items()
        }

    def _evaluate(
        self, system: "openmm.System", positions: Float[np.ndarray, "atoms 3"], box: Box
    ) -> "EngineEnergies":
        import openmm

        from isthmus.deploy.openmm.evaluating import evaluate_openmm

        try:
            return evaluate_openmm(system, positions, box=box, platform=self._platform)
        except openmm.OpenMMException as error:
            raise InputError(f"OpenMM cannot evaluate this system: {error}") from None


def _only(whole: Parameterization, names: tuple[str, ...]) -> Parameterization:
    """The same particles with some of the terms."""
    pair_groups = (
        dataclasses.replace(g, terms=tuple(t for t in g.terms if t.term.name in names))
        for g in whole.pair_groups
    )
    return dataclasses.replace(
        whole,
        terms=tuple(t for t in whole.terms if t.term.name in names),
        pair_groups=tuple(g for g in pair_groups if g.terms),
        specials=tuple(s for s in whole.specials if s.name in names),
        networks=tuple(n for n in whole.networks if n.name in names),
        constraints=None,
    )


def _force_difference(
    ours: Float[np.ndarray, "atoms 3"],
    theirs: Float[np.ndarray, "atoms 3"],
    real: Bool[np.ndarray, " atoms"],
) -> ForceDifference:
    """Virtual sites are left out: both engines hand their forces on to real atoms."""
    difference = np.abs(np.where(real[:, None], ours - theirs, 0.0)).max(axis=1)
    atom = int(difference.argmax())
    scale = float(np.abs(theirs * real[:, None]).max())
    return ForceDifference(float(difference[atom]), scale, atom)
