"""Monte Carlo barostat: volumes by trial and acceptance, exact for any surface.

A trial changes ln V by a uniform deviate in [−w, w], by all axes together (isotropic) or by one
of the chosen axes (anisotropic), with the centres of all N molecules. It is taken with probability

    min(1, exp(−(ΔE + P ΔV)/kT) (V'/V)^(N + 1))

The 1 in N + 1 belongs to the measure dV = V d ln V; velocities stay as they are (K.-H. Chow and
D. M. Ferguson, Comput. Phys. Commun. 91, 283 (1995); J. Åqvist et al., Chem. Phys. Lett. 384, 288
(2004)). While it adapts, w follows the share of trials taken; then it is fixed, for a width that
depends on what happened breaks detailed balance. With neighbour lists, trials that a list would not
cover even if it were new, or that leave no room for the cutoff, are refused.
"""

from typing import Final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, PRNGKeyArray

from isthmus.errors import InputError
from isthmus.geometry.gather import rows_of
from isthmus.geometry.neighbours import NeighbourList
from isthmus.simulate.advance import skin_used
from isthmus.simulate.barostats.molecules import Molecules
from isthmus.simulate.barostats.pressured import Barostat, Context, box_volume
from isthmus.simulate.barostats.settings import checked_axes, positive
from isthmus.simulate.state import State
from isthmus.simulate.surface import Neighbours, evaluate
from isthmus.units import BAR, BOLTZMANN

__all__ = ["MonteCarlo"]

COMPRESSIBILITY: Final = 4.5e-5
"""Of water [1/bar]; sets the first width of trials"""

WIDTH: Final = 2.5
"""First width, in standard deviations of ln V of as much water"""

WIDEST: Final = 0.3

COVERED: Final = 0.9
"""Share of the skin of a neighbour list that a trial may use up"""

GROWTH: Final = 1.5
"""Factor of the width where less than a quarter or more than three quarters of trials are taken"""

ROUND: Final = 10
"""Trials after which the width is looked at, while it adapts"""


