"""Any calculator of ASE as a level of theory."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from isthmus.chemistry.topology import Topology
from isthmus.errors import EngineMissingError, InputError
from isthmus.label.level import LabelError, Labels
from isthmus.units import ANGSTROM, ELECTRONVOLT

__all__ = ["AseLevel"]


@dataclass(frozen=True)
class AseLevel:
    """A class of calculators, and the arguments that make one.

    The calculator sees the charge and multiplicity of the molecule as `atoms.info["charge"]` and
    `atoms.info["spin"]`, and its formal charges as initial charges.

    Attributes:
        target: a name that ASE knows, such as `emt`, or `module:Class`.
        arguments: keyword arguments, as JSON.
    """

    target: str
    arguments: str = "{}"

    @classmethod
    def parse(cls, target: str, arguments: Mapping[str, Any]) -> "AseLevel":
        """Check that the class can be imported and made.

        Raises:
            InputError: no such calculator, or arguments that it does not take.
            EngineMissingError: its module cannot be imported.
        """
        made = cls(target.strip(), json.dumps(dict(arguments), sort_keys=True))
        made.calculator()
        return made

    @property
    def level_of_theory(self) -> str:
        """The class, its arguments, and versions."""
        kind = _class(self.target)
        programs = ", ".join(f"{name} {number}" for name, number in self.versions.items())
        given = "" if self.arguments == "{}" else f" {self.arguments}"
        return f"{kind.__module__}:{kind.__qualname__}{given} ({programs})"

    @property
    def versions(self) -> Mapping[str, str]:
        """Of ASE and of the package of the calculator, where it has one."""
        found = {"ase": version("ase")}
        package = _class(self.target).__module__.partition(".")[0]
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            return found
        return found

    @property
    def settings(self) -> Mapping[str, Any]:
        """The arguments."""
        return {"arguments": json.loads(self.arguments)}

    def check(self, atomic_numbers: Int[np.ndarray, "atoms"]) -> None:
        """As `Level.check`; what a calculator of ASE knows is only seen when it computes."""
        if (atomic_numbers < 1).any():
            raise InputError("ASE knows no virtual sites; leave them out")

    def labeller(self, topology: Topology, *, multiplicity: int) -> "_AseLabeller":
        """As `Level.labeller`."""
        return _AseLabeller(self, topology, multiplicity)

    def calculator(self) -> Any:
        """A new calculator.

        Raises:
            InputError: no such calculator, or arguments that it does not take.
            EngineMissingError: its module cannot be imported.
        """
        kind = _class(self.target)
        try:
            return kind(**json.loads(self.arguments))
        except Exception as error:
            raise InputError(
                f"the calculator '{self.target}' cannot be made with {self.arguments}: "
                f"{_first_line(error)}; give its arguments as JSON"
            ) from error


@dataclass(eq=False)
class _AseLabeller:
    level: AseLevel
    topology: Topology
    multiplicity: int
    _calculator: Any = field(default=None, init=False)

    def __call__(
        self, positions: Float[np.ndarray, "atoms 3"], *, continued: bool = False
    ) -> Labels:
        """As `Labeller`."""
        if self._calculator is None:
            self._calculator = self.level.calculator()
        elif not continued and hasattr(self._calculator, "reset"):
            self._calculator.reset()
        atoms = _atoms(self.topology, positions, self.multiplicity)
        atoms.calc = self._calculator
        try:
            # Forces first: some calculators compute twice where energies are asked for before
            forces, energy = np.array(atoms.get_forces()), float(atoms.get_potential_energy())
        except Exception as error:
            raise LabelError(f"{self.level.target}: {_first_line(error)}") from error
        if not (np.isfinite(energy) and np.isfinite(forces).all()):
            raise LabelError(f"{self.level.target}: the energy or the forces are not finite")
        results = getattr(self._calculator, "results", {})
        charges, dipole = results.get("charges"), results.get("dipole")
        return Labels(
            energy=energy * ELECTRONVOLT,
            forces=forces.astype(np.float64) * (ELECTRONVOLT / ANGSTROM),
            charges=None if charges is None else np.array(charges, dtype=np.float64),
            dipole=None if dipole is None else np.array(dipole, dtype=np.float64) * ANGSTROM,
        )


def _atoms(topology: Topology, positions: Float[np.ndarray, "atoms 3"], multiplicity: int) -> Any:
    from ase import Atoms

    info = {"charge": topology.total_charge, "spin": multiplicity}
    return Atoms(
        topology.atomic_numbers,
        positions / ANGSTROM,
        charges=np.asarray(topology.formal_charges, dtype=np.float64),
        info=info,
    )


def _class(target: str) -> Any:
    """The class of a name of ASE, or of `module:Class`."""
    module, colon, name = target.partition(":")
    try:
        if not colon:
            from ase.calculators.calculator import get_calculator_class

            return get_calculator_class(target)
        kind = getattr(import_module(module), name, None)
    except ImportError as error:
        raise EngineMissingError(
            f"the calculator '{target}' cannot be imported: {_first_line(error)}; wanted is a "
            "name that ASE knows, such as ase:emt, or ase:module:Class of an installed module"
        ) from error
    if not callable(kind):
        raise InputError(f"the module '{module}' has no class '{name}'; wanted is ase:module:Class")
    return kind


def _first_line(error: Exception) -> str:
    first = next(iter(str(error).splitlines()), "")
    return f"{type(error).__name__}: {first}" if first else type(error).__name__
