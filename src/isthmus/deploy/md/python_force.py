"""A potential inside OpenMM through its PythonForce: for designs that no force can say.

OpenMM hands over a State at every step. Positions are read straight into one buffer, the compiled
potential answers with one array of forces and energy, and OpenMM copies that: no units, no copies
in between. Neighbour lists reach further than the cutoff by a skin; how far atoms have moved
is computed along with the forces, and where a list no longer held, the answer is thrown away, the
list made anew and the step evaluated again.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from isthmus.errors import InputError
from isthmus.forcefield.potential import Potential
from isthmus.geometry.neighbours import NeighbourList, is_stale

if TYPE_CHECKING:
    import openmm

__all__ = ["UNEVALUATED_GROUP", "Computation", "PythonPart", "bonds_without_energy"]

SKIN: Final = 0.15
"""Extra reach of neighbour lists [nm]; at 300 K an atom needs some 20 fs to 100 fs for half."""

UNEVALUATED_GROUP: Final = 31
"""Group of forces that integrators leave out; they tell OpenMM what is bonded"""


class Computation:
    """What a PythonForce calls: forces and energy of a potential at the positions of a State.

    It cannot be serialised: OpenMM would pickle it.
    """

    def __init__(self, potential: Potential, *, periodic: bool, skin: float = SKIN) -> None:
        """Prepare for one potential; nothing is compiled before the first call."""
        import openmm

        self.potential = potential
        self._periodic = periodic
        self._skin = skin
        self._positions = np.zeros((potential.n_atoms, 3))
        self._input = self._positions.astype(potential.precision)
        self._answer = _compiled(potential, periodic)
        self._lists: tuple[NeighbourList | None, ...] | None = None
        self._box: Any = None
        self._box_seen: Any = None
        self._read: Any = vars(openmm)["_openmm"].State__getVectorAsNumpy
        self._read_box: Any = vars(openmm)["_openmm"].State_getPeriodicBoxVectors
        self._which = openmm.State.Positions
        self.n_evaluations = 0
        self.n_lists = 0

    def reset(self) -> None:
        """Forget the neighbour lists: the next call makes them for its positions."""
        self._lists = None

    def __call__(self, state: Any) -> tuple[float, Float[np.ndarray, "atoms 3"]]:
        """Energy [kJ/mol] and forces [kJ/mol/nm]; OpenMM calls it."""
        self._read(state, self._which, self._positions)
        np.copyto(self._input, self._positions, casting="same_kind")
        if self._periodic:
            self._take_box(state)
        self.n_evaluations += 1
        with jax.enable_x64(self.potential.precision == "float64"):
            if self.potential.needs_neighbours and self._lists is None:
                self._rebuild()
            answer = np.asarray(self._answer(self._input, self._box, self._lists))
            if answer[-1, 1]:
                self._rebuild()
                answer = np.asarray(self._answer(self._input, self._box, self._lists))
        return float(answer[-1, 0]), answer[:-1]

    def __reduce__(self) -> Any:
        raise TypeError("a potential in a PythonForce is not serialised: save its force field")

    def _take_box(self, state: Any) -> None:
        vectors = self._read_box(state)
        if self._box_seen is None or vectors != self._box_seen:
            self._box_seen = vectors
            self._box = np.array(vectors, dtype=self.potential.precision)

    def _rebuild(self) -> None:
        self.n_lists += 1
        box = self._box if self._periodic else None
        self._lists = self.potential.neighbours(self._positions, box, skin=self._skin)


def _compiled(potential: Potential, periodic: bool) -> Any:
    """A function of positions, box and lists: forces, and a row of energy and staleness."""

    def answer(x: Any, box: Any, lists: Any) -> Any:
        found = potential.energy_and_forces(x, box, lists)
        stale = jnp.zeros((), bool)
        for listed in lists or ():
            if listed is not None:
                stale |= is_stale(listed, x, box if periodic else None)
        last = jnp.stack([found.energy, stale.astype(x.dtype), jnp.zeros((), x.dtype)])
        return jnp.concatenate([jnp.asarray(found.forces), last[None]])

    return jax.jit(answer)


@dataclass(frozen=True)
class PythonPart:
    """A potential that acts through Python in some or all particles of a System.

    Attributes:
        computation: what OpenMM calls; shared by all Systems that are made of this.
        particles: of the System, one for each atom of the potential; None: they are the same.
        bonds: particles that are bonded, which OpenMM is told where there is a box.
    """

    computation: Computation
    particles: Int[np.ndarray, " atoms"] | None = None
    bonds: Int[np.ndarray, "bonds 2"] | None = None

    @classmethod
    def create(
        cls,
        potential: Potential,
        *,
        particles: Int[np.ndarray, " atoms"] | None = None,
        bonds: Int[np.ndarray, "bonds 2"] | None = None,
        skin: float = SKIN,
    ) -> "PythonPart":
        """A part for one potential.

        Args:
            potential: float32 to simulate.
            particles: as the attribute.
            bonds: of the potential's atoms; None says nothing of them.
            skin: extra reach of neighbour lists [nm].

        Raises:
            InputError: this OpenMM is older than PythonForce.
        """
        import openmm

        if not hasattr(openmm, "PythonForce"):
            raise InputError(
                f"OpenMM {openmm.__version__} has no PythonForce: install OpenMM 8.4 or newer, or "
                "choose a design that can be written as forces"
            )
        periodic = potential.parameterization.box is not None
        if particles is not None and bonds is not None:
            bonds = particles[bonds]
        return cls(Computation(potential, periodic=periodic, skin=skin), particles, bonds)

    def forces(self) -> list["openmm.Force"]:
        """New forces for one System."""
        import openmm

        potential = self.computation.potential
        force = openmm.PythonForce(self.computation)
        force.setUsesPeriodicBoundaryConditions(potential.parameterization.box is not None)
        if self.particles is not None:
            force.setParticles(self.particles.tolist())
        force.setName(" + ".join(potential.term_names))
        return [force] if self.bonds is None else [force, bonds_without_energy(self.bonds)]


def bonds_without_energy(bonds: Int[np.ndarray, "bonds 2"]) -> "openmm.Force":
    """Bonds that OpenMM knows but does not evaluate: it keeps molecules whole by them.

    Without, a barostat would scale every atom by itself, and GPUs would wrap them one by one.
    """
    import openmm

    force = openmm.HarmonicBondForce()
    for i, j in bonds.tolist():
        force.addBond(i, j, 0.1, 0.0)
    force.setForceGroup(UNEVALUATED_GROUP)
    force.setName("bonds without energy")
    return force
