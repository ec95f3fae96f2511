"""From molecules and options to a plan: who can be labelled, and in which pieces."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from isthmus import __version__
from isthmus.chemistry.molecule import Molecule
from isthmus.chemistry.topology import Topology
from isthmus.data.dataset import Dataset
from isthmus.errors import InputError
from isthmus.label.level import Level
from isthmus.label.named import level_named
from isthmus.label.plan import Failure, Plan, Target
from isthmus.label.samplers import check_sampler
from isthmus.label.sampling import Dynamics

__all__ = ["Options", "plan_relabelling", "plan_sampling"]

_FRAMES_A_PIECE = 20
"""Of frames that are labelled again: what is lost at most when a run is interrupted"""

_NAME_OF_SAMPLER = "mmff94 where it can type the molecule, else label"


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a user may choose.

    Attributes:
        method: level of theory, as `level_named` knows it.
        method_arguments: of a calculator of ASE.
        sampler: as `sampler_for` knows it; None chooses.
        temperatures: [K]; the frames are divided among them.
        conformers: to start from; the frames are divided among them.
        frames: of each molecule.
        dynamics: times and friction.
        multiplicity: of every molecule; None takes 1, and fails molecules with an odd electron.
        seed: of all random numbers.
        given_coordinates: start from the conformers that the molecules come with.
    """

    method: str = "gfn2"
    method_arguments: Mapping[str, Any] = field(default_factory=dict)
    sampler: str | None = None
    temperatures: tuple[float, ...] = (300.0, 500.0)
    conformers: int = 3
    frames: int = 30
    dynamics: Dynamics = field(default_factory=Dynamics)
    multiplicity: int | None = None
    seed: int = 0
    given_coordinates: bool = False

    def __post_init__(self) -> None:
        """Refuse numbers that cannot be meant.

        Raises:
            InputError: names the first.
        """
        for name, value in (("frames", self.frames), ("conformers", self.conformers)):
            if value < 1:
                raise InputError(f"{value} {name} were asked for; wanted is 1 or more")
        if not self.temperatures or not all(0 < t <= 5000 for t in self.temperatures):
            raise InputError(
                f"temperatures {', '.join(f'{t:g}' for t in self.temperatures)}: wanted are "
                "numbers above 0 and up to 5000 [K]"
            )
        if self.multiplicity is not None and self.multiplicity < 1:
            raise InputError(f"multiplicity {self.multiplicity}: wanted is 1 (singlet) or more")
        if self.seed < 0:
            raise InputError(f"seed {self.seed}: wanted is 0 or more")


def plan_sampling(molecules: Sequence[Molecule], options: Options) -> Plan:
    """A plan for molecules to be sampled; each counts once, however often it comes.

    Raises:
        InputError: no molecules; an unknown method; an element that it does not know; a box; no
            coordinates where these were to be the starts.
        EngineMissingError: a program is not installed.
    """
    if not molecules:
        raise InputError("there is nothing to label: give at least one molecule")
    level = level_named(options.method, options.method_arguments)
    check_sampler(options.sampler, molecules[0])
    targets: list[Target] = []
    failures: list[Failure] = []
    seen: set[str] = set()
    names: set[str] = set()
    for molecule in molecules:
        if molecule.smiles in seen:
            continue
        seen.add(molecule.smiles)
        name = _new_name(molecule.name or molecule.smiles, names)
        _check_level(level, molecule.topology, name)
        reason = _cannot(molecule.topology, options.multiplicity)
        if reason is None and molecule.n_atoms < 2:
            reason = "a single atom has no geometry to sample"
        if reason:
            wanted = Failure(
                molecule=name, smiles=molecule.smiles, reason=reason, n_frames=options.frames
            )
            failures.append(wanted)
            continue
        targets.append(
            Target(
                name=name,
                smiles=molecule.mapped_smiles,
                canonical=molecule.smiles,
                multiplicity=options.multiplicity or 1,
                pieces=_walks(options, molecule),
                starts=_starts(molecule, options),
            )
        )
    return Plan(
        options=_plain(options),
        level_of_theory=level.level_of_theory,
        provenance=_provenance(level, options),
        targets=tuple(targets),
        failures=tuple(failures),
    )


