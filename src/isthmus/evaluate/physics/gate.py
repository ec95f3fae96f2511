"""All checks of a force field on a molecule, one after another."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from isthmus.chemistry.molecule import Molecule
from isthmus.errors import InputError
from isthmus.evaluate.physics.check import FAIL, Check
from isthmus.evaluate.physics.clashes import check_clashes
from isthmus.evaluate.physics.conservation import check_conservation
from isthmus.evaluate.physics.engine import Engine, check_engine_forces
from isthmus.evaluate.physics.ensembles import check_ensembles
from isthmus.evaluate.physics.extensivity import check_extensivity
from isthmus.evaluate.physics.geometry import Reference, check_geometry
from isthmus.evaluate.physics.gradient import check_gradient
from isthmus.evaluate.physics.laboratory import Laboratory
from isthmus.evaluate.physics.settings import Settings
from isthmus.evaluate.physics.smoothness import check_smoothness
from isthmus.evaluate.physics.stability import check_stability
from isthmus.evaluate.physics.subject import Binder, Subject
from isthmus.evaluate.physics.symmetry import check_symmetry
from isthmus.evaluate.physics.time_steps import check_time_steps
from isthmus.forcefield.forcefield import ForceField

__all__ = ["GROUPS", "Checks", "check_physics", "checked_groups", "run_checks"]

GROUPS: Final = (
    "forces",
    "symmetry",
    "extensivity",
    "smoothness",
    "clashes",
    "geometry",
    "stability",
    "ensembles",
    "conservation",
    "time-steps",
)
"""Groups of checks, in the order in which they are made"""


@dataclass(frozen=True, eq=False)
class Checks:
    """What came of all checks.

    Attributes:
        checks: in the order in which they were made.
        complete: whether all that were asked for were made.
    """

    checks: tuple[Check, ...]
    complete: bool = True

    @property
    def failed(self) -> tuple[Check, ...]:
        """Those that failed."""
        return tuple(check for check in self.checks if check.verdict == FAIL)

    @property
    def passed(self) -> bool:
        """Whether none failed."""
        return not self.failed


def check_physics(
    force_field: ForceField | Binder,
    molecule: Molecule,
    *,
    quick: bool = False,
    temperatures: Sequence[float] = (300.0, 500.0),
    only: Iterable[str] | None = None,
    reference: Reference | None = None,
    seed: int = 0,
    engine: Engine | None = None,
) -> Checks:
    """Check a force field as a surface to simulate on.

    Args:
        force_field: a force field; or what binds it, given a molecule and a precision.
        molecule: with coordinates; the first conformer is used.
        quick: for a first look.
        temperatures: of dynamics [K]; the first serves all checks but stability.
        only: names of `GROUPS`; None for all.
        reference: geometry to compare the minimum with, of `reference_geometry`.
        seed: of all random numbers.
        engine: as for `run_checks`.

    Raises:
        InputError: an unknown group, a temperature out of range, no coordinates, or a molecule
            that the force field has no numbers for.
    """
    settings = Settings.create(quick=quick, temperatures=temperatures, seed=seed)
    found = run_checks(
        _subject(force_field, molecule),
        settings,
        groups=checked_groups(only),
        reference=reference,
        engine=engine,
    )
    return Checks(tuple(check for _, checks in found for check in checks))


def _subject(force_field: ForceField | Binder, molecule: Molecule) -> Subject:
    if not isinstance(force_field, ForceField):
        return Subject(molecule, force_field)
    known = force_field

    def bind(other: Molecule, precision: str) -> Any:
        return known.bind(other.topology, precision=precision, box=other.box)

    return Subject(molecule, bind)


def checked_groups(only: Iterable[str] | None) -> tuple[str, ...]:
    """Groups in the order in which they are made.

    Raises:
        InputError: an unknown one, or none.
    """
    wanted = list(GROUPS if only is None else only)
    unknown = [name for name in wanted if name not in GROUPS]
    if unknown or not wanted:
        shown = f"'{unknown[0]}' came" if unknown else "none came"
        raise InputError(f"unknown group of checks: {shown}; there are {', '.join(GROUPS)}")
    return tuple(name for name in GROUPS if name in wanted)


def run_checks(
    subject: Subject,
    settings: Settings,
    *,
    groups: Sequence[str] = GROUPS,
    reference: Reference | None = None,
    engine: Engine | None = None,
    begins: Callable[[str], None] | None = None,
    heed: Callable[[float], None] | None = None,
) -> Iterator[tuple[str, list[Check]]]:
    """Make groups of checks one by one, as they are asked for.

    Args:
        subject: what is checked.
        settings: sizes.
        groups: of `GROUPS`.
        reference: geometry to compare the minimum with.
        engine: moves atoms in place of our own, and has its forces compared; checks of the energy
            surface are made by our own all the same.
        begins: is told the group that begins.
        heed: is told which share of a long run is done.

    Raises:
        InputError: no coordinates, or a molecule that the force field has no numbers for.
    """
    if subject.double.n_atoms != subject.n_atoms:
        raise InputError(
            f"the force field has {subject.double.n_atoms} particles and the structure "
            f"{subject.n_atoms} atoms: give a structure with all particles"
        )
    laboratory = Laboratory(subject, settings, heed, engine)
    makers: dict[str, Callable[[], Iterable[Check]]] = {
        "forces": lambda: [
            *check_gradient(subject, settings),
            *(() if engine is None else check_engine_forces(subject, settings, engine)),
        ],
        "symmetry": lambda: check_symmetry(subject, settings),
        "extensivity": lambda: check_extensivity(subject, settings),
        "smoothness": lambda: check_smoothness(subject, settings),
        "clashes": lambda: check_clashes(subject, settings),
        "geometry": lambda: check_geometry(laboratory, reference),
        "stability": lambda: check_stability(laboratory),
        "ensembles": lambda: check_ensembles(laboratory),
        "conservation": lambda: check_conservation(laboratory),
        "time-steps": lambda: check_time_steps(laboratory),
    }
    for name in groups:
        if begins is not None:
            begins(name)
        yield name, list(makers[name]())
