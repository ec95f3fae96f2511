"""A race that goes on where it was, and what it does not take from elsewhere."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from data_race import (  # pyright: ignore[reportMissingImports]
    NETWORK,
    TINY,
    Heard,
    begun,
    make_plan,
    never,
)
from data_springs import springs  # pyright: ignore[reportMissingImports]
from data_training import SPRINGS  # pyright: ignore[reportMissingImports]

from isthmus.data import Dataset
from isthmus.designs.schema import find_design
from isthmus.errors import InputError
from isthmus.forcefield.file import save_force_field
from isthmus.forcefield.forcefield import ForceField
from isthmus.race import starting
from isthmus.race.conduct import Plan, run_race
from isthmus.race.course import Course, lay_out
from isthmus.race.entrants import Competitor, competitors
from isthmus.race.frontier import standings
from isthmus.race.record import Point
from isthmus.race.results_file import read_race, write_race
from isthmus.race.standing import resumed
from isthmus.race.stopping import Stopped
from isthmus.race.training import Trained
from isthmus.train.run_files import RunFiles


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    monkeypatch.chdir(tmp_path)
    return make_plan()


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


class Loop:
    """A stand-in for the training of a design: three steps, and a checkpoint where it stops."""

    def __init__(self, stop_in: int | None = None) -> None:
        self.stop_in, self.stopped = stop_in, False
        self.begun: list[tuple[int, bool]] = []

    def stop(self) -> bool:
        return self.stopped

    def train(self, target: str, course: Course, path: Path, **given: Any) -> Trained:
        checkpoint = RunFiles.of(path).checkpoint
        self.begun.append((given["seed"], checkpoint.is_file()))
        for step in range(3):
            self.stopped = self.stopped or (given["seed"] == self.stop_in and step == 1)
            given["heed"]((step + 1) / 3)
            if given["stop"]():
                checkpoint.write_text("weights")
                raise Stopped
        force_field = ForceField.free(find_design(target), springs("CO", 1).topology)
        save_force_field(force_field, path, overwrite=True)
        checkpoint.unlink(missing_ok=True)
        curve = (Point(seconds=1.0, force_rmse=2.0 + given["seed"]),)
        return Trained(force_field, 1.0 + given["seed"], 0.5, curve, 4)


def test_a_race_that_is_stopped_in_training_leaves_a_checkpoint_and_its_finished_seeds(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(TINY, seeds=3)
    plan = replace(plan, competitors=plan.competitors[:1], settings=settings)
    first = Loop(stop_in=1)
    monkeypatch.setattr(starting, "train_design", first.train)
    with pytest.raises(Stopped):
        run_race(plan, begun(plan), Heard(), first.stop)
    assert (plan.folder / "models/springs_seed1.checkpoint.safetensors").is_file()
    left = read_race(plan.folder).entrants[0]
    assert left.done == ()
    assert left.models == ("models/springs_seed0.safetensors",)
    assert left.training is not None
    assert left.training.seconds == (1.0,)

    second = Loop()
    monkeypatch.setattr(starting, "train_design", second.train)
    found = run_race(plan, resumed(begun(plan), plan.folder), Heard(), second.stop).entrants[0]
    assert second.begun == [(1, True), (2, False)]
    assert found.state == "finished"
    assert found.training is not None
    assert found.training.seconds == (1.0, 2.0, 3.0)
    assert [curve[0].force_rmse for curve in found.training.curves] == [2.0, 3.0, 4.0]
    assert len(found.models) == 3
    error = found.error("same")
    assert error is not None
    assert len(error.seeds) == 3


def saved_model(path: str, **data: Any) -> None:
    force_field = ForceField.free(find_design("springs.toml"), springs("CO", 1).topology)
    save_force_field(force_field, path, provenance={"data": data}, overwrite=True)


def test_a_model_is_not_measured_on_what_it_was_made_with(plan: Plan) -> None:
    first = plan.course.tests[0].record
    other = Dataset.create([springs("CO", 5, seed=7)])
    course = lay_out(None, {"other": other, "same": Dataset.create(plan.course.tests[0].entries)})
    saved_model("learnt.safetensors", training={"sha256": first.sha256})
    saved_model("tuned.safetensors", validation={"sha256": other.digest})
    saved_model("dark.safetensors")
    names = ("learnt", "tuned", "dark")
    plan = replace(
        plan, course=course, competitors=competitors([f"{name}.safetensors" for name in names])
    )
    found = run_race(plan, begun(plan), Heard(), never)
    learnt, tuned, dark = (found.entrant(name) for name in names)
    assert learnt.state == dark.state == "finished"
    assert learnt.error("same") is None
    assert "same are the training data of learnt" in str(learnt.errors["same"].refusal)
    assert learnt.errors["same"].n_refused == 6
    assert learnt.error("other") is not None
    assert tuned.state == "failed"
    assert "other are the validation data of tuned" in str(tuned.failure)
    assert any("does not say what it was trained on" in note for note in dark.notes)


def test_who_raced_before_is_timed_again_and_another_machine_is_noted(plan: Plan) -> None:
    saved_model("ours.safetensors")
    saved_model("theirs.safetensors")
    alone = [
        replace(plan, competitors=competitors([f"{n}.safetensors"])) for n in ("ours", "theirs")
    ]
    run_race(alone[0], begun(alone[0]), Heard(), never)
    before = read_race(plan.folder)
    cost = tuple(replace(cost, timing="2020-01-01", value=1e9) for cost in before.entrants[0].cost)
    gone = replace(before.entrants[0], name="gone", kind="rival", models=())
    entrants = tuple(replace(one, cost=cost) for one in (before.entrants[0], gone))
    machine = replace(before.machine, processor="an abacus")
    write_race(replace(before, entrants=entrants, machine=machine), plan.folder / "results.json")

    found = run_race(alone[1], resumed(begun(alone[1]), plan.folder), Heard(), never)
    (note,) = found.notes
    assert "processor: an abacus then" in note
    assert "of ours, gone" in note
    marks = {one.name: {cost.timing for cost in one.cost} for one in found.entrants}
    assert marks["ours"] == marks["theirs"] != marks["gone"] == {"2020-01-01"}
    assert any("not timed again" in note for note in found.entrant("gone").notes)
    assert {one.entrant.name: one.apart for one in standings(found)}["gone"]


def test_other_data_settings_or_designs_are_not_resumed(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = replace(plan, competitors=plan.competitors[:1])
    trained = plan.course.record
    assert trained is not None
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
    checked = replace(begun(plan), entrants=(), validation=replace(trained, sha256="0" * 64))
    with pytest.raises(InputError, match="the validation data differs"):
        resumed(checked, plan.folder)
    joined = Competitor("late", "rival", "mmff94")
    found = resumed(begun(replace(plan, competitors=[joined])), plan.folder)
    assert [one.name for one in found.entrants] == ["springs", "late"]


@pytest.mark.slow
def test_a_network_that_is_stopped_in_training_goes_on_from_its_checkpoint(plan: Plan) -> None:
    Path("net.toml").write_text('name = "net"\n' + NETWORK)
    settings = replace(TINY, seconds=3.0)
    plan = replace(plan, competitors=competitors(["net.toml"]), settings=settings)
    heard = Shares()
    with pytest.raises(Stopped):
        run_race(plan, begun(plan), heard, lambda: heard.last > 0.2)
    checkpoint = plan.folder / "models/net_seed0.checkpoint.safetensors"
    assert checkpoint.is_file()
    heard = Shares()
    with pytest.raises(Stopped):
        run_race(
            plan,
            resumed(begun(plan), plan.folder),
            heard,
            lambda: ("net", "errors") in heard.stages,
        )
    assert read_race(plan.folder).entrants[0].done == ("training",)
    assert heard.first > 0.2
    assert not checkpoint.exists()


class Shares(Heard):
    """Remembers how far the first stage was."""

    first = last = 0.0

    def share(self, fraction: float) -> None:
        self.first, self.last = self.first or fraction, fraction