def plan_relabelling(dataset: Dataset, options: Options, *, data: str) -> Plan:
    """A plan for the frames of a dataset, each labelled as it is.

    Args:
        dataset: its frames.
        options: only method and multiplicity count.
        data: the file that every process reads them from, in the layout of SPICE.

    Raises:
        InputError, EngineMissingError: as `plan_sampling`.
    """
    level = level_named(options.method, options.method_arguments)
    targets: list[Target] = []
    failures: list[Failure] = []
    for index, entry in enumerate(dataset):
        _check_level(level, entry.topology, entry.name)
        reason = _cannot(entry.topology, options.multiplicity)
        if entry.box is not None:
            reason = "it has a box, and labels are for molecules without one"
        if reason or not entry.n_frames:
            reason = reason or "it has no frames"
            wanted = Failure(
                molecule=entry.name, smiles=entry.smiles, reason=reason, n_frames=entry.n_frames
            )
            failures.append(wanted)
            continue
        whole, rest = divmod(entry.n_frames, _FRAMES_A_PIECE)
        targets.append(
            Target(
                name=entry.name,
                smiles=entry.mapped_smiles,
                canonical=entry.smiles,
                multiplicity=options.multiplicity or 1,
                pieces=(_FRAMES_A_PIECE,) * whole + ((rest,) if rest else ()),
                entry=index,
            )
        )
    chosen = {
        "method": options.method,
        "method_arguments": dict(options.method_arguments),
        "multiplicity": options.multiplicity,
        "relabel": dataset.digest,
    }
    return Plan(
        options=chosen,
        level_of_theory=level.level_of_theory,
        provenance=_of_level(level) | {"relabelled_from": dataset.source, "made_by": _maker()},
        targets=tuple(targets),
        failures=tuple(failures),
        data=data,
    )


def _check_level(level: Level, topology: Topology, name: str) -> None:
    """As `Level.check`, with the name of the molecule in the message."""
    try:
        level.check(topology.atomic_numbers)
    except InputError as error:
        raise InputError(f"molecule '{name}': {error}") from error


def _cannot(topology: Topology, multiplicity: int | None) -> str | None:
    """Why a molecule has no electronic state of this multiplicity."""
    electrons = int(np.sum(topology.atomic_numbers)) - topology.total_charge
    if multiplicity is None and electrons % 2:
        return f"it has {electrons} electrons, an odd number: say its --multiplicity (2, 4, ...)"
    if multiplicity is not None and (electrons + multiplicity) % 2 == 0:
        return f"{electrons} electrons cannot have multiplicity {multiplicity}"
    return None


def _walks(options: Options, molecule: Molecule) -> tuple[int, ...]:
    """Frames of each walk: conformers take turns within the temperatures."""
    starts = options.conformers
    if options.given_coordinates:
        starts = min(starts, max(molecule.n_conformers, 1))
    whole, rest = divmod(options.frames, starts * len(options.temperatures))
    counts = [whole + (walk < rest) for walk in range(starts * len(options.temperatures))]
    return tuple(count for count in counts if count)


def _starts(molecule: Molecule, options: Options) -> list[list[list[float]]] | None:
    if not options.given_coordinates:
        return None
    name = molecule.name or molecule.smiles
    if not molecule.n_conformers:
        raise InputError(
            f"molecule '{name}' has no coordinates to start from: leave out --given-coordinates"
        )
    if molecule.box is not None:
        raise InputError(
            f"molecule '{name}' has a box, and labels are for molecules without one: remove it"
        )
    return molecule.conformers[: options.conformers].tolist()


def _new_name(wanted: str, taken: set[str]) -> str:
    """The name, or with a number behind it where it is taken."""
    name, number = wanted, 1
    while name in taken:
        number += 1
        name = f"{wanted} ({number})"
    taken.add(name)
    return name


def _plain(options: Options) -> dict[str, Any]:
    """Options as JSON would give them back; files of the sampler by their content too."""
    found = json.loads(json.dumps(asdict(options)))
    files = [Path(part.strip()) for part in (options.sampler or "").split(",")]
    hashes = [hashlib.sha256(path.read_bytes()).hexdigest() for path in files if path.is_file()]
    return found | ({"sampler_sha256": hashes} if hashes else {})


def _of_level(level: Level) -> dict[str, str]:
    return {
        "method_settings": json.dumps(dict(level.settings), sort_keys=True),
        "versions": ", ".join(f"{name} {number}" for name, number in level.versions.items()),
    }


def _provenance(level: Level, options: Options) -> dict[str, str]:
    dynamics, programs = options.dynamics, _of_level(level)
    packages = ", ".join(f"{name} {version(name)}" for name in ("ase", "rdkit"))
    programs["versions"] += f"; {packages}"
    starts = "given coordinates" if options.given_coordinates else "ETKDGv3, MMFF94s"
    return programs | {
        "made_by": _maker(),
        "sampler": options.sampler or _NAME_OF_SAMPLER,
        "sampling": (
            f"Langevin dynamics, {dynamics.timestep * 1e3:g} fs a step, friction "
            f"{dynamics.friction:g} 1/ps; of each walk {dynamics.equilibration * 1e3:g} fs thrown "
            f"away, then a frame every {dynamics.interval * 1e3:g} fs; up to "
            f"{options.conformers} starts a molecule ({starts})"
        ),
        "temperatures [K]": ", ".join(f"{t:g}" for t in options.temperatures),
        "seed": str(options.seed),
    }


def _maker() -> str:
    return f"isthmus {__version__} label"
