"""The scale of what networks over atoms and their neighbours are to learn."""

from collections.abc import Sequence
from typing import Final

import equinox as eqx
import numpy as np

from isthmus.data.entry import Entry
from isthmus.forcefield.forcefield import ForceField
from isthmus.units import ANGSTROM

__all__ = ["scaled"]

_RESIDUAL: Final = 0.25
"""What formulas, trained beside a network, may be taken to leave to it"""


def scaled(force_field: ForceField, training: Sequence[Entry]) -> ForceField:
    """With networks whose unit of energy is the usual force times 1 Å, where none was set before.

    Args:
        force_field: networks that are not trained have the scale 1.
        training: molecules with labels; without forces, the spread of energies counts.
    """
    fresh = [place for place, one in enumerate(force_field.networks) if float(one.scale) == 1.0]
    if not fresh:
        return force_field
    forces = [e.forces[np.isfinite(e.forces)] for e in training if e.forces is not None]
    squares = np.concatenate([*forces, np.zeros(0)]) ** 2
    scale = np.sqrt(squares.mean()) * ANGSTROM if squares.size else _spread(training)
    if force_field.design.terms:
        scale *= _RESIDUAL
    made = np.asarray(scale if scale > 0 else 1.0, np.float32)
    for place in fresh:
        force_field = eqx.tree_at(lambda f, n=place: f.networks[n].scale, force_field, made)
    return force_field


def _spread(training: Sequence[Entry]) -> float:
    """Standard deviation of energies about the mean of each molecule [kJ/mol]."""
    found = [e.energies[np.isfinite(e.energies)] for e in training]
    centred = [one - one.mean() for one in found if one.size]
    return float(np.concatenate([*centred, np.zeros(1)]).std())