class MonteCarlo(Barostat):
    """Monte Carlo barostat; see the module.

    Attributes:
        molecules: what moves as a whole.
        temperature: [K], that of the thermostat.
        pressure: [bar].
        adapt: trials at the start after which the width stays as it is.
        axes: which axes change, each by itself; None: all together.
    """

    molecules: Molecules
    temperature: Float[np.ndarray | Array, ""]
    pressure: Float[np.ndarray | Array, ""]
    adapt: int = eqx.field(static=True)
    axes: tuple[int, ...] | None = eqx.field(static=True)

    def __init__(
        self,
        molecules: Molecules,
        *,
        temperature: ArrayLike,
        pressure: ArrayLike,
        axes: tuple[bool, bool, bool] | None = None,
        adapt: int = 0,
    ):
        """Check the numbers.

        Args:
            molecules: of the system.
            temperature: [K].
            pressure: [bar].
            axes: which of x, y, z change, each by itself; None: all together.
            adapt: number of trials in which the width is adapted, for equilibration.

        Raises:
            InputError: numbers out of range, or no axis.
        """
        if adapt < 0:
            raise InputError(f"adapt={adapt} came: wanted is a number of trials from 0 on")
        self.molecules, self.adapt = molecules, int(adapt)
        self.temperature = positive(temperature, "temperature [K]")
        self.pressure = np.asarray(pressure, dtype=np.float64)
        self.axes = checked_axes(axes)

    def begin(self, state: State) -> dict[str, Array]:
        """Width from the volume, and nothing counted."""
        assert state.box is not None
        dtype = state.positions.dtype
        variance = BOLTZMANN * self.temperature * COMPRESSIBILITY / BAR / box_volume(state.box)
        width = jnp.asarray(jnp.minimum(WIDTH * jnp.sqrt(variance), WIDEST), dtype)
        zero, counts = jnp.zeros((), jnp.int32), jnp.zeros(3, jnp.int32)
        return {
            "width": jnp.broadcast_to(width, (3,)),
            "tried": counts,
            "taken": counts,
            "trials": zero,
        }

    def change(
        self, key: PRNGKeyArray, state: State, memory: dict[str, Array], context: Context
    ) -> tuple[State, dict[str, Array]]:
        """One trial: two energies."""
        assert state.box is not None
        x, box, dtype = state.positions, state.box, state.positions.dtype
        way, which, luck = jax.random.split(key, 3)
        axis = jnp.zeros((), jnp.int32)
        if self.axes is not None:
            axis = jax.random.choice(which, jnp.asarray(self.axes, jnp.int32))
        by = memory["width"][axis] * jax.random.uniform(way, (), dtype, -1, 1)
        share = (
            jnp.full(3, 1 / 3, dtype) if self.axes is None else jax.nn.one_hot(axis, 3, dtype=dtype)
        )
        scale = jnp.exp(by * share)

        positions, _ = self.molecules.scaled(x, state.velocities, scale)
        trial = context.renewed(state, positions, state.velocities, box * scale)
        old = evaluate(context.surface, x, box, context.neighbours).energy
        thermal = BOLTZMANN * self.temperature
        work = (self.pressure * BAR) * box_volume(box) * jnp.expm1(by)
        gain = -(trial.energy - old + work) / thermal + (self.molecules.count + 1) * by
        taken = jnp.log(jax.random.uniform(luck, (), dtype, minval=1e-30)) < gain
        bearable = self._bearable(x, scale, box, context.neighbours)
        # Where worn lists do not cover the trial its energy is wrong. It is taken then, so that
        # whoever watches the skin does not take this step, and repeats it with new lists
        taken = bearable & (taken | (skin_used(context.neighbours, positions, box * scale) > 1))
        after = jax.tree.map(lambda new, was: jnp.where(taken, new, was), trial, state)
        return after, self._remembered(memory, axis, taken)

    def _bearable(
        self, x: Array, scale: Array, box: Array, neighbours: Neighbours
    ) -> Bool[Array, ""]:
        """Whether lists made for the state would cover the trial, and the box hold the cutoff.

        The same for the way back, so a trial that is refused for this breaks no balance.
        """
        bearable = jnp.asarray(True)
        lists = jax.tree.leaves(neighbours, is_leaf=lambda one: isinstance(one, NeighbourList))
        inside = x - rows_of(self.molecules.centres(x), self.molecules.labels)
        radius = jnp.sqrt(jnp.max(jnp.sum(inside**2, axis=-1)))
        strain = jnp.maximum(jnp.linalg.norm(scale - 1), jnp.linalg.norm(1 / scale - 1))
        for one in lists:
            reach = one.cutoff + one.skin + 2 * radius
            bearable &= strain * reach < COVERED * one.skin
            bearable &= jnp.min(jnp.diagonal(box * scale)) >= 2 * one.cutoff
        return bearable

    def _remembered(self, memory: dict[str, Array], axis: Array, taken: Array) -> dict[str, Array]:
        """Counts, and a width that follows them as long as it may."""
        tried = memory["tried"].at[axis].add(1)
        count = memory["taken"].at[axis].add(taken.astype(jnp.int32))
        width, trials = memory["width"], memory["trials"] + 1
        if self.adapt:
            due = (tried[axis] >= ROUND) & (trials <= self.adapt)
            share = count[axis] / tried[axis]
            factor = jnp.where(share < 0.25, 1 / GROWTH, jnp.where(share > 0.75, GROWTH, 1.0))
            new = jnp.minimum(width[axis] * factor.astype(width.dtype), WIDEST)
            width = width.at[axis].set(jnp.where(due, new, width[axis]))
            tried = tried.at[axis].set(jnp.where(due, 0, tried[axis]))
            count = count.at[axis].set(jnp.where(due, 0, count[axis]))
        return {
            "width": width,
            "tried": tried,
            "taken": count,
            "trials": trials,
        }
