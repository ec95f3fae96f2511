"""What a user states about a file: units, keys, charge, level of theory."""

from dataclasses import dataclass

from isthmus.errors import InputError
from isthmus.units import LENGTH_UNITS, energy_unit

__all__ = ["Stated"]


@dataclass(frozen=True, kw_only=True)
class Stated:
    """Facts that a file does not say, or that its format leaves open; None where not stated.

    Attributes:
        energy_unit: one of `units.ENERGY_UNITS`; forces are in it per `length_unit`.
        length_unit: one of `units.LENGTH_UNITS`.
        energy_key: name of the energies.
        forces_key: name of the forces.
        smiles: of every molecule.
        total_charge: of every molecule [e].
        temperature: of all frames [K].
        level_of_theory: of all frames.
    """

    energy_unit: str | None = None
    length_unit: str | None = None
    energy_key: str | None = None
    forces_key: str | None = None
    smiles: str | None = None
    total_charge: int | None = None
    temperature: float | int | None = None
    level_of_theory: str | None = None

    def units(self, energy: str, length: str) -> tuple[float, float]:
        """Sizes of the units of energy [kJ/mol] and length [nm]: stated, or of the format.

        Raises:
            InputError: a unit that is not known.
        """
        name = self.length_unit or length
        if name not in LENGTH_UNITS:
            raise InputError(
                f"unknown length unit '{name}': choose one of {', '.join(LENGTH_UNITS)}"
            )
        return energy_unit(self.energy_unit or energy), LENGTH_UNITS[name]

    def described(self, energy: str, length: str) -> dict[str, str]:
        """The units for the provenance, and who said so."""
        return {
            "energy_unit": self._who(self.energy_unit, energy),
            "length_unit": self._who(self.length_unit, length),
        }

    def refuse(self, *names: str, source: str) -> None:
        """Refuse what does not apply to a format.

        Raises:
            InputError: one of these attributes is stated.
        """
        for name in names:
            if getattr(self, name) is not None:
                raise InputError(
                    f"{source}: {name} cannot be stated for this format, which says it itself"
                )

    @staticmethod
    def _who(stated: str | None, usual: str) -> str:
        return f"{stated} (stated)" if stated else f"{usual} (convention of the format)"
