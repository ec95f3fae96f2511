"""How long the outer step of RESPA may be: bonded terms inside, all pairs outside.

Constant energy in float32 with compensated sums, inner steps of at most 0.5 fs, outer steps from
1 to 10 fs, beside plain velocity Verlet at 0.5 fs. The longer the step, the more the energy
fluctuates, and the less is known of its drift: a resonance shows where it drifts by more than twice
the standard error. An outer step is kept if no replica goes to infinity, this error is at most
0.1 kT/ns/dof, the drift is at most twice the error (or the threshold of constant energy, where that
is larger), and it is not larger than that of the plain run by more than twice the error of the
difference. The value is the largest step below which all are kept, and it is not judged: it says
that no resonance was seen at the resolution of the note, which is far coarser than the threshold.
Beside it: the mean potential energy, and how far the distribution of torsions is from that of the
plain run (total variation, 0 for equal and 1 for disjoint).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float

from isthmus.errors import InputError
from isthmus.evaluate.physics.check import NOT_JUDGED, Check, Line, Panel, not_applicable
from isthmus.evaluate.physics.laboratory import Laboratory
from isthmus.evaluate.physics.motion import Motion, conserved_energies, run
from isthmus.evaluate.physics.settings import TIMESTEP
from isthmus.evaluate.physics.statistics import slope_of
from isthmus.forcefield.potential import Potential
from isthmus.simulate.integrators.respa import Respa
from isthmus.simulate.selection import bonded_terms
from isthmus.simulate.surface import Surface, divide

__all__ = [
    "GROUP",
    "THRESHOLD",
    "Tried",
    "check_time_steps",
    "largest_kept",
    "plain_run",
    "resonance_scan",
    "torsion_distance",
]

GROUP: Final = "time-steps"
NAME: Final = "largest outer step of RESPA without a resonance"
THRESHOLD: Final = 4e-4
"""Of the drift [kT/ns/dof]"""

_SOURCE: Final = "twice the standard error"
_SURE: Final = 2.0
"""Standard errors by which a drift differs from none, or from that of the plain run"""

_RATIOS: Final = {8: (1, 2, 3, 4), 20: (5, 6, 7, 8, 9, 10)}
"""Inner steps in an outer one, and outer steps [fs]; few ratios, since each compiles anew"""

_QUICK: Final = {8: (1, 2, 3, 4)}
_SPAN: Final = 16.0
_SPAN_QUICK: Final = 2.0
_RECORD: Final = 0.02
_BINS: Final = 36
_RESOLVED: Final = 0.1
"""Largest error of a drift that still says something [kT/ns/dof]"""


@dataclass(frozen=True, eq=False)
class Tried:
    """What came of one outer step; the plain run has the step 0.5 fs.

    Attributes:
        step: outer step [fs].
        drift, error: of the total energy, and its standard error [kT/ns/dof].
        potential: mean potential energy [kJ/mol].
        torsions: share of frames in each bin of each torsion; None where the run broke.
    """

    step: float
    drift: float
    error: float
    potential: float
    torsions: Float[np.ndarray, "torsions bins"] | None

    @property
    def resolution(self) -> float:
        """Drifts up to this one cannot be told from none [kT/ns/dof]."""
        return max(THRESHOLD, _SURE * self.error)

    @property
    def keeps(self) -> bool:
        """Whether no drift is seen where a resonance would be."""
        return bool(self.resolved and self.drift <= self.resolution)

    @property
    def resolved(self) -> bool:
        """Whether the run was long enough to say."""
        return bool(self.error <= _RESOLVED)

    def is_like(self, plain: "Tried") -> bool:
        """Whether it does not drift more than another run, as far as both are known."""
        return bool(self.drift - plain.drift <= _SURE * np.hypot(self.error, plain.error))


def check_time_steps(laboratory: Laboratory) -> list[Check]:
    """The resonance scan."""
    potential = laboratory.subject.single
    if laboratory.engine is not None:
        return [not_applicable(GROUP, NAME, "made by our own engine: leave out --engine")]
    if not isinstance(potential, Potential):
        return [not_applicable(GROUP, NAME, "the surface is not made of terms")]
    if laboratory.subject.is_periodic:
        return [not_applicable(GROUP, NAME, "made for molecules without a box")]
    try:
        inner, outer = divide(potential, bonded_terms(potential.parameterization))
    except InputError as error:
        return [not_applicable(GROUP, NAME, f"no split into bonded terms and others: {error}")]
    if not len(laboratory.thermal):
        why = "no replica survived the run before it: see the check of stability"
        return [not_applicable(GROUP, NAME, why)]
    plain = plain_run(laboratory)
    tried = list(resonance_scan(laboratory, inner, outer))
    return [_summary(laboratory, plain, tried, largest_kept(tried, plain))]


def largest_kept(tried: Sequence[Tried], plain: Tried | None = None) -> float:
    """The largest outer step up to which no resonance is seen [fs]; 0 for none.

    Args:
        tried: from the shortest step on.
        plain: a run that no step may drift more than; None: none.
    """
    best = 0.0
    for one in tried:
        if not one.keeps or (plain is not None and not one.is_like(plain)):
            break
        best = one.step
    return best


def torsion_distance(one: Tried, other: Tried) -> float | None:
    """Largest total variation between the distributions of a torsion [1]; None without any."""
    if one.torsions is None or other.torsions is None:
        return None
    return float(0.5 * np.abs(one.torsions - other.torsions).sum(axis=1).max())


def _span(laboratory: Laboratory) -> float:
    return _SPAN_QUICK if laboratory.settings.quick else _SPAN


def plain_run(laboratory: Laboratory) -> Tried:
    """Velocity Verlet at 0.5 fs, from the starts of all the others."""
    every = round(_RECORD / TIMESTEP)
    motion = laboratory.newton(TIMESTEP, n_records=round(_span(laboratory) / _RECORD), every=every)
    return _measured(laboratory, motion, TIMESTEP * 1000)


def resonance_scan(laboratory: Laboratory, inner: Surface, outer: Surface) -> Iterator[Tried]:
    """Outer steps from the shortest on, each as long as the plain run."""
    mechanics = laboratory.subject.mechanics(conserves_momentum=True)
    ratios = _QUICK if laboratory.settings.quick else _RATIOS
    for ratio, steps in ratios.items():
        for step in steps:
            integrator = Respa(
                inner,
                outer,
                mechanics,
                timestep=step / 1000,
                ratio=ratio,
                accumulation="compensated",
            )
            every = max(1, round(_RECORD * 1000 / step))
            motion = run(
                integrator,
                mechanics,
                laboratory.newton_starts,
                temperature=laboratory.settings.temperature,
                n_records=round(_span(laboratory) * 1000 / (every * step)),
                every=every,
                seed=laboratory.settings.seed + 4,
                heed=laboratory.heed,
            )
            yield _measured(laboratory, motion, float(step))


def _measured(laboratory: Laboratory, motion: Motion, step: float) -> Tried:
    if not motion.finite.all():
        return Tried(step, float("inf"), 0.0, float("nan"), None)
    energies = conserved_energies(laboratory.subject.double, motion) / laboratory.per_degree
    drift, error = slope_of(motion.times, energies)
    torsions = laboratory.subject.molecule.topology.clusters.torsions
    return Tried(
        step,
        abs(drift) * 1000,
        error * 1000,
        float(motion.potential.mean()),
        _histograms(motion.positions, torsions) if len(torsions) else None,
    )


def _histograms(
    positions: Float[np.ndarray, "records replicas atoms 3"], torsions: np.ndarray
) -> Float[np.ndarray, "torsions bins"]:
    """Distribution of each torsion."""
    x = positions.reshape(-1, *positions.shape[2:])
    i, j, k, l = (x[:, torsions[:, place]] for place in range(4))
    u, v, w = j - i, k - j, l - k
    first, second = np.cross(u, v), np.cross(v, w)
    sine = (np.cross(first, second) * v).sum(axis=2) / np.linalg.norm(v, axis=2)
    angles = np.arctan2(sine, (first * second).sum(axis=2))
    places = np.floor((angles + np.pi) / (2 * np.pi) * _BINS).astype(int) % _BINS
    counts = np.stack([np.bincount(column, minlength=_BINS) for column in places.T])
    return counts / len(x)


def _note(laboratory: Laboratory, plain: Tried, tried: list[Tried], best: float) -> str:
    """What is known of the largest step kept, and why the next one was not."""
    note = f"of {tried[-1].step:g} fs tried; drift of plain 0.5 fs {_drift_text(plain)}"
    for one in [one for one in tried if one.step > best][:1]:
        note += f", of {one.step:g} fs {_drift_text(one)}"
    kept = [one for one in tried if one.step <= best]
    if not kept:
        return note
    resolution = max(one.resolution for one in (plain, *kept))
    shift = abs(kept[-1].potential - plain.potential) / laboratory.per_degree
    note += (
        f"; up to {best:g} fs no resonance is seen at a resolution of {resolution:.1g} kT/ns/dof, "
        f"and smaller drifts are not excluded; with {best:g} fs: mean potential energy off by "
        f"{shift:.2g} kT/dof"
    )
    distance = torsion_distance(kept[-1], plain)
    return note if distance is None else f"{note}, torsions by {distance:.2g} at most"


def _drift_text(one: Tried) -> str:
    if not np.isfinite(one.drift):
        return "infinite"
    if not one.resolved:
        return f"unknown (± {one.error:.1g} kT/ns/dof)"
    return f"{one.drift:.2g} ± {one.error:.1g} kT/ns/dof"


def _summary(laboratory: Laboratory, plain: Tried, tried: list[Tried], best: float) -> Check:
    steps = np.array([one.step for one in (plain, *tried)])
    drifts = np.array([one.drift for one in (plain, *tried)])
    errors = np.array([one.error for one in (plain, *tried)])
    panel = Panel(
        "Resonance scan of RESPA",
        "outer step [fs]",
        "|drift| [kT/ns/dof]",
        (
            Line(steps, np.where(np.isfinite(drifts), drifts, np.nan), "drift"),
            Line(steps, _SURE * errors, "twice its error", points=True),
        ),
        log_y=True,
        level=THRESHOLD,
    )
    energy = Panel(
        "Mean potential energy with RESPA",
        "outer step [fs]",
        "less that of plain 0.5 fs [kT/dof]",
        (
            Line(
                steps,
                np.array([one.potential - plain.potential for one in (plain, *tried)])
                / laboratory.per_degree,
                points=True,
            ),
        ),
        level=0.0,
    )
    note = _note(laboratory, plain, tried, best)
    return Check(
        GROUP, NAME, NOT_JUDGED, best, "fs", source=_SOURCE, note=note, panels=(panel, energy)
    )
