"""Random numbers for dynamics: those of `jax.random`, in a form that costs less on a CPU.

`random_words` gives bit by bit what `jax.random.bits` gives for a Threefry key (Salmon, Moraes,
Dror and Shaw, SC'11, doi 10.1145/2063384.2063405: Threefry-2x32, 20 rounds), but with the rounds
written out, so that the compiler runs over all counters at once. Words are drawn for many steps
together and turned into normal deviates in the step that uses them.
"""

from typing import Final

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray, UInt32

__all__ = ["normal_deviates", "random_words", "step_key"]

_ROTATIONS: Final = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY: Final = 0x1BD11BDA


def step_key(key: PRNGKeyArray, high: UInt32[Array, ""], low: UInt32[Array, ""]) -> PRNGKeyArray:
    """The key of a step, whose number is high × 2³² + low."""
    return jax.random.fold_in(jax.random.fold_in(key, high), low)


def random_words(key: PRNGKeyArray, shape: tuple[int, ...]) -> UInt32[Array, "*shape"]:
    """32 random bits each, the same as `jax.random.bits(key, shape)` gives by default."""
    size = int(np.prod(shape))
    if str(jax.random.key_impl(key)) != "threefry2x32" or size >= 2**32:
        return jax.random.bits(key, shape)
    first, second = jax.random.key_data(key)
    words = _threefry(first, second, jnp.arange(size, dtype=jnp.uint32))
    return words.reshape(shape)


def normal_deviates(words: UInt32[Array, "*shape"], dtype: np.dtype) -> Float[Array, "*shape"]:
    """Normal deviates [1] from random words, by the inverse of the error function in float32.

    23 bits of a word are used: deviates reach from −5.4 to 5.4, as those of `jax.random.normal`
    in float32. A type with more digits holds the same values.
    """
    # Odd multiples of 2^-23 between -1 and 1: symmetric, and never at the ends
    uniform = (words >> 9).astype(jnp.float32) * 2.0**-22 + (2.0**-23 - 1)
    return (np.float32(np.sqrt(2)) * jax.lax.erf_inv(uniform)).astype(dtype)


def _threefry(first: Array, second: Array, counter: Array) -> Array:
    """One word for each counter: both halves of the block with exclusive or."""
    keys = (first, second, first ^ second ^ np.uint32(_PARITY))
    x, y = jnp.zeros_like(counter) + keys[0], counter + keys[1]
    for group in range(5):
        for rotation in _ROTATIONS[group % 2]:
            x = x + y
            y = x ^ ((y << rotation) | (y >> (32 - rotation)))
        x = x + keys[(group + 1) % 3]
        y = y + keys[(group + 2) % 3] + np.uint32(group + 1)
    return x ^ y
