"""Simulations in OpenMM: start, minimise, produce.

A `Simulation` is a context with what belongs to it. `produce` yields one `Record` at a time;
files, progress, and when to stop are the caller's business, who may leave the loop at any record.
"""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from jaxtyping import Float

from isthmus.deploy.md.conditions import Conditions, seed_of
from isthmus.deploy.md.momentum import conserves_momentum, degrees_of_freedom
from isthmus.deploy.md.platforms import Platform, choose_platform
from isthmus.deploy.md.prepare import Prepared
from isthmus.deploy.md.simulation import (
    ALL_GROUPS,
    BrokenSimulationError,
    Minimised,
    Record,
    Simulation,
)
from isthmus.deploy.md.stepping import advance, observe, stopped, where
from isthmus.errors import InputError

if TYPE_CHECKING:
    import openmm

__all__ = [
    "ALL_GROUPS",
    "BrokenSimulationError",
    "Minimised",
    "Record",
    "Simulation",
    "advance",
    "draw_velocities",
    "make_context",
    "make_simulation",
    "minimise",
    "observe",
    "place",
    "produce",
    "start",
    "where",
]

_CONSTRAINT_TOLERANCE: Final = 1e-6


def start(
    prepared: Prepared,
    conditions: Conditions,
    *,
    platform: str | None = None,
    precision: str = "mixed",
    deterministic: bool | None = None,
    threads: int | None = None,
) -> Simulation:
    """A simulation at the prepared positions, with velocities drawn for the temperature.

    Args:
        prepared: from `prepare`.
        conditions: temperature, pressure, integrator, ...
        platform: of OpenMM; None chooses the fastest.
        precision: of platforms that have a choice: mixed, single or double.
        deterministic: the same bits for the same input, and after a resume: on the CPU platform
            this means one thread. None: where it costs nothing (Reference).
        threads: of the CPU platform; None: all.

    Raises:
        InputError: a pressure without a box.
        EngineMissingError: no such platform here.
    """
    chosen = choose_platform(
        prepared.system.getNumParticles(),
        periodic=prepared.box is not None,
        name=platform,
        precision=precision,
        deterministic=bool(deterministic),
        threads=threads,
    )
    exact = chosen.name == "Reference" if deterministic is None else deterministic
    simulation = make_simulation(prepared, conditions, chosen, deterministic=exact)
    draw_velocities(simulation)
    return simulation


def make_simulation(
    prepared: Prepared,
    conditions: Conditions,
    platform: Platform,
    *,
    deterministic: bool,
    barostat_stage: int = 0,
) -> Simulation:
    """A context for production, at the prepared positions, at rest.

    Args:
        prepared, conditions, platform, deterministic: as they become attributes.
        barostat_stage: the step at which the random numbers of the barostat begin.

    Raises:
        InputError: a pressure without a box, and what OpenMM refuses.
    """
    import openmm

    if conditions.pressure is not None and prepared.box is None:
        raise InputError(
            "a pressure was given, and the system has no box: leave it out, or add a solvent"
        )
    extra: list[openmm.Force] = []
    barostat = None
    if conditions.pressure is not None:
        barostat = conditions.make_barostat(barostat_stage)
        extra.append(barostat)
    if conditions.integrator != "langevin" and _rests(prepared):
        extra.append(openmm.CMMotionRemover())
    system = prepared.build(*extra)
    context = make_context(system, prepared, conditions.make_integrator(), platform)
    freedom = degrees_of_freedom(system)
    return Simulation(prepared, conditions, platform, deterministic, context, freedom, barostat)


def _rests(prepared: Prepared) -> bool:
    """Whether the motion of the centre of mass should be taken out, which nothing does yet."""
    import openmm

    if any(isinstance(force, openmm.CMMotionRemover) for force in prepared.system.getForces()):
        return False
    inner = (part.computation.potential for part in prepared.inner)
    return conserves_momentum(prepared.system) and all(map(conserves_momentum, inner))


