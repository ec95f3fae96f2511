"""What `isthmus race` does: read, check, race, report."""

import shlex
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from isthmus.cli.train_stop import interruptions
from isthmus.errors import EngineMissingError, InputError, IsthmusError

if TYPE_CHECKING:
    from isthmus.data.dataset import Dataset
    from isthmus.data.stated import Stated
    from isthmus.race.course import Course
    from isthmus.race.entrants import Competitor
    from isthmus.race.record import Race
    from isthmus.race.settings import RaceSettings

__all__ = ["Request", "run"]


@dataclass(frozen=True)
class Request:
    """What was asked for, as the options of the command."""

    entrants: tuple[str, ...]
    rivals: tuple[str, ...]
    pythons: tuple[str, ...]
    data: Path | None
    split: Path | None
    tests: tuple[str, ...]
    settings: "RaceSettings"
    time: str
    output: Path
    resume: bool
    overwrite: bool
    quick: bool
    format: str | None
    stated: "Stated"

    def reading_options(self) -> list[str]:
        """How the data are to be read, as words of a command line."""
        given = {"format": self.format, **asdict(self.stated)}
        given["charge"] = given.pop("total_charge")
        return [
            word
            for name, value in given.items()
            if value is not None
            for word in (f"--{name.replace('_', '-')}", str(value))
        ]

    def command(self) -> str:
        """The whole command line; what it does not say is at its default."""
        words = ["isthmus", "race", *self.entrants]
        for option, values in (
            ("--data", [self.data]),
            ("--split", [self.split]),
            ("--test", self.tests),
            ("--rival", self.rivals),
            ("--rival-python", self.pythons),
        ):
            words += [word for value in values if value for word in (option, str(value))]
        words += ["--time", self.time]
        if self.settings.seeds > 1:
            words += ["--seeds", str(self.settings.seeds)]
        words += [*(["--quick"] if self.quick else []), *self.reading_options()]
        return shlex.join([*words, "--out", str(self.output)])


def run(request: Request) -> int:
    """The whole command; gives its exit code: 1 where nobody finished.

    Raises:
        InputError: wrong options, unfit data, a folder that holds another race.
    """
    from isthmus.cli.compilation_cache import keep_compiled
    from isthmus.cli.race_progress import RaceBar
    from isthmus.race.conduct import Plan, run_race
    from isthmus.race.entrants import competitors
    from isthmus.race.rivals.named import check_rival
    from isthmus.race.standing import resumed
    from isthmus.race.stopping import Stopped

    _refuse_existing(request)
    found = competitors(request.entrants, request.rivals, pythons=request.pythons)
    for competitor in found:
        if competitor.kind == "rival":
            check_rival(competitor.target)
    if request.data is None and any(one.kind == "design" for one in found):
        raise InputError("designs are trained in the race: give --data, or name saved models only")
    _note_missing_tools()
    keep_compiled()
    course = _course(request)
    race = _race(request, found, course)
    if request.resume:
        race = resumed(race, request.output)
        for note in race.notes:
            typer.echo(f"isthmus: note: {note}", err=True)
    _make_folder(request)
    options = [*(["--split", str(request.split)] if request.split else [])]
    plan = Plan(
        found,
        course,
        request.settings,
        request.output,
        shlex.join([*options, *request.reading_options()]),
    )
    with interruptions() as stop:
        try:
            with RaceBar(plan) as bar:
                race = run_race(plan, race, bar, stop)
        except Stopped:
            typer.echo(
                f"isthmus: stopped; what is finished is kept in {request.output} (the same command "
                "with --resume goes on)",
                err=True,
            )
            return stop.exit_code
    _show(race, request.output)
    return 0 if any(one.state == "finished" for one in race.entrants) else 1


