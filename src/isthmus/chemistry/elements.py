"""Element symbols, masses and covalent radii, from RDKit's periodic table.

Atomic number 0 is a virtual site or another extra particle: symbol `*`, mass 0.
"""

from functools import lru_cache

import numpy as np
from jaxtyping import Float, Int
from rdkit import Chem

from isthmus.errors import InputError
from isthmus.units import ANGSTROM

__all__ = [
    "MAX_ATOMIC_NUMBER",
    "atomic_masses",
    "atomic_number",
    "covalent_radii",
    "element_symbols",
    "elements_of_masses",
]

MAX_ATOMIC_NUMBER = 118
"""The heaviest element known to the table (oganesson)."""

_MASS_TOLERANCE = 0.02
"""How far tables of atomic weights differ [Da], and less than elements do."""


@lru_cache(maxsize=1)
def _symbol_table() -> tuple[str, ...]:
    table = Chem.GetPeriodicTable()
    return tuple(table.GetElementSymbol(z) for z in range(MAX_ATOMIC_NUMBER + 1))


@lru_cache(maxsize=1)
def _number_table() -> dict[str, int]:
    return {symbol: number for number, symbol in enumerate(_symbol_table())}


@lru_cache(maxsize=1)
def _mass_table() -> Float[np.ndarray, "elements"]:
    table = Chem.GetPeriodicTable()
    masses = [table.GetAtomicWeight(z) for z in range(MAX_ATOMIC_NUMBER + 1)]
    return np.array(masses, dtype=np.float64)


@lru_cache(maxsize=1)
def _radius_table() -> Float[np.ndarray, "elements"]:
    table = Chem.GetPeriodicTable()
    radii = [table.GetRcovalent(z) for z in range(MAX_ATOMIC_NUMBER + 1)]
    return np.array(radii, dtype=np.float64) * ANGSTROM


def element_symbols(atomic_numbers: Int[np.ndarray, "atoms"]) -> tuple[str, ...]:
    """Element symbols of atomic numbers; `*` for 0."""
    table = _symbol_table()
    return tuple(table[z] for z in atomic_numbers.tolist())


def atomic_masses(atomic_numbers: Int[np.ndarray, "atoms"]) -> Float[np.ndarray, "atoms"]:
    """Standard atomic weights [Da]; 0 for virtual sites."""
    return _mass_table()[atomic_numbers]


def elements_of_masses(
    masses: Float[np.ndarray, "atoms"],
) -> Int[np.ndarray, "atoms"] | None:
    """Atomic numbers whose standard weights these masses [Da] are; 0 where a mass is 0.

    None where some mass is that of no element (isotopes, united atoms, repartitioned hydrogens),
    or where all are the same (particles of a toy System): these say nothing.
    """
    if len(np.unique(masses[masses > 0])) < 2:
        return None
    table = _mass_table()
    found = np.abs(masses[:, None] - table).argmin(axis=1)
    return found if np.all(np.abs(masses - table[found]) < _MASS_TOLERANCE) else None


def covalent_radii(atomic_numbers: Int[np.ndarray, "atoms"]) -> Float[np.ndarray, "atoms"]:
    """Covalent radii [nm] (RDKit's table)."""
    return _radius_table()[atomic_numbers]


def atomic_number(symbol: str) -> int:
    """Atomic number of an element symbol in any capitalisation.

    Raises:
        InputError: the symbol is no element.
    """
    number = _number_table().get(symbol.strip().capitalize())
    if number is None or number == 0:
        raise InputError(
            f"unknown element '{symbol}': element symbols from H to Og are understood; "
            "correct the symbol"
        )
    return number
