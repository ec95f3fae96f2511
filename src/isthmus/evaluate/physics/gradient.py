"""Forces against differences of energies, and float32 against float64.

    F ≈ −(8 [E(x+h) − E(x−h)] − [E(x+2h) − E(x−2h)]) / 12h,   h = 1e-4 nm

At positions that are off the minimum, so that there are forces to compare. Value: the largest
error of a component, relative to the root mean square of all components.
"""

from typing import Final

import numpy as np
from jaxtyping import Float

from isthmus.evaluate.physics.check import Check, Line, Panel, judged
from isthmus.evaluate.physics.settings import Settings
from isthmus.evaluate.physics.subject import Subject, evaluate_frames

__all__ = ["GROUP", "check_gradient", "shaken"]

GROUP: Final = "forces"
SHAKE: Final = 0.004
"""Standard deviation of displacements [nm]"""

_STEP: Final = 1e-4
_MOST: Final = 240
_MOST_QUICK: Final = 90
_SOURCE: Final = "OpenMM: 1e-2 to 1e-4"
_WEIGHTS: Final = np.array([1.0, -8.0, 8.0, -1.0]) / 12
_PLACES: Final = np.array([-2.0, -1.0, 1.0, 2.0])


def check_gradient(subject: Subject, settings: Settings) -> list[Check]:
    """Whether forces are minus the gradient, in both precisions."""
    x = shaken(subject, settings.seed)
    _, (forces,) = evaluate_frames(subject.double, x[None], subject.box)
    _, (coarse,) = evaluate_frames(subject.single, x[None], subject.box)
    coordinates = _coordinates(subject, settings)
    differences = _differences(subject, x, coordinates)
    size = _root_mean_square(forces[subject.solid])
    flat = forces.reshape(-1)[coordinates]
    errors = np.abs(differences - flat) / size
    note = f"{len(coordinates)} of {3 * len(subject.solid)} components"
    value = float(errors.max())
    if subject.double.needs_neighbours:
        value = float(np.median(errors))
        note += "; the median, since pairs that cross the cutoff within the step change the energy"
    if subject.mechanics().constraints is not None:
        note += "; forces of the terms, without those of constraints"
    panel = Panel(
        "Force against differences of energies",
        "force component [kJ/mol/nm]",
        "relative error",
        (Line(flat, np.maximum(errors, 1e-16), "float64", points=True),),
        log_y=True,
        level=1e-6,
    )
    rounding = np.abs(coarse - forces)[subject.solid] / size
    return [
        judged(
            GROUP,
            "force = −∇E, float64",
            value,
            threshold=1e-6,
            goal=1e-8,
            source=_SOURCE,
            note=note,
            panels=(panel,),
        ),
        judged(
            GROUP,
            "force, float32 against float64",
            float(rounding.max()),
            threshold=1e-3,
            goal=1e-4,
            source=_SOURCE,
            note=f"{rounding.size} components at one geometry",
        ),
    ]


def shaken(subject: Subject, seed: int) -> Float[np.ndarray, "atoms 3"]:
    """Positions with random displacements, representable in float32 [nm]."""
    noise = np.random.default_rng(seed).normal(scale=SHAKE, size=subject.positions.shape)
    return (subject.positions + noise).astype(np.float32).astype(np.float64)


def _coordinates(subject: Subject, settings: Settings) -> np.ndarray:
    """Which components are compared, as indices of the flat array."""
    every = (3 * subject.solid[:, None] + np.arange(3)).reshape(-1)
    most = _MOST_QUICK if settings.quick else _MOST
    if subject.double.needs_neighbours:
        most = 12 if settings.quick else 30
    if len(every) <= most:
        return every
    chosen = np.random.default_rng(settings.seed + 1).choice(len(every), most, replace=False)
    return every[np.sort(chosen)]


def _differences(subject: Subject, x: np.ndarray, coordinates: np.ndarray) -> np.ndarray:
    frames = np.repeat(x[None], len(coordinates) * len(_PLACES), axis=0)
    flat = frames.reshape(len(coordinates), len(_PLACES), -1)
    for row, coordinate in enumerate(coordinates):
        flat[row, :, coordinate] += _PLACES * _STEP
    energies, _ = evaluate_frames(subject.double, frames, subject.box)
    return -(energies.reshape(len(coordinates), len(_PLACES)) @ _WEIGHTS) / _STEP


def _root_mean_square(forces: np.ndarray) -> float:
    return float(np.sqrt(np.mean(forces**2)))
