"""Energies as tables for people and as dictionaries for programs."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from rich.console import Group as Lines
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from isthmus.chemistry.molecule import Molecule
from isthmus.deploy.comparison import Evaluation, ForceDifference, Group
from isthmus.units import ANGSTROM, energy_unit

__all__ = ["as_dictionary", "energy_table"]

_PER_TABLE: Final = 5
"""Conformers side by side in one table"""

ENGINE_NAMES: Final = {"isthmus": "Isthmus", "openmm": "OpenMM"}


def energy_table(
    molecule: Molecule,
    evaluations: Sequence[Evaluation],
    *,
    unit: str,
    title: str,
    note: str | None = None,
) -> RenderableType:
    """One table a conformer where two engines are compared, else conformers side by side."""
    name = f"{molecule.name}, " if molecule.name else ""
    head = Text.assemble(
        (f"{name}{molecule.formula}, {molecule.n_atoms} atoms", "bold"),
        f"; {title}; energies in {unit}",
    )
    parts: list[RenderableType] = [head]
    if note is not None:
        parts.append(Text(f"note: {note}", style="yellow"))
    if evaluations[0].forces is not None:
        for number, evaluation in enumerate(evaluations, start=1):
            if len(evaluations) > 1:
                parts.append(Text(f"conformer {number}", style="bold"))
            parts += [_comparison(evaluation, unit), _forces_line(evaluation, molecule, unit)]
    else:
        for start in range(0, len(evaluations), _PER_TABLE):
            parts.append(_side_by_side(evaluations, start, unit))
    return Lines(*parts, "")


def _table(columns: Sequence[str]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("term", no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _number(value: float | None, size: float) -> str:
    # + 0.0 turns what rounds to -0 into 0
    return "" if value is None else f"{round(value / size, 6) + 0.0:.6f}"


def _small(value: float, size: float) -> str:
    return f"{value / size:.1e}"


def _comparison(evaluation: Evaluation, unit: str) -> Table:
    size = energy_unit(unit)
    table = _table(("Isthmus", "OpenMM", "difference"))
    for group in evaluation.groups:
        assert group.isthmus is not None
        assert group.openmm is not None
        ours, theirs = _number(group.isthmus, size), _number(group.openmm, size)
        table.add_row(group.name, ours, theirs, _small(group.isthmus - group.openmm, size))
        for label, value in _parts(group):
            table.add_row(Text(f"  {label}", style="dim"), Text(_number(value, size), style="dim"))
    assert evaluation.difference is not None
    table.add_section()
    table.add_row(
        "total",
        _number(evaluation.isthmus, size),
        _number(evaluation.openmm, size),
        _small(evaluation.difference, size),
        style="bold",
    )
    return table


def _parts(group: Group) -> Iterator[tuple[str, float]]:
    """The terms of a group by their short names, where there are several."""
    if group.terms is not None and len(group.terms) > 1:
        for name, value in group.terms.items():
            yield name.removeprefix(f"{group.name}: "), value


def _forces_line(evaluation: Evaluation, molecule: Molecule, unit: str) -> Text:
    forces = evaluation.forces
    assert forces is not None
    size, force_unit = _force_unit(unit)
    return Text(
        f"largest difference of forces {_small(forces.largest, size)} {force_unit}, "
        f"{forces.relative:.1e} of the largest component; at "
        f"{molecule.topology.describe_atom(forces.atom)}"
    )


def _force_unit(unit: str) -> tuple[float, str]:
    """Size and name of the unit of forces that goes with one of energies."""
    if unit == "kJ/mol":
        return 1.0, "kJ/mol/nm"
    return energy_unit(unit) / ANGSTROM, f"{unit}/Å"


def _side_by_side(evaluations: Sequence[Evaluation], start: int, unit: str) -> Table:
    size = energy_unit(unit)
    chosen = evaluations[start : start + _PER_TABLE]
    engine = "openmm" if chosen[0].isthmus is None else "isthmus"
    columns = [f"conformer {start + n + 1}" for n in range(len(chosen))]
    table = _table(columns if len(evaluations) > 1 else (ENGINE_NAMES[engine],))
    for index, group in enumerate(chosen[0].groups):
        values = [getattr(e.groups[index], engine) for e in chosen]
        table.add_row(group.name, *(_number(value, size) for value in values))
        rows = zip(*(_parts(e.groups[index]) for e in chosen), strict=True)
        for row in rows:
            numbers = (Text(_number(value, size), style="dim") for _, value in row)
            table.add_row(Text(f"  {row[0][0]}", style="dim"), *numbers)
    table.add_section()
    totals = (_number(getattr(e, engine), size) for e in chosen)
    table.add_row("total", *totals, style="bold")
    return table


def as_dictionary(
    molecule: Molecule, evaluations: Sequence[Evaluation], *, unit: str, note: str | None
) -> dict[str, Any]:
    """What the tables show, for JSON; energies in `unit`, forces in its unit of forces."""
    return {
        "name": molecule.name,
        "formula": molecule.formula,
        "n_atoms": molecule.n_atoms,
        "note": note,
        "conformers": [_conformer(evaluation, unit) for evaluation in evaluations],
    }


def _conformer(evaluation: Evaluation, unit: str) -> dict[str, Any]:
    size = energy_unit(unit)
    groups = [
        {
            "force": group.name,
            "isthmus": _scaled(group.isthmus, size),
            "openmm": _scaled(group.openmm, size),
            "terms": {name: value / size for name, value in (group.terms or {}).items()},
        }
        for group in evaluation.groups
    ]
    return {
        "total": {
            "isthmus": _scaled(evaluation.isthmus, size),
            "openmm": _scaled(evaluation.openmm, size),
        },
        "groups": groups,
        "forces": None if evaluation.forces is None else _forces(evaluation.forces, unit),
    }


def _scaled(value: float | None, size: float) -> float | None:
    return None if value is None else value / size


def _forces(forces: ForceDifference, unit: str) -> dict[str, Any]:
    size, force_unit = _force_unit(unit)
    return {
        "unit": force_unit,
        "largest_difference": forces.largest / size,
        "largest_component": forces.scale / size,
        "relative_difference": forces.relative,
        "atom": forces.atom,
    }
