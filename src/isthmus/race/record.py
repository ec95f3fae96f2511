"""What a race found: immutable records, as they stand in its `results.json`.

Units are those of `UNITS`. None is what was not measured. Low and high of an error are a 95 %
interval, or with several seeds the lowest and highest of them; of a cost, the lowest and highest
of its repeats.
"""

from dataclasses import dataclass, field
from typing import Any, Final

from isthmus.errors import InputError
from isthmus.race.plain import to_plain

__all__ = [
    "FORMAT",
    "UNITS",
    "VERSION",
    "Cost",
    "Entrant",
    "Errors",
    "Estimate",
    "Machine",
    "Point",
    "Race",
    "Scan",
    "Stability",
    "Test",
    "TrainingData",
    "TrainingRun",
]

FORMAT: Final = "isthmus race"
VERSION: Final = 1

UNITS: Final = {
    "force": "kcal/mol/Å",
    "energy": "kcal/mol",
    "cost": "µs/step",
    "time": "s",
    "drift": "kT/ns/dof",
    "temperature": "K",
}
"""Of the numbers of every record"""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A number with its interval, and one for each seed where there are several."""

    value: float
    low: float | None = None
    high: float | None = None
    seeds: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Errors:
    """Of one entrant on one test set; `refusal` is why molecules were refused, the first of them.

    Attributes:
        force_rmse: over components [kcal/mol/Å].
        energy_rmse: of energies less the mean of their molecule [kcal/mol].
        n_frames: that were evaluated.
        n_refused: frames of molecules that could not be.
    """

    force_rmse: Estimate | None = None
    energy_rmse: Estimate | None = None
    n_frames: int = 0
    n_refused: int = 0
    refusal: str | None = None


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Time of a step, per molecule of the batch [µs], in the loop that a user would run.

    Attributes:
        engine: isthmus, openmm, or ase (a call of energy and forces from Python).
        batch: molecules that are simulated at once.
        per_atom: of one atom [µs].
        compile_s: what came before the first step; not part of the value.
        timing: of all that were timed together the same text; empty where it is not known.
    """

    engine: str
    batch: int
    molecule: str
    n_atoms: int
    value: float
    low: float
    high: float
    per_atom: float
    compile_s: float | None = None
    timing: str = ""


@dataclass(frozen=True, kw_only=True)
class Stability:
    """How long a simulation held [ps], of how many wanted; what broke it.

    Attributes:
        n_replicas: that ran at once, of which the first that broke counts; None if not known.
    """

    test: str
    molecule: str
    temperature: float
    ps: float
    wanted_ps: float
    broken: str | None = field(default=None, metadata={"key": "break"})
    n_replicas: int | None = None

    @property
    def undecided(self) -> bool:
        """Whether it was cut short before anything broke: it was slow, and nothing is known."""
        return self.broken is None and self.ps < 0.999 * self.wanted_ps


@dataclass(frozen=True, kw_only=True)
class Scan:
    """Energy [kcal/mol], from its lowest, along one internal coordinate.

    Attributes:
        scan: such as "torsion C1-C2-C3-O4", atoms counted from 1.
        kind: bond, angle or torsion.
        x: the coordinate.
        x_unit: Å or deg.
        energy: None where there is none.
        roughness: near 0 for a smooth curve [kcal/mol]; see `isthmus.race.smoothness`.
    """

    scan: str
    kind: str
    x: tuple[float, ...]
    x_unit: str
    energy: tuple[float | None, ...]
    roughness: float | None = None


@dataclass(frozen=True, kw_only=True)
class Point:
    """Validation errors after some seconds of training."""

    seconds: float
    force_rmse: float | None = None
    energy_rmse: float | None = None


