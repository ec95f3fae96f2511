"""Our own engine for runs: an integrator, neighbour lists that are kept up, records.

Steps are compiled (`advance`), which stops before a step that would use up the skin of the
neighbour lists; then they are made anew on the host, so no pair is ever missed. Where this
happens depends on the trajectory alone, and a snapshot holds what the lists were made from: a run
that is resumed has the same lists.
"""

from collections.abc import Mapping
from typing import Any, Final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, PRNGKeyArray

from isthmus.errors import InputError
from isthmus.forcefield.potential import Potential
from isthmus.simulate.advance import advance, on_device, start, works_in_float64
from isthmus.simulate.mechanics import Mechanics
from isthmus.simulate.neighbour_upkeep import padded, widths
from isthmus.simulate.record import Record
from isthmus.simulate.state import Integrator, State
from isthmus.simulate.surface import Neighbours, Surface
from isthmus.units import BOLTZMANN, GRAM_PER_CM3

__all__ = ["JaxEngine"]

SKIN: Final = 0.1
"""Extra reach of neighbour lists [nm]"""

_WORK: Final = 200_000
"""Atoms times steps of one call, about"""

_MOST_STEPS: Final = 1000
_FEWEST_STEPS: Final = 20

_CENTRED_EVERY: Final = 10_000
"""Steps after which replicas that have wandered off are taken back"""


