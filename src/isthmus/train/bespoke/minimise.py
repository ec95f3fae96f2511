"""Regularised least squares under bounds: Gauss–Newton with Levenberg's and Marquardt's damping.

    cost(u) = Σ w r(u)² + Σ ridge u²,    lower ≤ u ≤ upper

Where the residuals are affine in the free unknowns and no bound is met, the first step without
damping is exact.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float
from scipy import linalg

from isthmus.errors import InputError
from isthmus.train.bespoke.normal import NormalEquations

__all__ = ["Problem", "Step", "bounded_step", "minimise"]

Vector = Float[np.ndarray, " unknowns"]
_GROW, _SHRINK = 5.0, 0.2
_GOOD, _POOR = 0.75, 0.25
_LEAST_DAMPING, _MOST_DAMPING = 1e-5, 1e6
_MOST_CORRECTIONS = 5
"""Rounds of finding the bounds at which a step stops; what is left over then is cut off"""
_FINAL_DAMPING = 0.1
"""A step that is damped more says little about how far the minimum is"""


@dataclass(frozen=True)
class Problem:
    """What is minimised.

    Attributes:
        equations: normal equations of the residuals at some unknowns.
        residuals: their cost alone, which is cheap: trials that fail need no derivatives.
        ridge: weight of the square of each unknown.
        lower, upper: bounds of the unknowns.
        reach: how far each may go in the first step; further steps are damped. It is widened
            as long as steps gain what they promise, and narrowed when they fail.
    """

    equations: Callable[[Vector], NormalEquations]
    residuals: Callable[[Vector], float]
    ridge: Vector
    lower: Vector
    upper: Vector
    reach: Vector

    def cost(self, u: Vector, residuals: float) -> float:
        """Residuals and regularisation."""
        return residuals + float(self.ridge @ u**2)


@dataclass(frozen=True)
class Step:
    """Where a minimisation stands.

    Attributes:
        unknowns: the best so far.
        found: normal equations at these.
        cost: at these.
        damping: for the next trial, relative to the diagonal; 0 is a full Gauss–Newton step.
        radius: for the next trial, in units of the reach.
        accepted: whether the last trial was better than what had been found before.
        converged: whether it gained, or lost, less than the tolerance.
    """

    unknowns: Vector
    found: NormalEquations
    cost: float
    damping: float
    radius: float
    accepted: bool
    converged: bool


def minimise(
    problem: Problem,
    start: Vector,
    *,
    free: Bool[np.ndarray, " unknowns"],
    damping: float,
    tolerance: float,
    found: NormalEquations | None = None,
    radius: float = 1.0,
) -> Iterator[Step]:
    """Trials on the way to the minimum, until one changes the cost by less than `tolerance`.

    Args:
        problem: what is minimised.
        start: first unknowns, within the bounds.
        free: unknowns that may move.
        damping: of the first step.
        tolerance: relative to the cost.
        found: normal equations at the start, where they are known.
        radius: of the first step, in units of the reach.

    Raises:
        InputError: the cost at the start is not finite.
    """
    if found is None:
        found = problem.equations(start)
    cost = problem.cost(start, found.cost)
    if not np.isfinite(cost):
        raise InputError(
            "at the start of the fit, some energies or forces of the design are not finite: are "
            "there frames with atoms on top of each other? (`isthmus data info` tells)"
        )
    at = Step(start, found, cost, damping, radius=radius, accepted=True, converged=False)
    yield at
    while not at.converged and at.damping < _MOST_DAMPING:
        at = _next(problem, at, free=free, tolerance=tolerance)
        yield at


def _next(
    problem: Problem, at: Step, *, free: Bool[np.ndarray, " unknowns"], tolerance: float
) -> Step:
    gradient = at.found.gradient + problem.ridge * at.unknowns
    matrix = at.found.matrix + np.diag(problem.ridge)
    lower, upper = problem.lower - at.unknowns, problem.upper - at.unknowns
    damping, radius = at.damping, at.radius
    while True:
        step = bounded_step(matrix, gradient, damping=damping, lower=lower, upper=upper, free=free)
        too_far = float((abs(step) / (radius * problem.reach)).max(initial=0.0))
        if too_far <= 1 or damping > _MOST_DAMPING:
            break
        damping = max(damping, _LEAST_DAMPING) * (_GROW if too_far < _GROW else _GROW**2)
    there = np.clip(at.unknowns + step, problem.lower, problem.upper)
    cost = problem.cost(there, problem.residuals(there))
    gain = at.cost - cost
    promised = -float(2 * gradient @ step + step @ matrix @ step)
    converged = abs(gain) <= tolerance * at.cost and damping <= _FINAL_DAMPING
    # Also where the cost is not a number, or its derivatives are not
    found = problem.equations(there) if gain > 0 else None
    if found is None or not (np.isfinite(found.matrix).all() and np.isfinite(found.gradient).all()):
        worse = max(damping, _LEAST_DAMPING) * _GROW
        return replace(at, damping=worse, radius=radius / 2, accepted=False, converged=converged)
    if gain > _GOOD * promised:
        damping, radius = damping * _SHRINK, radius * 2
    elif gain < _POOR * promised:
        damping = max(damping, _LEAST_DAMPING) * _GROW
    return Step(there, found, cost, damping, radius, accepted=True, converged=converged)


def bounded_step(
    matrix: Float[np.ndarray, "unknowns unknowns"],
    gradient: Vector,
    *,
    damping: float,
    lower: Vector,
    upper: Vector,
    free: Bool[np.ndarray, " unknowns"],
) -> Vector:
    """The damped Gauss–Newton step; unknowns that would leave their bounds stop there.

    Args:
        matrix: JᵀJ and the regularisation.
        gradient: half of that of the cost.
        damping: added to the diagonal, relative to it.
        lower, upper: bounds of the step.
        free: unknowns that may move.
    """
    stopped = step = np.zeros_like(gradient)
    moving = free & ~((lower >= 0) & (gradient > 0)) & ~((upper <= 0) & (gradient < 0))
    for _ in range(_MOST_CORRECTIONS):
        if not moving.any():
            return stopped
        part = matrix[np.ix_(moving, moving)]
        part[np.diag_indices_from(part)] *= 1 + damping
        pull = gradient[moving] + matrix[np.ix_(moving, ~moving)] @ stopped[~moving]
        scale = 1 / np.sqrt(np.diag(part))
        factor = linalg.cho_factor(scale[:, None] * part * scale, overwrite_a=True)
        step = stopped.copy()
        step[moving] = -scale * linalg.cho_solve(factor, scale * pull)
        outside = moving & ((step < lower) | (step > upper))
        if not outside.any():
            return step
        stopped[outside] = np.clip(step, lower, upper)[outside]
        moving &= ~outside
    return np.clip(step, lower, upper)
