"""The files that a race leaves for its readers: page, picture and numbers."""

from pathlib import Path
from typing import Final

from isthmus.evaluate.pictures import new_figure
from isthmus.files import replacing
from isthmus.race.record import Race
from isthmus.race.report.page import page, plotly_script
from isthmus.race.report.picture import draw_frontier
from isthmus.race.report.results_csv import write_csv

__all__ = ["CSV", "PAGE", "PICTURE", "check_report_tools", "write_report"]

PAGE: Final = "report.html"
PICTURE: Final = "frontier.png"
CSV: Final = "results.csv"


def check_report_tools() -> None:
    """Before any work is done: whether the libraries that draw are there.

    Raises:
        EngineMissingError: matplotlib or plotly is not installed.
    """
    new_figure(1.0, 1.0)
    plotly_script()


def write_report(race: Race, folder: Path) -> list[Path]:
    """Write page, picture and CSV; files of the same names are replaced, others stay.

    Args:
        race: finished, or as far as it is.
        folder: of the race; made if it is not there.

    Returns:
        The files, the page first.

    Raises:
        EngineMissingError: matplotlib or plotly is not installed.
        OSError: the disk is full, or the folder cannot be written.
    """
    folder.mkdir(exist_ok=True)
    with replacing(folder / PICTURE, overwrite=True) as path:
        draw_frontier(race, path)
    with replacing(folder / CSV, overwrite=True) as path:
        write_csv(race, path)
    with replacing(folder / PAGE, overwrite=True) as path:
        picture = (folder / PICTURE).read_bytes()
        text = page(race, folder=str(folder), picture=picture)
        path.write_text(text, encoding="utf-8")
    return [folder / name for name in (PAGE, PICTURE, CSV)]
