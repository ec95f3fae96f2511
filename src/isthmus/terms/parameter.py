"""Parameters of a term: what a number means, where it may come from, how it transforms."""

from dataclasses import dataclass
from typing import Final

__all__ = ["PRIOR_NAMES", "Parameter", "Reference"]

PRIOR_NAMES: Final = (
    "angle",
    "bond_length",
    "charge",
    "cos_angle",
    "epsilon",
    "r_min",
    "sigma",
)
"""Names that may stand in place of a default; `isthmus.parameters.prior` says what they mean."""


@dataclass(frozen=True)
class Reference:
    """A parameter that belongs to a smaller cluster: `owner` . `parameter` of local atoms `at`.

    `owner` is the name of a term or of a coordinate. With `at = (1, 2)` the value is that of the
    cluster made of atoms 1 and 2 of the cluster at hand.
    """

    owner: str
    parameter: str
    at: tuple[int, ...]


@dataclass(frozen=True)
class Parameter:
    """Declaration of one parameter of a term.

    Attributes:
        name: as it stands in the formula; a per-atom parameter `q` appears as `q1`, `q2`.
        unit: e.g. "kJ/mol/nm^2"; None where it is not known (imported expressions).
        per: "cluster", "atom", or "type_pair": a table over pairs of atom types, for terms over
            pairs; it stands in the formula under its plain name.
        default: value before anything is known about the molecule, in `unit`; or the name of a
            prior that looks at the elements (`isthmus.parameters.prior`).
        minimum, maximum: bounds, in `unit`; None = unbounded.
        scale: typical spread between chemically different clusters, in `unit`; sets the step
            of a fit and the width of random draws.
        images: (symmetry of the cluster, parameter that takes this one's place), with "-" in
            front of the parameter if the sign changes; unlisted symmetries leave it in place.
        reference: set when the value is that of another term's or coordinate's parameter.
        meaning: a few words for people.
    """

    name: str
    unit: str | None = "1"
    per: str = "cluster"
    default: float | str = 0.0
    minimum: float | None = None
    maximum: float | None = None
    scale: float = 1.0
    images: tuple[tuple[str, str], ...] = ()
    reference: Reference | None = None
    meaning: str = ""
