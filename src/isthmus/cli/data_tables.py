"""Tables and JSON of `isthmus data info`; energies in kcal/mol, forces in kcal/mol/Å."""

from typing import TYPE_CHECKING, Any

import numpy as np

from isthmus.units import ANGSTROM, KILOCALORIE
from isthmus.words import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.table import Table

    from isthmus.data.dataset import Dataset
    from isthmus.data.finding import Finding
    from isthmus.data.summary import Summary

__all__ = ["finding_lines", "summary_dictionary", "summary_table"]

_FORCE = KILOCALORIE / ANGSTROM
_FINDINGS_SHOWN = 20


def summary_table(dataset: "Dataset", summary: "Summary") -> "Table":
    """Two columns: what, and how much."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False, title_justify="left")
    table.add_column(style="cyan", no_wrap=True)
    table.add_column(overflow="fold")
    levels = {name or "not stated": n for name, n in summary.levels_of_theory.items()}
    rows = {
        "source": dataset.source,
        "level of theory": _counted(levels) if len(levels) > 1 else next(iter(levels)),
        "molecules": str(summary.n_molecules),
        "frames": f"{summary.n_frames} ({_range(summary.frames)} a molecule)",
        "atoms a molecule": _range(summary.sizes),
        "elements (molecules)": _counted(summary.elements),
        "charge [e] (molecules)": _counted(
            {f"{q:+d}" if q else "0": n for q, n in summary.charges.items()}
        ),
        "temperature [K] (frames)": _counted({f"{t:g}": n for t, n in summary.temperatures.items()})
        or "not stated",
        "labels (molecules)": _counted({"energies": summary.n_molecules} | dict(summary.fields)),
        "energy less the molecule's mean [kcal/mol]": _energies(summary),
        "force components [kcal/mol/Å]": _forces(summary),
        "SHA-256": summary.digest,
    }
    for name, text in rows.items():
        table.add_row(escape(name), escape(text))
    for key, text in dataset.provenance.items():
        table.add_row(escape(key), escape(text))
    return table


def finding_lines(findings: "tuple[Finding, ...]") -> list[str]:
    """One line a finding, errors first."""
    ordered = sorted(findings, key=lambda finding: finding.severity.value)
    lines = [f"{finding.severity.value}: {finding}" for finding in ordered[:_FINDINGS_SHOWN]]
    rest = len(ordered) - len(lines)
    return [*lines, f"and {counted(rest, 'more finding')}: --json lists all"] if rest else lines


def summary_dictionary(file: str, dataset: "Dataset", summary: "Summary") -> dict[str, Any]:
    """The same as plain values, units in the names of the entries."""
    several, forces = len(summary.energies) > 0, summary.fields["forces"] > 0
    return {
        "file": file,
        "source": dataset.source,
        "provenance": dict(dataset.provenance),
        "sha256": summary.digest,
        "level_of_theory": dict(summary.levels_of_theory),
        "n_molecules": summary.n_molecules,
        "n_frames": summary.n_frames,
        "n_atoms": _numbers(summary.sizes),
        "frames_per_molecule": _numbers(summary.frames),
        "elements": dict(summary.elements),
        "total_charge [e]": {str(charge): n for charge, n in summary.charges.items()},
        "temperature [K]": {f"{t:g}": n for t, n in summary.temperatures.items()},
        "molecules_with": dict(summary.fields),
        "energy_sd [kcal/mol]": float(summary.energies.std()) / KILOCALORIE if several else None,
        "energy_min [kcal/mol]": float(summary.energies.min()) / KILOCALORIE if several else None,
        "energy_max [kcal/mol]": float(summary.energies.max()) / KILOCALORIE if several else None,
        "force_component_rms [kcal/mol/Å]": summary.force_rms / _FORCE if forces else None,
        "force_max [kcal/mol/Å]": summary.force_max / _FORCE if forces else None,
        "findings": [
            {
                "name": finding.name,
                "severity": finding.severity.value,
                "molecule": finding.molecule,
                "frames": list(finding.frames),
                "text": finding.text,
            }
            for finding in summary.findings
        ],
    }


def _energies(summary: "Summary") -> str:
    if not len(summary.energies):
        return "one frame a molecule"
    energies = summary.energies / KILOCALORIE
    extremes = f"from {energies.min():.2f} to {energies.max():.2f}"
    return f"standard deviation {energies.std():.3f}, {extremes}"


def _forces(summary: "Summary") -> str:
    if not summary.fields["forces"]:
        return "no forces"
    return (
        f"root mean square {summary.force_rms / _FORCE:.3f}; largest force "
        f"{summary.force_max / _FORCE:.2f}"
    )


def _counted(counts: "Mapping[str, int]") -> str:
    return ", ".join(f"{name} ({n})" for name, n in counts.items())


def _range(values: np.ndarray) -> str:
    low, high = int(values.min()), int(values.max())
    return str(low) if low == high else f"{low} to {high}, median {np.median(values):g}"


def _numbers(values: np.ndarray) -> dict[str, float | int]:
    return {"min": int(values.min()), "median": float(np.median(values)), "max": int(values.max())}
