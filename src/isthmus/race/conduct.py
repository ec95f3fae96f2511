"""A race from start to end: every entrant by itself, then all together against the clock.

| stage | what it measures |
|---|---|
| training | a design, once for each seed; the models are saved |
| errors | on every test set |
| motion | stability and drift |
| scans | smoothness |
| cost | all entrants that are left, in turns |

Results are written after each of them. An entrant whose training or errors fail is out; whatever
else fails is noted.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

from isthmus.errors import IsthmusError
from isthmus.evaluate.seen import Seen
from isthmus.race.course import Course, TestSet
from isthmus.race.entrants import Competitor
from isthmus.race.record import Entrant, Errors, Race
from isthmus.race.runners import Runner
from isthmus.race.settings import RaceSettings
from isthmus.race.standing import Scoreboard
from isthmus.race.starting import Started, from_models, started, training_command
from isthmus.race.stopping import Stopped, raise_if
from isthmus.race.timing import time_all
from isthmus.race.words import said

__all__ = ["STAGES", "Plan", "Watch", "run_race"]

STAGES: Final = ("training", "errors", "motion", "scans", "cost")


@runtime_checkable
class Watch(Protocol):
    """Is told how far a race is."""

    def stage(self, entrant: str, stage: str) -> None:
        """A stage begins; "all" race for the cost."""
        ...

    def share(self, fraction: float) -> None:
        """So much of the stage is done."""
        ...

    def note(self, entrant: str, text: str) -> None:
        """Something that the reader should know at once."""
        ...


@dataclass(frozen=True, eq=False)
class Plan:
    """What is to be raced.

    Attributes:
        competitors: in the order of the race.
        course: data.
        settings: of the race.
        folder: of results and models.
        train_options: of the command that trains a design alone, for the reader.
    """

    competitors: Sequence[Competitor]
    course: Course
    settings: RaceSettings
    folder: Path
    train_options: str = ""


def run_race(plan: Plan, race: Race, watch: Watch, stop: Callable[[], bool]) -> Race:
    """Run all that a race lacks; results are in `results.json` of its folder at any time.

    Args:
        plan: what is to be raced.
        race: as it begins, or as it was left.
        watch: is told how far it is.
        stop: asked again and again whether to end; what is finished is kept.

    Raises:
        Stopped: the race was asked to end.
        OSError: results cannot be written.
    """
    board = Scoreboard(race, plan.folder)
    runners: dict[str, Runner] = {}
    with ExitStack() as stack:
        for competitor in plan.competitors:
            raise_if(stop)
            if board.race.entrant(competitor.name).state == "finished":
                continue
            alone = _Alone(plan, competitor, board, watch, stop)
            try:
                runner = alone.race()
            except Stopped:
                raise
            except Exception as error:  # noqa: BLE001 - one entrant must not end the others
                _fail(board, watch, competitor.name, error)
                continue
            stack.callback(runner.close)
            runners[competitor.name] = runner
        if runners:
            watch.stage("all", "cost")
            # A cost that was measured at another time would not be fair: all are timed again
            for name, runner in _finished(plan, board, runners, watch, stop):
                stack.callback(runner.close)
                runners[name] = runner
            time_all(runners, plan.course, plan.settings, board, watch.share, stop)
    return board.race


def _finished(
    plan: Plan,
    board: Scoreboard,
    runners: Mapping[str, Runner],
    watch: Watch,
    stop: Callable[[], bool],
) -> Iterator[tuple[str, Runner]]:
    """Those that had finished before, asked for now or not; who cannot be timed again is noted."""
    asked = {one.name: one for one in plan.competitors}
    for entrant in board.race.entrants:
        if entrant.state != "finished" or entrant.name in runners:
            continue
        try:
            if entrant.name in asked:
                competitor, known = asked[entrant.name], entrant
                begun = started(
                    competitor, plan.course, plan.settings, plan.folder, known=known, stop=stop
                )
                yield entrant.name, begun.runner
            else:
                yield entrant.name, from_models(entrant, plan.folder)
        except IsthmusError as error:
            note = f"not timed again with those that joined later: {error}"
            board.noted(entrant.name, note)
            watch.note(entrant.name, note)


def _fail(board: Scoreboard, watch: Watch, name: str, error: Exception) -> None:
    text = said(error)
    board.change(name, state="failed", failure=text)
    watch.note(name, f"failed: {text}")


@dataclass(eq=False)
class _Alone:
    """One entrant, up to where all race together."""

    plan: Plan
    competitor: Competitor
    board: Scoreboard
    watch: Watch
    stop: Callable[[], bool]

    def race(self) -> Runner:
        """All stages of its own; what was done before is not done again."""
        name = self.competitor.name
        self.watch.stage(name, "training" if self.competitor.kind == "design" else "start")
        begun = started(
            self.competitor,
            self.plan.course,
            self.plan.settings,
            self.plan.folder,
            known=self._known(),
            stop=self.stop,
            # Training looks at `stop` itself, and leaves a checkpoint
            heed=self._share,
            keep=self._keep,
        )
        self._keep(begun)
        self.board.over(name, "training")
        try:
            self._measure(begun)
        except BaseException:
            begun.runner.close()
            raise
        return begun.runner

    def _known(self) -> Entrant:
        return self.board.race.entrant(self.competitor.name)

    def _keep(self, begun: Started) -> None:
        """Write down what there is, after each seed."""
        plan, name = self.plan, self.competitor.name
        command = training_command(
            self.competitor, plan.course, plan.settings, plan.train_options, begun.training
        )
        self.board.change(
            name,
            state="waiting",
            failure=None,
            description=begun.description,
            command=None if command is None else command.line,
            models=begun.models,
            n_parameters=begun.n_parameters,
            training=begun.training,
        )
        for note in (*begun.notes, *(() if command is None else command.notes)):
            self.board.noted(name, note)

    def _share(self, fraction: float) -> None:
        self.watch.share(min(fraction, 1.0))

    def _heed(self, fraction: float) -> None:
        raise_if(self.stop)
        self._share(fraction)

    def _errors(self, begun: Started, test: TestSet) -> Errors:
        """None of a test set that a saved model was made with."""
        seen = begun.seen.get(test.name, Seen(None, ()))
        if seen.answer:
            n_frames = test.record.n_frames
            return Errors(n_refused=n_frames, refusal=f"not measured: {'; '.join(seen.notes)}")
        for note in seen.notes:
            self.board.noted(self.competitor.name, note)
        return begun.runner.errors(test, self._heed)

    def _measure(self, begun: Started) -> None:
        name, tests, runner = self.competitor.name, self.plan.course.tests, begun.runner
        main = tests[0]
        if "errors" not in self._known().done:
            self.watch.stage(name, "errors")
            errors = {test.name: self._errors(begun, test) for test in tests}
            found = errors[main.name]
            if found.force_rmse is None and found.energy_rmse is None:
                raise IsthmusError(found.refusal or f"'{main.name}' has no labels to compare with")
            self.board.over(name, "errors", errors=errors)
        entry = main.molecules()[0]
        settings = self.plan.settings

        def motion() -> None:
            stability, drift = runner.motion(main, entry, settings, self._heed)
            self.board.over(name, "motion", stability=stability, drift=drift)

        def scans() -> None:
            scanned = runner.scans(entry, settings, self._heed)
            self.board.over(name, "scans", smoothness=scanned)

        for stage, action in (("motion", motion), ("scans", scans)):
            if stage not in self._known().done:
                self.watch.stage(name, stage)
                self._tried(stage, action)

    def _tried(self, stage: str, action: Callable[[], None]) -> None:
        """What fails here is noted, and the entrant goes on."""
        try:
            action()
        except Stopped:
            raise
        except Exception as error:  # noqa: BLE001 - a stage that fails must not cost the rest
            note = f"{stage} could not be measured: {said(error)}"
            self.board.noted(self.competitor.name, note)
            self.board.over(self.competitor.name, stage)
            self.watch.note(self.competitor.name, note)
