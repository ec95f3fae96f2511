"""A tiny race: who races, on what, and one that listens."""

from pathlib import Path

from data_springs import springs  # pyright: ignore[reportMissingImports]
from data_training import SPRINGS  # pyright: ignore[reportMissingImports]

from isthmus.data import Dataset
from isthmus.race.conduct import Plan
from isthmus.race.course import lay_out
from isthmus.race.entrants import competitors
from isthmus.race.machine import this_machine
from isthmus.race.record import Entrant, Race
from isthmus.race.settings import RaceSettings

__all__ = ["NETWORK", "RIVALS", "TINY", "Heard", "begun", "make_plan", "never"]

TINY = RaceSettings(
    seconds=1.0,
    turns=3,
    turn_seconds=0.01,
    batch=4,
    cost_seconds=1.0,
    stability_ps=0.2,
    drift_ps=0.6,
    starts=2,
    run_seconds=5.0,
    scans=1,
    points=11,
    scan_seconds=5.0,
)
RIVALS = """
from ase.calculators.lj import LennardJones

def good():
    return LennardJones()

def bad():
    raise RuntimeError("no weights here")
"""


NETWORK = """
[[network]]
name = "network"
architecture = "moments"
cutoff = 0.3
settings = { channels = 16, hidden = [16, 16] }
"""


class Heard:
    """What a race says of itself."""

    def __init__(self) -> None:
        self.stages: list[tuple[str, str]] = []
        self.notes: list[str] = []

    def stage(self, entrant: str, stage: str) -> None:
        self.stages.append((entrant, stage))

    def share(self, fraction: float) -> None:
        assert 0 <= fraction <= 1

    def note(self, entrant: str, text: str) -> None:
        self.notes.append(f"{entrant}: {text}")


def make_plan() -> Plan:
    """In the folder that is current: a design, a rival that fails, and one that does not."""
    Path("springs.toml").write_text(SPRINGS)
    Path("rival.py").write_text(RIVALS)
    course = lay_out(
        Dataset.create([springs("CO", 24)], source="co.h5"),
        {"same": Dataset.create([springs("CO", 6, seed=1)])},
    )
    found = competitors(["springs.toml"], ["bad=rival.py:bad", "good=rival.py:good"])
    Path("race").mkdir()
    return Plan(found, course, TINY, Path("race"))


def begun(plan: Plan) -> Race:
    return Race(
        isthmus="1",
        date="now",
        command="isthmus race",
        machine=this_machine(),
        settings=plan.settings.as_json(),
        training=plan.course.record,
        tests=tuple(test.record for test in plan.course.tests),
        entrants=tuple(
            Entrant(name=one.name, kind=one.kind, identity=one.identity) for one in plan.competitors
        ),
    )


def never() -> bool:
    return False
