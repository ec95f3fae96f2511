"""The page of a race in a real browser: it draws, sorts, chooses, and asks the network nothing."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from isthmus.race.report.write import PAGE, write_report
from isthmus.race.results_file import read_race

pytestmark = pytest.mark.slow

# Real marks of plotly, as drawn: one a point.
POINTS = "[...document.querySelectorAll('#plot-frontier .scatterlayer .point')]"
FIRST = "document.querySelector('#numbers tbody tr').dataset.entrant"
NAMES = "[...document.querySelectorAll('#plot-frontier .annotation-text')].map(t => t.textContent)"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("race")
    data = Path(__file__).parents[1] / "data" / "race"
    write_report(read_race(data), folder)
    # From another place than where it was made, without its neighbours
    moved = tmp_path_factory.mktemp("elsewhere") / PAGE
    shutil.copyfile(folder / PAGE, moved)
    return moved


@pytest.fixture(autouse=True)
def quiet(browser: Any) -> Any:
    """No test leaves an error or a warning in the console, or a request to a network."""
    yield
    browser.run("0")  # what was told until now is heard
    assert browser.problems == []
    assert browser.requests == []


@pytest.fixture
def opened(browser: Any, report: Path) -> Any:
    browser.screen(1200, 900)
    browser.open(report)
    return browser


def order(browser: Any, column: int) -> list[float | None]:
    """The values of a column of the table, as they stand."""
    cells = f"[...document.querySelectorAll('#numbers tbody tr')].map(r => r.children[{column}]"
    values = browser.run(f"{cells}.dataset.v ?? null)")
    return [None if value is None else float(value) for value in values]


def test_the_watch_on_console_and_network_sees_something(browser: Any, tmp_path: Path) -> None:
    (tmp_path / "bad.html").write_text(
        "<html data-ready='true'><img src='http://127.0.0.1:9/x'><script>console.error('oh')"
        "</script><script>throw new Error('no')</script></html>"
    )
    browser.open(tmp_path / "bad.html")
    assert browser.requests == ["http://127.0.0.1:9/x"]
    assert "oh" in str(browser.problems)
    assert "Error: no" in str(browser.problems)
    (tmp_path / "fine.html").write_text("<html data-ready='true'></html>")
    browser.open(tmp_path / "fine.html")


def test_every_figure_is_drawn(opened: Any) -> None:
    drawn = opened.run(
        "[...document.querySelectorAll('.plot')].map(p => [p.id || p.dataset.figure,"
        "p.querySelectorAll('.scatterlayer path.js-line, .scatterlayer .point').length])"
    )
    assert len(drawn) == 6
    assert all(count > 3 for _, count in drawn), drawn
    assert opened.run(f"{POINTS}.length") == 8
    names = opened.run(NAMES)
    assert {"class1", "painn", "GFN2-xTB"} < set(names)
    box = opened.run(
        f"{POINTS}.map(p => {{ const b = p.getBoundingClientRect(); return [b.width, b.height] }})"
    )
    assert all(width > 5 and height > 5 for width, height in box)


def test_no_button_sends_a_figure_away(opened: Any) -> None:
    found = opened.run("[...document.querySelectorAll('.modebar-btn')].map(b => b.dataset.title)")
    assert set(found) == {"Download plot", "Zoom", "Pan", "Zoom in", "Zoom out", "Reset axes"}


def test_a_click_on_a_head_sorts_and_another_turns_round(opened: Any) -> None:
    button = "#numbers thead th:nth-child(2) button"
    before = order(opened, 1)
    opened.click(button)
    values = order(opened, 1)
    assert values != before
    known = [value for value in values if value is not None]
    assert known == sorted(known)
    assert values[-1] is None  # not measured: last
    opened.click(button)
    values = order(opened, 1)
    assert values[: len(known)] == sorted(known, reverse=True)
    assert values[-1] is None
    head = "document.querySelector('#numbers thead th:nth-child(2)')"
    assert opened.run(f"{head}.getAttribute('aria-sort')") == "descending"
    assert opened.run("document.querySelectorAll('#numbers [aria-sort=ascending]').length") == 0


def test_the_table_sorts_from_the_keyboard(opened: Any) -> None:
    opened.run("document.querySelector('#numbers thead button').focus()")
    opened.key("Enter")
    first = opened.run(FIRST)
    opened.key("Tab")
    opened.key(" ")
    assert opened.run(FIRST) != first


def test_another_test_set_is_another_frontier(opened: Any) -> None:
    said = "document.getElementById('best').textContent"
    assert "painn" in opened.run(said)
    opened.click("input[name=test][value='2']")
    opened.wait(f"!{said}.includes('painn')")
    opened.click("input[name=quantity][value='1']")
    opened.wait(
        "document.querySelector('#plot-frontier .ytitle').textContent === "
        "'energy error, RMSE [kcal/mol]'"
    )


def test_a_limit_names_the_model_and_the_command(opened: Any) -> None:
    opened.run(
        "(() => { const i = document.getElementById('limit-accuracy'); i.value = '3';"
        "i.dispatchEvent(new Event('input', {bubbles: true})) })()"
    )
    assert "class2: 2.84 kcal/mol/Å at 41.3" in opened.run(
        "document.getElementById('said-accuracy').textContent"
    )
    command = opened.run("document.getElementById('command-accuracy').textContent")
    assert command.startswith("isthmus pick race")
    assert command.endswith("--accuracy 3")


def test_an_entrant_can_be_hidden_everywhere(opened: Any) -> None:
    opened.click(".chips button[data-entrant='0']")
    opened.wait(f"{POINTS}.length === 7")
    assert "class1" not in opened.run(NAMES)
    opened.wait("document.querySelector('#numbers tr.off') !== null")


def test_hovering_explains(opened: Any) -> None:
    x, y = opened.middle("#plot-frontier")
    place = opened.run(
        f"(() => {{ const b = {POINTS}[0].getBoundingClientRect();"
        "return [b.x + b.width / 2, b.y + b.height / 2] })()"
    )
    opened.move(x, y)
    opened.move(*place)
    opened.wait("document.querySelector('#plot-frontier .hovertext') !== null")
    text = opened.run("document.querySelector('#plot-frontier .hovertext').textContent")
    assert "class1" in text
    assert "ns/day at 1 fs" in text


@pytest.mark.parametrize(("dark", "phone"), [(True, False), (False, True)])
def test_dark_and_phone(
    browser: Any, report: Path, tmp_path: Path, dark: bool, phone: bool
) -> None:
    browser.screen(390 if phone else 1200, 844, dark=dark, phone=phone)
    browser.open(report)
    wide, window = browser.run(
        "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert wide <= window  # nothing hangs over the edge
    lightness = browser.run("getComputedStyle(document.body).backgroundColor.match(/\\d+/g)")
    assert (sum(map(int, lightness)) < 200) == dark
    ink = browser.run("getComputedStyle(document.querySelector('.xtitle')).fill.match(/\\d+/g)")
    assert (sum(map(int, ink)) > 500) == dark
    browser.picture(tmp_path / "page.png")
    if folder := os.environ.get("ISTHMUS_SCREENSHOTS"):
        name = "dark" if dark else "phone"
        shutil.copyfile(tmp_path / "page.png", Path(folder) / f"{name}.png")


def test_script_in_a_name_is_not_run(browser: Any, tmp_path: Path) -> None:
    data = json.loads((Path(__file__).parents[1] / "data/race/results.json").read_text("utf-8"))
    taken = "document.title='taken'"
    bad = f"</script><script>{taken}</script><img src=x onerror={taken}>"
    for number, entrant in enumerate(data["entrants"]):
        entrant["name"] = f"{number}{bad}"
        for scan in entrant["smoothness"]:
            scan["scan"] += bad
    (tmp_path / "results.json").write_text(json.dumps(data), encoding="utf-8")
    write_report(read_race(tmp_path), tmp_path)
    browser.screen(1200, 900)
    browser.open(tmp_path / PAGE)
    assert browser.run("document.title") == "Race on 3BPA 300 K, training"
    assert browser.run("document.images.length") == 0
    assert f"0{bad}" in browser.run(NAMES)
