"""Van der Waals parameters of the elements after UFF, frozen: weights of networks rest on them.

Distances and depths of A. K. Rappé et al., J. Am. Chem. Soc. 114, 10024 (1992), as RDKit tabulates
them for a bare atom. Where it knows no type of an element for that (calcium, say), the distance is
twice the van der Waals radius of RDKit's periodic table, and the depth is that of neon.
"""

from typing import Final

from isthmus.units import ANGSTROM, KILOCALORIE

__all__ = ["uff_pair"]

_DISTANCES: Final = (
    2.886, 2.362, 2.451, 2.745, 4.083, 3.851, 3.66, 3.5, 3.364, 3.08, 2.983, 3.021, 4.499, 4.295,
    4.147, 4.035, 3.947, 3.868, 3.812, 4.8, 3.295, 3.175, 3.144, 4.1, 4.1, 2.912, 4, 2.834, 3.495,
    2.763, 4.383, 4.28, 4.23, 4.205, 4.189, 4.141, 4.114, 5.1, 4.8, 4.6, 3.165, 3.052, 4.1, 4.1,
    4, 2.899, 4.2, 2.848, 4.463, 4.392, 4.42, 4.47, 4.5, 4.404, 4.517, 5.4, 3.522, 4.96, 4.94,
    4.9, 4.86, 4.84, 4.8, 4.76, 4.74, 4.7, 4.66, 4.64, 4.6, 4.56, 4.54, 4.5, 3.17, 4.2, 2.954, 4,
    4, 2.754, 3.293, 2.705, 4.347, 4.6, 4.37, 4.709, 4.75, 4, 4.9, 4, 4, 4.8, 4, 4.6,
)  # fmt: skip
"""[Å] of hydrogen to uranium"""

_DEPTHS: Final = (
    0.044, 0.056, 0.025, 0.085, 0.18, 0.105, 0.069, 0.06, 0.05, 0.042, 0.03, 0.111, 0.505, 0.402,
    0.305, 0.274, 0.227, 0.185, 0.035, 0.042, 0.019, 0.017, 0.016, 0.042, 0.042, 0.013, 0.042,
    0.015, 0.005, 0.124, 0.415, 0.379, 0.309, 0.291, 0.251, 0.22, 0.04, 0.042, 0.042, 0.042,
    0.059, 0.056, 0.042, 0.042, 0.042, 0.048, 0.042, 0.228, 0.599, 0.567, 0.449, 0.398, 0.339,
    0.332, 0.045, 0.042, 0.017, 0.042, 0.042, 0.042, 0.042, 0.042, 0.042, 0.042, 0.042, 0.042,
    0.042, 0.042, 0.042, 0.042, 0.042, 0.042, 0.081, 0.042, 0.066, 0.042, 0.042, 0.08, 0.039,
    0.385, 0.68, 0.042, 0.518, 0.325, 0.284, 0.042, 0.05, 0.042, 0.042, 0.042, 0.042, 0.042,
)  # fmt: skip
"""[kcal/mol] of hydrogen to uranium"""

_HEAVIER: Final = (4.0, 0.042)
"""[Å], [kcal/mol]"""


def uff_pair(atomic_number: int) -> tuple[float, float]:
    """Distance of the minimum [nm] and depth [kJ/mol] of the 12-6 potential of two equal atoms.

    Args:
        atomic_number: of an element; 0, an extra particle, has no such potential: two zeros.
    """
    if atomic_number == 0:
        return 0.0, 0.0
    known = atomic_number <= len(_DISTANCES)
    row = (_DISTANCES[atomic_number - 1], _DEPTHS[atomic_number - 1]) if known else _HEAVIER
    return row[0] * ANGSTROM, row[1] * KILOCALORIE
