"""Fit every parameter of a design to the frames of one molecule.

Regularised least squares. The residuals are the forces and the energies, these about their mean,
in units of the errors that the form is expected to leave; every unknown is drawn towards its
starting value as if it had come from a normal distribution as wide as the `scale` that the design
declares. So cross terms are drawn towards 0 and the force field towards class I, unless the data
say otherwise. The unknowns in which the energy is linear are solved for first, then all of them:
where there are many frames, on some of these, until that gains no more; then on all frames.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice

import numpy as np

from isthmus.data.dataset import Dataset
from isthmus.data.entry import Entry
from isthmus.designs.design import Design
from isthmus.designs.schema import find_design
from isthmus.errors import InputError
from isthmus.forcefield.forcefield import ForceField
from isthmus.parameters.source import FreeSource
from isthmus.train.bespoke.blocks import term_blocks
from isthmus.train.bespoke.limit import Ended, Limit
from isthmus.train.bespoke.minimise import Problem, Step, minimise
from isthmus.train.bespoke.normal import Assembler, Target
from isthmus.train.bespoke.start import starting_values
from isthmus.train.bespoke.unknowns import find_unknowns
from isthmus.units import ANGSTROM, KILOCALORIE

__all__ = ["BespokeFit", "BespokeSettings", "BespokeStep", "fit_bespoke"]

_FIRST_DAMPING = 1e-3
_LINEAR_STEPS = 2
_ENOUGH = 5
"""Components of forces for each unknown that a fit begins with"""


@dataclass(frozen=True, kw_only=True)
class BespokeSettings:
    """How a bespoke fit is done.

    Attributes:
        tie: whether parameters that the symmetry of the graph makes equal are one unknown.
        force_error: of a component of a force, that the form is expected to leave [kJ/mol/nm].
        energy_error: of the energy of a frame, likewise [kJ/mol]; infinite leaves energies out.
        prior_strength: weight of the regularisation; 1 is that of the normal distribution.
        widths: width of the distribution in units of the parameter's scale, by `owner` or by
            `owner.parameter`; 1 for all others.
        max_steps: at most so many trials with all unknowns in each stage, of which there are two
            where there are many frames: some of them, then all.
        tolerance: relative gain of a step below which the fit is at its end.
        reach: how far a parameter in which the energy is not linear may go in one step, in
            units of its scale.
    """

    tie: bool = True
    force_error: float = KILOCALORIE / ANGSTROM
    energy_error: float = 0.5 * KILOCALORIE
    prior_strength: float = 1.0
    widths: Mapping[str, float] = field(default_factory=dict)
    max_steps: int = 20
    tolerance: float = 2e-3
    reach: float = 1.0

    def __post_init__(self) -> None:
        for name in ("force_error", "energy_error", "prior_strength", "tolerance", "reach"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} = {getattr(self, name)}: must be above 0")
        for name, width in self.widths.items():
            if not 0 < width < float("inf"):
                raise InputError(f"width of '{name}' = {width}: must be above 0, and finite")
        if self.max_steps < 0:
            raise InputError(f"max_steps = {self.max_steps}: must be 0 or more")


@dataclass(frozen=True)
class BespokeStep:
    """Where a fit stands after a trial.

    Attributes:
        number: of the trial, from 0, which is the start.
        stage: "linear unknowns", "some frames" or "all frames".
        cost: of the best parameters so far.
        force_rmse: of these, on the frames that are fitted [kJ/mol/nm].
        energy_rmse: likewise, energies about their mean [kJ/mol]; NaN without energies.
        accepted: whether the trial was better than all before.
        seconds: since the fit began.
        force_field: with the best parameters so far.
    """

    number: int
    stage: str
    cost: float
    force_rmse: float
    energy_rmse: float
    accepted: bool
    seconds: float
    force_field: ForceField


@dataclass(frozen=True)
class BespokeFit:
    """A fitted force field and how it came about.

    Attributes:
        force_field: the result: the best of all trials, or the start where there was none.
        history: all trials; none where the fit was ended before it had measured its start.
        n_parameters: independent numbers that were fitted.
        n_values: values that they stand for; more where symmetry makes some equal.
        ending: "converged" where the last step gained less than the tolerance; "steps", "time" or
            "stopped" by what ended it otherwise.
        seconds: time that the fit took.
    """

    force_field: ForceField
    history: tuple[BespokeStep, ...]
    n_parameters: int
    n_values: int
    ending: str
    seconds: float

    @property
    def converged(self) -> bool:
        """Whether the last step gained less than the tolerance."""
        return self.ending == "converged"


def fit_bespoke(
    design: Design | str,
    data: Entry | Dataset,
    *,
    settings: BespokeSettings | None = None,
    on_step: Callable[[BespokeStep], None] | None = None,
    seconds: float | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> BespokeFit:
    """All parameters of a design, fitted to the frames of one molecule.

    Args:
        design: a design of our own, the name of a preset, or the path of a TOML file.
        data: the molecule with its frames; several entries must have the same topology.
        settings: how it is done.
        on_step: called after every trial; what it raises ends the fit, and the best force field
            so far is in the step that it was given.
        seconds: limit of time, compilation included; looked at within trials too.
        stop: asked, as often, whether to end here.

    Raises:
        InputError: no labels, a box, more than one molecule, or nothing to fit.
        DesignError, FormulaError: the design is wrong, or has parameters that belong to pairs.
    """
    limit = Limit(time.perf_counter(), seconds, stop)
    settings = settings or BespokeSettings()
    design = find_design(design) if isinstance(design, str) else design
    entries = _entries(data)
    topology = entries[0].topology
    positions = np.concatenate([entry.positions for entry in entries])
    start = starting_values(design, topology, positions)
    unknowns = find_unknowns(design, topology, start, tie=settings.tie)
    history: list[BespokeStep] = []
    ending = "steps"

    def record(stage: str, step: Step) -> None:
        source = FreeSource(unknowns.values(step.unknowns), topology.digest)
        history.append(
            BespokeStep(
                number=len(history),
                stage=stage,
                cost=step.cost,
                force_rmse=step.found.force_rmse,
                energy_rmse=step.found.energy_rmse,
                accepted=step.accepted,
                seconds=limit.used,
                force_field=ForceField(design, source),
            )
        )
        if on_step is not None:
            on_step(history[-1])

    try:
        limit()
        blocks = term_blocks(design, topology, unknowns.places)
        targets = tuple(_target(entry, settings) for entry in entries)
        equations = Assembler(design, topology, blocks, unknowns, targets, heed=limit)
        for stage, step in _steps(equations, settings):
            record(stage, step)
            if step.converged and (stage == "all frames" or unknowns.linear.all()):
                ending = "converged"
            else:
                limit()
    except Ended as ended:
        ending = ended.why
    at_start = ForceField(design, FreeSource(unknowns.values(unknowns.at_start), topology.digest))
    return BespokeFit(
        history[-1].force_field if history else at_start,
        tuple(history),
        n_parameters=unknowns.n_unknowns,
        n_values=len(unknowns.start),
        ending=ending,
        seconds=limit.used,
    )


def _steps(equations: Assembler, settings: BespokeSettings) -> Iterator[tuple[str, Step]]:
    """The linear unknowns first, then all on some frames, then all on all frames."""
    unknowns = equations.unknowns
    every = _thinning(equations)
    some = equations.thinned(every)
    problem = Problem(
        some,
        some.residuals,
        ridge=settings.prior_strength / unknowns.widths(settings.widths) ** 2,
        lower=unknowns.lower,
        upper=unknowns.upper,
        reach=np.where(unknowns.linear, np.inf, settings.reach),
    )
    stages = [("all frames", equations)]
    if every > 1:
        stages.insert(0, ("some frames", some))
    at, found = unknowns.at_start, None
    if unknowns.linear.any():
        if unknowns.linear.all():
            problem = replace(problem, equations=equations, residuals=equations.residuals)
        trials = minimise(
            problem, at, free=unknowns.linear, damping=0.0, tolerance=settings.tolerance
        )
        for step in islice(trials, _LINEAR_STEPS):
            at, found = step.unknowns, step.found
            yield "linear unknowns", step
    if unknowns.linear.all():
        return
    everything, damping, radius = np.ones(unknowns.n_unknowns, dtype=bool), _FIRST_DAMPING, 1.0
    for stage, these in stages:
        # What was found on some frames says nothing of all
        known = found if these is problem.equations else None
        problem = replace(problem, equations=these, residuals=these.residuals)
        trials = minimise(
            problem,
            at,
            free=everything,
            damping=damping,
            tolerance=settings.tolerance,
            found=known,
            radius=radius,
        )
        # The first says where the unknowns of the stage before have led, unless there are none
        for step in islice(trials, 0 if known is None else 1, settings.max_steps + 1):
            at, found, damping, radius = step.unknowns, step.found, step.damping, step.radius
            yield stage, step


def _thinning(equations: Assembler) -> int:
    """One frame of how many is enough for the way to the neighbourhood of the minimum."""
    n_labels = sum(int(np.isfinite(target.forces).sum()) for target in equations.targets)
    return max(1, n_labels // (_ENOUGH * max(1, equations.unknowns.n_unknowns)))


def _entries(data: Entry | Dataset) -> list[Entry]:
    entries = [data] if isinstance(data, Entry) else list(data)
    if not entries:
        raise InputError("there is nothing to fit: give a molecule with labelled frames")
    first = entries[0]
    for entry in entries:
        if entry.topology.digest != first.topology.digest:
            raise InputError(
                f"a bespoke fit is for one molecule: '{first.name}' and '{entry.name}' have "
                "different topologies; choose one of them"
            )
        if entry.box is not None:
            raise InputError(
                f"molecule '{entry.name}' has a box: bespoke fits are for molecules in vacuum"
            )
        without = entry.forces is None or not np.isfinite(entry.forces).any()
        if without and np.isfinite(entry.energies).sum() < 2:
            raise InputError(
                f"molecule '{entry.name}' has neither forces nor two energies: label its frames"
            )
    return entries


def _target(entry: Entry, settings: BespokeSettings) -> Target:
    forces = entry.forces
    if forces is None:
        forces = np.full_like(entry.positions, np.nan)
    return Target(
        entry.positions,
        entry.energies,
        forces,
        energy_weight=settings.energy_error**-2,
        force_weight=settings.force_error**-2,
    )
