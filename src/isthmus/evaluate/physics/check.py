"""What a check says: a value against a threshold and a goal, and the data of its picture."""

import math
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from jaxtyping import Float

__all__ = [
    "FAIL",
    "NOT_APPLICABLE",
    "NOT_JUDGED",
    "PASS",
    "UNDECIDED",
    "VERDICTS",
    "Check",
    "Line",
    "Panel",
    "judged",
    "not_applicable",
]

PASS: Final = "pass"
FAIL: Final = "fail"
UNDECIDED: Final = "undecided"
NOT_JUDGED: Final = "not judged"
NOT_APPLICABLE: Final = "not applicable"
VERDICTS: Final = (PASS, FAIL, UNDECIDED, NOT_JUDGED, NOT_APPLICABLE)
"""What can become of a check"""

_SURE: Final = 2.0
"""Standard errors on either side of a value within which the threshold leaves it undecided"""


@dataclass(frozen=True, eq=False)
class Line:
    """A curve, or points.

    Attributes:
        x, y: of the points; what is not finite is left out.
        label: in the legend; empty for none.
        points: whether points are drawn instead of a line.
    """

    x: Float[np.ndarray, " points"]
    y: Float[np.ndarray, " points"]
    label: str = ""
    points: bool = False


@dataclass(frozen=True, eq=False)
class Panel:
    """A picture as data.

    Attributes:
        title, x_label, y_label: as they are printed, with units.
        lines: what is drawn.
        log_x, log_y: whether an axis is logarithmic.
        level: a horizontal line, mostly the threshold; None for none.
        about_zero: for an axis that is linear around 0 and logarithmic beyond this size.
    """

    title: str
    x_label: str
    y_label: str
    lines: tuple[Line, ...]
    log_x: bool = False
    log_y: bool = False
    level: float | None = None
    about_zero: float | None = None


@dataclass(frozen=True, eq=False)
class Check:
    """The outcome of one check.

    Attributes:
        group: of checks that are made together, as in `--only`.
        name: what was checked.
        verdict: one of `VERDICTS`.
        value: None where nothing was measured.
        unit: of value, threshold and goal; empty for plain numbers.
        error: standard error of the value, where it comes from sampling.
        threshold: the value must not be beyond it.
        goal: what the best codes reach.
        at_least: whether a larger value is better.
        source: of the threshold.
        note: what the reader must know, or why nothing was measured.
        panels: for a picture; may be empty.
    """

    group: str
    name: str
    verdict: str
    value: float | None = None
    unit: str = ""
    error: float | None = None
    threshold: float | None = None
    goal: float | None = None
    at_least: bool = False
    source: str = ""
    note: str = ""
    panels: tuple[Panel, ...] = field(default=(), repr=False)

    @property
    def passed(self) -> bool | None:
        """Whether it passed; None where it was not decided."""
        return {PASS: True, FAIL: False}.get(self.verdict)

    @property
    def reached_goal(self) -> bool | None:
        """Whether the value is at the goal or beyond; None without a goal or a verdict."""
        if self.goal is None or self.value is None or self.passed is None:
            return None
        return self.passed and _within(self.value, self.goal, at_least=self.at_least)


def judged(
    group: str,
    name: str,
    value: float,
    *,
    threshold: float,
    goal: float | None = None,
    unit: str = "",
    error: float | None = None,
    at_least: bool = False,
    source: str,
    note: str = "",
    panels: tuple[Panel, ...] = (),
) -> Check:
    """A check of a value against its threshold.

    A value that is not a number fails. One that comes with a standard error is undecided where
    it is beyond the threshold by less than twice this error, or where the error itself is larger
    than the threshold and so the value says nothing.
    """
    value = float(value)
    verdict = PASS if _within(value, threshold, at_least=at_least) else FAIL
    if error is not None and math.isfinite(value):
        beyond = threshold - value if at_least else value - threshold
        blurred = not at_least and error > threshold
        if 0 < beyond < _SURE * error or (verdict == PASS and blurred):
            verdict = UNDECIDED
    return Check(
        group,
        name,
        verdict,
        value if math.isfinite(value) else None,
        unit,
        error,
        threshold,
        goal,
        at_least,
        source,
        note if math.isfinite(value) else f"the value is not a finite number. {note}".strip(),
        panels,
    )


def not_applicable(group: str, name: str, why: str) -> Check:
    """A check that cannot be made, and why."""
    return Check(group, name, NOT_APPLICABLE, note=why)


def _within(value: float, bound: float, *, at_least: bool) -> bool:
    return bool(value >= bound if at_least else value <= bound)
