"""Energies are JAX functions: jit, grad and vmap over positions, and over parameters.

Ten conformers of paracetamol in MMFF94: their energies in one call, the minimisation of all of
them at once, and the derivative of the energy with respect to every parameter.
"""

import equinox as eqx
import jax
import jax.numpy as jnp

import isthmus
from isthmus.units import KILOCALORIE

N_CONFORMERS = 10
STEPS = 200
LONGEST_STEP = 0.002
"""How far an atom moves at most in one step of the descent [nm]"""


def main() -> None:
    molecule = isthmus.from_smiles("CC(=O)Nc1ccc(O)cc1").with_conformers(N_CONFORMERS, relax=False)
    potential = isthmus.ForceField.mmff("MMFF94").bind(molecule.topology)  # float32

    # A batch of conformers: one call, one compilation
    energies = potential.energy(molecule.conformers) / KILOCALORIE
    print(f"{N_CONFORMERS} conformers, {energies.min():.1f} to {energies.max():.1f} kcal/mol")

    # Inside jit, grad and vmap an energy is a pure function of positions
    gradient = jax.grad(potential.energy)

    @jax.jit
    @jax.vmap
    def minimise(positions):
        def step(_, x):
            slope = gradient(x)
            length = jnp.max(jnp.linalg.norm(slope, axis=1))
            return x - slope * jnp.minimum(LONGEST_STEP / length, 2e-6)

        return jax.lax.fori_loop(0, STEPS, step, positions)

    relaxed = minimise(jnp.asarray(molecule.conformers, jnp.float32))
    energies = potential.energy(relaxed) / KILOCALORIE
    print(f"after {STEPS} steps downhill: {energies.min():.1f} to {energies.max():.1f} kcal/mol")

    # The numbers of a force field are a tree of arrays: differentiate with respect to all of them
    force_field = isthmus.ForceField.free("class1", molecule.topology)

    def energy_of(force_field):
        return force_field.bind(molecule.topology).energy(jnp.asarray(molecule.positions))

    slopes = eqx.filter_grad(energy_of)(jax.tree.map(jnp.asarray, force_field))
    slope = slopes.source.values["bond"]["k"]
    print(f"dE/dk of the first bond: {float(slope[0]):.3e} kJ/mol per kJ/mol/nm²")


if __name__ == "__main__":
    main()
