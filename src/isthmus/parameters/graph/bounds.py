"""From what a network says, any real number, to a parameter within its bounds."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from isthmus.terms.parameter import Parameter

__all__ = ["bounded_value"]


def bounded_value(
    parameter: Parameter, prior: Float[Array | np.ndarray, "..."], raw: Float[Array, " clusters"]
) -> Float[Array, " clusters"]:
    """prior + scale · raw while far from the bounds, and never beyond them.

    Exactly the prior at raw = 0, with the slope `scale`; towards a bound the step saturates as
    room · tanh(step / room), which is smooth. A prior that stands on a bound can only leave it to
    one side: there the value stays at the bound for steps to the other side.
    """
    prior = jnp.asarray(prior, raw.dtype)
    step = parameter.scale * raw
    up, down = step, step
    can_rise = jnp.ones_like(prior, dtype=bool)
    if parameter.maximum is not None:
        room = parameter.maximum - prior
        can_rise = room > 0
        up = _saturated(step, room)
    if parameter.minimum is not None:
        down = -_saturated(-step, prior - parameter.minimum)
    # At 0 both sides have the same slope, unless the prior stands on a bound.
    rises = (step > 0) | ((step == 0) & can_rise)
    return prior + jnp.where(rises, up, down)


def _saturated(
    step: Float[Array, " clusters"], room: Float[Array, "..."]
) -> Float[Array, " clusters"]:
    """room · tanh(step / room), 0 where there is no room."""
    inside = room > 0
    safe = jnp.where(inside, room, 1.0)
    return jnp.where(inside, safe * jnp.tanh(step / safe), 0.0)
