"""The layout of SPICE: which array stands under which name, and in which unit.

P. Eastman et al., Sci. Data 10, 11 (2023), and the script that writes its files. A group is a
molecule. What SPICE does not have (temperatures, boxes, numbers of frames) stands beside in names
of its own, so that programs for SPICE read our files.
"""

from collections.abc import Mapping
from typing import Final

from isthmus.errors import InputError
from isthmus.units import ANGSTROM, BOHR, ELECTRONVOLT, ENERGY_UNITS, HARTREE, LENGTH_UNITS

__all__ = ["FIELDS", "size_of"]

FIELDS: Final[Mapping[str, tuple[str, str, float]]] = {
    "positions": ("conformations", "bohr", BOHR),
    "energies": ("dft_total_energy", "hartree", HARTREE),
    "forces": ("dft_total_gradient", "hartree/bohr", -HARTREE / BOHR),
    "charges": ("mbis_charges", "elementary_charge", 1.0),
    "dipoles": ("scf_dipole", "elementary_charge*bohr", BOHR),
    "temperatures": ("temperature", "kelvin", 1.0),
    "box": ("box", "bohr", BOHR),
}
"""For each field of an entry: its name in a file, its unit there, and the factor to ours."""

_CHARGE = ("e", "elementary_charge", "elementary charge")


def size_of(unit: str, field: str) -> float:
    """Factor from a unit that a file states to the internal one; the sign is as in `FIELDS`.

    Raises:
        InputError: a unit that is not known for this field.
    """
    name, usual, factor = FIELDS[field]
    if unit == usual:
        return factor
    sign = -1.0 if factor < 0 else 1.0
    size = _known_units(field).get(unit.replace(" ", ""))
    if size is None:
        raise InputError(
            f"'{name}' is in the unit '{unit}', which is not known; known is {usual} and "
            f"{', '.join(_known_units(field)) or 'nothing else'}"
        )
    return sign * size


def _known_units(field: str) -> dict[str, float]:
    lengths = dict(LENGTH_UNITS) | {"A": ANGSTROM, "Angstrom": ANGSTROM}
    energies = dict(ENERGY_UNITS) | {"Hartree": HARTREE, "ev": ELECTRONVOLT}
    if field in ("positions", "box"):
        return lengths
    if field == "energies":
        return energies
    if field == "forces":
        return {f"{e}/{a}": x / y for e, x in energies.items() for a, y in lengths.items()}
    if field == "charges":
        return dict.fromkeys(_CHARGE, 1.0)
    if field == "dipoles":
        return {f"{e}*{a}": size for e in _CHARGE for a, size in lengths.items()}
    return {"K": 1.0}
