"""GFN1-xTB and GFN2-xTB through tblite.

S. Grimme, C. Bannwarth, P. Shushkov, J. Chem. Theory Comput. 13, 1989 (2017);
C. Bannwarth, S. Ehlert, S. Grimme, J. Chem. Theory Comput. 15, 1652 (2019).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from jaxtyping import Float, Int

from isthmus.chemistry.elements import element_symbols
from isthmus.chemistry.topology import Topology
from isthmus.errors import EngineMissingError, InputError
from isthmus.label.level import LabelError, Labels
from isthmus.units import BOHR, BOLTZMANN, HARTREE

__all__ = ["METHODS", "TightBinding"]

METHODS: Final = MappingProxyType({"gfn1": "GFN1-xTB", "gfn2": "GFN2-xTB"})
"""Names on the command line, and those of tblite"""

_HEAVIEST = 86

_KELVIN = BOLTZMANN / HARTREE
"""Boltzmann constant times 1 K [hartree]"""


@dataclass(frozen=True)
class TightBinding:
    """GFN1-xTB or GFN2-xTB.

    Attributes:
        method: "gfn1" or "gfn2".
        accuracy: of tblite: all thresholds of the self-consistent charges scale with it [1].
        electronic_temperature: of the occupations [K].
        max_iterations: of the self-consistent charges.
    """

    method: str
    accuracy: float = 0.1
    electronic_temperature: float = 300.0
    max_iterations: int = 250

    @property
    def level_of_theory(self) -> str:
        """Method, program and version."""
        return f"{METHODS[self.method]} (tblite {self.versions['tblite']})"

    @property
    def versions(self) -> Mapping[str, str]:
        """Of tblite."""
        _library()
        return {"tblite": version("tblite")}

    @property
    def settings(self) -> Mapping[str, Any]:
        """Thresholds and electronic temperature."""
        return {
            "accuracy": self.accuracy,
            "electronic_temperature [K]": self.electronic_temperature,
            "max_iterations": self.max_iterations,
            "charges": "Mulliken, of the tight-binding density",
        }

    def check(self, atomic_numbers: Int[np.ndarray, "atoms"]) -> None:
        """As `Level.check`."""
        _library()
        wrong = (atomic_numbers < 1) | (atomic_numbers > _HEAVIEST)
        if wrong.any():
            number = int(atomic_numbers[int(wrong.argmax())])
            symbol = element_symbols(np.array([number]))[0] if number else "a virtual site"
            raise InputError(
                f"{METHODS[self.method]} has no parameters for {symbol}: it knows the elements "
                "from H to Rn; choose another method"
            )

    def labeller(self, topology: Topology, *, multiplicity: int) -> "_TightBindingLabeller":
        """As `Level.labeller`."""
        return _TightBindingLabeller(self, topology, multiplicity)


@dataclass(eq=False)
class _TightBindingLabeller:
    """A calculator of tblite; it is made at the first positions."""

    level: TightBinding
    topology: Topology
    multiplicity: int
    _calculator: Any = field(default=None, init=False)
    _result: Any = field(default=None, init=False)

    def __call__(
        self, positions: Float[np.ndarray, "atoms 3"], *, continued: bool = False
    ) -> Labels:
        """As `Labeller`."""
        coordinates = np.ascontiguousarray(positions / BOHR)
        try:
            if self._calculator is None:
                self._calculator = self._made(coordinates)
            else:
                self._calculator.update(coordinates)
            previous = self._result if continued else None
            self._result = None
            result = self._calculator.singlepoint(previous)
        except RuntimeError as error:
            raise LabelError(f"tblite: {' '.join(str(error).split())}") from error
        self._result = result
        energy, gradient = float(result.get("energy")), np.asarray(result.get("gradient"))
        if not (np.isfinite(energy) and np.isfinite(gradient).all()):
            raise LabelError("tblite: the energy or the forces are not finite")
        return Labels(
            energy=energy * HARTREE,
            forces=gradient * (-HARTREE / BOHR),
            charges=np.array(result.get("charges")),
            dipole=np.array(result.get("dipole")) * BOHR,
        )

    def _made(self, coordinates: Float[np.ndarray, "atoms 3"]) -> Any:
        calculator = _library().Calculator(
            METHODS[self.level.method],
            np.asarray(self.topology.atomic_numbers),
            coordinates,
            float(self.topology.total_charge),
            self.multiplicity - 1,
        )
        calculator.set("verbosity", 0)
        calculator.set("accuracy", self.level.accuracy)
        calculator.set("temperature", self.level.electronic_temperature * _KELVIN)
        calculator.set("max-iter", self.level.max_iterations)
        return calculator


def _library() -> Any:
    try:
        from tblite import interface
    except ImportError as error:
        raise EngineMissingError(
            f"GFN-xTB needs tblite, which cannot be imported ({error}): install it with "
            "`pip install 'isthmus[qm]'`"
        ) from None
    return interface
