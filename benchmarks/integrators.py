"""What a step of dynamics costs beside the evaluation of its forces: 3BPA, 27 atoms, class II+.

Contenders take turns: a compiled loop that moves atoms along forces and does nothing else (the
loop of `force_evaluation.py`), and `simulate.advance` with its integrators, for one molecule and
for 128 replicas (per replica); float32, sums in float32 where nothing else is said. OpenMM's
Langevin steps with class I parameters, on its CPU and Reference platforms, take turns with them.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from measure import Contender, parser, take_turns, write

from isthmus.chemistry.molecule import Molecule
from isthmus.chemistry.smiles import from_smiles
from isthmus.deploy.md.conditions import Conditions
from isthmus.deploy.md.prepare import prepare
from isthmus.deploy.md.production import start as begin
from isthmus.deploy.md.stepping import advance as step
from isthmus.forcefield.forcefield import ForceField
from isthmus.forcefield.potential import Potential
from isthmus.simulate.advance import advance, on_device, start
from isthmus.simulate.integrators.bussi import Bussi
from isthmus.simulate.integrators.langevin import Langevin
from isthmus.simulate.integrators.langevin_respa import LangevinRespa
from isthmus.simulate.integrators.nose_hoover import NoseHoover
from isthmus.simulate.integrators.verlet import VelocityVerlet
from isthmus.simulate.mechanics import mechanics_of
from isthmus.simulate.selection import bonded_terms
from isthmus.simulate.state import Integrator
from isthmus.simulate.surface import divide

MOLECULE = "Nc1ncccc1OCc1ccccc1"
TIMESTEP = 1e-5  # ps: so short that no molecule with random parameters comes apart
STEPS = {1: 4000, 128: 128}


def bare(potential: Potential, positions: jax.Array, n_steps: int) -> Callable[[], object]:
    """Forces and the least that can be done with them."""
    masses = jnp.asarray(potential.parameterization.masses, jnp.float32)[:, None]

    def total(x: jax.Array) -> jax.Array:
        return jnp.sum(potential.energy(x))

    @jax.jit
    def chunk(x: jax.Array, v: jax.Array) -> tuple[jax.Array, jax.Array]:
        def step(_: Any, state: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
            x, v = state
            v = v - TIMESTEP / masses * jax.grad(total)(x)
            return x + TIMESTEP * v, v

        return jax.lax.fori_loop(0, n_steps, step, (x, v))

    zero = jnp.zeros_like(positions)
    return lambda: jax.block_until_ready(chunk(positions, zero))


def moving(integrator: Integrator, positions: jax.Array, n_steps: int) -> Callable[[], object]:
    """Steps of an integrator, in one call."""
    ready, key = on_device(integrator), jax.random.key(1)
    state = start(ready, key, positions, np.zeros(positions.shape))

    def run() -> object:
        chunk = advance(ready, key, state, first_step=0, n_steps=n_steps)
        return jax.block_until_ready(chunk.state.positions)

    return run


def integrators(potential: Potential) -> dict[str, tuple[Integrator, int]]:
    """Integrators, and the inner steps of one of their steps."""
    mechanics = mechanics_of(potential)
    warm: dict[str, Any] = {"timestep": TIMESTEP, "temperature": 1.0}
    inner, outer = divide(potential, bonded_terms(potential.parameterization))
    split = LangevinRespa(inner, outer, mechanics, ratio=4, friction=1.0, **warm)
    return {
        "velocity Verlet": (VelocityVerlet(potential, mechanics, timestep=TIMESTEP), 1),
        "Langevin": (Langevin(potential, mechanics, friction=1.0, **warm), 1),
        "Langevin, compensated sums": (
            Langevin(potential, mechanics, friction=1.0, accumulation="compensated", **warm),
            1,
        ),
        "Langevin, sums in float64": (
            Langevin(potential, mechanics, friction=1.0, accumulation="float64", **warm),
            1,
        ),
        "Bussi": (Bussi(potential, mechanics, **warm), 1),
        "Nosé-Hoover": (NoseHoover(potential, mechanics, **warm), 1),
        "Langevin RESPA 4:1, per inner step": (split, 4),
    }


def in_openmm(molecule: Molecule, platform: str, n_steps: int) -> Contender:
    """Langevin steps of the same molecule with class I in OpenMM."""
    force_field = ForceField.free("class1", molecule.topology, random_seed=1)
    conditions = Conditions(timestep=TIMESTEP, temperature=1.0)
    simulation = begin(prepare(molecule, force_field), conditions, platform=platform)
    name = f"OpenMM {platform}, class1, Langevin"
    return Contender(name, lambda: step(simulation, n_steps), n_steps)


def main() -> None:
    arguments = parser(__doc__).parse_args()
    molecule = from_smiles(MOLECULE, conformers=1, seed=1)
    force_field = ForceField.free("class2plus", molecule.topology, random_seed=1)
    potential = force_field.bind(molecule.topology)
    x = jnp.asarray(molecule.conformers[0], jnp.float32)
    contenders = []
    for n_replicas, n_steps in STEPS.items():
        many = x if n_replicas == 1 else jnp.tile(x, (n_replicas, 1, 1))
        note = "" if n_replicas == 1 else f" x{n_replicas}, per replica"
        work = n_steps * n_replicas
        contenders.append(Contender(f"forces alone{note}", bare(potential, many, n_steps), work))
        for name, (integrator, inner) in integrators(potential).items():
            run = moving(integrator, many, n_steps // inner)
            contenders.append(Contender(f"{name}{note}", run, work))
    contenders += [in_openmm(molecule, platform, 1000) for platform in ("CPU", "Reference")]
    take_turns(contenders, arguments.turns)
    times = {c.name: c.row()["median"] for c in contenders}
    theirs = times["OpenMM CPU, class1, Langevin"]
    write(
        "integrators",
        [c.row(n_atoms=molecule.topology.n_atoms, unit="us/step") for c in contenders],
        output=arguments.output,
        turns=arguments.turns,
        precision="float32",
        over_openmm_cpu_class1={
            name: round(times[name] / theirs, 3)
            for name in ("Langevin", "Langevin x128, per replica")
        },
    )


if __name__ == "__main__":
    main()
