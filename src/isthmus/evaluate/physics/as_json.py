"""Checks as plain values for JSON; null where there is no number."""

from collections.abc import Mapping
from typing import Any, Final

from isthmus import __version__
from isthmus.evaluate.physics.check import VERDICTS, Check
from isthmus.evaluate.physics.gate import Checks
from isthmus.evaluate.physics.settings import Settings

__all__ = ["FORMAT", "checks_as_json"]

FORMAT: Final = "isthmus check 1"
"""Of the whole dictionary; changes when an entry changes its meaning"""


def checks_as_json(
    checks: Checks,
    settings: Settings,
    *,
    model: Mapping[str, Any],
    structure: Mapping[str, Any],
    engine: str,
) -> dict[str, Any]:
    """Everything that the checks say, but for their pictures.

    Args:
        checks: what came of them.
        settings: sizes.
        model: what identifies the force field.
        structure: what identifies the molecule.
        engine: what moved the atoms.
    """
    return {
        "format": FORMAT,
        "isthmus": __version__,
        "model": dict(model),
        "structure": dict(structure),
        "engine": engine,
        "quick": settings.quick,
        "temperatures": list(settings.temperatures),
        "seed": settings.seed,
        "complete": checks.complete,
        "passed": checks.passed,
        "counts": {
            verdict: sum(check.verdict == verdict for check in checks.checks)
            for verdict in VERDICTS
        },
        "checks": [_entry(check) for check in checks.checks],
    }


def _entry(check: Check) -> dict[str, Any]:
    names = ("group", "name", "verdict", "value", "unit", "error", "threshold", "goal", "at_least")
    return {
        **{name: getattr(check, name) for name in names},
        "reached_goal": check.reached_goal,
        "source": check.source,
        "note": check.note,
    }
