"""The report of a race: a page for the browser, a picture for a paper, a table of its numbers."""

from isthmus.race.report.terminal import terminal_table
from isthmus.race.report.write import check_report_tools, write_report

__all__ = ["check_report_tools", "terminal_table", "write_report"]
