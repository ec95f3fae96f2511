"""The report of a race: what stands in its page, picture and CSV, and what cannot."""

import csv
import html
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from isthmus.race.record import Race
from isthmus.race.report import terminal_table, write_report
from isthmus.race.report.columns import columns, held
from isthmus.race.report.curve_figures import scan_figures
from isthmus.race.report.frontier_figures import frontier_figures
from isthmus.race.report.labels import place_labels, stairs
from isthmus.race.report.page import page
from isthmus.race.report.results_csv import write_csv
from isthmus.race.results_file import read_race

HOSTILE = "</script><img src=x onerror=alert(1)>'\"&%{x}$a$[red]"


@pytest.fixture
def race(repository: Path) -> Race:
    return read_race(repository / "tests" / "data" / "race")


@pytest.fixture(autouse=True)
def small_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page without the megabytes of the library that draws."""
    monkeypatch.setattr("isthmus.race.report.page.plotly_script", lambda: "/* plotly */")


class Elements(HTMLParser):
    """Start tags of a page, with their attributes; scripts apart."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def payload(text: str) -> dict[str, Any]:
    found = re.search(r"id='race'>(.*?)</script>", text, re.DOTALL)
    assert found
    return json.loads(found[1])


def hostile(race: Race) -> Race:
    """All texts of a race that come from outside, replaced."""
    entrants = tuple(
        replace(
            one,
            name=HOSTILE + one.name,
            description=HOSTILE,
            command=HOSTILE,
            failure=HOSTILE,
            notes=(HOSTILE,),
            errors={HOSTILE + name: error for name, error in one.errors.items()},
            cost=tuple(replace(cost, molecule=HOSTILE, engine=HOSTILE) for cost in one.cost),
            stability=tuple(
                replace(run, test=HOSTILE, molecule=HOSTILE, broken=HOSTILE)
                for run in one.stability
            ),
            smoothness=tuple(
                replace(scan, scan=HOSTILE, kind=HOSTILE, x_unit=HOSTILE) for scan in one.smoothness
            ),
        )
        for one in race.entrants
    )
    own = {"name": HOSTILE, "source": HOSTILE, "sha256": HOSTILE, "level_of_theory": HOSTILE}
    assert race.training is not None
    return replace(
        race,
        isthmus=HOSTILE,
        date=HOSTILE,
        command=HOSTILE,
        machine=replace(
            race.machine,
            processor=HOSTILE,
            system=HOSTILE,
            python=HOSTILE,
            versions={HOSTILE: HOSTILE},
        ),
        settings={HOSTILE: HOSTILE},
        training=replace(race.training, **own),
        tests=tuple(
            replace(test, **(own | {"name": HOSTILE + test.name, "held_out": HOSTILE}))
            for test in race.tests
        ),
        entrants=entrants,
    )


def test_writes_page_picture_and_numbers(race: Race, tmp_path: Path) -> None:
    files = write_report(race, tmp_path / "out")
    assert [file.name for file in files] == ["report.html", "frontier.png", "results.csv"]
    assert files[1].read_bytes().startswith(b"\x89PNG")
    assert sorted(tmp_path.joinpath("out").iterdir()) == sorted(files)  # nothing half-written


def test_the_page_asks_for_nothing_and_runs_two_scripts(race: Race) -> None:
    text = page(race, folder="race", picture=b"")
    elements = Elements(text).found
    assert not [tag for tag, _ in elements if tag in ("link", "iframe", "object", "embed", "base")]
    sources = [a["src"] for _, a in elements if a.get("src")]
    assert all(source and source.startswith("data:") for source in sources)
    assert all(a["href"] and a["href"][0] == "#" for _, a in elements if "href" in a)
    assert "default-src 'none'; script-src 'sha256-" in text
    scripts = [a for tag, a in elements if tag == "script"]
    assert [a.get("type") for a in scripts] == ["application/json", None, None]
    anchors = {a["id"] for _, a in elements if a.get("id")}
    assert {(a["href"] or "")[1:] for _, a in elements if "href" in a} <= anchors


def test_names_from_outside_stay_text(race: Race) -> None:
    text = page(hostile(race), folder=HOSTILE, picture=b"")
    calm = page(race, folder="race", picture=b"")
    assert len(Elements(text).found) > 300
    assert {tag for tag, _ in Elements(text).found} == {tag for tag, _ in Elements(calm).found}
    assert text.count("<script") == calm.count("<script") == 3
    assert "<img src=x" not in text
    assert not [a for _, a in Elements(text).found if any(key.startswith("on") for key in a)]
    figure = payload(text)["frontier"]["0|0|0"]
    assert figure["points"][0]["name"].startswith(HOSTILE)
    drawn = json.dumps([trace.get("hovertext") for trace in figure["data"]])
    assert "<img" not in drawn
    assert "&lt;img" in drawn
    for name, other in payload(text)["figures"].items():
        for trace in other["data"]:
            assert "<img" not in str([trace["name"], trace.get("hovertext")])
            assert "%{x}$" not in trace.get("hovertemplate", ""), name


