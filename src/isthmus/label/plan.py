"""What will be done, as plain data: kept beside the results, read by every process.

The frames that come out are a function of the plan alone: not of the number of processes, the
order in which they work, or how often the run was interrupted.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.errors import InputError

__all__ = ["Failure", "Piece", "Plan", "Target", "differences", "read_plan", "seed_of"]

Piece = tuple[int, int]
"""Index of the target, and of the piece of its frames"""


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A molecule without labels, or frames that were dropped.

    Attributes:
        molecule: its name.
        smiles: canonical.
        reason: in words.
        n_frames: how many frames; 0 where there were none to begin with.
    """

    molecule: str
    smiles: str
    reason: str
    n_frames: int = 0


@dataclass(frozen=True, kw_only=True)
class Target:
    """One molecule.

    Attributes:
        name: in the dataset.
        smiles: with all atoms, map number = atom index + 1.
        canonical: SMILES without hydrogens; random numbers are drawn by it.
        multiplicity: 1 for closed shells.
        pieces: number of frames of each.
        starts: coordinates to start from (conformers, atoms, 3) [nm]; None embeds conformers.
        entry: index in the dataset to be labelled again; None where frames are sampled.
    """

    name: str
    smiles: str
    canonical: str
    multiplicity: int
    pieces: tuple[int, ...]
    starts: list[list[list[float]]] | None = None
    entry: int | None = None

    @property
    def n_frames(self) -> int:
        """Number of frames wanted."""
        return sum(self.pieces)

    def first_frame(self, piece: int) -> int:
        """Number of the first frame of a piece among those of the molecule."""
        return sum(self.pieces[:piece])


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that decides what comes out.

    Attributes:
        options: as given, in words and numbers; compared when a run is continued.
        level_of_theory: of the labels.
        provenance: what else the dataset will say of itself.
        targets: the molecules.
        failures: molecules that cannot be labelled, known beforehand.
        data: file of the frames to be labelled again; None where frames are sampled.
    """

    options: Mapping[str, Any]
    level_of_theory: str
    provenance: Mapping[str, str]
    targets: tuple[Target, ...]
    failures: tuple[Failure, ...] = field(default=())
    data: str | None = None

    @property
    def text(self) -> str:
        """As JSON."""
        return json.dumps(asdict(self), indent=1)

    @property
    def digest(self) -> str:
        """SHA-256 of everything but where a file lies."""
        content = asdict(self) | {"data": None}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    @property
    def pieces(self) -> Iterator[Piece]:
        """All pieces in order."""
        for index, target in enumerate(self.targets):
            for piece in range(len(target.pieces)):
                yield index, piece

    def refuse_other(self, other: "Plan", *, where: str) -> None:
        """Compare with the plan that a run was begun with.

        Raises:
            InputError: they differ; says in which options.
        """
        if self.digest == other.digest:
            return
        different = differences(other.options, self.options)
        different = different or differences(other.provenance, self.provenance)
        if not different:
            different = [_other_molecules(self, other)]
        raise InputError(
            f"{where} was begun with other options: {'; '.join(different)}. Give the same as "
            "before to go on, or --overwrite to start anew"
        )


def read_plan(path: Path) -> Plan:
    """A plan from its file.

    Raises:
        InputError: the file is no plan.
    """
    try:
        content = json.loads(path.read_text())
        return Plan(
            options=content["options"],
            level_of_theory=content["level_of_theory"],
            provenance=content["provenance"],
            targets=tuple(
                Target(**(one | {"pieces": tuple(one["pieces"])})) for one in content["targets"]
            ),
            failures=tuple(Failure(**one) for one in content["failures"]),
            data=content["data"],
        )
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"'{path}' is no plan of a labelling run ({error}): remove its folder, or add "
            "--overwrite"
        ) from error


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What has changed between two records, in words."""
    return [
        f"{name} was {_shown(before.get(name))}, now {_shown(now.get(name))}"
        for name in sorted(before.keys() | now.keys())
        if before.get(name) != now.get(name)
    ]


def seed_of(*parts: object) -> int:
    """A number for a random generator that depends on all the parts, and on nothing else."""
    text = "\0".join(str(part) for part in parts)
    return int(np.frombuffer(hashlib.sha256(text.encode()).digest()[:4], dtype="<u4")[0])


def _shown(value: Any) -> str:
    return "not given" if value is None else str(value)


def _other_molecules(new: Plan, old: Plan) -> str:
    before = {(target.name, target.smiles) for target in old.targets}
    now = {(target.name, target.smiles) for target in new.targets}
    if before == now:
        return "the molecules come in another order, or with other coordinates"
    return f"the molecules were {len(before)}, now {len(now)}, of which {len(now - before)} are new"
