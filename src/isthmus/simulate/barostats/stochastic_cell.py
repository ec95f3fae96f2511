"""Stochastic cell rescaling: volumes by a first-order stochastic equation, without rejections.

For √V the noise does not depend on the volume (M. Bernetti and G. Bussi, J. Chem. Phys. 153,
114107 (2020)):

    d√V = β √V/(2 τ) (P_int − P + kT/(2V)) dt + √(kT β/(2 τ)) dW

Centres of molecules scale with the box and their velocities inversely, so P_int is the molecular
pressure of the moment. With axes that change by themselves, L_a the width of the box along each,

    d ln L_a = β/(3 τ) (P_aa − P) dt + √(2 kT β/(3 τ V)) dW_a

(the diagonal case of V. Del Tatto et al., Appl. Sci. 12, 1139 (2022)), which has the stationary
distribution of the Monte Carlo barostat with the same axes. Both are integrated over the time
between changes by Euler's rule: its error grows with that time over τ, and a hundredth is small.

| symbol | variable | unit |
|---|---|---|
| β | compressibility | 1/bar |
| τ | relaxation_time | ps |
| P | pressure | bar |
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, PRNGKeyArray

from isthmus.simulate.barostats.molecules import Molecules
from isthmus.simulate.barostats.pressured import Barostat, Context, box_volume
from isthmus.simulate.barostats.settings import checked_axes, positive
from isthmus.simulate.state import State
from isthmus.units import BAR, BOLTZMANN

__all__ = ["StochasticCell"]


class StochasticCell(Barostat):
    """Stochastic cell rescaling; see the module.

    Attributes:
        molecules: what moves as a whole.
        temperature: [K], that of the thermostat.
        pressure: [bar].
        interval: time between changes [ps]: `every` steps.
        relaxation_time: of the volume [ps].
        compressibility: of the system, roughly [1/bar].
        axes: which axes change, each by itself; None: all together.
    """

    molecules: Molecules
    temperature: Float[np.ndarray | Array, ""]
    pressure: Float[np.ndarray | Array, ""]
    interval: Float[np.ndarray | Array, ""]
    relaxation_time: Float[np.ndarray | Array, ""]
    compressibility: Float[np.ndarray | Array, ""]
    axes: tuple[int, ...] | None = eqx.field(static=True)

    def __init__(
        self,
        molecules: Molecules,
        *,
        temperature: ArrayLike,
        pressure: ArrayLike,
        interval: ArrayLike,
        relaxation_time: ArrayLike = 2.0,
        compressibility: ArrayLike = 4.5e-5,
        axes: tuple[bool, bool, bool] | None = None,
    ):
        """Check the numbers; `interval` [ps] is the time step times the steps between changes.

        Raises:
            InputError: numbers out of range, or no axis.
        """
        self.molecules = molecules
        self.temperature = positive(temperature, "temperature [K]")
        self.pressure = np.asarray(pressure, dtype=np.float64)
        self.interval = positive(interval, "time between changes of the box [ps]")
        self.relaxation_time = positive(relaxation_time, "relaxation time [ps]")
        self.compressibility = positive(compressibility, "compressibility [1/bar]")
        self.axes = checked_axes(axes)

    def begin(self, state: State) -> dict[str, Array]:
        """Nothing has to be remembered."""
        del state
        return {}

    def change(
        self, key: PRNGKeyArray, state: State, memory: dict[str, Array], context: Context
    ) -> tuple[State, dict[str, Array]]:
        """One change: a virial, and the forces in the new box."""
        assert state.box is not None
        x, box = state.positions, state.box
        scale = self._scale(key, state, context)
        positions, velocities = self.molecules.scaled(x, state.velocities, scale)
        return context.renewed(state, positions, velocities, box * scale), memory

    def _scale(self, key: PRNGKeyArray, state: State, context: Context) -> Float[Array, "3"]:
        """Factors of the widths of the box."""
        assert state.box is not None
        x, dtype, volume = state.positions, state.positions.dtype, box_volume(state.box)
        precision = context.surface.precision
        virial = context.surface.virial(
            x.astype(precision), state.box.astype(precision), context.neighbours
        )
        found = self.molecules.pressure(
            x, state.velocities, state.forces, jnp.asarray(virial), volume
        )
        thermal = jnp.asarray(BOLTZMANN * self.temperature, dtype)
        if context.mechanics.conserves_momentum:
            # The centre of mass of all is at rest, and its share of the pressure is missing
            found = found + thermal / volume
        pull = found - jnp.asarray(self.pressure * BAR, dtype)
        # β dt / τ [nm³ mol/kJ]
        pace = self.compressibility / BAR * self.interval / self.relaxation_time
        pace = jnp.asarray(pace, dtype)
        noise = jax.random.normal(key, (3,), dtype)
        if self.axes is None:
            root = jnp.sqrt(volume)
            drift = pace * root / 2 * (jnp.mean(pull) + thermal / (2 * volume))
            after = root + drift + jnp.sqrt(thermal * pace / 2) * noise[0]
            return jnp.broadcast_to((after / root) ** (2 / 3), (3,))
        change = pace / 3 * pull + jnp.sqrt(2 * thermal * pace / (3 * volume)) * noise
        chosen = np.isin(np.arange(3), self.axes)
        return jnp.exp(jnp.where(chosen, change, 0))
