"""One walk: Langevin dynamics of a molecule at one temperature, from one conformer.

ASE's integrator: E. Vanden-Eijnden, G. Ciccotti, Chem. Phys. Lett. 429, 310 (2006), eq. 23. The
centre of mass rests.
"""

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from jaxtyping import Float

from isthmus.chemistry.connectivity import bonding_change
from isthmus.chemistry.molecule import Molecule
from isthmus.errors import InputError, IsthmusError
from isthmus.units import ANGSTROM

__all__ = ["Dynamics", "Walk", "walk"]

_HOTTEST: Final = 20.0
"""A kinetic temperature above so many times the wanted one means that the dynamics explode"""

_LONGEST_STEP: Final = 0.002


@dataclass(frozen=True, kw_only=True)
class Dynamics:
    """How a walk is done.

    Attributes:
        timestep: [ps].
        interval: between the frames that are kept [ps].
        equilibration: run before the first interval, and thrown away [ps].
        friction: of the Langevin thermostat [1/ps].
    """

    timestep: float = 0.001
    interval: float = 0.1
    equilibration: float = 0.5
    friction: float = 20.0

    def __post_init__(self) -> None:
        """Refuse times that make no dynamics.

        Raises:
            InputError: names the one that is wrong.
        """
        if not 0 < self.timestep <= _LONGEST_STEP:
            raise InputError(
                f"a time step of {self.timestep * 1e3:g} fs cannot be used: wanted is more than 0 "
                f"and at most {_LONGEST_STEP * 1e3:g} fs, since hydrogens are free"
            )
        for name, least in (("interval", self.timestep), ("equilibration", 0.0)):
            value = getattr(self, name)
            if not (np.isfinite(value) and value >= least):
                raise InputError(
                    f"an {name} of {value * 1e3:g} fs cannot be used: wanted is at least "
                    f"{least * 1e3:g} fs"
                )
        if not (np.isfinite(self.friction) and 0 < self.friction * self.timestep <= 0.5):
            raise InputError(
                f"a friction of {self.friction:g} 1/ps cannot be used: wanted is more than 0 and "
                f"at most {0.5 / self.timestep:g} 1/ps with this time step"
            )


@dataclass(eq=False)
class Walk:
    """The frames of a walk; fewer than wanted if something happened.

    Attributes:
        positions: of each frame [nm].
        end: why the walk ended early; None if it did not.
    """

    positions: list[Float[np.ndarray, "atoms 3"]] = field(default_factory=list)
    end: str | None = None


def walk(
    molecule: Molecule,
    start: Float[np.ndarray, "atoms 3"],
    calculator: Any,
    *,
    n_frames: int,
    temperature: float,
    dynamics: Dynamics,
    rng: np.random.Generator,
) -> Walk:
    """Run until there are so many frames, or a bond changes, or the dynamics fail.

    Args:
        molecule: gives elements and bonds.
        start: [nm].
        calculator: of ASE.
        n_frames: wanted.
        temperature: [K].
        dynamics: times and friction.
        rng: all random numbers come from it.
    """
    from ase import Atoms, units
    from ase.constraints import FixCom
    from ase.md.langevin import Langevin

    topology, result = molecule.topology, Walk()
    separated = np.concatenate([topology.bonds, topology.clusters.angles[:, [0, 2]]])
    atoms = Atoms(topology.atomic_numbers, start / ANGSTROM)
    atoms.calc = calculator
    atoms.set_constraint(FixCom())
    spread = np.sqrt(units.kB * temperature / atoms.get_masses())
    atoms.set_velocities(rng.standard_normal((len(atoms), 3)) * spread[:, None])
    step = dynamics.timestep * 1e3 * units.fs
    friction = dynamics.friction / (1e3 * units.fs)
    motion = Langevin(
        atoms, step, temperature_K=temperature, friction=friction, fixcm=False, rng=rng
    )
    equilibration = round(dynamics.equilibration / dynamics.timestep)
    interval = round(dynamics.interval / dynamics.timestep)
    try:
        motion.run(equilibration)
        for _ in range(n_frames):
            motion.run(interval)
            happened = _what_happened(molecule, atoms, separated, temperature)
            if happened:
                result.end = happened
                return result
            result.positions.append(atoms.positions * ANGSTROM)
    except IsthmusError as error:
        result.end = f"the dynamics failed: {' '.join(str(error).split())}"
    return result


def _what_happened(molecule: Molecule, atoms: Any, separated: Any, temperature: float) -> str:
    """Why a frame is not to be kept; empty if it is."""
    kinetic = atoms.get_temperature()
    if not np.isfinite(kinetic) or not np.isfinite(atoms.positions).all():
        return "the dynamics exploded: positions or velocities are not finite"
    if kinetic > _HOTTEST * temperature:
        return f"the dynamics exploded: {kinetic:.0f} K instead of {temperature:g} K"
    topology = molecule.topology
    change = bonding_change(
        topology.atomic_numbers, topology.bonds, separated, atoms.positions * ANGSTROM
    )
    if change is None:
        return ""
    (i, j), what = change
    pair = f"{topology.describe_atom(i)} and {topology.describe_atom(j)}"
    return f"the bond between {pair} {what}"
