"""`isthmus md --engine openmm`: a system in OpenMM, at the start of its run."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import typer
from jaxtyping import Float

from isthmus.cli.md_built import Built
from isthmus.cli.md_request import Settled
from isthmus.errors import InputError
from isthmus.simulate.record import Record

if TYPE_CHECKING:
    from isthmus.chemistry.molecule import Molecule
    from isthmus.deploy.md.prepare import Prepared
    from isthmus.deploy.md.production import Simulation

__all__ = ["OpenMMEngine", "build"]

_INTEGRATORS: Final = {"langevin": "langevin", "nose-hoover": "nose-hoover", "nve": "verlet"}
_HYDROGEN_MASS: Final = 3.0
_WORK: Final = 2_000_000
"""Atoms times steps of one call, about"""
_MOST_STEPS: Final = 1000
_FEWEST_STEPS: Final = 20
_WARM_UP: Final = 1 / 6
"""Part of the equilibration in which the temperature rises"""
_EQUILIBRATION: Final = 120.0
"""Where water was added [ps]"""


class OpenMMEngine:
    """A simulation in OpenMM as an `Engine` of `isthmus.simulate.record`."""

    def __init__(self, simulation: "Simulation", restored: "Callable[[bytes], Simulation]") -> None:
        """Stand where the simulation stands.

        Args:
            simulation: at step 0.
            restored: makes one from what `isthmus.deploy.md.checkpoint.checkpoint` gave.
        """
        self._simulation = simulation
        self._restored = restored
        self._broken = False

    @property
    def grain(self) -> int:
        """Steps of one call; see `Engine`."""
        if self._simulation.deterministic:
            # A snapshot costs more there, and must be taken at the same steps in every run
            return _MOST_STEPS
        n_atoms = self._simulation.prepared.system.getNumParticles()
        return min(_MOST_STEPS, max(_FEWEST_STEPS, _WORK // n_atoms))

    def advance(self, n_steps: int) -> None:
        """Move on; see `Engine`."""
        from isthmus.deploy.md.production import BrokenSimulationError, advance

        try:
            advance(self._simulation, n_steps)
        except BrokenSimulationError:
            self._broken = True

    def record(self) -> Record:
        """Where the atoms stand; see `Engine`."""
        from isthmus.deploy.md.production import observe

        seen = observe(self._simulation)
        potential = np.nan if self._broken else seen.potential
        return Record(
            step=seen.step,
            time=seen.step * self._simulation.conditions.timestep,
            potential=np.array([potential]),
            kinetic=np.array([seen.kinetic]),
            temperature=np.array([seen.temperature]),
            conserved=None,
            volume=None if seen.volume is None else np.array([seen.volume]),
            density=None if seen.density is None else np.array([seen.density]) / 1000,
            positions=np.array(seen.positions())[None],
            velocities=np.array(seen.velocities())[None],
            box=None if seen.box is None else seen.box[None],
        )

    def snapshot(self) -> Mapping[str, np.ndarray]:
        """OpenMM's checkpoint; see `Engine`."""
        from isthmus.deploy.md.checkpoint import checkpoint

        if self._simulation.deterministic:
            data = checkpoint(self._simulation)
        else:
            data = self._simulation.context.createCheckpoint()
        return {"checkpoint": np.frombuffer(data, dtype=np.uint8).copy()}

    def restore(self, snapshot: Mapping[str, np.ndarray]) -> None:
        """Stand where a snapshot was taken; see `Engine`."""
        import openmm

        data = snapshot["checkpoint"].tobytes()
        self._broken = False
        if self._simulation.deterministic:
            self._simulation = self._restored(data)
            return
        try:
            self._simulation.context.loadCheckpoint(data)
        except openmm.OpenMMException as error:
            raise InputError(
                f"OpenMM does not take its own checkpoint ({error}): go on with the same OpenMM on "
                "the same machine, or start anew with --overwrite"
            ) from None

    def term_energies(
        self, positions: Float[np.ndarray, "atoms 3"], box: Float[np.ndarray, "3 3"] | None
    ) -> Mapping[str, float]:
        """Energy of each force of OpenMM, by its name; see `Engine`."""
        from isthmus.deploy.openmm.evaluating import evaluate_openmm

        if self._simulation.prepared.inner:
            return {}
        found = evaluate_openmm(self._simulation.prepared.system, positions, box=box)
        return {name: float(energy) for name, energy in found.by_force.items()}


def build(settled: Settled, molecule: "Molecule", *, resuming: bool) -> Built:
    """Solvate, minimise, equilibrate; arguments and errors as those of `md_jax.build`."""
    from isthmus.cli.console import working
    from isthmus.cli.md_model import model_fact
    from isthmus.deploy.md.checkpoint import resume_from
    from isthmus.deploy.md.production import minimise, start

    request = settled.request
    with working(f"preparing {request.model}"):
        prepared = _prepared(settled, molecule)
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
            with working("minimising"):
                minimise(simulation)
        _equilibrate(settled, simulation)
    platform = simulation.platform.name

    def restored(data: bytes) -> "Simulation":
        return resume_from(prepared, conditions, data, precision=settled.precision).simulation

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
            "engine": f"OpenMM, {platform}, by {_VIA[prepared.via]}",
            "motion": _motion(settled, simulation),
        },
        notes=tuple(notes),
        made_of={"platform of OpenMM": platform},
    )


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
            density = "" if record.density is None else f"  {record.density / 1000:.3f} g/cm^3"
            typer.echo(
                f"isthmus: {record.stage}  {record.step * settled.timestep:.4g} ps  "
                f"{record.temperature:.0f} K{density}",
                err=True,
            )
    except BrokenSimulationError as error:
        raise InputError(
            f"it broke while it was equilibrated. {error} Try a larger --padding, a smaller "
            "--timestep, or another start"
        ) from None


def _motion(settled: Settled, simulation: "Simulation") -> str:
    held = simulation.prepared.system.getNumConstraints()
    text = f"time step {settled.timestep * 1000:g} fs"
    text += f", {held} distances held" if held else ", no constraints"
    return text + (f", hydrogens of {_HYDROGEN_MASS:g} Da" if settled.request.hmr else "")
