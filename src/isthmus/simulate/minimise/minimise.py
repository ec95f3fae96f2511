"""From a structure to a minimum: a method in compiled chunks, lists rebuilt between them."""

from dataclasses import dataclass
from typing import Any, Final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from isthmus.chemistry.topology_input import ArrayInput
from isthmus.errors import InputError
from isthmus.parameters.parameterization import Constraints
from isthmus.simulate.constraints import ConstraintSolver
from isthmus.simulate.minimise.apart import apart
from isthmus.simulate.minimise.fire import FIRE, FireState
from isthmus.simulate.minimise.lbfgs import LBFGS, LBFGSState
from isthmus.simulate.minimise.problem import Problem, largest
from isthmus.simulate.surface import Surface

__all__ = ["METHODS", "Minimised", "minimise"]

METHODS: Final = {"fire": FIRE(), "lbfgs": LBFGS()}
"""Methods by name"""

SKIN: Final = 0.2
"""Extra reach of neighbour lists [nm]; larger than in dynamics, for atoms move far at first"""

CLASH: Final = 1e5
"""Forces beyond this are taken down by FIRE before anything else [kJ/mol/nm]"""

CALM: Final = 2e4
"""Where that ends [kJ/mol/nm]"""

CALMING_STEPS: Final = 500

FIXED_WEIGHT: Final = 1e8
"""Weight of an atom that may not move, beside 1 for the others, where distances are fixed"""

Progress = FireState | LBFGSState


@dataclass(frozen=True, eq=False)
class Minimised:
    """Where a minimisation ended; one entry a replica where several were given.

    Attributes:
        positions: [nm].
        energy: [kJ/mol].
        max_force: length of the longest force of an atom [kJ/mol/nm]; without its part along
            constraints.
        n_steps: evaluations of the surface.
        converged: whether `max_force` is below the tolerance.
    """

    positions: Float[np.ndarray, "*replicas atoms 3"]
    energy: Float[np.ndarray, "*replicas"]
    max_force: Float[np.ndarray, "*replicas"]
    n_steps: Int[np.ndarray, "*replicas"]
    converged: Bool[np.ndarray, "*replicas"]


def minimise(
    surface: Surface,
    positions: ArrayInput,
    *,
    box: ArrayInput | None = None,
    method: str = "lbfgs",
    tolerance: float = 10.0,
    max_steps: int = 5000,
    constraints: Constraints | None = None,
    movable: Bool[np.ndarray, " atoms"] | None = None,
) -> Minimised:
    """Go downhill until no force is longer than the tolerance.

    Clashes are allowed: atoms so close that forces overflow are moved apart, and huge forces are
    first taken down by FIRE with short steps. In float32 the
    rounding of positions leaves forces of about 0.2 kJ/mol/nm in bonds; a tolerance below that is
    for float64.

    Args:
        surface: energies and forces.
        positions: (atoms, 3), or (replicas, atoms, 3) [nm].
        box: cell vectors [nm]; it stays as it is.
        method: "lbfgs", or "fire", which takes more steps and is harder to mislead.
        tolerance: on the longest force of an atom [kJ/mol/nm].
        max_steps: evaluations of the surface, at most.
        constraints: fixed distances; they are imposed on the positions first.
        movable: which atoms may move; None for all.

    Raises:
        InputError: an unknown method, a tolerance or shape that cannot be, or forces that are
            not numbers although no atoms coincide.
    """
    host = np.array(positions, dtype=np.float64)
    if host.shape[-2:] != (surface.n_atoms, 3) or host.ndim not in (2, 3):
        raise InputError(
            f"positions of shape {host.shape} came: ({surface.n_atoms}, 3), or several such "
            "frames, are wanted [nm]"
        )
    if method not in METHODS:
        raise InputError(f"unknown method '{method}': choose one of {', '.join(METHODS)}")
    if not (tolerance > 0 and max_steps >= 0 and np.all(np.isfinite(host))):
        raise InputError(
            f"a tolerance above 0 and finite positions are wanted; {tolerance} kJ/mol/nm came"
        )
    if host.ndim == 3 and surface.needs_neighbours:
        parts = [
            minimise(
                surface,
                frame,
                box=box,
                method=method,
                tolerance=tolerance,
                max_steps=max_steps,
                constraints=constraints,
                movable=movable,
            )
            for frame in host
        ]
        return Minimised(*(np.stack([getattr(p, f) for p in parts]) for f in _FIELDS))
    with jax.enable_x64(surface.precision == "float64"):
        return _Run(surface, box, constraints, movable, tolerance).result(host, method, max_steps)


_FIELDS: Final = ("positions", "energy", "max_force", "n_steps", "converged")


