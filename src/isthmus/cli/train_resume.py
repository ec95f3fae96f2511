"""`isthmus train --resume`: which limits a run goes on with."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from isthmus.errors import InputError

if TYPE_CHECKING:
    from isthmus.train.settings import TrainSettings

__all__ = ["UNLIMITED", "resumed_settings"]

UNLIMITED = 1_000_000
"""Epochs of a run that only its limit of time ends"""


def resumed_settings(
    settings: "TrainSettings", checkpoint: Path, *, epochs_given: bool
) -> "TrainSettings":
    """The settings, with the epochs of the run that is resumed unless others were asked for.

    So a limit of time can be given to a run that was begun without one.

    Args:
        settings: of the command line.
        checkpoint: of the run; it need not exist.
        epochs_given: whether the epochs stand on the command line.

    Raises:
        InputError: the run has a limit of time only, and none is given; a damaged checkpoint.
    """
    from isthmus.train.checkpoint import run_of_checkpoint

    if epochs_given or not checkpoint.is_file():
        return settings
    epochs = run_of_checkpoint(checkpoint)["settings"]["epochs"]
    if settings.seconds is not None:
        return replace(settings, epochs=epochs)
    if epochs == UNLIMITED:
        raise InputError(
            f"'{checkpoint}' is of a run with --time: give --time with --resume too, longer than "
            "before to go on where that limit has ended it"
        )
    return settings
