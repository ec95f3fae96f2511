"""Whether Langevin dynamics on the surface samples the canonical ensemble.

| check | what is compared |
|---|---|
| kinetic energies | their distribution with that of the canonical ensemble |
| potential energies | ln P₂(U)/P₁(U) at two temperatures with (β₁ − β₂) U |
| equipartition | kinetic temperatures of elements, bonds and molecules with that of the bath |

Samples of the kinetic energy lie so far apart that friction has made them independent. A p-value
below the threshold comes by chance once in a hundred times: then the test is made again on the
other half of the samples, and both must fail.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
from jaxtyping import Float

from isthmus.evaluate.physics.check import Check, Line, Panel, judged, not_applicable
from isthmus.evaluate.physics.equipartition import (
    BONDS_NAME,
    ELEMENTS_NAME,
    SOLVENT_NAME,
    check_equipartition,
)
from isthmus.evaluate.physics.laboratory import FRICTION, RECORD, Laboratory
from isthmus.evaluate.physics.statistics import ensemble_slope, kinetic_p_value
from isthmus.units import BOLTZMANN

__all__ = [
    "GROUP",
    "check_ensembles",
    "judge_kinetic",
    "judge_potential",
]

GROUP: Final = "ensembles"
KINETIC_NAME: Final = "distribution of kinetic energies"
POTENTIAL_NAME: Final = "potential energies at two temperatures"
_SOURCE: Final = "physical_validation"
_APART: Final = round(2.5 / FRICTION / RECORD)
"""Records between independent kinetic energies: friction leaves e⁻⁵ of their correlation"""

_FORGOTTEN: Final = 10.0
"""Friction times after which a run has forgotten where it came from"""

_FEWEST: Final = 30
_UNSTABLE: Final = "replicas broke: see the check of stability"
_SHORT: Final = "the run is too short for a system of this size"


def check_ensembles(laboratory: Laboratory) -> Iterator[Check]:
    """Kinetic energies, potential energies, equipartition."""
    names = (KINETIC_NAME, POTENTIAL_NAME, ELEMENTS_NAME, BONDS_NAME, SOLVENT_NAME)
    if laboratory.canonical.times[-1] < _FORGOTTEN / FRICTION:
        for name in names:
            yield not_applicable(GROUP, name, _SHORT)
        return
    if not laboratory.canonical.finite.all():
        for name in names:
            yield not_applicable(GROUP, name, _UNSTABLE)
        return
    mechanics = laboratory.canonical.mechanics
    kinetic = laboratory.canonical.kinetic[laboratory.settled][::_APART]
    if kinetic.size < _FEWEST:
        yield not_applicable(GROUP, KINETIC_NAME, _SHORT)
    else:
        each = np.repeat(laboratory.temperatures, laboratory.n_replicas)
        yield judge_kinetic(kinetic / (BOLTZMANN * each), mechanics.degrees_of_freedom)
    if laboratory.n_replicas == 1:
        why = "there is only one replica at each temperature"
        yield not_applicable(GROUP, POTENTIAL_NAME, why)
    else:
        potential = laboratory.canonical.potential[laboratory.settled]
        last = len(laboratory.temperatures) - 1
        yield judge_potential(
            laboratory.group(potential, 0),
            laboratory.group(potential, last),
            laboratory.temperatures[0],
            laboratory.temperatures[last],
        )
    apart = laboratory.canonical.records(laboratory.settled).records(slice(None, None, _APART))
    each = np.repeat(laboratory.temperatures, laboratory.n_replicas)
    yield from check_equipartition(laboratory.subject.molecule.topology, apart, each)


def judge_kinetic(reduced: Float[np.ndarray, "records replicas"], degrees_of_freedom: int) -> Check:
    """Kinetic energies against their canonical distribution.

    Args:
        reduced: independent kinetic energies over k T [1].
        degrees_of_freedom: of the motion.
    """

    def p_value(samples: np.ndarray) -> float:
        # 1 K of k T = 1
        return kinetic_p_value(
            samples, degrees_of_freedom=degrees_of_freedom, temperature=1 / BOLTZMANN
        )

    half = max(1, len(reduced) // 2)
    value, note = p_value(reduced[:half].ravel()), f"{reduced.size} samples"
    if value < 0.01 and len(reduced) > 1:
        note += f"; first half p = {value:.2g}, so the second half decides"
        value = p_value(reduced[half:].ravel())
    mean = reduced.mean() / (degrees_of_freedom / 2)
    note += f"; mean {mean:.4f} of what it should be"
    panel = _distribution(reduced.ravel(), degrees_of_freedom)
    return judged(
        GROUP,
        KINETIC_NAME,
        value,
        threshold=0.01,
        unit="p",
        at_least=True,
        source=_SOURCE,
        note=note,
        panels=(panel,),
    )


def _distribution(samples: Float[np.ndarray, " samples"], degrees_of_freedom: int) -> Panel:
    from scipy import stats

    counts, edges = np.histogram(samples, bins=min(40, max(10, samples.size // 40)), density=True)
    middles = 0.5 * (edges[1:] + edges[:-1])
    x = np.linspace(edges[0], edges[-1], 200)
    return Panel(
        "Kinetic energies",
        "kinetic energy [kT]",
        "density",
        (
            Line(middles, counts, "sampled", points=True),
            Line(x, stats.gamma.pdf(x, degrees_of_freedom / 2), "canonical"),
        ),
    )


def judge_potential(
    cold: Float[np.ndarray, "records replicas"],
    hot: Float[np.ndarray, "records replicas"],
    low: float,
    high: float,
) -> Check:
    """Potential energies [kJ/mol] sampled at two temperatures [K]."""
    wanted = 1 / (BOLTZMANN * low) - 1 / (BOLTZMANN * high)
    slope = ensemble_slope(cold, hot)
    value = abs(slope.value - wanted) / slope.error if np.isfinite(slope.error) else float("nan")
    note = (
        f"{low:.0f} and {high:.0f} K, {cold.size + hot.size} samples: slope {slope.value:.4f} ± "
        f"{slope.error:.4f}, exact {wanted:.4f} mol/kJ"
    )
    return judged(
        GROUP,
        POTENTIAL_NAME,
        value,
        threshold=4.0,
        goal=2.0,
        unit="σ",
        source=_SOURCE,
        note=note,
        panels=(_ratios(cold.ravel(), hot.ravel(), slope.value, wanted),),
    )


def _ratios(cold: np.ndarray, hot: np.ndarray, slope: float, wanted: float) -> Panel:
    low, high = np.quantile(np.concatenate([cold, hot]), [0.01, 0.99])
    edges = np.linspace(low, high, 25)
    counts = [np.histogram(sample, edges)[0] for sample in (cold, hot)]
    middles = 0.5 * (edges[1:] + edges[:-1])
    enough = (counts[0] >= 5) & (counts[1] >= 5)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.log(counts[1] / len(hot)) - np.log(counts[0] / len(cold))
    ratio = np.where(enough, ratio, np.nan)
    centre, height = (
        (middles[enough].mean(), ratio[enough].mean()) if enough.any() else (middles.mean(), 0.0)
    )
    return Panel(
        "Potential energies at two temperatures",
        "potential energy [kJ/mol]",
        "ln P(hot)/P(cold)",
        (
            Line(middles, ratio, "sampled", points=True),
            Line(middles, height + slope * (middles - centre), "fitted"),
            Line(middles, height + wanted * (middles - centre), "exact"),
        ),
    )
