"""Training: from data to the parameters of a design."""

from isthmus.train.loop import train
from isthmus.train.result import Progress, TrainResult
from isthmus.train.run_files import RunFiles
from isthmus.train.settings import TrainSettings

__all__ = ["Progress", "RunFiles", "TrainResult", "TrainSettings", "train"]
