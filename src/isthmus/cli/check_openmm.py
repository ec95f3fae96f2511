"""`isthmus check --engine openmm`: what moves the atoms, as `isthmus md --engine openmm` does."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

if TYPE_CHECKING:
    from isthmus.chemistry.molecule import Molecule
    from isthmus.deploy.md.prepare import Prepared
    from isthmus.deploy.md.production import Simulation
    from isthmus.evaluate.physics.motion import Motion
    from isthmus.simulate.mechanics import Mechanics

__all__ = ["OpenMMEngine"]

_VIA = {
    "forces": "its own forces",
    "python": "Isthmus's compiled potential",
    "files": "its own force field",
}
"""Where the energies come from, by `Prepared.via`"""


class OpenMMEngine:
    """A model on a structure in OpenMM; an `Engine` of `isthmus.evaluate.physics.engine`.

    One context for dynamics with a thermostat and one without; both are made when they are needed,
    for those of custom forces take seconds.
    """

    def __init__(self, model: str, molecule: "Molecule") -> None:
        """Prepare the system as it was given: nothing added, no constraints but its own.

        Args:
            model: as `isthmus check` takes it.
            molecule: whose box is used, if it has one.

        Raises:
            InputError: as `isthmus.deploy.md.prepare.prepare`.
        """
        from isthmus.deploy.md.prepare import prepare
        from isthmus.deploy.md.settings import Settings
        from isthmus.deploy.md.templates import names_files

        # OpenMM's files would constrain, and those of a System belong to it
        settings = Settings(constraints="none" if names_files(model) else "auto")
        self._prepared: Prepared = prepare(molecule, model, settings=settings)
        self._simulations: dict[str, Simulation] = {}

    @property
    def name(self) -> str:
        """OpenMM, its platform, and where its energies come from."""
        platform = self._simulation("verlet").platform.name
        return f"OpenMM, {platform}, by {_VIA[self._prepared.via]}"

    def _simulation(self, integrator: str, seed: int = 0) -> "Simulation":
        from isthmus.deploy.md.conditions import Conditions
        from isthmus.deploy.md.production import start

        if integrator not in self._simulations:
            conditions = Conditions(integrator=integrator, seed=seed)
            self._simulations[integrator] = start(self._prepared, conditions)
        return self._simulations[integrator]

    def forces(self, positions: Float[np.ndarray, "atoms 3"]) -> Float[np.ndarray, "atoms 3"]:
        """Forces [kJ/mol/nm] at positions [nm]; see `Engine`."""
        from isthmus.deploy.md.production import observe

        context = self._simulation("verlet").context
        context.setPositions(positions)
        context.computeVirtualSites()
        return np.array(observe(self._simulation("verlet")).forces())

    def move(
        self,
        positions: Float[np.ndarray, "replicas atoms 3"],
        mechanics: "Mechanics",
        *,
        temperature: float,
        friction: float | None,
        timestep: float,
        n_records: int,
        every: int,
        seed: int,
        heed: Callable[[float], None] | None = None,
    ) -> "Motion":
        """Run replicas one after another; see `Engine`."""
        from isthmus.deploy.md.conditions import seed_of
        from isthmus.evaluate.physics.motion import Motion

        simulation = self._simulation("verlet" if friction is None else "langevin", seed)
        integrator: Any = simulation.context.getIntegrator()
        integrator.setStepSize(timestep)
        if friction is not None:
            integrator.setTemperature(temperature)
            integrator.setFriction(friction)
        shape = (n_records, len(positions))
        energies = np.full((2, *shape), np.nan)
        frames = np.full((2, *shape, *positions.shape[1:]), np.nan)
        for replica, start in enumerate(positions):
            _place(simulation, start)
            simulation.context.setVelocitiesToTemperature(temperature, seed_of(seed, replica))
            # Verlet's velocities are those of half a step before
            ahead = timestep / 2 if friction is None else 0.0
            for record in range(n_records):
                found = _advanced(simulation, every, mechanics, ahead)
                if found is None:
                    break
                energies[:, record, replica], frames[:, record, replica] = found
                if heed is not None:
                    heed((replica + (record + 1) / n_records) / len(positions))
        times = timestep * every * np.arange(1, n_records + 1)
        box = self._prepared.box
        return Motion(
            times, energies[0], energies[1], frames[0], frames[1], mechanics, timestep, box
        )


def _place(simulation: "Simulation", positions: Float[np.ndarray, "atoms 3"]) -> None:
    from isthmus.deploy.md.production import place

    place(simulation.context, positions, simulation.prepared.box)
    for part in simulation.prepared.inner:
        part.computation.reset()


def _advanced(
    simulation: "Simulation", n_steps: int, mechanics: "Mechanics", ahead: float
) -> tuple[Float[np.ndarray, "two"], Float[np.ndarray, "two atoms 3"]] | None:
    """Potential and kinetic energy, positions and velocities; None once it has broken."""
    from isthmus.deploy.md.production import BrokenSimulationError, advance, observe

    try:
        advance(simulation, n_steps)
    except BrokenSimulationError:
        return None
    seen = observe(simulation)
    x, v = np.array(seen.positions()), np.array(seen.velocities())
    if ahead:
        v = v + ahead * seen.forces() * np.asarray(mechanics.inverse_masses)
        v = _constrained(v, x, mechanics)
    return np.array([seen.potential, seen.kinetic]), np.stack([x, v])


def _constrained(
    velocities: Float[np.ndarray, "atoms 3"],
    positions: Float[np.ndarray, "atoms 3"],
    mechanics: "Mechanics",
) -> Float[np.ndarray, "atoms 3"]:
    """Velocities without their part along constraints."""
    import jax
    import jax.numpy as jnp

    if mechanics.constraints is None:
        return velocities
    with jax.enable_x64(True):
        v, x = jnp.asarray(velocities), jnp.asarray(positions)
        return np.asarray(mechanics.constraints.constrain_velocities(v, x))
