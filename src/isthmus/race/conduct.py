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

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

from isthmus.errors import IsthmusError
from isthmus.race.cost import Contender, take_turns
from isthmus.race.course import Course
from isthmus.race.entrants import Competitor
from isthmus.race.record import Entrant, Race
from isthmus.race.runners import Runner
from isthmus.race.settings import RaceSettings
from isthmus.race.standing import Scoreboard
from isthmus.race.starting import started, training_command
from isthmus.race.stopping import Stopped, raise_if

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
        _timed(plan, board, runners, stack, watch, stop)
    return board.race


def _fail(board: Scoreboard, watch: Watch, name: str, error: Exception) -> None:
    text = said(error)
    board.change(name, state="failed", failure=text)
    watch.note(name, f"failed: {text}")


def said(error: Exception) -> str:
    """An error in a line; of one that nobody foresaw, also its kind."""
    text = " ".join(str(error).split())
    if isinstance(error, IsthmusError):
        return text
    return f"{type(error).__name__}: {text or 'nothing more was said'} (unforeseen)"


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
            heed=self._heed,
        )
        self.board.over(
            name,
            "training",
            state="waiting",
            failure=None,
            description=begun.description,
            command=training_command(
                self.competitor, self.plan.course, self.plan.settings, self.plan.train_options
            ),
            models=begun.models,
            n_parameters=begun.n_parameters,
            training=begun.training,
        )
        for note in begun.notes:
            self.board.noted(name, note)
        try:
            self._measure(begun.runner)
        except BaseException:
            begun.runner.close()
            raise
        return begun.runner

    def _known(self) -> Entrant:
        return self.board.race.entrant(self.competitor.name)

    def _heed(self, fraction: float) -> None:
        raise_if(self.stop)
        self.watch.share(min(fraction, 1.0))

    def _measure(self, runner: Runner) -> None:
        name, tests = self.competitor.name, self.plan.course.tests
        main = tests[0]
        if "errors" not in self._known().done:
            self.watch.stage(name, "errors")
            errors = {test.name: runner.errors(test, self._heed) for test in tests}
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


def _timed(
    plan: Plan,
    board: Scoreboard,
    runners: dict[str, Runner],
    stack: ExitStack,
    watch: Watch,
    stop: Callable[[], bool],
) -> None:
    """The cost of all that are left, measured together, also of those that had finished before."""
    if not runners:
        return
    watch.stage("all", "cost")
    for competitor in plan.competitors:
        # A cost that was measured at another time would not be fair: all are timed again
        entrant = board.race.entrant(competitor.name)
        if entrant.state != "finished":
            continue
        try:
            begun = started(
                competitor, plan.course, plan.settings, plan.folder, known=entrant, stop=stop
            )
        except IsthmusError as error:
            watch.note(entrant.name, f"keeps the cost that was measured before: {error}")
            continue
        stack.callback(begun.runner.close)
        runners[competitor.name] = begun.runner
    contenders = _contenders(plan, board, runners, watch, stop)

    def heed(fraction: float) -> None:
        raise_if(stop)
        watch.share(0.5 + 0.5 * fraction)

    take_turns(contenders, plan.settings, heed)
    for name in runners:
        own = [one for one in contenders if one.entrant == name]
        for one in own:
            if one.failure is not None:
                board.noted(name, f"not timed ({one.engine}): {one.failure}")
        costs = tuple(cost for one in own if (cost := one.cost()) is not None)
        board.over(name, "cost", cost=costs, state="finished")


def _contenders(
    plan: Plan,
    board: Scoreboard,
    runners: dict[str, Runner],
    watch: Watch,
    stop: Callable[[], bool],
) -> list[Contender]:
    """All that are to be timed, compiled; why others are not is noted."""
    makers = [
        (name, make)
        for entry in plan.course.tests[0].molecules()
        for name, runner in runners.items()
        for make in runner.contenders(name, entry, plan.settings.batch)
    ]
    found = []
    for number, (name, make) in enumerate(makers):
        raise_if(stop)
        watch.share(0.5 * number / len(makers))
        try:
            found.append(make())
        except Exception as error:  # noqa: BLE001 - what cannot be timed must not end the race
            board.noted(name, f"not timed: {said(error)}")
    return found
