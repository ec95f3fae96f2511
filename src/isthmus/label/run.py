"""Labelled data for molecules, or for frames that are there already."""

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from isthmus.chemistry.molecule import Molecule
from isthmus.data.dataset import Dataset
from isthmus.data.spice import h5_groups, is_spice, open_dataset
from isthmus.data.spice_writer import write_dataset
from isthmus.errors import InputError
from isthmus.label.assemble import (
    Outcome,
    findings_of,
    labelled_dataset,
    outcome_of,
    write_failures,
)
from isthmus.label.crew import default_jobs, run_crew
from isthmus.label.folder import folder_of, refused_by_disk
from isthmus.label.plan import Piece, Plan, differences
from isthmus.label.progress import Counted, Progress
from isthmus.label.sampling import Dynamics
from isthmus.label.targets import Options, plan_relabelling, plan_sampling

__all__ = [
    "carry_out",
    "is_begun",
    "label_molecules",
    "readable",
    "refuse_unlike",
    "relabel",
]


def label_molecules(
    molecules: Sequence[Molecule],
    *,
    method: str = "gfn2",
    method_arguments: Mapping[str, Any] | None = None,
    sampler: str | None = None,
    temperatures: Sequence[float] = (300.0, 500.0),
    conformers: int = 3,
    frames: int = 30,
    dynamics: Dynamics | None = None,
    multiplicity: int | None = None,
    seed: int = 0,
    given_coordinates: bool = False,
    jobs: int | None = None,
    output: str | Path | None = None,
) -> Dataset:
    """Thermal frames of molecules, with energies and forces of a level of theory.

    Each molecule is embedded (ETKDG), and from each conformer Langevin dynamics run at each
    temperature. What comes out depends on the arguments and the molecules, not on `jobs`, the
    order of the molecules, or interruptions.

    Args:
        molecules: each counts once, by its canonical SMILES; coordinates are not needed.
        method: level of theory: `gfn2`, `gfn1`, `pyscf:FUNCTIONAL[-d3bj|-d4]/BASIS`, `ase:NAME`
            or `ase:module:Class`.
        method_arguments: of a calculator of ASE.
        sampler: level of the dynamics: `mmff94`, `label` for that of the labels, or a force field
            by name or file; None takes mmff94 where it can type the molecule, else `label`.
        temperatures: [K]; frames are divided among them.
        conformers: to start from; frames are divided among them.
        frames: of each molecule.
        dynamics: times and friction.
        multiplicity: of every molecule; None takes singlets, and fails odd electrons.
        seed: of all random numbers.
        given_coordinates: start from the conformers of the molecules instead of embedding.
        jobs: number of processes; None takes one for each core.
        output: file of the dataset; a run that was interrupted goes on. None keeps the dataset
            in memory.

    Returns:
        The dataset; its findings name molecules and frames that are missing.

    Raises:
        InputError: arguments that cannot be used, no molecule that could be labelled, or an
            output that exists or was begun with other arguments.
        EngineMissingError: the program of the level of theory is not installed.
    """
    options = Options(
        method=method,
        method_arguments=dict(method_arguments or {}),
        sampler=sampler,
        temperatures=tuple(float(one) for one in temperatures),
        conformers=conformers,
        frames=frames,
        dynamics=dynamics or Dynamics(),
        multiplicity=multiplicity,
        seed=seed,
        given_coordinates=given_coordinates,
    )
    return _dataset(plan_sampling(molecules, options), jobs=jobs, output=output)


def relabel(
    dataset: Dataset,
    *,
    method: str = "gfn2",
    method_arguments: Mapping[str, Any] | None = None,
    multiplicity: int | None = None,
    jobs: int | None = None,
    output: str | Path | None = None,
) -> Dataset:
    """The same frames with the energies and forces of another level of theory.

    Args:
        dataset: its molecules and frames; its labels are not used.
        method, method_arguments, multiplicity, jobs, output: as of `label_molecules`.

    Returns:
        The dataset; its findings name molecules and frames that are missing.

    Raises:
        InputError, EngineMissingError: as `label_molecules`.
    """
    options = Options(
        method=method, method_arguments=dict(method_arguments or {}), multiplicity=multiplicity
    )
    with readable(dataset) as data:
        plan = plan_relabelling(dataset, options, data=str(data))
        return _dataset(plan, jobs=jobs, output=output)


@contextmanager
def readable(dataset: Dataset, path: Path | None = None) -> Iterator[Path]:
    """A file in the layout of SPICE that holds a dataset: its own, or a temporary one.

    Args:
        dataset: in memory, or of any file.
        path: the file that it was read from, if it was.
    """
    if path is not None and _is_spice_file(path):
        yield path.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="isthmus-label-") as place:
        copy = Path(place) / "frames.h5"
        write_dataset(dataset, copy)
        yield copy


