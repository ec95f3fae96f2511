"""The learning curve of a run as a picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from isthmus.errors import InputError
from isthmus.files import replacing

__all__ = ["draw_curve"]

_COLOURS = {"train": "#8a8f98", "validation": "#0b5fa5"}


def draw_curve(history: Sequence[Mapping[str, Any]], path: Path, *, title: str) -> None:
    """Errors of forces and energies against the epochs, on logarithmic scales.

    Args:
        history: metrics of a run, see `isthmus.train.train`.
        path: of the PNG.
        title: names design, data and level of theory.

    Raises:
        InputError: matplotlib is not installed, or there is nothing to draw.
    """
    if not history:
        raise InputError("a learning curve needs at least one validation: none was made")
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise InputError(
            "pictures need matplotlib: install it with `pip install 'isthmus[report]'`"
        ) from None
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=10)
    panels = figure.subplots(1, 2)
    kinds = (("force", "force RMSE [kcal/mol/Å]"), ("energy", "centred energy RMSE [kcal/mol]"))
    for panel, (kind, label) in zip(panels, kinds, strict=True):
        for part, colour in _COLOURS.items():
            points = [
                (line["epoch"], line[f"{part}_{kind}_rmse"])
                for line in history
                if line.get(f"{part}_{kind}_rmse") is not None
            ]
            if not points:
                continue
            last = points[-1][1]
            panel.plot(
                *zip(*points, strict=True), "o-", ms=3, color=colour, label=f"{part}, {last:.3g}"
            )
        panel.set(xlabel="epoch", ylabel=label)
        panel.set_yscale("log")
        panel.yaxis.set_major_formatter("{x:g}")
        panel.yaxis.set_minor_formatter("{x:g}")
        panel.tick_params(which="both", labelsize=8)
        panel.grid(alpha=0.25, which="both")
        if panel.lines:
            panel.legend(frameon=False, fontsize=8)
    with replacing(path, overwrite=True) as temporary:
        figure.savefig(temporary, dpi=140, format="png")
