"""Units: the one file where physical constants and conversion factors live.

Inside Isthmus every quantity is in OpenMM's coherent system: length [nm], time [ps], mass [Da],
charge [e], energy [kJ/mol], angle [rad], temperature [K]. A factor below turns *its* unit into
the internal one: ``length_nm = length_angstrom * ANGSTROM``. Dividing turns back.

Sources: SI 2019 exact constants; CODATA 2018 for the hartree and the bohr. The Coulomb constant
is OpenMM's, so that energies agree with OpenMM to the last digit.
"""

import math
from typing import Final

from isthmus.errors import InputError

__all__ = [
    "ANGSTROM",
    "BAR",
    "BOHR",
    "BOLTZMANN",
    "COULOMB",
    "DEBYE",
    "DEGREE",
    "ELECTRONVOLT",
    "ENERGY_UNITS",
    "GRAM_PER_CM3",
    "HARTREE",
    "KILOCALORIE",
    "LENGTH_UNITS",
    "energy_unit",
]

ANGSTROM: Final = 0.1
"""1 Å [nm]"""

BOHR: Final = 0.0529177210903
"""1 bohr [nm] (CODATA 2018)"""

BOLTZMANN: Final = 0.00831446261815324
"""Boltzmann constant, a mole of it: the gas constant [kJ/mol/K] (SI 2019, exact)"""

KILOCALORIE: Final = 4.184
"""1 kcal/mol [kJ/mol] (thermochemical calorie, exact)"""

HARTREE: Final = 2625.4996394798254
"""1 hartree per particle [kJ/mol] (CODATA 2018)"""

ELECTRONVOLT: Final = 96.48533212331002
"""1 eV per particle [kJ/mol] (SI 2019, exact)"""

DEGREE: Final = math.pi / 180.0
"""1 degree [rad]"""

DEBYE: Final = 0.0208194332709356
"""1 debye [e nm] (SI 2019 and c)"""

BAR: Final = 0.0602214076
"""1 bar, a mole of it [kJ/mol/nm³] (SI 2019, exact)"""

GRAM_PER_CM3: Final = 602.214076
"""1 g/cm³ [Da/nm³] (SI 2019, exact to 1e-9)"""

COULOMB: Final = 138.93545764438198
"""1/(4 π ε0) [kJ/mol nm/e²], the value of OpenMM's ONE_4PI_EPS0"""

ENERGY_UNITS: Final = {
    "kJ/mol": 1.0,
    "kcal/mol": KILOCALORIE,
    "eV": ELECTRONVOLT,
    "meV": ELECTRONVOLT * 1e-3,
    "hartree": HARTREE,
}
"""Units in which a person may ask for energies, and their size [kJ/mol]"""

LENGTH_UNITS: Final = {"nm": 1.0, "angstrom": ANGSTROM, "Å": ANGSTROM, "bohr": BOHR}
"""Units in which a person may ask for lengths, and their size [nm]"""


def energy_unit(name: str) -> float:
    """Size of an energy unit [kJ/mol].

    Raises:
        InputError: the name is none of `ENERGY_UNITS`.
    """
    if name not in ENERGY_UNITS:
        raise InputError(f"unknown energy unit '{name}': choose one of {', '.join(ENERGY_UNITS)}")
    return ENERGY_UNITS[name]
