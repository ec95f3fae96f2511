"""Whether data have labels that a loss can use."""

from collections.abc import Sequence

from isthmus.errors import InputError
from isthmus.train.batch import Prepared
from isthmus.train.settings import TrainSettings

__all__ = ["refuse_unlabelled"]


def refuse_unlabelled(molecules: Sequence[Prepared], settings: TrainSettings) -> None:
    """Refuse data that say nothing to the loss.

    Raises:
        InputError: no molecules, or none with a label that has a weight.
    """
    if not molecules:
        raise InputError("there is nothing to train on: give at least one molecule")
    enough = 2 if settings.energy_zero == "molecule" else 1
    for molecule in molecules:
        own = molecule.frames
        if settings.force_weight and own.has_forces.any():
            return
        if settings.energy_weight and own.has_energy.sum() >= enough:
            return
    raise InputError(
        "no molecule has forces, or energies of two frames, that have a weight: nothing can be "
        "learnt from these data; look at them with `isthmus data info`"
    )
