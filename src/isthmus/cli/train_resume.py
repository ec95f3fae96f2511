"""`isthmus train --resume`: whether it is the same run, and which limits it goes on with."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from isthmus.errors import InputError

if TYPE_CHECKING:
    from isthmus.designs.design import Design
    from isthmus.train.settings import TrainSettings

__all__ = ["UNLIMITED", "resumed_settings"]

UNLIMITED = 1_000_000
"""Epochs of a run that only its limit of time ends"""


def resumed_settings(
    settings: "TrainSettings", checkpoint: Path, design: "Design", *, epochs_given: bool
) -> "TrainSettings":
    """The settings, with the epochs of the run that is resumed unless others were asked for.

    So a limit of time can be given to a run that was begun without one. What makes it another run
    is refused where the checkpoint is read; here, before any work, only another design is.

    Args:
        settings: of the command line.
        checkpoint: of the run; it need not exist.
        design: of the command line.
        epochs_given: whether the epochs stand on the command line.

    Raises:
        InputError: the run has a limit of time only, and none is given; a damaged checkpoint, or
            one of a run with another design.
    """
    from isthmus.train.checkpoint import run_of_checkpoint

    if not checkpoint.is_file():
        return settings
    run = run_of_checkpoint(checkpoint)
    if run["design"] != design.text:
        raise InputError(
            f"'{checkpoint}' belongs to a run with another design ({_line(run['design'])}, here "
            f"{_line(design.text)}): resume it as it was started, or train without --resume"
        )
    if epochs_given:
        return settings
    epochs = run["settings"]["epochs"]
    if settings.seconds is not None:
        return replace(settings, epochs=epochs)
    if epochs == UNLIMITED:
        raise InputError(
            f"'{checkpoint}' is of a run with --time: give --time with --resume too, longer than "
            "before to go on where that limit has ended it"
        )
    return settings


def _line(text: str) -> str:
    """The line of a design that says its name."""
    named = (line.strip() for line in text.splitlines() if line.strip().startswith("name"))
    return next(named, "without a name")
