"""The errors of a model that has just been trained, on all its data."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from isthmus.forcefield.forcefield import ForceField
    from isthmus.train.parts import Parts

__all__ = ["measure_and_show"]


def measure_and_show(
    force_field: "ForceField", parts: "Parts", *, title: str, stop: Callable[[], bool]
) -> dict[str, Any]:
    """Print errors by part of the data with the level of theory, and give them as plain data.

    Raises:
        Stopped: it was asked to end in the midst of it.
    """
    from rich.markup import escape
    from rich.table import Table

    from isthmus.cli.console import results
    from isthmus.cli.evaluate_input import frames_bar
    from isthmus.cli.train_stop import raise_if
    from isthmus.evaluate.evaluation import evaluate
    from isthmus.units import ANGSTROM, KILOCALORIE

    level = parts.training.level_of_theory or "level of theory not stated"
    table = Table(
        title=f"{escape(title)}: RMSE (MAE) against {escape(level)}", title_justify="left"
    )
    for column in ("data", "molecules", "frames"):
        table.add_column(column, justify="left" if column == "data" else "right")
    # Square brackets would be taken for markup
    table.add_column("force, kcal/mol/Å", justify="right")
    table.add_column("centred energy, kcal/mol", justify="right")
    found: dict[str, Any] = {}
    for name, data in (("validation", parts.validation), ("test", parts.test)):
        if data is None:
            continue
        total = sum(entry.n_frames for entry in data)
        with frames_bar(total, f"measuring on {name} data") as progress:

            def told(frames: int, progress: Callable[[int], None] = progress) -> None:
                raise_if(stop)
                progress(frames)

            raise_if(stop)
            evaluation = evaluate(force_field, data, precision="float64", progress=told)
        overall = evaluation.overall
        force, energy = KILOCALORIE / ANGSTROM, KILOCALORIE
        numbers = {
            "force_rmse": _scaled(overall.force_rmse, force),
            "force_mae": _scaled(overall.force_mae, force),
            "energy_rmse": _scaled(overall.energy_rmse, energy),
            "energy_mae": _scaled(overall.energy_mae, energy),
            "n_molecules": len(evaluation.molecules),
            "n_frames": evaluation.n_frames,
        }
        found[name] = numbers
        table.add_row(
            name,
            str(numbers["n_molecules"]),
            str(numbers["n_frames"]),
            _text(numbers["force_rmse"], numbers["force_mae"]),
            _text(numbers["energy_rmse"], numbers["energy_mae"]),
        )
    results().print(table)
    return found


def _scaled(value: float | None, size: float) -> float | None:
    return None if value is None else value / size


def _text(rmse: float | None, mae: float | None) -> str:
    return "-" if rmse is None or mae is None else f"{rmse:.3f} ({mae:.3f})"
