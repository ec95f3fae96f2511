"""The cost of all entrants, measured together: what was timed at once has the same mark."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from isthmus.race.cost import Contender, take_turns
from isthmus.race.course import Course
from isthmus.race.runners import Runner
from isthmus.race.settings import RaceSettings
from isthmus.race.standing import Scoreboard
from isthmus.race.stopping import raise_if
from isthmus.race.words import said

__all__ = ["time_all"]


def time_all(
    runners: Mapping[str, Runner],
    course: Course,
    settings: RaceSettings,
    board: Scoreboard,
    share: Callable[[float], None],
    stop: Callable[[], bool],
) -> None:
    """Time all, and write their costs; what fails is noted.

    Args:
        runners: who, by name.
        course: whose main test set has the molecules.
        settings: turns and their lengths.
        board: of the race.
        share: is told which share is done.
        stop: asked again and again.

    Raises:
        Stopped: the race was asked to end.
    """

    def heed(fraction: float) -> None:
        raise_if(stop)
        share(0.5 + 0.5 * fraction)

    contenders = _contenders(runners, course, settings, board, share, stop)
    timing = datetime.now(UTC).isoformat(timespec="seconds")
    take_turns(contenders, settings, heed)
    for name in runners:
        own = [one for one in contenders if one.entrant == name]
        for one in own:
            if one.failure is not None:
                board.noted(name, f"not timed ({one.engine}): {one.failure}")
        costs = [cost for one in own if (cost := one.cost()) is not None]
        marked = tuple(replace(cost, timing=timing) for cost in costs)
        board.over(name, "cost", cost=marked, state="finished")


def _contenders(
    runners: Mapping[str, Runner],
    course: Course,
    settings: RaceSettings,
    board: Scoreboard,
    share: Callable[[float], None],
    stop: Callable[[], bool],
) -> list[Contender]:
    """All that are to be timed, compiled; why others are not is noted."""
    makers = [
        (name, make)
        for entry in course.tests[0].molecules()
        for name, runner in runners.items()
        for make in runner.contenders(name, entry, settings.batch)
    ]
    found = []
    for number, (name, make) in enumerate(makers):
        raise_if(stop)
        share(0.5 * number / len(makers))
        try:
            found.append(make())
        except Exception as error:  # noqa: BLE001 - what cannot be timed must not end the race
            board.noted(name, f"not timed: {said(error)}")
    return found
