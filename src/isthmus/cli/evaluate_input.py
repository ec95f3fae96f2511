"""What `isthmus evaluate` is given: force fields by their texts, data and parts of them."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isthmus.errors import InputError

if TYPE_CHECKING:
    from isthmus.chemistry.environments import Domain
    from isthmus.data.dataset import Dataset
    from isthmus.data.entry import Entry
    from isthmus.data.stated import Stated
    from isthmus.evaluate.predict import Model
    from isthmus.forcefield.forcefield import ForceField

__all__ = ["Data", "NamedModel", "check_outputs", "check_request", "frames_bar", "named_model"]


@dataclass(frozen=True)
class NamedModel:
    """A force field as it was asked for.

    Attributes:
        spec: the text.
        model: the force field, or what gives the one for a molecule.
        identity: what the reader of a number must know to find the force field again.
        domain: environments of atoms that it was trained on, if its file says so.
        notes: what the reader of its numbers must know; grows while it is used.
    """

    spec: str
    model: "Model"
    identity: dict[str, Any]
    domain: "Domain | None" = None
    notes: list[str] = field(default_factory=list)


def named_model(spec: str) -> NamedModel:
    """The force field that a text names.

    Raises:
        InputError: an unknown name, a file that cannot be read.
    """
    from isthmus.chemistry.environments import Domain
    from isthmus.chemistry.molecule import Molecule
    from isthmus.deploy.spec import resolve_force_field
    from isthmus.designs.schema import design_names, find_design
    from isthmus.forcefield.file import read_saved

    if spec.endswith(".safetensors"):
        saved = read_saved(spec)
        provenance = dict(saved.provenance)
        found = provenance.pop("domain", None)
        domain = None if found is None else Domain.from_json(found)
        identity = _identity(spec) | {"provenance": provenance}
        return NamedModel(spec, saved.force_field, identity, domain)
    identity = _identity(spec)
    if spec in design_names() and spec != "mmff":
        identity["sha256"] = hashlib.sha256(find_design(spec).text.encode()).hexdigest()
    notes: list[str] = []

    def for_molecule(entry: "Entry") -> "ForceField":
        resolved = resolve_force_field(spec, Molecule.create(entry.topology, box=entry.box))
        if resolved.note is not None and resolved.note not in notes:
            notes.append(resolved.note)
        return resolved.force_field

    return NamedModel(spec, for_molecule, identity, notes=notes)


def _identity(spec: str) -> dict[str, Any]:
    """Name and SHA-256 of the file, or of the files with commas; null for what is no file."""
    paths = [Path(name.strip()) for name in spec.split(",")]
    held = [path for path in paths if path.is_file()]
    sha = hashlib.sha256()
    for path in held:
        sha.update(path.read_bytes())
    return {"name": spec, "sha256": sha.hexdigest() if held else None}


@dataclass(frozen=True)
class Data:
    """Labelled data as they were asked for: a file, or a part of one."""

    path: Path
    part: str | None
    dataset: "Dataset"
    identity: dict[str, Any]

    @classmethod
    def read(
        cls,
        path: Path,
        *,
        format: str | None,
        stated: "Stated",
        split: Path | None,
        part: str | None,
    ) -> "Data":
        """Read a file, or the part of a split of it, and check what was read.

        Raises:
            InputError: what the readers refuse or the checks call an error, or there is no such
                part.
        """
        from isthmus.cli.console import working
        from isthmus.cli.data_checked import refuse_unfit
        from isthmus.data.read import read_dataset
        from isthmus.data.split import read_split

        with working(f"reading {path}"):
            dataset = read_dataset(path, format=format, stated=stated, strict=False)
            identity: dict[str, Any] = {"path": str(path), "part": None, "split_sha256": None}
            if split is not None:
                assert part is not None
                read = read_split(split)
                if not read.parts.get(part):
                    held = ", ".join(name for name, molecules in read.parts.items() if molecules)
                    raise InputError(f"{split} has no part '{part}': it has {held}")
                dataset = read.apply(dataset)[part]
                identity |= {"part": part, "split_sha256": read.digest}
            dataset = dataset.in_memory()
            refuse_unfit(dataset, path)
            identity |= {"sha256": dataset.digest, "provenance": dict(dataset.provenance)}
        return cls(path, part if split is not None else None, dataset, identity)

    @property
    def name(self) -> str:
        """File and part."""
        return self.path.name + (f", part {self.part}" if self.part else "")

    @property
    def n_frames(self) -> int:
        """Frames of all molecules."""
        return sum(entry.n_frames for entry in self.dataset)

    def refuse_overlap(self, tested: "Data") -> None:
        """Refuse to calibrate on frames that judge the calibration.

        Raises:
            InputError: a molecule with a frame stands in both.
        """
        known = {
            (entry.topology.digest, frame.tobytes())
            for entry in tested.dataset
            for frame in entry.positions
        }
        for entry in self.dataset:
            for frame in entry.positions:
                if (entry.topology.digest, frame.tobytes()) in known:
                    raise InputError(
                        f"'{entry.name}' has a frame that stands in the data to calibrate on and "
                        "in those to evaluate on: the error bars would judge themselves; take "
                        "other data, e.g. --split FILE with --calibrate-part validation"
                    )


def check_outputs(json_file: str | None, report: Path | None, *, overwrite: bool) -> None:
    """Before any work is done: outputs that exist, or cannot be written.

    Raises:
        InputError: says which.
    """
    from isthmus.cli.files import refuse_existing
    from isthmus.evaluate.page import refuse_report

    if json_file is not None and json_file != "-":
        refuse_existing(Path(json_file), suffix=".json", overwrite=overwrite)
    if report is not None:
        refuse_report(report, overwrite=overwrite)


_OF_FORCE_FIELDS = (".safetensors", ".xml", ".toml")


def check_request(
    *,
    model: str,
    split: Path | None,
    part: str | None,
    ensemble: list[str] | None,
    calibrate: Path | None,
    calibrate_part: str | None,
    precision: str,
) -> None:
    """Before any work is done: options that do not go together.

    Raises:
        InputError: says which.
    """
    if precision not in ("float32", "float64"):
        raise InputError(f"unknown precision '{precision}': choose 'float32' or 'float64'")
    if Path(model).is_file() and Path(model).suffix not in _OF_FORCE_FIELDS:
        raise InputError(
            f"'{model}' is no force field: wanted is MODEL, a file {' or '.join(_OF_FORCE_FIELDS)} "
            "or a name, and then DATA"
        )
    if part is not None and split is None:
        raise InputError(f"--part {part} names a part of a split: give --split FILE too")
    if calibrate is not None and not ensemble:
        raise InputError(
            "--calibrate fits the error bars of an ensemble: name its other members with "
            "--ensemble MODEL"
        )
    if calibrate_part is not None and (calibrate is None or split is None):
        raise InputError(
            "--calibrate-part names a part of --split for --calibrate DATA2: give all three"
        )


@contextmanager
def frames_bar(total: int, text: str) -> Iterator[Callable[[int], None]]:
    """A bar on stderr that is told how many more frames are done; none without a terminal."""
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import Progress

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _frames: None
        return
    with Progress(console=console, transient=True, redirect_stdout=False) as bar:
        task = bar.add_task(escape(text), total=total)
        yield lambda frames: bar.advance(task, frames)
