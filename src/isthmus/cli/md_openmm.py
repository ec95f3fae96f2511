"""`isthmus md --engine openmm`: a system in OpenMM, at the start of its run."""

from typing import TYPE_CHECKING, Any, Final, NoReturn

import numpy as np
import typer

from isthmus.cli.md_built import BROKEN, Built
from isthmus.cli.md_request import Settled
from isthmus.errors import InputError

if TYPE_CHECKING:
    from isthmus.chemistry.molecule import Molecule
    from isthmus.deploy.md.prepare import Prepared
    from isthmus.deploy.md.production import Simulation

__all__ = ["build"]

_INTEGRATORS: Final = {"langevin": "langevin", "nose-hoover": "nose-hoover", "nve": "verlet"}
_HYDROGEN_MASS: Final = 3.0
_WARM_UP: Final = 1 / 6
"""Part of the equilibration in which the temperature rises"""
_EQUILIBRATION: Final = 120.0
"""Where water was added [ps]"""


def build(settled: Settled, molecule: "Molecule", *, resuming: bool) -> Built:
    """Solvate, minimise, equilibrate; arguments and errors as those of `md_jax.build`."""
    from isthmus.cli.console import working
    from isthmus.cli.md_minimised import say_minimised
    from isthmus.cli.md_model import model_fact
    from isthmus.cli.md_water import check_water
    from isthmus.deploy.md.checkpoint import resume_from
    from isthmus.deploy.md.engine import OpenMMEngine
    from isthmus.deploy.md.production import minimise, start

    request = settled.request
    with working(f"preparing {request.model}"):
        prepared = _prepared(settled, molecule)
    system = prepared.system
    held = [system.getConstraintParameters(n)[:2] for n in range(system.getNumConstraints())]
    check_water(settled, prepared.molecule.topology, np.array(held, dtype=int).reshape(-1, 2))
    if settled.barostat is not None and prepared.box is None:
        raise InputError(
            "--pressure needs a periodic system, and this one has no box: leave the pressure out, "
            "or add water with --solvent"
        )
    conditions = _conditions(settled)
    with working("starting OpenMM"):
        deterministic = True if request.deterministic else None
        simulation = start(
            prepared, conditions, precision=settled.precision, deterministic=deterministic
        )
    if not resuming:
        if request.minimise:
            typer.echo("isthmus: minimising until the forces are small", err=True)
            with working("minimising"):
                found = minimise(simulation)
            say_minimised(found.after, found.largest_force)
        _equilibrate(settled, simulation)
    platform = simulation.platform.name

    def restored(data: bytes) -> "Simulation":
        found = resume_from(prepared, conditions, data, precision=settled.precision)
        if found.note is not None:
            typer.echo(f"isthmus: warning: the run goes on, not bit by bit: {found.note}", err=True)
        return found.simulation

    notes = list(prepared.notes)
    if not simulation.deterministic:
        notes.append(
            f"OpenMM's platform {platform} adds in an order that varies: --resume goes on without "
            "a gap, but not bit by bit; --deterministic makes it so, and slower"
        )
    return Built(
        engine=OpenMMEngine(simulation, restored),
        molecule=prepared.molecule,
        facts={
            "model": model_fact(request.model),
            "engine": f"OpenMM, {platform} ({simulation.platform.why}), by {_VIA[prepared.via]}",
            "motion": _motion(settled, simulation),
        },
        notes=tuple(notes),
        made_of={"platform of OpenMM": platform},
        device=_device(simulation),
        compiles=False,
    )


def _device(simulation: "Simulation") -> str:
    """The platform, and its device where it has several."""
    platform = simulation.context.getPlatform()
    name = "DeviceName"
    if name not in platform.getPropertyNames():
        return platform.getName()
    return f"{platform.getName()} on {platform.getPropertyValue(simulation.context, name)}"


_VIA: Final = {
    "forces": "its own forces",
    "python": "Isthmus's compiled potential",
    "files": "its own force field",
}


def _prepared(settled: Settled, molecule: "Molecule") -> "Prepared":
    from isthmus.deploy.md.prepare import prepare
    from isthmus.deploy.md.settings import Settings
    from isthmus.deploy.md.solvation import Solvent

    request = settled.request
    solvent = None
    if request.solvent is not None:
        solvent = Solvent(
            water=request.solvent,
            padding=1.0 if request.padding is None else request.padding,
            ionic_strength=request.ions or 0.0,
            seed=request.seed,
        )
    return prepare(
        molecule,
        request.model,
        environment=request.protein_force_field,
        solvent=solvent,
        settings=Settings(
            constraints=request.constraints or "auto",
            hydrogen_mass=_HYDROGEN_MASS if request.hmr else None,
        ),
    )


def _conditions(settled: Settled) -> Any:
    from isthmus.deploy.md.conditions import Conditions

    request = settled.request
    return Conditions(
        temperature=settled.temperature,
        pressure=None if settled.barostat is None else request.pressure,
        timestep=settled.timestep,
        integrator=_INTEGRATORS[request.thermostat],
        friction=settled.friction or 1.0,
        seed=request.seed,
    )


def _equilibrate(settled: Settled, simulation: "Simulation") -> None:
    """Where water was added, or it was asked for."""
    from isthmus.deploy.md.equilibration import equilibrate
    from isthmus.deploy.md.production import BrokenSimulationError

    request = settled.request
    length = request.equilibrate_ps
    if length is None:
        length = _EQUILIBRATION if request.solvent is not None else 0.0
    if not length:
        return
    every = max(round(length / settled.timestep) // 20, 1)
    typer.echo(f"isthmus: equilibrating for {length:g} ps before the run", err=True)
    stages = equilibrate(
        simulation,
        warm_up=length * _WARM_UP,
        settle=length * (1 - _WARM_UP),
        report_every=every,
    )
    try:
        for record in stages:
            if not record.is_finite:
                _ended(f"The energy is not a finite number at step {record.step}")
            density = "" if record.density is None else f"  {record.density / 1000:.3f} g/cm^3"
            typer.echo(
                f"isthmus: {record.stage}  {record.step * settled.timestep:.4g} ps  "
                f"{record.temperature:.0f} K{density}",
                err=True,
            )
    except BrokenSimulationError as error:
        _ended(str(error))


def _ended(why: str) -> NoReturn:
    """Say what broke, and end the command."""
    typer.echo(
        f"isthmus: error: it broke while it was equilibrated. {why}. Try a larger --padding, a "
        "smaller --timestep, or another start",
        err=True,
    )
    raise typer.Exit(BROKEN)


def _motion(settled: Settled, simulation: "Simulation") -> str:
    held = simulation.prepared.system.getNumConstraints()
    text = f"time step {settled.timestep * 1000:g} fs"
    text += f", {held} distances held" if held else ", no constraints"
    return text + (f", hydrogens of {_HYDROGEN_MASS:g} Da" if settled.request.hmr else "")