class _Run:
    """One call of `minimise`, on the host."""

    def __init__(self, surface, box, constraints, movable, tolerance):
        self.surface, self.tolerance = surface, tolerance
        self.box = None if box is None else jnp.asarray(np.asarray(box), surface.precision)
        self.movable = None if movable is None else jnp.asarray(movable)
        weights = np.ones(surface.n_atoms)
        if movable is not None:
            weights[~np.asarray(movable)] = FIXED_WEIGHT
        self.solver = None if constraints is None else ConstraintSolver.create(constraints, weights)

    def result(self, host: np.ndarray, method: str, max_steps: int) -> Minimised:
        start = jnp.asarray(host, self.surface.precision)
        if self.solver is not None:
            start = eqx.filter_jit(self.solver.constrain_positions)(start, start)
        problem = self._problem(start)
        point = _begin(problem, start)
        lost = _lost(point)
        if lost.any():
            start = jnp.asarray(apart(host, lost, self.movable), self.surface.precision)
            if self.solver is not None:
                start = eqx.filter_jit(self.solver.constrain_positions)(start, start)
            problem = self._problem(start)
            point = _begin(problem, start)
        self._check(point)
        used = jnp.zeros(point.energy.shape, jnp.int32)
        if method != "fire" and np.any(np.asarray(largest(point.forces)) > CLASH):
            calming = min(CALMING_STEPS, max_steps)
            calm = METHODS["fire"].init(point)
            calm, used = self._descend(METHODS["fire"], calm, used, calming, CALM)
            problem = self._problem(calm.point.positions)
            point = _begin(problem, calm.point.positions)
        chosen = METHODS[method]
        state, used = self._descend(chosen, chosen.init(point), used, max_steps, self.tolerance)
        force = np.asarray(largest(state.point.forces), np.float64)
        return Minimised(
            np.asarray(state.point.positions, np.float64),
            np.asarray(state.point.energy, np.float64),
            force,
            np.asarray(used),
            np.asarray(force <= self.tolerance),
        )

    def _descend(
        self, method: Any, state: Any, used: Array, max_steps: int, tolerance: float
    ) -> tuple[Any, Array]:
        """Chunks until all is done; each ends where a neighbour list would."""
        while True:
            problem = self._problem(state.point.positions)
            reach = SKIN / 2 - method.step_limit if self.surface.needs_neighbours else np.inf
            # As arrays: other numbers compile nothing
            limits = (jnp.asarray(max_steps), jnp.asarray(tolerance), jnp.asarray(reach))
            state, used, open_ = _chunk(method, problem, state, used, *limits)
            if not np.any(np.asarray(open_)):
                return state, used

    def _problem(self, positions: Array) -> Problem:
        lists = None
        if self.surface.needs_neighbours:
            cell = None if self.box is None else np.asarray(self.box, np.float64)
            lists = self.surface.neighbours(np.asarray(positions, np.float64), cell, skin=SKIN)
        return Problem(self.surface, self.box, lists, self.movable, self.solver)

    def _check(self, point: Any) -> None:
        bad = np.argwhere(_lost(point))
        if len(bad):
            raise InputError(
                f"the force on atom {bad[0][-1]} is not a number at the start: atoms that "
                "coincide, or a structure that does not fit the force field; look at that atom"
            )


def _lost(point: Any) -> np.ndarray:
    """Which atoms have a force that is not a number (*replicas, atoms)."""
    return np.asarray(np.isnan(np.asarray(point.forces)).any(axis=-1))


@eqx.filter_jit
def _begin(problem: Problem, positions: Array) -> Any:
    return problem.at(positions)


@eqx.filter_jit
def _chunk(
    method: Any,
    problem: Problem,
    state: Any,
    used: Int[Array, "*replicas"],
    max_steps: Array,
    tolerance: Array,
    reach: Array,
) -> tuple[Any, Int[Array, "*replicas"], Bool[Array, "*replicas"]]:
    """Steps until every replica is done, or an atom has moved by `reach` [nm]."""
    first = state.point.positions

    def unfinished(state: Any, used: Array) -> Bool[Array, "*replicas"]:
        return (largest(state.point.forces) > tolerance) & (used < max_steps) & ~state.stuck

    def goes_on(carry: tuple[Any, Array]) -> Array:
        state, used = carry
        return jnp.any(unfinished(state, used)) & (
            jnp.max(largest(state.point.positions - first)) <= reach
        )

    def step(carry: tuple[Any, Array]) -> tuple[Any, Array]:
        state, used = carry
        going = unfinished(state, used)

        def kept(new: Array, old: Array) -> Array:
            return jnp.where(going.reshape(going.shape + (1,) * (new.ndim - going.ndim)), new, old)

        return jax.tree.map(kept, method.step(problem, state), state), used + going

    state, used = jax.lax.while_loop(goes_on, step, (state, used))
    return state, used, unfinished(state, used)