class JaxEngine:
    """Moves replicas with an integrator; an `Engine` of `isthmus.simulate.record`."""

    def __init__(
        self,
        integrator: Integrator,
        mechanics: Mechanics,
        positions: Float[np.ndarray, "replicas atoms 3"],
        *,
        temperature: float,
        seed: int,
        box: Float[np.ndarray, "3 3"] | None = None,
        potential: Potential | None = None,
        centred: bool = False,
    ) -> None:
        """Draw velocities and compute the first forces.

        Args:
            integrator: what moves the atoms, by the forces of its `surface`.
            mechanics: its masses and constraints.
            positions: of each replica [nm]; with neighbour lists, of one.
            temperature: of the first velocities [K].
            seed: of all random numbers.
            box: cell vectors [nm], or None.
            potential: names the terms, for `term_energies`; None: they stay unnamed.
            centred: compute near the origin, where float32 is finest, whatever way a replica
                without a box goes; for energies that do not depend on where it is. Records have
                the whole way.

        Raises:
            InputError: several replicas of a surface that needs neighbour lists.
        """
        surface: Surface = integrator.surface  # pyright: ignore[reportAttributeAccessIssue]
        if surface.needs_neighbours and len(positions) > 1:
            raise InputError(
                f"{len(positions)} replicas with a cutoff were asked for; in one run there can be "
                "several only without a cutoff: run them one by one, each with its own seed"
            )
        self._alone = len(positions) == 1
        self._centred = centred and box is None and not surface.needs_neighbours
        self._way = np.zeros((len(positions), 1, 3))
        # Before the device rounds it
        self._timestep = float(integrator.timestep)
        self._integrator, self._mechanics = on_device(integrator), mechanics
        self._surface, self._potential = surface, potential
        self._x64 = works_in_float64(integrator)
        self._neighbours: Neighbours = None
        self.failure: str | None = None
        self.step = 0
        run_key = jax.random.key(seed)
        self._key: PRNGKeyArray = jax.random.fold_in(run_key, 1)
        first = positions[0] if self._alone else positions
        if surface.needs_neighbours:
            self._neighbours = self._lists(np.asarray(first), box)
        with jax.enable_x64(self._x64):
            placed = jnp.asarray(first)
            velocities = mechanics.maxwell_velocities(
                jax.random.fold_in(run_key, 0), placed, temperature
            )
            self._state: State = start(
                self._integrator, self._key, placed, velocities, box, self._neighbours
            )
            self._kinetic = self._kinetic_energy()
            self._conserved = self._first_conserved()

    @property
    def grain(self) -> int:
        """Steps of one call, fewer for more atoms."""
        atoms = int(np.prod(self._state.positions.shape[:-1]))
        return min(_MOST_STEPS, max(_FEWEST_STEPS, _WORK // atoms))

    def advance(self, n_steps: int) -> None:
        """Move on; see `Engine`."""
        fresh = False
        while n_steps:
            to_centring = _CENTRED_EVERY - self.step % _CENTRED_EVERY
            chunk = advance(
                self._integrator,
                self._key,
                self._state,
                self._neighbours,
                first_step=self.step,
                n_steps=min(n_steps, to_centring) if self._centred else n_steps,
            )
            done = int(chunk.steps)
            if done:
                self._state = chunk.state
                last = jax.tree.map(lambda values: np.asarray(values)[-1], chunk.infos)
                self._kinetic, self._conserved = last.kinetic_energy, last.conserved
            self.step += done
            n_steps -= done
            if self._centred:
                self._centre()
                continue
            if n_steps and not self._renewed(fresh=fresh and not done):
                self.step += n_steps
                return
            fresh = True

    def _centre(self) -> None:
        """Take replicas back, at steps that are due; by whole nm, which rounds no distant atom."""
        if self.step % _CENTRED_EVERY:
            return
        positions = self._all(self._state.positions)
        centres = np.rint(positions.mean(axis=1, keepdims=True, dtype=np.float64))
        if not centres.any() or not np.isfinite(centres).all():
            return
        self._way = self._way + centres
        moved = (positions - centres.astype(positions.dtype)).reshape(self._state.positions.shape)
        with jax.enable_x64(self._x64):
            self._state = eqx.tree_at(lambda s: s.positions, self._state, jnp.asarray(moved))

    def _renewed(self, *, fresh: bool) -> bool:
        """New lists for where the atoms are; False, with the reason noted, if they do not help."""
        state = self._state
        box = None if state.box is None else np.asarray(state.box)
        if fresh:
            self.failure = f"in one step an atom, or the box, moves by more than {SKIN / 2} nm"
            return False
        try:
            self._neighbours = self._lists(np.asarray(state.positions), box)
        except InputError as error:
            self.failure = str(error)
            return False
        return True

    def _lists(self, positions: np.ndarray, box: np.ndarray | None) -> Neighbours:
        room = () if self._neighbours is None else widths(self._neighbours)
        self._built_for = (positions, box)
        return padded(self._surface.neighbours(positions, box, skin=SKIN), room)

    def _first_conserved(self) -> Any:
        """Not a number, in the shape that steps will give; None if they give none."""
        info = jax.eval_shape(
            lambda: self._integrator.step(self._key, self._state, self._neighbours)[1]
        )
        return None if info.conserved is None else np.full(info.conserved.shape, np.nan)

    def _kinetic_energy(self) -> np.ndarray:
        """Of the state [kJ/mol], where no step has said it."""
        with jax.enable_x64(self._x64):
            return np.asarray(self._mechanics.kinetic_energy(self._state.velocities))

    def record(self) -> Record:
        """Where the replicas stand; see `Engine`."""
        state = self._state
        potential, kinetic = self._each(state.energy), self._each(self._kinetic)
        box = None if state.box is None else np.asarray(state.box, dtype=np.float64)
        volume = density = None
        if box is not None:
            box = np.broadcast_to(box, (len(potential), 3, 3))
            volume = np.abs(np.linalg.det(box))
            density = float(np.sum(self._mechanics.masses)) / GRAM_PER_CM3 / volume
        return Record(
            step=self.step,
            time=self.step * self._timestep,
            potential=potential if self.failure is None else np.full_like(potential, np.nan),
            kinetic=kinetic,
            temperature=2 * kinetic / (self._mechanics.degrees_of_freedom * BOLTZMANN),
            conserved=None if self._conserved is None else self._each(self._conserved),
            volume=volume,
            density=density,
            positions=self._all(state.positions) + self._way.astype(state.positions.dtype),
            velocities=self._all(state.velocities),
            box=box,
        )

    def _all(self, vectors: Any) -> Float[np.ndarray, "replicas atoms 3"]:
        found = np.array(vectors)
        return found[None] if self._alone else found

    def _each(self, values: Any) -> Float[np.ndarray, " replicas"]:
        return np.atleast_1d(np.asarray(values, dtype=np.float64))

    def snapshot(self) -> Mapping[str, np.ndarray]:
        """All that is needed to go on; see `Engine`."""
        leaves = jax.tree.leaves(self._state)
        found = {f"state.{index:03d}": np.array(leaf) for index, leaf in enumerate(leaves)}
        found["step"] = np.array(self.step)
        if self._centred:
            found["way"] = self._way
        if self._neighbours is not None:
            positions, box = self._built_for
            found["lists.positions"] = positions
            if box is not None:
                found["lists.box"] = box
            found["lists.widths"] = np.array(widths(self._neighbours))
        return found

    def restore(self, snapshot: Mapping[str, np.ndarray]) -> None:
        """Stand where a snapshot was taken; see `Engine`."""
        leaves, tree = jax.tree.flatten(self._state)
        names = [f"state.{index:03d}" for index in range(len(leaves))]
        arrays = [snapshot.get(name) for name in names]
        if [None if a is None else a.shape for a in arrays] != [np.shape(leaf) for leaf in leaves]:
            raise InputError(
                "the checkpoint is of a system of another size or of another integrator: start "
                "anew with --overwrite"
            )
        with jax.enable_x64(self._x64):
            self._state = jax.tree.unflatten(tree, [jnp.asarray(array) for array in arrays])
        self._kinetic = self._kinetic_energy()
        self.step = int(snapshot["step"])
        self._way = np.array(snapshot.get("way", np.zeros_like(self._way)))
        self.failure = None
        if self._conserved is not None:
            self._conserved = np.full_like(np.asarray(self._conserved), np.nan)
        if self._neighbours is not None:
            self._built_for = (snapshot["lists.positions"], snapshot.get("lists.box"))
            made = self._surface.neighbours(*self._built_for, skin=SKIN)
            self._neighbours = padded(made, tuple(int(n) for n in snapshot["lists.widths"]))

    def term_energies(
        self, positions: Float[np.ndarray, "atoms 3"], box: Float[np.ndarray, "3 3"] | None
    ) -> Mapping[str, float]:
        """Energy of each term; see `Engine`."""
        if self._potential is None:
            return {}
        try:
            found = self._potential.term_energies(positions, box)
        except InputError:
            # Atoms on top of each other
            return {}
        return {name: float(energy) for name, energy in found.items()}
