"""Charges that add up: every connected component has the sum of its formal charges.

The energy of charges q = q0 + d is Σ χ d + ½ Σ η d², with electronegativities χ and hardnesses η
from the network. Its minimum under Σ d = 0 for every component is, in closed form,

    d = (μ − χ) / η,    μ = Σ (χ / η) / Σ (1 / η),

charge equilibration without the Coulomb energy between the atoms: A. K. Rappé and W. A. Goddard,
J. Phys. Chem. 95, 3358 (1991); as a layer of a network Y. Wang et al., Chem. Sci. 13, 12016 (2022).
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

__all__ = ["conserved", "equilibrated_charges"]


def equilibrated_charges(
    prior: Float[Array | np.ndarray, " atoms"],
    raw: Float[Array, "atoms 2"],
    components: Int[Array | np.ndarray, " atoms"],
    *,
    scale: float,
) -> Float[Array, " atoms"]:
    """Charges [e].

    Args:
        prior: q0, whose sums over the components are kept [e].
        raw: what the network says of χ and η; zeros give q0.
        components: label of the component of each atom, below the number of atoms.
        scale: typical change of a charge [e].
    """
    n_atoms = raw.shape[0]
    electronegativity = scale * raw[:, 0]
    softness = jnp.exp2(jnp.tanh(raw[:, 1]))

    def total(x: Float[Array, " atoms"]) -> Float[Array, " atoms"]:
        return jax.ops.segment_sum(x, components, num_segments=n_atoms)[components]

    level = total(electronegativity * softness) / total(softness)
    change = (level - electronegativity) * softness
    # Once more, against the rounding of the sums
    change = change - total(change) / total(jnp.ones_like(change))
    return jnp.asarray(prior, raw.dtype) + change


def conserved(
    charges: Float[np.ndarray, "atoms"],
    prior: Float[np.ndarray, "atoms"],
    components: Int[np.ndarray, "atoms"],
) -> Float[np.ndarray, "atoms"]:
    """Charges of lower precision, with sums over the components like those of `prior` [e]."""
    lack = np.bincount(components, weights=prior - charges)
    return charges + (lack / np.bincount(components))[components]
