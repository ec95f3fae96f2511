"""How pair terms are summed: cutoff, reaction field, Ewald sums.

| method | pairs | Coulomb term | other terms |
|---|---|---|---|
| "none" | all | as the formula says | as the formula says |
| "cutoff" | r < cutoff | reaction field | truncated, switched if a switching distance is set |
| "ewald", "pme" | r < cutoff | Ewald sum (conducting surroundings) | as with "cutoff" |
| "ljpme" | r < cutoff | Ewald sum | dispersion by Ewald sum, shifted to 0 at the cutoff |

Reaction field (Tironi et al., J. Chem. Phys. 102, 5451 (1995)), as in OpenMM:
    E = C q1 q2 (1/r + k r² − c),  k = (ε − 1)/((2ε + 1) rc³),  c = 3ε/((2ε + 1) rc)
Switching function, x = (r − rs)/(rc − rs):  S = 1 − 10x³ + 15x⁴ − 6x⁵
"""

from dataclasses import dataclass

import numpy as np

from isthmus.errors import InputError

__all__ = ["METHODS", "NonbondedMethod"]

METHODS = ("none", "cutoff", "ewald", "pme", "ljpme")


@dataclass(frozen=True)
class NonbondedMethod:
    """How pair terms are summed.

    Attributes:
        method: one of `METHODS`.
        cutoff: [nm]; needed by every method but "none".
        switch: distance where terms other than Coulomb begin to be switched off [nm], or None.
        dielectric: of the surroundings in the reaction field [1].
        tolerance: relative error of the Ewald sums, from which alpha and grid follow by
            OpenMM's rules when the force field is bound to a box.
        alpha, grid: explicit Ewald splitting parameter [1/nm] and grid (or largest wave vectors
            for "ewald"), None = by the rule.
        dispersion_alpha, dispersion_grid: the same for the dispersion sum of "ljpme".
    """

    method: str = "none"
    cutoff: float | None = None
    switch: float | None = None
    dielectric: float = 78.3
    tolerance: float = 5e-4
    alpha: float | None = None
    grid: tuple[int, int, int] | None = None
    dispersion_alpha: float | None = None
    dispersion_grid: tuple[int, int, int] | None = None

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise InputError(
                f"unknown nonbonded method '{self.method}': choose one of {', '.join(METHODS)}"
            )
        if self.method != "none" and (self.cutoff is None or not self.cutoff > 0):
            raise InputError(
                f"nonbonded method '{self.method}' needs a cutoff in nm, got {self.cutoff}"
            )
        if self.switch is not None and not 0 < self.switch < (self.cutoff or np.inf):
            raise InputError(
                f"switching distance {self.switch} nm: must lie between 0 and the cutoff, "
                f"{self.cutoff} nm"
            )
        for name in ("", "dispersion_"):
            alpha, grid = getattr(self, f"{name}alpha"), getattr(self, f"{name}grid")
            if (alpha is None) != (grid is None):
                raise InputError(
                    f"{name}alpha = {alpha} with {name}grid = {grid}: give both, or neither for "
                    "those that follow from the tolerance"
                )

    @property
    def is_ewald(self) -> bool:
        """Whether the Coulomb term is summed over all images."""
        return self.method in ("ewald", "pme", "ljpme")

    @property
    def reach(self) -> float:
        """The cutoff of a method that has one [nm]."""
        assert self.cutoff is not None
        return self.cutoff

    @property
    def coulomb_sum(self) -> tuple[float, tuple[int, int, int]]:
        """Splitting parameter [1/nm] and grid of the Coulomb sum, once bound."""
        assert self.alpha is not None
        assert self.grid is not None
        return self.alpha, self.grid

    @property
    def dispersion_sum(self) -> tuple[float, tuple[int, int, int]]:
        """Splitting parameter [1/nm] and grid of the dispersion sum, once bound."""
        assert self.dispersion_alpha is not None
        assert self.dispersion_grid is not None
        return self.dispersion_alpha, self.dispersion_grid