@dataclass(frozen=True, kw_only=True)
class TrainingRun:
    """Of each seed: seconds of training, of compilation [s], and the learning curve."""

    seconds: tuple[float, ...] = ()
    compile_s: tuple[float, ...] = ()
    curves: tuple[tuple[Point, ...], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Entrant:
    """One that races.

    Attributes:
        kind: design, model or rival.
        state: waiting, finished or failed.
        failure: what happened and what to do.
        command: that makes the model again, where there is one.
        models: files, relative to the folder of the race.
        errors: of each test set, by its name.
        notes: what else its reader should know, one sentence each.
        identity: what was raced: a text, and the digest of a file.
        done: the stages that are over, for a race that is resumed.
    """

    name: str
    kind: str
    state: str = "waiting"
    failure: str | None = None
    description: str = ""
    command: str | None = None
    models: tuple[str, ...] = ()
    n_parameters: int | None = None
    training: TrainingRun | None = None
    errors: dict[str, Errors] = field(default_factory=dict)
    cost: tuple[Cost, ...] = ()
    stability: tuple[Stability, ...] = ()
    drift: Estimate | None = None
    smoothness: tuple[Scan, ...] = ()
    notes: tuple[str, ...] = ()
    identity: str = ""
    done: tuple[str, ...] = ()

    def error(self, test: str, quantity: str = "force") -> Estimate | None:
        """Of forces or energies on a test set, if it was measured."""
        found = self.errors.get(test, Errors())
        return found.force_rmse if quantity == "force" else found.energy_rmse

    def is_partial(self, test: str) -> bool:
        """Whether its error is of a part of a test set, as it refused the rest."""
        return self.errors.get(test, Errors()).n_refused > 0

    def main_cost(self) -> Cost | None:
        """Batch of one, in the fastest engine, on the molecule that comes first."""
        single = [cost for cost in self.cost if cost.batch == 1]
        own = [cost for cost in single if cost.molecule == single[0].molecule]
        return min(own, key=lambda cost: cost.value, default=None)


@dataclass(frozen=True, kw_only=True)
class TrainingData:
    """What the designs were trained on; `source` is a file, `sha256` of its content."""

    name: str
    source: str
    n_molecules: int
    n_frames: int
    sha256: str
    level_of_theory: str | None = None


@dataclass(frozen=True, kw_only=True)
class Test(TrainingData):
    """What all are measured on; `held_out` is frames, molecules or unknown."""

    __test__ = False  # not a test of pytest

    held_out: str = "unknown"


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Where a race was run; None where it could not be found out."""

    processor: str
    cores: int
    memory_GiB: float | None
    system: str
    python: str
    versions: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Race:
    """All of a race: the first test set is the main one.

    Attributes:
        settings: of the command line, plain values.
        validation: data that decide which weights are kept, where a split names them.
        notes: what the reader should know of all of it, one sentence each.
    """

    isthmus: str
    date: str
    command: str
    machine: Machine
    settings: dict[str, Any]
    training: TrainingData | None
    tests: tuple[Test, ...]
    entrants: tuple[Entrant, ...]
    validation: TrainingData | None = None
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain values, as they stand in `results.json`; null for numbers that are not finite."""
        head = {"format": FORMAT, "format_version": VERSION, "units": UNITS}
        return head | to_plain(self)

    def main_test(self) -> Test:
        """The one that decides the frontier."""
        return self.tests[0]

    def main_quantity(self) -> str:
        """Whose errors decide: force, or energy where nobody has errors of forces."""
        found = [errors for one in self.entrants for errors in one.errors.values()]
        some_force = any(errors.force_rmse is not None for errors in found)
        some_energy = any(errors.energy_rmse is not None for errors in found)
        return "energy" if some_energy and not some_force else "force"

    def entrant(self, name: str) -> Entrant:
        """The one with a name.

        Raises:
            InputError: there is none.
        """
        for found in self.entrants:
            if found.name == name:
                return found
        names = ", ".join(found.name for found in self.entrants)
        raise InputError(f"no entrant is called '{name}'; there are: {names}")
