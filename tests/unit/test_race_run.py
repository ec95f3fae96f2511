"""A race from start to end, its failures, its end by a signal, and how it goes on."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from data_springs import springs  # pyright: ignore[reportMissingImports]
from data_training import SPRINGS  # pyright: ignore[reportMissingImports]

from isthmus.cli import main
from isthmus.data import Dataset, write_dataset
from isthmus.designs.schema import find_design
from isthmus.errors import InputError
from isthmus.forcefield.file import load_force_field, read_saved
from isthmus.parameters.source import FreeSource
from isthmus.race import starting
from isthmus.race.conduct import Plan, run_race
from isthmus.race.course import lay_out
from isthmus.race.entrants import Competitor, competitors
from isthmus.race.machine import this_machine
from isthmus.race.record import Entrant, Race
from isthmus.race.results_file import read_race
from isthmus.race.runners import CalledRunner
from isthmus.race.settings import RaceSettings
from isthmus.race.standing import resumed
from isthmus.race.stopping import Stopped
from isthmus.race.training import source_of, train_design

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


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    monkeypatch.chdir(tmp_path)
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


def test_a_race_measures_all_and_a_failure_stops_nobody(plan: Plan) -> None:
    heard = Heard()
    found = run_race(plan, begun(plan), heard, never)
    assert found == read_race(plan.folder)
    assert {one.name: one.state for one in found.entrants} == {
        "springs": "finished",
        "bad": "failed",
        "good": "finished",
    }
    failure = found.entrant("bad").failure
    assert failure is not None
    assert "RuntimeError: no weights here" in failure
    assert any("bad: failed" in note for note in heard.notes)

    ours = found.entrant("springs")
    (model,) = ours.models
    assert load_force_field(plan.folder / model).design.name == "springs"
    assert ours.command is not None
    assert "isthmus train springs.toml co.h5 --source free" in ours.command
    assert ours.training is not None
    assert ours.training.curves[0][-1].force_rmse is not None
    main_error = ours.error("same")
    assert main_error is not None
    assert main_error.low is not None
    assert main_error.high is not None
    assert main_error.low < main_error.value < main_error.high
    assert {(cost.engine, cost.batch) for cost in ours.cost} == {
        *(("isthmus", 1), ("isthmus", 4), ("openmm", 1)),
    }
    assert all(cost.low <= cost.value <= cost.high for cost in ours.cost)
    assert [one.temperature for one in ours.stability] == [300.0, 500.0]
    assert all(one.ps == pytest.approx(0.2) for one in ours.stability)
    assert ours.drift is not None
    assert {scan.kind for scan in ours.smoothness} == {"bond", "angle", "torsion"}

    rival = found.entrant("good")
    assert [(cost.engine, cost.batch) for cost in rival.cost] == [("ase", 1)]
    worse = rival.error("same")
    assert worse is not None
    assert worse.value > main_error.value
    assert rival.models == ()
    # Atoms that only attract fly together
    assert [one.broken is not None for one in rival.stability] == [True, True]


def test_a_race_that_was_stopped_goes_on_where_it_was(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = replace(plan, competitors=plan.competitors[:1])
    heard = Heard()
    with pytest.raises(Stopped):
        run_race(plan, begun(plan), heard, lambda: ("springs", "motion") in heard.stages)
    left = read_race(plan.folder).entrants[0]
    assert left.state == "waiting"
    assert left.done == ("training", "errors")

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("it was trained before")

    monkeypatch.setattr(starting, "train_design", refuse)
    monkeypatch.setattr(starting, "_trained", refuse)
    heard = Heard()
    found = run_race(plan, resumed(begun(plan), plan.folder), heard, never)
    assert found.entrants[0].state == "finished"
    assert ("springs", "errors") not in heard.stages
    assert found.entrants[0].errors == left.errors
    # All is done: nothing is measured again
    heard = Heard()
    assert run_race(plan, resumed(begun(plan), plan.folder), heard, never) == found
    assert heard.stages == []


def test_other_data_settings_or_designs_are_not_resumed(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = replace(plan, competitors=plan.competitors[:1])
    with pytest.raises(Stopped):
        run_race(plan, begun(plan), Heard(), lambda: True)
    changed = begun(replace(plan, settings=replace(TINY, seeds=2)))
    with pytest.raises(InputError, match=r"the setting seeds differs: 2 now, 1 then"):
        resumed(changed, plan.folder)
    other = lay_out(
        Dataset.create([springs("CO", 25)]), {"same": Dataset.create([springs("CO", 6, seed=1)])}
    )
    with pytest.raises(InputError, match="the data to train on differs"):
        resumed(begun(replace(plan, course=other)), plan.folder)
    Path("springs.toml").write_text(SPRINGS.replace("2e5", "3e5"))
    with pytest.raises(InputError, match="the entrant 'springs' differs"):
        resumed(begun(plan), plan.folder)
    joined = Competitor("late", "rival", "mmff94")
    found = resumed(begun(replace(plan, competitors=[joined])), plan.folder)
    assert [one.name for one in found.entrants] == ["springs", "late"]


def test_a_stage_that_fails_costs_no_more_than_itself(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise MemoryError

    plan = replace(plan, competitors=plan.competitors[2:])
    monkeypatch.setattr(CalledRunner, "scans", fails)
    found = run_race(plan, begun(plan), Heard(), never).entrants[0]
    assert found.state == "finished"
    assert found.cost
    assert any("scans could not be measured: MemoryError" in note for note in found.notes)


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[str], tuple[object, str, str]]:
    """Runs a command line; gives exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("isthmus.cli.compilation_cache.keep_compiled", lambda: None)
    write_dataset(Dataset.create([springs("CO", 16)]), "data.h5")
    write_dataset(Dataset.create([springs("CO", 6, seed=1)]), "test.h5")
    Path("rival.py").write_text(RIVALS)

    def go(line: str) -> tuple[object, str, str]:
        with pytest.raises(SystemExit) as ended:
            main.run(line.split())
        output = capsys.readouterr()
        return ended.value.code, output.out, output.err

    return go


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("race class1 --test test.h5", "give --data"),
        ("race --rival good=rival.py:good", "nothing to measure on"),
        ("race --rival gfn9 --test test.h5", "unknown method 'gfn9'"),
        ("race --data data.h5 --test data.h5", "stands in the data to train on"),
        ("race --data data.h5 --test test.h5 --time soon", "--time soon"),
        ("race --data data.h5 --test test.h5 --out no/where", "no folder"),
    ],
)
def test_what_cannot_be_raced_is_refused_at_once(
    run: Callable[[str], tuple[object, str, str]], line: str, said: str
) -> None:
    code, _, err = run(line)
    assert code == 2
    assert said in err
    assert not Path("race").exists()


