"""What can be chosen about a training run."""

from dataclasses import asdict, dataclass
from typing import Any, Final

from isthmus.designs.design import Design
from isthmus.errors import InputError

__all__ = ["OPTIMISERS", "ZEROS", "TrainSettings"]

OPTIMISERS: Final = {"muon": 4e-3, "adam": 2e-3}
"""Optimisers and the learning rate that suits each"""

ZEROS: Final = ("molecule", "elements")
"""Where energies are counted from: the mean of each molecule, or energies of its elements"""


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """Settings of a run; the defaults serve for a few hundred small molecules.

    Attributes:
        epochs: how often each molecule is seen; with `seconds` given, at the most.
        seconds: time for the steps and validations, compilation not counted; None = no limit.
        molecules: in a step, on each device.
        frames: of each molecule in a step.
        optimiser: "muon" or "adam".
        learning_rate: its highest value; None = what suits the optimiser.
        warmup: part of the run over which the learning rate rises; then it falls to 0 as a cosine.
        clip: gradients longer than this many times their usual length are shortened to it.
        average: time constant of the averaged weights, as part of the run.
        force_weight, energy_weight, dipole_weight, charge_weight: of the mean squares of force
            components [(kcal/mol/Å)²], of energies over the number of atoms [(kcal/mol)²], of
            dipoles over the number of atoms [(e Å)²], and of charges [e²]. Dipoles of ions are
            left out, since they depend on the origin.
        energy_zero: "molecule" or "elements".
        restraint: weight of the mean square distance of parameters from their priors, each in
            units of its own scale.
        patience: number of validations without progress after which the run ends; 0 = never.
        validations: how often the error on the validation molecules is measured in a run.
        checkpoint_seconds: time between checkpoints.
        seed: of weights, order of molecules and choice of frames.
    """

    epochs: int = 40
    seconds: float | None = None
    molecules: int = 16
    frames: int = 15
    optimiser: str = "muon"
    learning_rate: float | None = None
    warmup: float = 0.1
    clip: float = 3.0
    average: float = 0.01
    force_weight: float = 1.0
    energy_weight: float = 30.0
    dipole_weight: float = 0.0
    charge_weight: float = 0.0
    energy_zero: str = "molecule"
    restraint: float = 0.0
    patience: int = 0
    validations: int = 20
    checkpoint_seconds: float = 60.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.optimiser not in OPTIMISERS:
            raise InputError(
                f"unknown optimiser '{self.optimiser}': choose one of {', '.join(OPTIMISERS)}"
            )
        if self.energy_zero not in ZEROS:
            raise InputError(
                f"unknown zero of energies '{self.energy_zero}': choose one of {', '.join(ZEROS)}"
            )
        for name in ("epochs", "molecules", "frames", "validations"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} = {getattr(self, name)}: 1 or more is wanted")
        for name in ("seconds", "learning_rate", "clip", "checkpoint_seconds"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise InputError(f"{name} = {value}: a positive number is wanted")
        weights = (
            "force_weight",
            "energy_weight",
            "dipole_weight",
            "charge_weight",
            "restraint",
        )
        for name in (*weights, "patience", "seed"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise InputError(f"{name} = {getattr(self, name)}: 0 or more is wanted")
        for name in ("warmup", "average"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(f"{name} = {getattr(self, name)}: from 0 up to 1 is wanted")
        if not self.force_weight and not self.energy_weight:
            raise InputError("forces and energies both have weight 0: nothing would be fitted")

    @classmethod
    def suited(cls, design: Design, **chosen: Any) -> "TrainSettings":
        """What suits a design, but for what is chosen.

        Networks over atoms and their neighbours learn better from many small steps.
        """
        usual: dict[str, Any] = {"molecules": 5, "frames": 2} if design.networks else {}
        return cls(**(usual | chosen))

    @property
    def highest_rate(self) -> float:
        """The highest learning rate."""
        return self.learning_rate or OPTIMISERS[self.optimiser]

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)
