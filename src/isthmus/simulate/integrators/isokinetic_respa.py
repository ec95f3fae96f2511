"""Stochastic isokinetic RESPA, SIN(R): outer steps without a limit by resonance.

Each component v of a velocity is tied to L pairs of variables (w_k, u_k), such that

    m v² + L/(L+1) Σ_k Q w_k² = L kT                                                  (1)

holds at all times. No velocity can exceed √(L kT/m), so nothing can be pumped up by resonance:

    dx = v dt,   dv = (F/m − λ v) dt,   dw_k = −(λ + u_k) w_k dt
    du_k = (Q w_k² − kT)/Q dt − γ u_k dt + √(2 γ kT/Q) dW,      Q = kT τ²

with λ such that (1) stays. A step of n inner ones, δt = Δt/n, is n times N F x F N:

    N  half δt of u_k and of its pull on w_k, with (1) restored (Suzuki–Yoshida weights)
    F  half δt of forces, solved exactly: v ← (v + F s/m)/ṡ, w_k ← w_k/ṡ with
       s = sinh(√b t)/√b + a (cosh(√b t) − 1)/b,  a = F v/(L kT),  b = F²/(m L kT)
    x  x ← x + δt v, and friction and noise on u_k

where F is F_in, and F_in + n F_out at the first and the last half step of an outer step.

Positions are canonical; velocities are not: √m v is one component of a uniform direction in L + 1
dimensions, with ⟨m v²⟩ = L/(L+1) kT. So a thermometer shows L/(L+1) of the temperature. Constraints
cannot be used.

    symbol  variable         unit
    Δt      timestep         ps
    n       ratio            1
    T       temperature      K
    L       links            1
    τ       relaxation_time  ps
    γ       friction         1/ps

Reference: B. Leimkuhler, D. T. Margul, M. E. Tuckerman, Mol. Phys. 111, 3579 (2013).
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, PRNGKeyArray, UInt32

from isthmus.errors import InputError
from isthmus.simulate.accumulation import checked_accumulation
from isthmus.simulate.integrators.nose_hoover import SUZUKI_YOSHIDA
from isthmus.simulate.integrators.operators import as_number, as_temperature, check_no_momentum
from isthmus.simulate.integrators.respa import begin_split, checked_ratio, lists_of
from isthmus.simulate.mechanics import Mechanics
from isthmus.simulate.noise import normal_deviates, random_words
from isthmus.simulate.state import DrawnIntegrator, Info, State
from isthmus.simulate.surface import Neighbours, Sum, Surface, evaluate
from isthmus.units import BOLTZMANN

__all__ = ["IsokineticRespa"]

Words = UInt32[Array, "inner links *replicas atoms 3"]
Vectors = Float[Array, "*replicas atoms 3"]
Links = Float[Array, "links *replicas atoms 3"]

_LEAST = 1e-12


class _Motion(eqx.Module):
    """Positions, velocities, and the variables that velocities are tied to."""

    positions: Vectors
    velocities: Vectors
    tied: Links
    pulls: Links


class IsokineticRespa(DrawnIntegrator):
    """Canonical sampling with two time steps, of which the outer may be long; see the module.

    Attributes:
        surface: the sum of the inner and the outer surface, which neighbour lists are made for.
        mechanics: masses; without constraints.
        timestep: outer one [ps].
        temperature: of the positions [K], one for all replicas or one for each.
        relaxation_time: τ [ps].
        friction: γ, of the variables u_k [1/ps].
        ratio: inner steps in an outer one.
        links: L.
        accumulation: "float32" or "float64".
    """

    surface: Sum
    mechanics: Mechanics
    timestep: Float[np.ndarray | Array, ""]
    temperature: Float[np.ndarray | Array, "*replicas"]
    relaxation_time: Float[np.ndarray | Array, ""]
    friction: Float[np.ndarray | Array, ""]
    ratio: int = eqx.field(static=True)
    links: int = eqx.field(static=True)
    accumulation: str = eqx.field(static=True)

    def __init__(
        self,
        inner: Surface,
        outer: Surface,
        mechanics: Mechanics,
        *,
        timestep: float,
        ratio: int,
        temperature: ArrayLike,
        relaxation_time: float = 0.01,
        friction: float = 5.0,
        links: int = 4,
        accumulation: str | None = None,
    ):
        """Put two surfaces together; `inner` is evaluated `ratio` times a step, `outer` once.

        Raises:
            InputError: numbers out of range, surfaces that do not fit together, constraints, or
                mechanics that count on the momentum being conserved.
        """
        check_no_momentum(mechanics)
        if mechanics.constraints is not None:
            raise InputError(
                "isokinetic RESPA with constraints was asked for: it ties each velocity by "
                "itself; use it without constraints, or Langevin RESPA"
            )
        if links < 1:
            raise InputError(f"{links} links came: wanted is 1 or more")
        self.surface, self.mechanics = Sum((inner, outer)), mechanics
        self.timestep = as_number(timestep, "time step [ps]")
        self.ratio, self.links = checked_ratio(ratio), links
        self.temperature = as_temperature(temperature)
        if not np.all(self.temperature > 0):
            raise InputError("isokinetic dynamics need a temperature above 0 K")
        self.relaxation_time = as_number(relaxation_time, "relaxation time [ps]")
        self.friction = as_number(friction, "friction [1/ps]")
        self.accumulation = checked_accumulation(accumulation, self.surface)
        if self.accumulation == "compensated":
            raise InputError(
                "isokinetic RESPA rescales velocities in every step, so compensated sums gain "
                "nothing: choose accumulation 'float32' or 'float64'"
            )

    def init(
        self,
        key: PRNGKeyArray,
        positions: Float[Array | np.ndarray, "*replicas atoms 3"],
        velocities: Float[Array | np.ndarray, "*replicas atoms 3"],
        box: Float[Array | np.ndarray, "*cells 3 3"] | None = None,
        neighbours: Neighbours = None,
    ) -> State:
        """A state: velocities keep their directions, and canonical ones become stationary."""
        state = begin_split(
            self.surface,
            self.mechanics,
            positions,
            velocities,
            box,
            neighbours,
            accumulation=self.accumulation,
        )
        shape, dtype = (self.links, *state.positions.shape), state.positions.dtype
        first, second = jax.random.split(key)
        # Equal shares of kT on all L + 1 directions of (1), which is then brought about
        tied = normal_deviates(random_words(first, shape), dtype) / self._tau(dtype)
        tied = tied * jnp.sqrt(jnp.asarray((self.links + 1) / self.links, dtype))
        pulls = normal_deviates(random_words(second, shape), dtype) / self._tau(dtype)
        motion = self._restored(_Motion(state.positions, state.velocities, tied, pulls))
        extra = {**state.extra, "tied": motion.tied, "pulls": motion.pulls}
        return eqx.tree_at(lambda s: (s.velocities, s.extra), state, (motion.velocities, extra))

    def draw(self, key: PRNGKeyArray, state: State) -> Words:
        """One word for each variable u_k and inner step."""
        return random_words(key, (self.ratio, self.links, *state.positions.shape))

    def move(self, noise: Words, state: State, neighbours: Neighbours = None) -> State:
        """One outer step."""
        inner, outer = self.surface.surfaces
        inner_lists, outer_lists = lists_of(neighbours)

        def fast(motion: _Motion) -> Array:
            return evaluate(inner, motion.positions, state.box, inner_lists).forces

        def substep(index: Any, carry: tuple[_Motion, Array, Array]) -> tuple[Any, Array, Array]:
            motion, forces, slow = carry
            words = jax.lax.dynamic_index_in_dim(noise, index, keepdims=False)
            weight = jnp.where(index == 0, float(self.ratio), 0.0).astype(forces.dtype)
            motion = self._pushed(self._thermostat(motion), forces + weight * slow)
            motion = self._walked(motion, words)
            forces = fast(motion)
            last = index == self.ratio - 1
            slow = jax.lax.cond(
                last,
                lambda: evaluate(outer, motion.positions, state.box, outer_lists).forces,
                lambda: slow,
            )
            weight = jnp.where(last, float(self.ratio), 0.0).astype(forces.dtype)
            motion = self._thermostat(self._pushed(motion, forces + weight * slow))
            return motion, forces, slow

        extra = state.extra
        motion = _Motion(state.positions, state.velocities, extra["tied"], extra["pulls"])
        start = (motion, extra["inner"], extra["outer"])
        motion, forces, slow = jax.lax.fori_loop(0, self.ratio, substep, start)
        found = evaluate(self.surface, motion.positions, state.box, neighbours)
        extra = {
            "low": None,
            "inner": forces,
            "outer": slow,
            "tied": motion.tied,
            "pulls": motion.pulls,
        }
        return State(
            motion.positions, motion.velocities, forces + slow, found.energy, state.box, extra
        )

    def observe(self, state: State) -> Info:
        """Energies; nothing is conserved."""
        return Info(state.energy, self.mechanics.kinetic_energy(state.velocities))

    def _tau(self, dtype: np.dtype) -> Array:
        return jnp.asarray(self.relaxation_time, dtype)

    def _thermal(self, dtype: np.dtype) -> Array:
        """kT [kJ/mol], ready to be divided by vectors."""
        return jnp.asarray(BOLTZMANN * self.temperature, dtype)[..., None, None]

    def _inner_step(self, dtype: np.dtype) -> Array:
        return jnp.asarray(self.timestep / self.ratio, dtype)

    def _restored(self, motion: _Motion) -> _Motion:
        """Velocities and tied variables scaled so that (1) holds."""
        dtype = motion.velocities.dtype
        mass = jnp.asarray(self.mechanics.masses, dtype)[:, None]
        thermal, share = self._thermal(dtype), self.links / (self.links + 1)
        # In units of kT: Q w² / kT = (τ w)²
        bath = share * jnp.sum((self._tau(dtype) * motion.tied) ** 2, axis=0)
        now = mass * motion.velocities**2 / thermal + bath
        scale = jnp.sqrt(self.links / now)
        return eqx.tree_at(
            lambda m: (m.velocities, m.tied),
            motion,
            (motion.velocities * scale, motion.tied * scale),
        )

    def _thermostat(self, motion: _Motion) -> _Motion:
        """N: half an inner step of the variables that velocities are tied to."""
        dtype = motion.velocities.dtype
        rate = 1 / self._tau(dtype) ** 2
        for weight in SUZUKI_YOSHIDA:
            step = self._inner_step(dtype) * (0.5 * weight)
            pulls = motion.pulls + 0.5 * step * (motion.tied**2 - rate)
            tied = motion.tied * jnp.exp(-step * pulls)
            motion = self._restored(_Motion(motion.positions, motion.velocities, tied, pulls))
            pulls = motion.pulls + 0.5 * step * (motion.tied**2 - rate)
            motion = eqx.tree_at(lambda m: m.pulls, motion, pulls)
        return motion

    def _pushed(self, motion: _Motion, forces: Vectors) -> _Motion:
        """F: half an inner step of forces; s and ṡ are multiplied by exp(−√b t) throughout."""
        v, dtype = motion.velocities, motion.velocities.dtype
        inverse = jnp.asarray(self.mechanics.inverse_masses, dtype)
        time, force = 0.5 * self._inner_step(dtype), forces.astype(dtype)
        limit = self.links * self._thermal(dtype)
        y = jnp.maximum(time * jnp.abs(force) * jnp.sqrt(inverse / limit), _LEAST)
        fade, drop = jnp.exp(-y), jnp.expm1(-y) / y
        sine = -0.5 * jnp.expm1(-2 * y) / y
        along = time * force * v / limit
        s = time * (sine + 0.5 * along * drop**2)
        rate = 0.5 * (1 + fade**2) + along * sine
        return eqx.tree_at(
            lambda m: (m.velocities, m.tied),
            motion,
            ((v * fade + inverse * force * s) / rate, motion.tied * (fade / rate)),
        )

    def _walked(self, motion: _Motion, words: UInt32[Array, "links *replicas atoms 3"]) -> _Motion:
        """x: an inner step of positions, and of friction and noise on the pulls."""
        dtype = motion.positions.dtype
        step = self._inner_step(dtype)
        decay = step * jnp.asarray(self.friction, dtype)
        spread = jnp.sqrt(-jnp.expm1(-2 * decay)) / self._tau(dtype)
        pulls = jnp.exp(-decay) * motion.pulls + spread * normal_deviates(words, dtype)
        positions = self.mechanics.place(motion.positions + step * motion.velocities)
        return _Motion(positions, motion.velocities, motion.tied, pulls)