def test_the_command_shows_a_table_and_writes_a_report(
    run: Callable[[str], tuple[object, str, str]],
) -> None:
    line = "race --rival good=rival.py:good --test cold=test.h5 --quick"
    code, out, err = run(line)
    assert code == 0, err
    assert "good" in out
    assert "[1/1] good: errors" in err
    found = read_race(Path("race"))
    assert found.command == (
        "isthmus race --test cold=test.h5 --rival good=rival.py:good --time 60s --quick --out race"
    )
    assert found.main_test().name == "cold"
    code, _, err = run(line)
    assert code == 2
    assert "holds a race" in err
    code, out, err = run(f"{line} --resume")
    assert code == 0, err


def test_where_nobody_finishes_the_exit_code_is_1(
    run: Callable[[str], tuple[object, str, str]],
) -> None:
    code, _, err = run("race --rival bad=rival.py:bad --test test.h5")
    assert code == 1
    assert "no weights here" in err


NETWORK = """
[[network]]
name = "network"
architecture = "moments"
cutoff = 0.3
settings = { channels = 16, hidden = [16, 16] }
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "source"), [(SPRINGS + NETWORK, "free"), ('name = "net"\n' + NETWORK, "graph")]
)
def test_networks_are_trained_by_the_loop_whatever_else_is_in_the_design(
    plan: Plan, text: str, source: str
) -> None:
    Path("own.toml").write_text(text)
    design = find_design("own.toml")
    assert source_of(design, plan.course) == source
    shares: list[float] = []
    found = train_design(
        "own.toml",
        plan.course,
        Path("m.safetensors"),
        seed=0,
        seconds=2.0,
        stop=never,
        heed=shares.append,
    )
    assert found.force_field.networks
    assert isinstance(found.force_field.source, FreeSource) == (source == "free")
    assert found.curve
    assert found.n_parameters > 10
    assert shares == sorted(shares)
    assert {path.name for path in Path().glob("m.*")} == {"m.safetensors", "m.metrics.jsonl"}
    saved = read_saved("m.safetensors").provenance
    assert saved["settings"]["source"] == source
