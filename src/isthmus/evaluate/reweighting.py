"""How much of a sample is left when it is reweighted from the reference to the force field.

Let the frames be a sample of the reference, each at its own temperature T. Reweighting them to the
force field gives frame i the weight w_i = exp(-ΔU_i / kT) with ΔU = U_model - U_reference, and
leaves the fraction of Kish,

    f = (Σ w_i)² / (n Σ w_i²),

L. Kish, Survey Sampling, Wiley (1965), p. 427. f is 1 where ΔU is constant, and 1/n at worst. The
weights of the other direction, exp(+ΔU / kT), belong to frames sampled from the force field, of
which there are none here. Where ΔU is Gaussian with standard deviation σ, both directions tend to
exp(-(σ / kT)²). A small n gives f an upward bias: nothing below 1/n can be seen.

The fraction is exact only where the frames sample the reference. Many datasets are sampled with
another, cheaper potential and labelled with the reference; f then says how even the weights would
be, and no more. `sample_note` says so where the data say what sampled them.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np
from jaxtyping import Float

from isthmus.data.entry import Entry
from isthmus.units import BOLTZMANN

__all__ = ["FEWEST_FRAMES", "ROOM_TEMPERATURE", "effective_fraction", "sample_note"]

ROOM_TEMPERATURE: Final = 300.0
"""Taken where a frame states no temperature [K]"""

FEWEST_FRAMES: Final = 5
"""Of one molecule at one temperature, for an effective sample size"""

_SAMPLED: Final = "sampled with "

_BY_LABELS: Final = "label"
"""Sampler of frames that the labelling level itself drove"""

_EARLIER: Final = "the level that labelled them before"


def effective_fraction(
    differences: Float[np.ndarray, "frames"],
    temperatures: Float[np.ndarray, "frames"],
    *,
    otherwise: float = ROOM_TEMPERATURE,
) -> float | None:
    """Effective fraction of the frames of one molecule; see the module.

    Frames of different temperatures are separate samples, whose fractions are averaged with their
    numbers of frames as weights.

    Args:
        differences: ΔU, up to a constant [kJ/mol].
        temperatures: of the frames [K]; NaN where not stated.
        otherwise: temperature where none is stated [K].

    Returns:
        From 0 to 1; None where no temperature has `FEWEST_FRAMES` frames.
    """
    stated = np.round(np.where(np.isnan(temperatures), otherwise, temperatures), 2)
    total, n_frames = 0.0, 0
    for temperature in np.unique(stated):
        own = differences[stated == temperature]
        if len(own) < FEWEST_FRAMES:
            continue
        exponents = -own / (BOLTZMANN * temperature)
        weights = np.exp(exponents - exponents.max())
        total += float(weights.sum() ** 2 / np.square(weights).sum())
        n_frames += len(own)
    return total / n_frames if n_frames else None


def sample_note(entries: Iterable[Entry], provenance: Mapping[str, Any]) -> str | None:
    """What to say of the effective sample size where other potentials sampled the frames.

    Args:
        entries: their sources tell, as `isthmus label` writes them: "sampled with mmff94".
        provenance: of the dataset; says whether the frames were labelled anew.

    Returns:
        None where the level of the labels sampled all frames, or where the data do not say.
    """
    found = dict.fromkeys(
        text.removeprefix(_SAMPLED)
        for entry in entries
        for text in entry.source.split("; ")
        if text.startswith(_SAMPLED)
    )
    if "relabelled_from" not in provenance:
        found.pop(_BY_LABELS, None)
    elif _BY_LABELS in found:
        found = dict.fromkeys(_EARLIER if name == _BY_LABELS else name for name in found)
    if not found:
        return None
    return (
        f"frames were sampled with {' and '.join(found)}, not with the reference: the effective "
        "sample size is exact only where the frames sample the reference, and here a guide"
    )
