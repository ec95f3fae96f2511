"""The report of checks: a folder with pictures, and one page that holds them all."""

import base64
import html
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from isthmus.evaluate.page import PAGE
from isthmus.evaluate.physics.check import FAIL, NOT_APPLICABLE, PASS, UNDECIDED, VERDICTS, Check
from isthmus.evaluate.physics.gate import Checks
from isthmus.evaluate.physics.pictures import draw_check
from isthmus.evaluate.physics.words import bound_text, goal_text, value_text
from isthmus.files import replacing

__all__ = ["write_check_report"]

_STYLE: Final = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 1150px; color: #222 }
h1 { font-size: 1.4em } h2 { font-size: 1.15em; margin-top: 2em }
img { max-width: 100% } table { border-collapse: collapse; width: 100% }
td, th { padding: .25em 1em .25em 0; text-align: left; vertical-align: top }
tr { border-bottom: 1px solid #eee } .dim { color: #666; font-size: .9em }
.v { white-space: nowrap; font-weight: 600 }
"""

_COLOURS: Final = {PASS: "#2e7d4f", FAIL: "#b3261e", UNDECIDED: "#a66a00"}


def write_check_report(checks: Checks, folder: Path, *, title: str, told: str) -> None:
    """Write pictures and page; files of the same names are replaced, others stay.

    Args:
        checks: what came of them.
        folder: made if it is not there.
        title: which force field on which molecule.
        told: how they were made, in a sentence.

    Raises:
        EngineMissingError: matplotlib is not installed.
    """
    folder.mkdir(exist_ok=True)
    pictures: list[tuple[Check, Path]] = []
    for number, check in enumerate(checks.checks):
        if not check.panels:
            continue
        picture = folder / f"{number:02d}-{check.group}.png"
        with replacing(picture, overwrite=True) as path:
            draw_check(check, path)
        pictures.append((check, picture))
    with replacing(folder / PAGE, overwrite=True) as path:
        text = "\n".join(_page(checks, pictures, title, told))
        path.write_text(text, encoding="utf-8")


def _page(
    checks: Checks, pictures: list[tuple[Check, Path]], title: str, told: str
) -> Iterator[str]:
    shown = html.escape(title)
    yield f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{shown}</title>"
    yield f"<style>{_STYLE}</style><h1>{shown}</h1>"
    counts = {v: sum(check.verdict == v for check in checks.checks) for v in VERDICTS}
    said = ", ".join(f"{n} {verdict}" for verdict, n in counts.items() if n)
    stopped = "" if checks.complete else " <b>Stopped before all were made.</b>"
    yield f"<p>{said}. {html.escape(told)}{stopped}</p>"
    yield "<table><tr><th>check<th><th>value<th>threshold<th>goal<th>threshold from<th>"
    yield from (_row(check) for check in checks.checks)
    yield "</table>"
    for check, picture in pictures:
        data = base64.b64encode(picture.read_bytes()).decode()
        heading = html.escape(check.name)
        yield f"<h2>{heading}</h2>"
        yield f"<p class='dim'>{html.escape(value_text(check))}. {html.escape(check.note)}</p>"
        yield f"<img alt='{heading}' src='data:image/png;base64,{data}'>"
    yield "</html>\n"


def _row(check: Check) -> str:
    colour = _COLOURS.get(check.verdict, "#666")
    goal = goal_text(check)
    if check.reached_goal:
        goal += " ✓"
    cells = (value_text(check), bound_text(check), goal, check.source)
    told = "".join(f"<td>{html.escape(cell)}" for cell in cells)
    dim = " class='dim'" if check.verdict == NOT_APPLICABLE else ""
    return (
        f"<tr{dim}><td>{html.escape(check.name)}<td class='v' style='color:{colour}'>"
        f"{check.verdict}{told}<td class='dim'>{html.escape(check.note)}"
    )
