"""A race from start to end, its failures, its end by a signal, and how it goes on."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from data_race import (  # pyright: ignore[reportMissingImports]
    NETWORK,
    RIVALS,
    TINY,
    Heard,
    begun,
    make_plan,
    never,
)
from data_springs import springs  # pyright: ignore[reportMissingImports]
from data_training import SPRINGS  # pyright: ignore[reportMissingImports]

from isthmus.cli import main
from isthmus.data import Dataset, write_dataset
from isthmus.designs.schema import find_design
from isthmus.forcefield.file import load_force_field, read_saved
from isthmus.forcefield.forcefield import ForceField
from isthmus.parameters.source import FreeSource
from isthmus.race import starting
from isthmus.race.conduct import Plan, run_race
from isthmus.race.course import lay_out
from isthmus.race.entrants import competitors
from isthmus.race.record import Entrant, TrainingRun
from isthmus.race.results_file import read_race
from isthmus.race.runners import CalledRunner, OurRunner
from isthmus.race.starting import training_command
from isthmus.race.training import source_of, train_design


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    monkeypatch.chdir(tmp_path)
    return make_plan()


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


def test_a_network_is_not_offered_to_openmm(plan: Plan) -> None:
    entry = plan.course.tests[0].entries[0]

    def n_contenders(text: str) -> int:
        Path("some.toml").write_text(text)
        force_field = ForceField.free(find_design("some.toml"), entry.topology)
        return len(OurRunner((force_field,)).contenders("some", entry, 4))

    assert (n_contenders(SPRINGS), n_contenders(SPRINGS + NETWORK)) == (3, 2)


def test_the_command_of_a_bespoke_fit_counts_its_compilation(plan: Plan) -> None:
    run = TrainingRun(seconds=(1.0,), compile_s=(6.3,))
    found = training_command(plan.competitors[0], plan.course, TINY, "", run)
    assert found is not None
    assert "--source free --time 8s --seed 0" in found.line
    assert found.notes == ()
    Path("both.toml").write_text(SPRINGS + NETWORK)
    both = competitors(["both.toml"])[0]
    found = training_command(both, plan.course, TINY, "", run)
    assert found is not None
    assert "--time 1s" in found.line
    assert "counts the compilation" in found.notes[0]


def test_a_rival_is_told_of_charged_molecules(plan: Plan) -> None:
    ions = lay_out(None, {"ions": Dataset.create([springs("C[O-]", 2), springs("CO", 2)])})
    rival = plan.competitors[2]
    told = starting.started(
        rival, ions, TINY, plan.folder, known=Entrant(name="good", kind="rival"), stop=never
    )
    told.runner.close()
    assert any("ions has 1 charged molecule" in note for note in told.notes)


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
