"""From a structure to equilibrium: warm up under restraints, then let the volume and solute go.

The stages run in a context of their own, with Langevin dynamics; their last state then becomes the
first of production, whose clock starts at 0.

1. `warm-up`: constant volume; the temperature rises in ten steps to that of the conditions; the
   heavy atoms of the solute are held where they were.
2. `equilibration`: with the barostat where a pressure was given; the restraints become weaker in
   four steps, the last of which is none.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from isthmus.deploy.md.conditions import seed_of
from isthmus.deploy.md.momentum import degrees_of_freedom
from isthmus.deploy.md.production import Record, Simulation, make_context, place, produce
from isthmus.errors import InputError

if TYPE_CHECKING:
    import openmm

__all__ = ["equilibrate"]

_RAMP: Final = 10
_RELEASE: Final = (1.0, 0.25, 0.0625, 0.0)
_PARAMETER: Final = "isthmus_restraint"
_SEED: Final = 101


def equilibrate(
    simulation: Simulation,
    *,
    warm_up: float = 20.0,
    settle: float = 100.0,
    restraint: float = 1000.0,
    report_every: int = 1000,
) -> Iterator[Record]:
    """Equilibrate, and yield records on the way; afterwards the simulation stands at step 0.

    A caller that leaves the loop early leaves the simulation where it was.

    Args:
        simulation: started, as a rule minimised; changed when the last record was taken.
        warm_up: at rising temperature [ps].
        settle: at the conditions, while the restraints are released [ps].
        restraint: force constant on heavy atoms of the solute, where there is a box
            [kJ/mol/nm²].
        report_every: steps between records.

    Raises:
        InputError: times that are negative, or that are no number of steps.
        BrokenSimulationError: OpenMM stopped.
    """
    timestep = simulation.conditions.timestep
    n_warm, n_settle = (round(time / timestep) for time in (warm_up, settle))
    if min(warm_up, settle, restraint) < 0:
        raise InputError(
            f"warm-up {warm_up} ps, settling {settle} ps, restraint {restraint} kJ/mol/nm²: give "
            "numbers that are not negative"
        )
    trial, barostat = _trial(simulation, restraint)
    every = simulation.conditions.barostat_every
    stages = [("warm-up", n_warm, (n + 1) / _RAMP, 1.0) for n in range(_RAMP)]
    stages += [("equilibration", n_settle, 1.0, part) for part in _RELEASE]
    counts = {name: sum(s[0] == name for s in stages) for name, *_ in stages}
    for number, (name, total, heat, part) in enumerate(stages):
        _set(trial, barostat, heat=heat, restraint=restraint * part, every=every, stage=name)
        done = number if name == "warm-up" else number - _RAMP
        n_steps = total * (done + 1) // counts[name] - total * done // counts[name]
        yield from produce(trial, n_steps, report_every=report_every, stage=name)
    _take_over(trial, simulation)


def _trial(simulation: Simulation, restraint: float) -> tuple[Simulation, Any]:
    """The same system with restraints, a thermostat and a barostat that is still."""
    conditions = replace(
        simulation.conditions, integrator="langevin", seed=simulation.conditions.seed + _SEED
    )
    prepared = simulation.prepared
    state = simulation.context.getState(positions=True)
    positions = state.getPositions(asNumpy=True)._value
    extra: list[openmm.Force] = []
    barostat = None
    if prepared.box is not None:
        # The barostat scales by the origin: a solute that is there stays where it is held
        if len(prepared.solute_idx):
            positions = positions - positions[prepared.solute_idx].mean(axis=0)
            extra.append(_restraints(simulation, positions))
        if conditions.pressure is not None:
            barostat = conditions.make_barostat()
            extra.append(barostat)
    system = prepared.build(*extra)
    context = make_context(system, prepared, conditions.make_integrator(), simulation.platform)
    box = state.getPeriodicBoxVectors(asNumpy=True)._value if prepared.box is not None else None
    place(context, positions, box)
    context.setVelocitiesToTemperature(conditions.temperature / _RAMP, seed_of(conditions.seed, 0))
    freedom = degrees_of_freedom(system)
    trial = replace(simulation, conditions=conditions, context=context, degrees_of_freedom=freedom)
    return trial, barostat


def _restraints(simulation: Simulation, positions: np.ndarray) -> "openmm.Force":
    import openmm

    numbers = simulation.prepared.molecule.topology.atomic_numbers
    force = openmm.CustomExternalForce(f"{_PARAMETER}/2*periodicdistance(x,y,z,x0,y0,z0)^2")
    force.addGlobalParameter(_PARAMETER, 0.0)
    for name in ("x0", "y0", "z0"):
        force.addPerParticleParameter(name)
    for atom in simulation.prepared.solute_idx.tolist():
        if numbers[atom] > 1:
            force.addParticle(atom, positions[atom].tolist())
    force.setName("restraints")
    return force


def _set(
    trial: Simulation, barostat: Any, *, heat: float, restraint: float, every: int, stage: str
) -> None:
    """Temperature, restraint and barostat of a stage. OpenMM reads the frequency at each step."""
    trial.context.getIntegrator().setTemperature(trial.conditions.temperature * heat)
    if _PARAMETER in trial.context.getParameters():
        trial.context.setParameter(_PARAMETER, restraint)
    if barostat is not None:
        barostat.setFrequency(every if stage == "equilibration" else 0)


def _take_over(trial: Simulation, simulation: Simulation) -> None:
    """The last state of the stages becomes the first of production."""
    state = trial.context.getState(positions=True, velocities=True)
    context = simulation.context
    if simulation.prepared.box is not None:
        context.setPeriodicBoxVectors(*state.getPeriodicBoxVectors(asNumpy=True)._value)
    context.setPositions(state.getPositions(asNumpy=True)._value)
    context.setVelocities(state.getVelocities(asNumpy=True)._value)
    context.setStepCount(0)
    context.setTime(0.0)