def test_hostile_names_do_not_break_picture_table_and_csv(race: Race, tmp_path: Path) -> None:
    strange = hostile(race)
    write_report(strange, tmp_path)
    console = Console(width=300)
    with console.capture() as shown:
        console.print(terminal_table(strange))
    assert "onerror=alert(1)>'\"&%{x}$a$[red]class1" in shown.get()
    with (tmp_path / "results.csv").open(encoding="utf-8", newline="") as file:
        assert next(csv.DictReader(file))["entrant"] == HOSTILE + "class1"


def test_dominated_are_grey_and_rivals_have_their_own_mark(race: Race) -> None:
    figure = frontier_figures(race)["0|0|0"]
    marks = {trace["name"]: trace["marker"] for trace in figure["data"] if "name" in trace}
    assert marks["ani"]["color"] == "@grey" != marks["painn"]["color"]
    assert marks["MMFF94"]["symbol"] != marks["ani"]["symbol"]
    line = figure["data"][0]
    assert line["x"] == sorted(line["x"])
    assert line["y"] == sorted(line["y"], reverse=True)
    bars = figure["data"][1]
    assert bars["error_y"]["array"] == [pytest.approx(4.84 - 4.61, abs=0.01)]
    assert figure["missing"] == ["mace (failed)", "UFF (no cost, no force error)"]
    hover = next(trace["hovertext"] for trace in figure["data"] if trace.get("name") == "class1")
    assert "3,527 ns/day at 1 fs" in hover
    assert "µs/atom" in hover


def test_each_test_set_quantity_and_cost_has_a_figure(race: Race) -> None:
    figures = frontier_figures(race)
    assert len(figures) == 3 * 2 * (1 + 4)
    assert {f["layout"]["yaxis"]["title"]["text"] for f in figures.values()} == {
        "force error, RMSE [kcal/mol/Å]",
        "energy error, RMSE [kcal/mol]",
    }


def test_who_failed_stands_in_the_page_with_the_reason(race: Race) -> None:
    text = page(race, folder="race", picture=b"")
    assert "the loss was not finite after step 40" in text
    assert "SHA-256" in text
    assert "ωB97X/6-31G(d)" in text
    assert "a made-up processor" in text
    shown = [" ".join(re.findall(r"<span>(.*?)</span>", pre)) for pre in text.split("<pre>")]
    assert all(html.escape(one.command) in shown for one in race.entrants if one.command)
    assert html.escape(race.command) in shown


def test_a_race_that_has_hardly_begun_has_a_report(race: Race, tmp_path: Path) -> None:
    waiting = tuple(
        replace(one, state="waiting", errors={}, cost=(), stability=(), smoothness=(), drift=None)
        for one in race.entrants[:2]
    )
    begun = replace(race, training=None, tests=race.tests[:1], entrants=waiting)
    write_report(begun, tmp_path)
    assert "not finished; done so far: nothing" in (tmp_path / "report.html").read_text(
        encoding="utf-8"
    )


