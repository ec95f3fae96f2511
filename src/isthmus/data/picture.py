"""The picture of a dataset: sizes, elements, energies and forces."""

from pathlib import Path
from typing import Any

import numpy as np

from isthmus.data.summary import FORCE_EDGES, Summary
from isthmus.errors import EngineMissingError
from isthmus.units import ANGSTROM, KILOCALORIE

__all__ = ["draw_summary"]

_COLOUR = "#3b6ea5"
_DPI = 150


def draw_summary(summary: Summary, path: str | Path, *, title: str) -> None:
    """Draw four distributions into a file; its suffix says the format.

    Energies are in kcal/mol, forces in kcal/mol/Å.

    Raises:
        EngineMissingError: matplotlib is not installed.
    """
    try:
        # Not pyplot, which would keep the figure and choose a screen.
        from matplotlib.figure import Figure  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise EngineMissingError(
            "pictures need matplotlib, which is not installed: pip install 'isthmus[report]'"
        ) from error
    figure = Figure(figsize=(9, 6.4), layout="constrained")
    axes = figure.subplots(2, 2)
    level = " and ".join(name or "level of theory not stated" for name in summary.levels_of_theory)
    figure.suptitle(
        f"{title}: {summary.n_molecules} molecules, {summary.n_frames} frames\n{level}",
        fontsize=11,
    )
    _draw_elements(axes[0, 0], summary)
    _draw_sizes(axes[0, 1], summary)
    _draw_energies(axes[1, 0], summary)
    _draw_forces(axes[1, 1], summary)
    for panel in axes.flat:
        panel.spines[["top", "right"]].set_visible(False)
    figure.savefig(Path(path), dpi=_DPI)


def _draw_elements(panel: Any, summary: Summary) -> None:
    bars = panel.bar(list(summary.elements), list(summary.elements.values()), color=_COLOUR)
    panel.bar_label(bars, fontsize=8)
    panel.set(xlabel="element", ylabel="molecules with it")
    panel.margins(y=0.12)


def _draw_sizes(panel: Any, summary: Summary) -> None:
    low, high = int(summary.sizes.min()), int(summary.sizes.max())
    step = -(-(high - low + 1) // 60)
    panel.hist(summary.sizes, bins=np.arange(low - 0.5, high + step + 0.5, step), color=_COLOUR)
    panel.set(xlabel="atoms", ylabel="molecules")
    panel.xaxis.get_major_locator().set_params(integer=True)
    panel.yaxis.get_major_locator().set_params(integer=True)


def _draw_energies(panel: Any, summary: Summary) -> None:
    energies = summary.energies / KILOCALORIE
    panel.set(xlabel="energy less the mean of its molecule [kcal/mol]", ylabel="frames")
    if len(energies) == 0:
        _say(panel, "one frame a molecule" if summary.n_frames else "no frames")
        return
    # Rare frames far away would squeeze the others into one bar; they are counted instead.
    low, high = np.percentile(energies, [0.2, 99.8])
    shown = energies[(energies >= low) & (energies <= high)]
    panel.hist(shown, bins=60, color=_COLOUR)
    beyond = len(energies) - len(shown)
    note = f"standard deviation {energies.std():.2f} kcal/mol"
    _note(panel, note + (f"\n{beyond} frames beyond the edges" if beyond else ""))


def _draw_forces(panel: Any, summary: Summary) -> None:
    size = KILOCALORIE / ANGSTROM
    panel.set(xlabel="length of the force on an atom [kcal/mol/Å]", ylabel="atoms")
    used = np.flatnonzero(summary.force_histogram)
    if len(used) == 0:
        _say(panel, "no forces")
        return
    first, last = used[0], used[-1] + 1
    panel.stairs(
        summary.force_histogram[first:last],
        FORCE_EDGES[first : last + 1] / size,
        fill=True,
        color=_COLOUR,
    )
    panel.set_xscale("log")
    _note(
        panel,
        f"RMS of components {summary.force_rms / size:.2f}\n"
        f"largest {summary.force_max / size:.1f} kcal/mol/Å",
        left=True,
    )


def _note(panel: Any, text: str, *, left: bool = False) -> None:
    panel.text(
        0.02 if left else 0.98,
        0.97,
        text,
        transform=panel.transAxes,
        ha="left" if left else "right",
        va="top",
        fontsize=8,
    )


def _say(panel: Any, text: str) -> None:
    panel.text(0.5, 0.5, text, transform=panel.transAxes, ha="center", color="0.4")
    panel.set(xticks=[], yticks=[])
