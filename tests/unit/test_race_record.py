"""`results.json` of a race: what was written is read, and what is wrong is named."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from isthmus.errors import InputError
from isthmus.race.record import (
    Cost,
    Entrant,
    Errors,
    Estimate,
    Machine,
    Point,
    Race,
    Scan,
    Stability,
    Test,
    TrainingRun,
)
from isthmus.race.results_file import read_race, write_race

DATA: dict[str, Any] = {"source": "a.xyz", "n_molecules": 1, "n_frames": 9, "sha256": "0f"}


def race() -> Race:
    entrant = Entrant(
        name="class1",
        kind="design",
        state="finished",
        models=("models/class1_seed0.safetensors",),
        training=TrainingRun(
            seconds=(1.0,), compile_s=(2.0,), curves=((Point(seconds=0.5, force_rmse=3.0),),)
        ),
        errors={"cold": Errors(force_rmse=Estimate(value=1.0, low=0.9, high=1.1), n_frames=9)},
        cost=(
            cost("isthmus", 1, "small", 20.0),
            cost("isthmus", 128, "small", 2.0),
            cost("openmm", 1, "small", 12.0),
            cost("isthmus", 1, "large", 5.0),
        ),
        stability=(
            Stability(
                test="cold", molecule="small", temperature=300.0, ps=1.0, wanted_ps=2.0, broken="C"
            ),
        ),
        smoothness=(Scan(scan="bond", kind="bond", x=(1.0, 2.0), x_unit="Å", energy=(0.0, None)),),
    )
    return Race(
        isthmus="1",
        date="2026-01-01",
        command="isthmus race",
        machine=Machine(processor="p", cores=2, memory_GiB=None, system="s", python="3"),
        settings={"time_s": 60.0},
        training=None,
        tests=(Test(name="cold", held_out="frames", **DATA),),
        entrants=(entrant,),
    )


def cost(engine: str, batch: int, molecule: str, value: float) -> Cost:
    return Cost(
        engine=engine,
        batch=batch,
        molecule=molecule,
        n_atoms=9,
        value=value,
        low=value,
        high=value,
        per_atom=value / 9,
    )


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_race(race(), tmp_path / "results.json")
    assert read_race(tmp_path) == race()
    written = json.loads((tmp_path / "results.json").read_text())
    assert written["entrants"][0]["stability"][0]["break"] == "C"
    assert written["units"]["cost"] == "µs/step"


def test_a_number_that_is_not_finite_becomes_null() -> None:
    one = race().entrants[0]
    changed = replace(
        race(), entrants=(replace(one, drift=Estimate(value=1.0, high=float("inf"))),)
    )
    assert changed.as_json()["entrants"][0]["drift"] == {
        "value": 1.0,
        "low": None,
        "high": None,
        "seeds": [],
    }


def test_the_main_cost_is_the_cheapest_single_molecule_that_comes_first() -> None:
    found = race().entrants[0].main_cost()
    assert found is not None
    assert (found.engine, found.molecule) == ("openmm", "small")
    assert Entrant(name="none", kind="rival").main_cost() is None


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (("format",), "other", "not the result of a race"),
        (("format_version",), 99, "reads version 1"),
        (("tests",), [], "no test sets"),
        (("tests", 0, "n_frames"), "9", r"n_frames.*a whole number"),
        (("entrants", 0, "errors", "cold", "force_rmse"), 1.0, r"force_rmse.*a table"),
        (("entrants", 0, "models"), "one", r"models.*a list"),
        (("machine",), None, r"machine.*a table"),
    ],
)
def test_what_is_wrong_is_named(
    tmp_path: Path, place: tuple[Any, ...], value: object, said: str
) -> None:
    content: Any = race().as_json()
    inner = content
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    (tmp_path / "results.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=said):
        read_race(tmp_path)


def test_a_missing_entry_is_named(tmp_path: Path) -> None:
    content = race().as_json()
    del content["settings"]
    (tmp_path / "results.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="no 'settings'"):
        read_race(tmp_path / "results.json")
