"""From what a network says, any real number, to parameters within their bounds."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from isthmus.terms.parameter import Parameter

__all__ = ["bounded_values"]


def bounded_values(
    parameters: Sequence[Parameter],
    priors: Float[Array | np.ndarray, "*rows parameters"],
    raw: Float[Array, "clusters parameters"],
) -> Float[Array, "clusters parameters"]:
    """prior + scale · raw while far from the bounds, and never beyond them.

    Exactly the prior at raw = 0, with the slope `scale`; towards a bound the step saturates as
    room · tanh(step / room), which is smooth. A prior that stands on a bound can only leave it to
    one side: there the value stays at the bound for steps to the other side.
    """
    priors = jnp.asarray(priors, raw.dtype)
    step = raw * np.array([p.scale for p in parameters], raw.dtype)
    lowest = np.array([-np.inf if p.minimum is None else p.minimum for p in parameters])
    highest = np.array([np.inf if p.maximum is None else p.maximum for p in parameters])
    if np.isinf(lowest).all() and np.isinf(highest).all():
        return priors + step
    above = highest.astype(raw.dtype) - priors
    below = priors - lowest.astype(raw.dtype)
    # At 0 both sides have the same slope, unless the prior stands on a bound.
    rises = (step > 0) | ((step == 0) & (above > 0))
    return priors + _saturated(step, jnp.where(rises, above, below))


def _saturated(
    step: Float[Array, "clusters parameters"], room: Float[Array, "clusters parameters"]
) -> Float[Array, "clusters parameters"]:
    """room · tanh(step / room): 0 where there is no room, the step where there is no bound."""
    free = jnp.isinf(room)
    safe = jnp.where(free | (room <= 0), 1.0, room)
    bounded = jnp.where(room > 0, safe * jnp.tanh(step / safe), 0.0)
    return jnp.where(free, step, bounded)
