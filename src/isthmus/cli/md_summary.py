"""What `isthmus md` says before a run and after it."""

from typing import TYPE_CHECKING

import typer
from rich.table import Table

from isthmus.cli.md_progress import speed
from isthmus.cli.md_request import Settled
from isthmus.words import counted

if TYPE_CHECKING:
    from isthmus.cli.md_built import Built
    from isthmus.simulate.run import Outcome
    from isthmus.simulate.run_paths import RunPaths

__all__ = ["show_start", "show_summary"]

_THERMOSTATS = {
    "langevin": "Langevin",
    "nose-hoover": "Nosé–Hoover",
    "bussi": "Bussi velocity rescaling",
    "isokinetic": "stochastic isokinetic Nosé–Hoover",
    "nve": "constant energy",
}
_SHOWN = {
    "temperature": "K",
    "potential": "kJ/mol",
    "volume": "nm^3",
    "density": "g/cm^3",
}
_LINKS = 4
"""Of the isokinetic thermostat, as `IsokineticRespa` has them unless told"""
_SETTLING = 0.2
"""Part of a run at its start that is left out of means"""


def show_start(settled: Settled, built: "Built") -> None:
    """What will run."""
    request, molecule = settled.request, built.molecule
    for note in built.notes:
        typer.echo(f"isthmus: warning: {note}", err=True)
    copies = f", {request.replicas} replicas" if request.replicas > 1 else ""
    box = ", periodic" if molecule.box is not None else ""
    size = counted(molecule.n_atoms, "atom")
    facts = {
        "system": f"{molecule.name or molecule.formula}, {size}{box}{copies}",
        **built.facts,
        "ensemble": _ensemble(settled),
        "time": (
            f"{_length(settled.n_steps * settled.timestep)}: {counted(settled.n_steps, 'step')} of "
            f"{settled.timestep * 1000:g} fs, a frame every "
            f"{settled.report_every * settled.timestep:g} ps"
        ),
    }
    width = max(len(name) for name in facts)
    for name, text in facts.items():
        typer.echo(f"isthmus: {name:<{width}}  {text}", err=True)


def _ensemble(settled: Settled) -> str:
    request = settled.request
    text = f"{_THERMOSTATS[request.thermostat]}, {settled.temperature:g} K"
    if settled.friction is not None:
        text += f", {settled.friction:g}/ps"
    else:
        text += " at the start"
    if settled.barostat is not None:
        text += f"; {settled.barostat} barostat, {request.pressure:g} bar"
    if request.respa is not None:
        text += f"; {request.inner or 'bonded terms'} {request.respa} times a step"
    return text


def show_summary(settled: Settled, outcome: "Outcome", paths: "RunPaths") -> None:
    """Means of what was written, speed, files."""
    from isthmus.cli.console import results
    from isthmus.simulate.averages import mean_and_error
    from isthmus.simulate.energy_table import read_table

    columns = read_table(paths.energies)
    replicas = len(paths.trajectories)
    n_frames = len(columns["step"]) // replicas
    settling = int(n_frames * _SETTLING)
    if n_frames:
        first = "the first" if settling == 1 else f"the first {settling}"
        left_out = f", {first} left out" if settling else ""
        table = Table(title=f"{counted(n_frames, 'frame')}{left_out}", title_justify="left")
        for heading in ("", "mean", "standard error", "unit"):
            table.add_column(heading, justify="left" if heading in ("", "unit") else "right")
        for name, unit in _SHOWN.items():
            if name in columns:
                values = columns[name].reshape(n_frames, replicas)[settling:]
                mean, error = mean_and_error(values)
                table.add_row(name, *_rounded(mean, error), unit)
        results().print(table)
        if settled.request.thermostat == "isokinetic":
            results().print(_isokinetic(settled.temperature), soft_wrap=True)
    rate = speed(outcome.steps_timed, outcome.seconds, settled.timestep)
    if rate is not None:
        each = f" for each of {replicas} replicas" if replicas > 1 else ""
        results().print(f"{rate:.4g} ns/day{each}, compilation and the first piece left out")
    shown = [str(path) for path in (*paths.trajectories[:2], paths.energies, paths.topology)]
    if len(paths.trajectories) > 2:
        shown.insert(2, f"... ({len(paths.trajectories)} trajectories)")
    results().print("files: " + ", ".join([*shown, str(paths.checkpoint)]), soft_wrap=True)


def _isokinetic(temperature: float) -> str:
    """Why its temperature is not the one that was asked for."""
    shown = _LINKS / (_LINKS + 1) * temperature
    return (
        f"The temperature above and in the CSV is that of the velocities, which --thermostat "
        f"isokinetic keeps at {_LINKS}/{_LINKS + 1} of the one asked for: expected are {shown:g} K "
        f"where positions are those of {temperature:g} K."
    )


def _rounded(mean: float, error: float | None) -> tuple[str, str]:
    if error is None or not error > 0:
        return f"{mean:.5g}", "unknown"
    from math import floor, log10

    digits = max(0, 1 - floor(log10(error)))
    return f"{mean:.{digits}f}", f"{error:.{digits}f}"


def _length(picoseconds: float) -> str:
    return f"{picoseconds / 1000:g} ns" if picoseconds >= 1000 else f"{picoseconds:g} ps"