def _refuse_existing(request: Request) -> None:
    from isthmus.race.results_file import RESULTS

    if request.output.exists() and not request.output.is_dir():
        raise InputError(f"'{request.output}' is a file: choose another folder with --out")
    if not request.output.parent.is_dir():
        raise InputError(f"there is no folder '{request.output.parent}': make it first")
    held = (request.output / RESULTS).exists()
    if held and not (request.resume or request.overwrite):
        raise InputError(
            f"'{request.output}' holds a race: go on with --resume, start anew with --overwrite, "
            "or choose another folder with --out"
        )
    if request.resume and not held:
        typer.echo(f"isthmus: note: there is no race in {request.output} yet: starting", err=True)


def _make_folder(request: Request) -> None:
    """The folder of the race, without what an earlier one would go on with."""
    from isthmus.race.starting import MODELS

    request.output.mkdir(exist_ok=True)
    if not request.resume:
        for left in (request.output / MODELS).glob("*.checkpoint.safetensors"):
            left.unlink()


def _course(request: Request) -> "Course":
    from isthmus.cli.console import working
    from isthmus.data.split import read_split
    from isthmus.race.course import lay_out
    from isthmus.words import counted

    paths = dict(_named_tests(request.tests))
    given = [request.data] if request.data is not None else []
    with working("reading data"):
        data = [_checked(path, request) for path in given]
        tests = {name: _checked(path, request) for name, path in paths.items()}
        split = None if request.split is None else read_split(request.split)
        course = lay_out(data[0] if data else None, tests, split=split)
    for what in (course.record, *(test.record for test in course.tests)):
        if what is not None:
            role = "training" if what is course.record else "test"
            typer.echo(
                f"isthmus: {role} {what.name}: {counted(what.n_molecules, 'molecule')} "
                f"({counted(what.n_frames, 'frame')})",
                err=True,
            )
    return course


def _named_tests(texts: tuple[str, ...]) -> Iterator[tuple[str, Path]]:
    """Test sets by name: that of the file where none is given; names that come again count."""
    taken: set[str] = set()
    for text in texts:
        name, equals, rest = text.partition("=")
        path = Path(text) if Path(text).exists() or not equals else Path(rest)
        stem = name if equals and path != Path(text) else path.stem
        name, number = stem, 1
        while name in taken:
            number += 1
            name = f"{stem} ({number})"
        taken.add(name)
        yield name, path


def _checked(path: Path, request: Request) -> "Dataset":
    from isthmus.cli.data_checked import refuse_unfit
    from isthmus.data.read import read_dataset

    dataset = read_dataset(path, format=request.format, stated=request.stated, strict=False)
    # The whole path, so that the commands in the report can be run
    dataset = replace(dataset.in_memory(), source=str(path))
    refuse_unfit(dataset, path)
    return dataset


def _race(request: Request, found: "tuple[Competitor, ...]", course: "Course") -> "Race":
    from datetime import UTC, datetime

    from isthmus import __version__
    from isthmus.race.machine import this_machine
    from isthmus.race.record import Entrant, Race

    return Race(
        isthmus=__version__,
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        command=request.command(),
        machine=this_machine(),
        settings=request.settings.as_json(),
        training=course.record,
        validation=course.validation_record,
        tests=tuple(test.record for test in course.tests),
        entrants=tuple(
            Entrant(name=one.name, kind=one.kind, identity=one.identity) for one in found
        ),
    )


def _show(race: "Race", folder: Path) -> None:
    """The table on stdout; the report beside the results."""
    from isthmus.cli.console import results
    from isthmus.race.report import terminal_table, write_report

    results().print(terminal_table(race))
    try:
        page, *_ = write_report(race, folder)
    except (IsthmusError, OSError) as error:
        typer.echo(f"isthmus: note: there is no report: {error}", err=True)
        return
    results().print(f"written: {page}", markup=False, soft_wrap=True)


def _note_missing_tools() -> None:
    """Before the race, what its report will lack."""
    from isthmus.race.report import check_report_tools

    try:
        check_report_tools()
    except EngineMissingError as error:
        typer.echo(f"isthmus: note: there will be numbers, but no report: {error}", err=True)
