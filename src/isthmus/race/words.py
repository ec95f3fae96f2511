"""Numbers of a race as people read them: three figures, thousands apart, intervals beside."""

import math

from isthmus.errors import IsthmusError
from isthmus.race.record import Cost, Estimate
from isthmus.words import counted

__all__ = ["at_least", "cost_text", "engine_text", "error_text", "interval", "number", "said"]


def number(value: float | None) -> str:
    """Three significant figures; "–" for what was not measured."""
    if value is None or not math.isfinite(value):
        return "–"
    size = abs(value)
    if 0 < size < 1e-3:
        mantissa, exponent = f"{value:.2e}".split("e")
        return f"{mantissa}e{int(exponent)}"
    if size == 0:
        return "0"
    figures = max(0, 2 - math.floor(math.log10(size)))
    return f"{value:,.{figures}f}"


def interval(low: float | None, high: float | None) -> str:
    """Such as "1.02 to 1.31"; empty where it was not measured."""
    if low is None or high is None:
        return ""
    return f"{number(low)} to {number(high)}"


def at_least(value: float) -> str:
    """Three significant figures, rounded up, so that a limit of that much lets the value in."""
    if value <= 0 or not math.isfinite(value):
        return "0"
    step = math.floor(math.log10(value)) - 2
    raised = math.ceil(value / 10.0**step - 1e-9)
    return f"{raised * 10.0**step:.{max(0, -step)}f}"


def error_text(error: Estimate, unit: str) -> str:
    """Such as "0.82 kcal/mol/Å (0.79 to 0.85)"."""
    between = interval(error.low, error.high)
    return f"{number(error.value)} {unit}" + (f" ({between})" if between else "")


def engine_text(cost: Cost) -> str:
    """Where a cost was measured, such as "openmm, 27 atoms"."""
    many = "" if cost.batch == 1 else f", {cost.batch} molecules at once"
    return f"{cost.engine}{many}, {counted(cost.n_atoms, 'atom')}"


def cost_text(cost: Cost) -> str:
    """Such as "62.0 µs/step (openmm, 27 atoms)"."""
    return f"{number(cost.value)} µs/step ({engine_text(cost)})"


def said(error: Exception) -> str:
    """An error in a line; of one that nobody foresaw, also its kind."""
    text = " ".join(str(error).split())
    if isinstance(error, IsthmusError):
        return text
    return f"{type(error).__name__}: {text or 'nothing more was said'} (unforeseen)"
