"""What a trained model says of itself: data, software, settings and errors, in its file."""

from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from isthmus.chemistry.environments import Domain
from isthmus.train.parts import Parts

__all__ = ["provenance"]

_SOFTWARE: Final = ("jax", "numpy", "optax", "rdkit")


def provenance(
    parts: Parts,
    *,
    settings: Mapping[str, Any],
    metrics: Mapping[str, Any],
    run: Mapping[str, Any],
) -> dict[str, Any]:
    """Plain data for the header of a model.

    Args:
        parts: the data.
        settings: of the fit.
        metrics: errors by part of the data.
        run: steps, seconds, how it ended.
    """
    levels = sorted({entry.level_of_theory for entry in parts.training})
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "level_of_theory": "; ".join(level for level in levels if level) or None,
        "data": parts.identity,
        "validation_holds_out": parts.held_out,
        "settings": dict(settings),
        "metrics": dict(metrics),
        "run": dict(run),
        "software": {name: _version(name) for name in _SOFTWARE},
        "domain": Domain.of(entry.topology for entry in parts.training).as_json(),
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
