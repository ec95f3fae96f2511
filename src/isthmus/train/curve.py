"""The learning curve of a run as a picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from isthmus.errors import InputError
from isthmus.files import replacing

__all__ = ["draw_curve"]

_COLOURS = {"train": "#8a8f98", "validation": "#0b5fa5"}
_KEPT = "#c2410c"
_DECADE = 10


def draw_curve(
    history: Sequence[Mapping[str, Any]],
    path: Path,
    *,
    title: str,
    kept: Mapping[str, Any] | None = None,
) -> None:
    """Errors of forces and energies against the epochs, on logarithmic scales.

    Args:
        history: metrics of a run, see `isthmus.train.train`.
        path: of the PNG.
        title: names design, data and level of theory.
        kept: the line of the history whose weights were kept; it is marked.

    Raises:
        InputError: matplotlib is not installed, or there is nothing to draw.
    """
    if not history:
        raise InputError("a learning curve needs at least one validation: none was made")
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from matplotlib.layout_engine import ConstrainedLayoutEngine
    except ImportError:
        raise InputError(
            "pictures need matplotlib: install it with `pip install 'isthmus[report]'`"
        ) from None
    figure = Figure(figsize=(9, 3.8), layout=ConstrainedLayoutEngine(wspace=0.04))
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
                *zip(*points, strict=True),
                "o-",
                ms=3,
                color=colour,
                label=f"{part}, last {last:.3g}",
            )
        _mark(panel, kept or {}, f"validation_{kind}_rmse")
        panel.set(xlabel="epoch", ylabel=label)
        panel.set_yscale("log")
        _label_ticks(panel)
        panel.grid(alpha=0.25, which="both")
        if panel.lines:
            panel.legend(frameon=False, fontsize=8)
    with replacing(path, overwrite=True) as temporary:
        figure.savefig(temporary, dpi=140, format="png")


def _mark(panel: Any, kept: Mapping[str, Any], name: str) -> None:
    """A ring around the point of the kept weights, and a line at their epoch."""
    if kept.get("epoch") is None or kept.get(name) is None:
        return
    panel.axvline(kept["epoch"], color=_KEPT, lw=0.8, ls=":", zorder=0)
    panel.plot(
        [kept["epoch"]],
        [kept[name]],
        "o",
        ms=9,
        mfc="none",
        mew=1.5,
        color=_KEPT,
        label=f"kept, epoch {kept['epoch']:g}: {kept[name]:.3g}",
    )


def _label_ticks(panel: Any) -> None:
    """Plain numbers, and no more of them than there is room for."""
    from matplotlib.ticker import LogLocator, NullFormatter

    low, high = panel.get_ylim()
    few = high / low < _DECADE
    subs = (1, 1.5, 2, 3, 4, 5, 6, 7, 8) if few else (1, 2, 5)
    panel.yaxis.set_major_locator(LogLocator(subs=subs))
    panel.yaxis.set_major_formatter("{x:g}")
    panel.yaxis.set_minor_formatter(NullFormatter())
    panel.tick_params(which="both", labelsize=8)
