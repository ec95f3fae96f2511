"""Numbers of checks as people read them."""

from isthmus.evaluate.physics.check import Check

__all__ = ["bound_text", "goal_text", "value_text"]


def value_text(check: Check) -> str:
    """The value with its error and unit; empty without a value."""
    if check.value is None:
        return ""
    error = "" if check.error is None else f" ± {check.error:.1g}"
    return f"{check.value:.3g}{error} {check.unit}".rstrip()


def bound_text(check: Check) -> str:
    """The threshold; empty without one."""
    return _bound(check.threshold, at_least=check.at_least)


def goal_text(check: Check) -> str:
    """The goal; empty without one."""
    return _bound(check.goal, at_least=check.at_least)


def _bound(bound: float | None, *, at_least: bool) -> str:
    return "" if bound is None else f"{'≥' if at_least else '≤'} {bound:g}"