def test_csv_has_units_in_its_heads_and_nothing_where_nothing_was_measured(
    race: Race, tmp_path: Path
) -> None:
    write_csv(race, tmp_path / "r.csv")
    with (tmp_path / "r.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["entrant"]: row for row in csv.DictReader(file)}
    assert list(rows) == [one.name for one in race.entrants]
    head = "force error, 3BPA 300 K [kcal/mol/Å]"
    assert float(rows["class2"][head]) == 2.84
    assert float(rows["class2"][head + " high"]) == 2.982
    assert rows["UFF"][head] == rows["mace"][head] == ""
    assert rows["mace"]["failure"].startswith("training: the loss")
    assert rows["ani"]["standing"] == "dominated"
    assert float(rows["ani"]["held, 500 K [%]"]) == pytest.approx(24.5)


def test_the_terminal_shows_the_fastest_first(race: Race) -> None:
    console = Console(width=100)
    with console.capture() as shown:
        console.print(terminal_table(race))
    lines = [line for line in shown.get().splitlines() if line.startswith(("● ", "  "))]
    names = [line[2:].split()[0] for line in lines[1:] if line[2] != " "]
    assert names[:4] == ["class1", "class2", "class2plus", "MMFF94"]
    assert any(line.startswith("  mace") and "failed" in line for line in lines)


def shown(race: Race) -> str:
    console = Console(width=140)
    with console.capture() as found:
        console.print(terminal_table(race))
    return found.get()


def changed(race: Race, name: str, **values: Any) -> Race:
    entrants = tuple(replace(one, **values) if one.name == name else one for one in race.entrants)
    return replace(race, entrants=entrants)


def test_who_refused_frames_is_hollow_and_said_to_be_partial(race: Race, tmp_path: Path) -> None:
    errors = {k: replace(e, n_refused=7) for k, e in race.entrant("painn").errors.items()}
    part = changed(race, "painn", errors=errors)
    figure = frontier_figures(part)["0|0|0"]
    marks = {trace["name"]: trace["marker"] for trace in figure["data"] if "name" in trace}
    assert marks["painn"]["symbol"] == "circle-open"
    assert not next(p for p in figure["points"] if p["name"] == "painn")["compared"]
    assert "partial: it refused frames" in page(part, folder="race", picture=b"")
    assert "○ painn (partial)" in shown(part)
    write_csv(part, tmp_path / "r.csv")
    assert "partial: it refused frames" in (tmp_path / "r.csv").read_text(encoding="utf-8")


def test_the_page_chooses_by_the_error_of_the_file(race: Race) -> None:
    one = race.entrant("class2plus").errors["3BPA 300 K"]
    assert one.force_rmse is not None
    told = {"3BPA 300 K": replace(one, force_rmse=replace(one.force_rmse, seeds=(1.73, 2.13)))}
    points = frontier_figures(changed(race, "class2plus", errors=told))["0|0|0"]["points"]
    found = {point["name"]: (point["y"], point["file"]) for point in points}
    assert found["class2plus"] == (1.93, 2.13)
    assert found["class2"] == (2.84, 2.84)


def test_a_run_that_was_cut_short_did_not_hold(race: Race) -> None:
    runs = tuple(replace(run, ps=2.5, n_replicas=8) for run in race.entrant("class1").stability)
    slow = changed(race, "class1", stability=runs)
    found = held(slow.entrant("class1"), 300.0)
    assert found is not None
    assert (found.n_whole, found.n_undecided, found.share, found.n_replicas) == (0, 2, 0.25, 16)
    text = page(slow, folder="race", picture=b"")
    assert "0 of 2 held, 2 undecided: too slow<br>2.50 of 10 ps, undecided (16 replicas)" in text
    assert "2.5 of 10 ×16 ?" in shown(slow)
    heads = {column.head: column for column in columns(slow)}
    value = heads["undecided, 300 K [runs]"].value(slow.entrant("class1"))
    assert value is not None
    assert value.value == 2


def test_where_nobody_has_errors_of_forces_energies_are_shown(race: Race) -> None:
    entrants = tuple(
        replace(one, errors={k: replace(e, force_rmse=None) for k, e in one.errors.items()})
        for one in race.entrants
    )
    blind = replace(race, entrants=entrants)
    assert "energy error" in shown(blind)
    text = page(blind, folder="race", picture=b"")
    assert "name='quantity' value='1' checked" in text
    assert payload(text)["options"]["quantity"] == [" --quantity force", ""]
    assert "energy error" in payload(text)["figures"]["growth"]["layout"]["yaxis"]["title"]["text"]


def test_the_page_names_the_folder_as_it_was_given(race: Race, tmp_path: Path) -> None:
    write_report(race, tmp_path / "out" / ".")
    text = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert payload(text)["pick"] == f"isthmus pick {tmp_path / 'out'}"


def test_labels_hide_neither_points_nor_lines_nor_each_other() -> None:
    points = [(100.0, 100.0), (112.0, 96.0), (120.0, 90.0), (290.0, 12.0)]
    size = (60.0, 12.0)
    found = place_labels(points, [size] * 4, (300.0, 200.0), stairs(points))
    boxes = [(f.x - 30, f.y - 6, f.x + 30, f.y + 6) for f in found]
    for k, (left, low, right, high) in enumerate(boxes):
        assert left >= 0
        assert low >= 0
        assert right <= 300
        assert high <= 200
        assert not [p for p in points if left < p[0] < right and low < p[1] < high]
        for other in boxes[:k]:
            apart = left >= other[2] or right <= other[0] or low >= other[3] or high <= other[1]
            assert apart


def test_a_clash_in_a_scan_does_not_flatten_the_others(race: Race) -> None:
    first, *others = race.entrants
    scan = first.smoothness[2]
    energy = tuple(1e12 if k == 3 else e for k, e in enumerate(scan.energy))
    clash = replace(first, smoothness=(replace(scan, energy=(*energy[:-1], None)),))
    figures = scan_figures(replace(race, entrants=(clash, *others)))
    shown = next(figure for figure in figures if figure["title"] == scan.scan)
    low, high = shown["layout"]["yaxis"]["range"]
    assert low < 0
    assert 4 < high < 8