def _is_spice_file(path: Path) -> bool:
    hdf5 = path.suffix.lower() in (".h5", ".hdf5", ".hdf")
    return hdf5 and any(is_spice(group) for _, group in h5_groups(path))


def _dataset(plan: Plan, *, jobs: int | None, output: str | Path | None) -> Dataset:
    with ExitStack() as stack:
        if output is None:
            place = stack.enter_context(tempfile.TemporaryDirectory(prefix="isthmus-label-"))
            path = Path(place) / "labels.h5"
        else:
            path = Path(output)
            if path.exists() and not is_begun(path):
                raise InputError(f"'{path}' exists: choose another output, or remove it")
            if path.exists():
                refuse_unlike(plan, path)
        outcome = carry_out(plan, path, jobs=jobs)
        if not outcome.labelled:
            reasons = "; ".join(f"{one.molecule}: {one.reason}" for one in outcome.failures[:3])
            raise InputError(
                f"none of {outcome.n_molecules} molecules could be labelled: {reasons}"
            )
        made = open_dataset(path)
        held = made.in_memory() if output is None else made
        return replace(held, findings=tuple(findings_of(outcome)))


def carry_out(
    plan: Plan,
    output: Path,
    *,
    jobs: int | None = None,
    overwrite: bool = False,
    progress: Callable[[Progress], None] = lambda _: None,
) -> Outcome:
    """Do what a plan says, or what is left of it, and write the dataset.

    A piece whose process died, perhaps for want of memory, is tried once more when all others are
    done, alone. If it dies again, all pieces are kept: the same plan then tries only what is left.

    Args:
        plan: what is to be done.
        output: file of the dataset; where no molecule could be labelled, there is none.
        jobs: number of processes; None takes one for each core.
        overwrite: whether what an earlier run left is thrown away; a dataset at `output` is
            replaced in any case.
        progress: called at the start, and whenever something is finished.

    Raises:
        InputError: an earlier run was begun with another plan, or is still at work.
        IsthmusError: processes cannot start.
        OSError: the disk is full, or cannot be written to.
    """
    if jobs is not None and jobs < 1:
        raise InputError(f"{jobs} jobs were asked for; wanted is 1 or more")
    if not output.parent.is_dir():
        raise InputError(f"there is no folder '{output.parent}': make it, or choose another")
    folder, crashed = folder_of(output), {}
    with folder.locked():
        begun = None if overwrite else folder.begun_with()
        if begun is not None:
            plan.refuse_other(begun, where=f"'{folder.path}'")
        else:
            folder.clear()
        folder.begin(plan)
        reports = {piece: report for piece in plan.pieces if (report := folder.report(piece))}
        counted = Counted(plan, reports, n_earlier=len(reports))

        def finished(piece: Piece, death: str | None) -> None:
            report = folder.report(piece) if death is None else None
            if report is None:
                again = "; it was tried twice" if piece in crashed else ""
                crashed[piece] = (death or "its result cannot be read") + again
            else:
                reports[piece] = report
                crashed.pop(piece, None)
            tick()

        def tick() -> None:
            progress(counted.now(len(crashed)))

        tick()
        missing = [piece for piece in plan.pieces if piece not in reports]
        run_crew(folder, missing, jobs=jobs or default_jobs(), finished=finished, tick=tick)
        run_crew(folder, sorted(crashed), jobs=1, finished=finished, tick=tick)
        outcome = outcome_of(plan, reports, crashed)
        try:
            if outcome.labelled:
                dataset = labelled_dataset(plan, outcome, reports, folder.entry)
                write_dataset(dataset, output, overwrite=True)
            write_failures(outcome, output)
        except OSError as error:
            raise refused_by_disk(error, output) from error
        if not crashed:
            folder.remove()
    return outcome


def is_begun(output: Path) -> bool:
    """Whether pieces of an earlier run are kept, that was interrupted or lost processes."""
    return folder_of(output).begun_with() is not None


def refuse_unlike(plan: Plan, output: Path) -> None:
    """Nothing, if a dataset is the one that the plan makes.

    Raises:
        InputError: it was made with other options, or by something else.
    """
    said = open_dataset(output, strict=False).provenance
    if said.get("plan_sha256") == plan.digest:
        return
    try:
        different = differences(json.loads(said["options"]), plan.options)
    except (KeyError, ValueError):
        raise InputError(
            f"'{output}' exists and was not made by `isthmus label`: choose another output"
        ) from None
    raise InputError(
        f"'{output}' is complete, and was made with other options: "
        f"{'; '.join(different) or 'molecules or versions differ'}. Choose another output, or "
        "--overwrite"
    )
