"""Cost of a force evaluation in a compiled loop, beside OpenMM's, for molecules of 22 to 50 atoms.

Every contender takes velocity-Verlet steps on the same molecule; all take turns. Contenders:

- class1 and class2plus in our engine, float32, one molecule and 128 replicas (per replica);
- OpenMM, Reference and CPU platforms, class I: harmonic bonds and angles, periodic torsions,
  Lennard-Jones and Coulomb without cutoff, all by native forces. It has no out-of-plane term,
  which would need a custom force: that favours OpenMM.
"""

import dataclasses
import time
from typing import Any

import jax
import jax.numpy as jnp
import openmm
from measure import Contender, parser, take_turns, write

from isthmus.chemistry.molecule import Molecule
from isthmus.chemistry.smiles import from_smiles
from isthmus.deploy.openmm import to_openmm
from isthmus.forcefield.forcefield import ForceField
from isthmus.forcefield.potential import Potential

MOLECULES = {
    "alanine dipeptide": "CC(=O)N[C@@H](C)C(=O)NC",
    "3BPA": "Nc1ncccc1OCc1ccccc1",
    "methadone": "CCC(=O)C(CC(C)N(C)C)(c1ccccc1)c1ccccc1",
}
REPLICAS = 128
TIMESTEP = 1e-5  # ps: so short that no molecule with random parameters comes apart
STEPS = 4000


def ours(name: str, potential: Potential, mol: Molecule, n_replicas: int) -> Contender:
    """Velocity Verlet in our engine."""
    masses = jnp.asarray(mol.topology.masses, jnp.float32)[:, None]
    n_steps = STEPS if n_replicas == 1 else STEPS // 32

    def total(positions: jax.Array) -> jax.Array:
        return jnp.sum(potential.energy(positions))

    @jax.jit
    def chunk(positions: jax.Array, velocities: jax.Array) -> tuple[jax.Array, jax.Array]:
        def step(_, state):
            x, v = state
            v = v - TIMESTEP / masses * jax.grad(total)(x)
            return x + TIMESTEP * v, v

        return jax.lax.fori_loop(0, n_steps, step, (positions, velocities))

    positions = jnp.asarray(mol.conformers[0], jnp.float32)
    if n_replicas > 1:
        positions = jnp.tile(positions, (n_replicas, 1, 1))
    zero = jnp.zeros_like(positions)
    return Contender(
        name, lambda: jax.block_until_ready(chunk(positions, zero)), n_steps * n_replicas
    )


def in_openmm(mol: Molecule, platform_name: str) -> Contender:
    """Velocity Verlet in OpenMM with native class I forces."""
    numbers = ForceField.free("class1", mol.topology, random_seed=1).parameterise(mol.topology)
    native = tuple(t for t in numbers.terms if t.term.name != "out-of-plane")
    system = to_openmm(dataclasses.replace(numbers, terms=native))
    assert not any("Custom" in type(force).__name__ for force in system.getForces())
    context = openmm.Context(
        system,
        openmm.VerletIntegrator(TIMESTEP),
        openmm.Platform.getPlatformByName(platform_name),
    )
    context.setPositions(mol.conformers[0])

    def run() -> None:
        context.getIntegrator().step(STEPS)
        context.getState(energy=True)

    return Contender(f"OpenMM {platform_name} class1", run, STEPS)


def race(mol: Molecule, turns: int) -> list[dict[str, Any]]:
    """Rows of all contenders on one molecule; compile time is the first run, stated apart."""
    contenders = []
    for design in ("class1", "class2plus"):
        potential = ForceField.free(design, mol.topology, random_seed=1).bind(mol.topology)
        contenders.append(ours(design, potential, mol, 1))
        contenders.append(ours(f"{design} x{REPLICAS}, per replica", potential, mol, REPLICAS))
    contenders += [in_openmm(mol, name) for name in ("Reference", "CPU")]
    compile_seconds = []
    for contender in contenders:
        start = time.perf_counter()
        contender.run()
        compile_seconds.append(time.perf_counter() - start)
    take_turns(contenders, turns)
    return [
        contender.row(n_atoms=mol.topology.n_atoms, unit="us/step", first_run_s=round(seconds, 2))
        for contender, seconds in zip(contenders, compile_seconds, strict=True)
    ]


def ratios(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Ratios of medians of one molecule."""
    median = {row["case"]: row["median"] for row in rows}
    batch = f"class2plus x{REPLICAS}, per replica"
    pairs = {
        "class2plus / class1": ("class2plus", "class1"),
        "class2plus / OpenMM CPU class1": ("class2plus", "OpenMM CPU class1"),
        "class2plus / OpenMM Reference class1": ("class2plus", "OpenMM Reference class1"),
        f"{batch} / OpenMM Reference class1": (batch, "OpenMM Reference class1"),
    }
    return {name: round(median[a] / median[b], 3) for name, (a, b) in pairs.items()}


def main() -> None:
    arguments = parser(__doc__).parse_args()
    rows, summary = [], {}
    for name, smiles in MOLECULES.items():
        mol = from_smiles(smiles, conformers=1, seed=1)
        found = race(mol, arguments.turns)
        summary[f"{name}, {mol.topology.n_atoms} atoms"] = ratios(found)
        rows += found
    write(
        "force_evaluation",
        rows,
        output=arguments.output,
        turns=arguments.turns,
        precision="float32",
        ratios=summary,
    )


if __name__ == "__main__":
    main()
