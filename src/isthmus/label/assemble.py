"""The dataset that is made of all finished pieces, and what is missing in it."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

from isthmus.data.dataset import Dataset
from isthmus.data.entry import Entry
from isthmus.data.finding import Finding, Severity
from isthmus.files import replacing
from isthmus.label.folder import Report
from isthmus.label.plan import Failure, Piece, Plan, Target

__all__ = ["Outcome", "findings_of", "labelled_dataset", "outcome_of", "write_failures"]

_SHOWN = 20


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a run has done.

    Attributes:
        labelled: indices of the targets that have frames, in order.
        n_molecules: that were wanted, those without labels included.
        n_frames: frames with labels.
        n_wanted: frames that were wanted.
        failures: molecules without any labels.
        dropped: frames of other molecules that are missing, and why.
        samplers: number of molecules that each sampler sampled.
        n_crashed: pieces whose process died.
    """

    labelled: tuple[int, ...]
    n_molecules: int
    n_frames: int
    n_wanted: int
    failures: tuple[Failure, ...]
    dropped: tuple[Failure, ...]
    samplers: Mapping[str, int]
    n_crashed: int

    @property
    def n_dropped(self) -> int:
        """Number of frames of labelled molecules that are missing."""
        return sum(one.n_frames for one in self.dropped)


def outcome_of(
    plan: Plan, reports: Mapping[Piece, Report], crashed: Mapping[Piece, str]
) -> Outcome:
    """Count what was done.

    Args:
        plan: of the run.
        reports: of its finished pieces.
        crashed: pieces whose process died, and how.
    """
    labelled: list[int] = []
    failures, dropped = list(plan.failures), []
    samplers: Counter[str] = Counter()
    for index, target in enumerate(plan.targets):
        lost: Counter[str] = Counter()
        used = ""
        for number, wanted in enumerate(target.pieces):
            piece = (index, number)
            if piece not in reports:
                lost[crashed.get(piece, "it was not done")] += wanted
                continue
            for count, reason in reports[piece].dropped:
                lost[reason] += count
            used = used or (reports[piece].sampler if reports[piece].n_frames else "")
        if lost.total() < target.n_frames:
            labelled.append(index)
            dropped += [_failure(target, reason, count) for reason, count in lost.items()]
            samplers.update([used] if used else [])
        else:
            failures.append(_failure(target, "; ".join(lost), target.n_frames))
    wanted = sum(one.n_frames for one in (*plan.targets, *plan.failures))
    missing = sum(one.n_frames for one in (*failures, *dropped))
    return Outcome(
        labelled=tuple(labelled),
        n_molecules=len(plan.targets) + len(plan.failures),
        n_frames=wanted - missing,
        n_wanted=wanted,
        failures=tuple(failures),
        dropped=tuple(dropped),
        samplers=MappingProxyType(dict(samplers)),
        n_crashed=len(crashed),
    )


def labelled_dataset(
    plan: Plan,
    outcome: Outcome,
    reports: Mapping[Piece, Report],
    read: Callable[[Piece], Entry],
) -> Dataset:
    """The dataset of a run, whose molecules are put together when they are asked for.

    Args:
        plan: of the run.
        outcome: of the run; at least one molecule is labelled.
        reports: of its finished pieces.
        read: the frames of a piece.
    """

    def load(index: int) -> Entry:
        number = outcome.labelled[index]
        pieces = [(number, k) for k in range(len(plan.targets[number].pieces))]
        found = [read(one) for one in pieces if one in reports and reports[one].n_frames]
        return _joined(plan.targets[number], found)

    return Dataset(
        names=tuple(plan.targets[index].name for index in outcome.labelled),
        level_of_theory=plan.level_of_theory,
        source=plan.provenance["made_by"],
        provenance=MappingProxyType(_said(plan, outcome)),
        findings=tuple(findings_of(outcome)),
        load=load,
    )


def write_failures(outcome: Outcome, output: Path) -> Path | None:
    """Write OUTPUT.failures.json where molecules or frames are missing, remove it where not."""
    path = output.with_name(f"{output.name}.failures.json")
    if not (outcome.failures or outcome.dropped):
        path.unlink(missing_ok=True)
        return None
    content = {
        "failures": [asdict(one) for one in outcome.failures],
        "dropped_frames": [asdict(one) for one in outcome.dropped],
    }
    with replacing(path, overwrite=True) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n")
    return path


def _failure(target: Target, reason: str, count: int) -> Failure:
    return Failure(molecule=target.name, smiles=target.canonical, reason=reason, n_frames=count)


def _joined(target: Target, pieces: list[Entry]) -> Entry:
    def all_of(name: str) -> np.ndarray | None:
        arrays = [getattr(entry, name) for entry in pieces]
        return None if any(array is None for array in arrays) else np.concatenate(arrays)

    sources = dict.fromkeys(entry.source for entry in pieces)
    return Entry.create(
        target.name,
        pieces[0].topology,
        positions=np.concatenate([entry.positions for entry in pieces]),
        energies=np.concatenate([entry.energies for entry in pieces]),
        forces=all_of("forces"),
        charges=all_of("charges"),
        dipoles=all_of("dipoles"),
        temperatures=all_of("temperatures"),
        frame_idx=np.concatenate([entry.frame_idx for entry in pieces]),
        level_of_theory=pieces[0].level_of_theory,
        source="; ".join(sources),
    )


def _said(plan: Plan, outcome: Outcome) -> dict[str, str]:
    """Provenance with options, plan and what is missing."""
    said = dict(plan.provenance)
    if outcome.samplers:
        counted = ", ".join(f"{name} ({n} molecules)" for name, n in outcome.samplers.items())
        said["sampler"] = counted
    said["options"] = json.dumps(dict(plan.options), sort_keys=True)
    said["plan_sha256"] = plan.digest
    said["failed_molecules"] = _list(
        [f"{one.molecule}: {one.reason}" for one in outcome.failures], outcome.n_molecules
    )
    said["dropped_frames"] = _list(
        [f"{one.n_frames} of {one.molecule}: {one.reason}" for one in outcome.dropped],
        outcome.n_wanted,
        n=outcome.n_dropped,
    )
    return said


def _list(texts: list[str], total: int, *, n: int | None = None) -> str:
    counted = f"{len(texts) if n is None else n} of {total}"
    rest = f"; and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return counted + (": " + "; ".join(texts[:_SHOWN]) + rest if texts else "")


def findings_of(outcome: Outcome) -> list[Finding]:
    """Molecules and frames that are missing, as warnings."""
    failed = [
        Finding("molecule-failed", Severity.WARNING, one.reason, one.molecule)
        for one in outcome.failures
    ]
    return failed + [
        Finding(
            "frames-dropped",
            Severity.WARNING,
            f"{one.n_frames} frames were dropped: {one.reason}",
            one.molecule,
        )
        for one in outcome.dropped
    ]
