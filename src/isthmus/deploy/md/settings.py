"""Choices of a System that are not physics of the model."""

from dataclasses import dataclass
from typing import Final

from isthmus.deploy.openmm.combining import INTERACTIONS
from isthmus.errors import InputError

__all__ = ["CONSTRAINTS", "VIA", "Settings"]

CONSTRAINTS: Final = ("auto", "none", "hydrogens")
"""`auto`: bonds to hydrogen of what OpenMM's files describe, and water rigid; ours flexible.
`none`: nothing. `hydrogens`: as `auto`, and ours in the same way, also water that is ours."""

VIA: Final = ("auto", "forces", "python")
"""How a model acts in OpenMM: `auto` takes forces where they can be written."""


@dataclass(frozen=True)
class Settings:
    """How a System is made.

    Attributes:
        cutoff: of pairs, with particle-mesh Ewald where there is a box [nm].
        constraints: one of `CONSTRAINTS`.
        hydrogen_mass: of hydrogens outside of water, taken from their neighbours [Da]; None
            leaves the masses as they are.
        interaction: between our molecule and its environment, as for `combine`.
        via: one of `VIA`.
        precision: of a model that acts through Python, float32 or float64.
        readable: as for `to_openmm`.
    """

    cutoff: float = 0.9
    constraints: str = "auto"
    hydrogen_mass: float | None = None
    interaction: str = "ours"
    via: str = "auto"
    precision: str = "float32"
    readable: bool = False

    def __post_init__(self) -> None:
        for what, given, known in (
            ("constraints", self.constraints, CONSTRAINTS),
            ("via", self.via, VIA),
            ("interaction", self.interaction, INTERACTIONS),
            ("precision", self.precision, ("float32", "float64")),
        ):
            if given not in known:
                raise InputError(f"unknown {what} '{given}': choose one of {', '.join(known)}")
        if not self.cutoff > 0:
            raise InputError(f"the cutoff is {self.cutoff} nm: give a positive length in nm")