def make_context(
    system: "openmm.System", prepared: Prepared, integrator: Any, platform: Platform
) -> "openmm.Context":
    """A context at the prepared positions.

    Raises:
        InputError: OpenMM refuses the system, such as a cutoff that is too long for the box.
    """
    import openmm

    integrator.setIntegrationForceGroups(ALL_GROUPS)
    try:
        context = openmm.Context(system, integrator, platform.handle(), platform.properties)
    except openmm.OpenMMException as error:
        raise InputError(
            f"OpenMM cannot start this system on {platform.name}: {error}; choose another "
            "platform, a smaller cutoff or a larger box"
        ) from None
    place(context, prepared.positions, prepared.box)
    return context


def place(
    context: "openmm.Context",
    positions: Float[np.ndarray, "atoms 3"],
    box: Float[np.ndarray, "3 3"] | None,
) -> None:
    """Set box and positions [nm]; constraints are met, and virtual sites put in their places."""
    if box is not None:
        context.setPeriodicBoxVectors(*np.asarray(box, dtype=np.float64))
    context.setPositions(np.asarray(positions, dtype=np.float64))
    context.computeVirtualSites()
    context.applyConstraints(_CONSTRAINT_TOLERANCE)


def draw_velocities(simulation: Simulation) -> None:
    """Velocities [nm/ps] of the temperature, by the seed of the conditions."""
    conditions = simulation.conditions
    simulation.context.setVelocitiesToTemperature(
        conditions.temperature, seed_of(conditions.seed, 0)
    )


def minimise(simulation: Simulation, *, tolerance: float = 10.0, max_steps: int = 0) -> Minimised:
    """Move to a minimum near by, and draw velocities anew.

    Args:
        simulation: changed.
        tolerance: root mean square of the forces at which to stop [kJ/mol/nm].
        max_steps: at most; 0: until the tolerance is met.

    Raises:
        InputError: the energy is not finite, before or after.
    """
    import openmm

    context = simulation.context
    before = _potential(simulation)
    if not math.isfinite(before):
        raise InputError(
            f"the potential energy of the structure is {before}: atoms lie upon each other, or the "
            "model does not know them; look at the structure"
        )
    given: Any = tolerance
    try:
        openmm.LocalEnergyMinimizer.minimize(context, given, max_steps)
    except openmm.OpenMMException as error:
        raise InputError(f"{stopped(simulation, error)}; start from another structure") from None
    after = _potential(simulation)
    if not math.isfinite(after):
        raise InputError(
            f"the potential energy became {after} while it was minimised: the model has no lowest "
            "energy near this structure; start from another one"
        )
    forces = context.getState(forces=True, groups=ALL_GROUPS).getForces(asNumpy=True)._value
    draw_velocities(simulation)
    return Minimised(before, after, float(np.linalg.norm(forces, axis=1).max(initial=0.0)))


def produce(
    simulation: Simulation, n_steps: int, *, report_every: int, stage: str = "production"
) -> Iterator[Record]:
    """Take steps, and yield a record at every multiple of `report_every`, and at the end.

    Steps are counted from the start of the simulation, also in one that was resumed. The
    simulation stands still while the caller looks at a record. A record that is not finite is the
    last one.

    Args:
        simulation: changed.
        n_steps: to take from now on.
        report_every: steps between records.
        stage: for the records.

    Raises:
        InputError: a number of steps that is not positive.
        BrokenSimulationError: OpenMM stopped.
    """
    if report_every < 1 or n_steps < 0:
        raise InputError(
            f"{n_steps} steps with a record every {report_every}: give positive numbers"
        )
    last = simulation.step + n_steps
    while simulation.step < last:
        n = min(report_every - simulation.step % report_every, last - simulation.step)
        advance(simulation, n)
        found = observe(simulation, stage)
        yield found
        if not found.is_finite:
            return


def _potential(simulation: Simulation) -> float:
    try:
        return observe(simulation).potential
    except BrokenSimulationError as error:
        raise InputError(f"{error}; start from another structure") from None
