"""Hartree-Fock and density functionals in a Gaussian basis, through PySCF.

Q. Sun et al., J. Chem. Phys. 153, 024109 (2020). Dispersion: S. Grimme, S. Ehrlich, L. Goerigk,
J. Comput. Chem. 32, 1456 (2011), and E. Caldeweyher et al., J. Chem. Phys. 150, 154122 (2019).
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any, Final

import numpy as np
from jaxtyping import Float, Int

from isthmus.chemistry.elements import element_symbols
from isthmus.chemistry.topology import Topology
from isthmus.errors import EngineMissingError, InputError
from isthmus.label.level import LabelError, Labels
from isthmus.units import BOHR, HARTREE

__all__ = ["Quantum"]

_DISPERSIONS: Final = ("d3bj", "d4")
_FORM = "wanted is pyscf:FUNCTIONAL[-d3bj|-d4]/BASIS, such as pyscf:b3lyp-d3bj/def2-svp"


@dataclass(frozen=True)
class Quantum:
    """A functional (or `hf`) with a basis, restricted for singlets, unrestricted otherwise.

    Attributes:
        functional: as PySCF names it.
        basis: as PySCF names it; effective core potentials of that name are used where it has.
        dispersion: "d3bj", "d4" or empty.
        grid_level: of PySCF.
        energy_tolerance: of the self-consistent field [hartree].
        max_cycles: of the self-consistent field.
    """

    functional: str
    basis: str
    dispersion: str = ""
    grid_level: int = 4
    energy_tolerance: float = 1e-9
    max_cycles: int = 100

    @classmethod
    def parse(cls, text: str) -> "Quantum":
        """FUNCTIONAL/BASIS, with a dispersion correction at the end of either.

        Raises:
            InputError: another form, or a functional or dispersion that PySCF does not know.
            EngineMissingError: PySCF, or its package for dispersion, is not installed.
        """
        functional, slash, basis = text.strip().lower().partition("/")
        functional, of_functional = _without_dispersion(functional)
        basis, of_basis = _without_dispersion(basis)
        if not (functional and slash and basis) or (of_functional and of_basis):
            raise InputError(f"'pyscf:{text}': {_FORM}")
        made = cls(functional, basis, of_functional or of_basis)
        _check_functional(functional)
        if made.dispersion:
            _check_dispersion(made.dispersion)
        return made

    @property
    def level_of_theory(self) -> str:
        """Functional, basis, program and versions."""
        name = self.functional + (f"-{self.dispersion}" if self.dispersion else "")
        programs = ", ".join(f"{name} {number}" for name, number in self.versions.items())
        return f"{name}/{self.basis} ({programs})"

    @property
    def versions(self) -> Mapping[str, str]:
        """Of PySCF, and of its package for dispersion where that is used."""
        names = ("pyscf", "pyscf-dispersion") if self.dispersion else ("pyscf",)
        return {name: version(name) for name in names}

    @property
    def settings(self) -> Mapping[str, Any]:
        """Grid and thresholds."""
        return {
            "grid_level": self.grid_level,
            "grid_response": False,
            "energy_tolerance [hartree]": self.energy_tolerance,
            "max_cycles": self.max_cycles,
            "charges": "none",
        }

    def check(self, atomic_numbers: Int[np.ndarray, "atoms"]) -> None:
        """As `Level.check`."""
        gto = _library().gto
        for symbol in element_symbols(np.unique(atomic_numbers[atomic_numbers > 0])):
            try:
                with warnings.catch_warnings(action="ignore"):
                    gto.basis.load(self.basis, symbol)
            except (RuntimeError, KeyError) as error:
                first = " ".join(str(error).split())
                raise InputError(
                    f"PySCF has no basis '{self.basis}' for {symbol} ({first}); choose another"
                ) from None
        if (atomic_numbers < 1).any():
            raise InputError("PySCF knows no virtual sites; leave them out")

    def labeller(self, topology: Topology, *, multiplicity: int) -> "_QuantumLabeller":
        """As `Level.labeller`."""
        return _QuantumLabeller(self, topology, multiplicity)


@dataclass(eq=False)
class _QuantumLabeller:
    level: Quantum
    topology: Topology
    multiplicity: int
    _density: Any = field(default=None, init=False)

    def __call__(
        self, positions: Float[np.ndarray, "atoms 3"], *, continued: bool = False
    ) -> Labels:
        """As `Labeller`."""
        density, self._density = self._density if continued else None, None
        try:
            field_ = self._field(positions)
            energy = float(field_.kernel(density))
            if not field_.converged:
                raise LabelError(
                    f"PySCF: the self-consistent field did not converge in "
                    f"{self.level.max_cycles} cycles"
                )
            gradient = np.asarray(field_.nuc_grad_method().kernel())
        except (RuntimeError, ValueError, np.linalg.LinAlgError, NotImplementedError) as error:
            raise LabelError(f"PySCF: {' '.join(str(error).split())}") from error
        self._density = field_.make_rdm1()
        return Labels(
            energy=energy * HARTREE,
            forces=gradient * (-HARTREE / BOHR),
            dipole=np.asarray(field_.dip_moment(unit="AU", verbose=0)) * BOHR,
        )

    def _field(self, positions: Float[np.ndarray, "atoms 3"]) -> Any:
        """The self-consistent field of PySCF for one geometry."""
        pyscf, level = _library(), self.level
        symbols = element_symbols(self.topology.atomic_numbers)
        with warnings.catch_warnings(action="ignore"):
            cores = {
                symbol: potential
                for symbol in dict.fromkeys(symbols)
                if (potential := _core_potential(pyscf.gto, level.basis, symbol))
            }
            molecule = pyscf.gto.M(
                atom=list(zip(symbols, (positions / BOHR).tolist(), strict=True)),
                unit="Bohr",
                basis=level.basis,
                ecp=cores,
                charge=self.topology.total_charge,
                spin=self.multiplicity - 1,
                symmetry=False,
                verbose=0,
            )
        restricted = self.multiplicity == 1
        if level.functional == "hf":
            made: Any = (pyscf.scf.RHF if restricted else pyscf.scf.UHF)(molecule)
        else:
            made = (pyscf.dft.RKS if restricted else pyscf.dft.UKS)(molecule, xc=level.functional)
            made.grids.level = level.grid_level
        made.conv_tol, made.max_cycle = level.energy_tolerance, level.max_cycles
        if level.dispersion:
            made.disp = level.dispersion
        return made


def _without_dispersion(text: str) -> tuple[str, str]:
    for name in _DISPERSIONS:
        if text.endswith(f"-{name}"):
            return text.removesuffix(f"-{name}"), name
    return text, ""


def _core_potential(gto: Any, basis: str, symbol: str) -> Any:
    """The effective core potential that belongs to a basis; empty where there is none."""
    try:
        return gto.basis.load_ecp(basis, symbol)
    except (RuntimeError, KeyError):
        return None


def _check_functional(name: str) -> None:
    try:
        _library().dft.libxc.parse_xc(name)
    except (KeyError, ValueError, NotImplementedError) as error:
        raise InputError(
            f"PySCF knows no functional '{name}' ({str(error).strip(chr(34))}); {_FORM}"
        ) from None


def _check_dispersion(name: str) -> None:
    _library()
    from pyscf.scf import dispersion

    if (dispersion.dftd3 if name.startswith("d3") else dispersion.dftd4) is None:
        raise EngineMissingError(
            f"the dispersion correction '{name}' of PySCF needs another package: install it with "
            "`pip install pyscf-dispersion`, or leave the correction out"
        )


def _library() -> Any:
    try:
        import pyscf
        import pyscf.dft
        import pyscf.gto
        import pyscf.scf
    except ImportError as error:
        raise EngineMissingError(
            f"'pyscf:...' needs PySCF, which cannot be imported ({error}): install it with "
            "`pip install 'isthmus[qm]'`"
        ) from None
    return pyscf
