"""One molecule with its labelled frames."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int

from isthmus.chemistry.molecule import Molecule
from isthmus.chemistry.topology import Topology
from isthmus.chemistry.topology_input import ArrayInput
from isthmus.data.exact import representable
from isthmus.errors import InputError
from isthmus.units import BOHR, HARTREE

__all__ = ["Entry"]

_GRAPH = (
    "atomic_numbers",
    "bonds",
    "bond_orders",
    "formal_charges",
    "chirality",
    "bond_stereo",
)
"""What of a topology belongs to the data; names and residues of atoms do not"""


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Entry:
    """A molecule and its frames; build it with `Entry.create`. All arrays are read-only.

    Attributes:
        name: unique in its dataset.
        topology: what is bonded to what.
        positions: [nm].
        energies: [kJ/mol]; NaN where a frame has none.
        forces: [kJ/mol/nm], or None; NaN where a frame has none.
        charges: of the atoms [e], or None; NaN where a frame has none.
        dipoles: [e nm], or None; NaN where a frame has none.
        temperatures: at which each frame was sampled [K], or None; NaN where it is not known.
        frame_idx: the number of each frame in its source, counted from 0.
        box: reduced cell vectors as rows [nm], the same for all frames; None without.
        level_of_theory: of energies and forces; empty where it is not stated.
        source: where the frames come from, for example a subset of a collection, as their file
            states it; not the name of that file, for it belongs to the digest.
    """

    name: str
    topology: Topology
    positions: Float[np.ndarray, "frames atoms 3"]
    energies: Float[np.ndarray, "frames"]
    forces: Float[np.ndarray, "frames atoms 3"] | None
    charges: Float[np.ndarray, "frames atoms"] | None
    dipoles: Float[np.ndarray, "frames 3"] | None
    temperatures: Float[np.ndarray, "frames"] | None
    frame_idx: Int[np.ndarray, "frames"]
    box: Float[np.ndarray, "3 3"] | None
    level_of_theory: str
    source: str

    @classmethod
    def create(
        cls,
        name: str,
        topology: Topology,
        *,
        positions: ArrayInput,
        energies: ArrayInput,
        forces: ArrayInput | None = None,
        charges: ArrayInput | None = None,
        dipoles: ArrayInput | None = None,
        temperatures: ArrayInput | None = None,
        frame_idx: ArrayInput | None = None,
        box: ArrayInput | None = None,
        level_of_theory: str = "",
        source: str = "",
    ) -> "Entry":
        """Check shapes and freeze; what the numbers say is left to the checks.

        Lengths, energies and forces are rounded in their last bit, so that writing and reading
        the SPICE layout changes nothing.

        Raises:
            InputError: no name, or an array that does not fit the atoms or the frames.
        """
        if not name:
            raise InputError("a molecule of a dataset needs a name; its SMILES will do")
        frames, atoms = len(np.asarray(energies)), topology.n_atoms

        def checked(
            what: str, values: ArrayInput | None, shape: tuple[int, ...], size: float = 1.0
        ) -> np.ndarray | None:
            if values is None:
                return None
            array = np.array(values, dtype=np.float64)
            if array.shape != shape:
                raise InputError(
                    f"molecule '{name}': {what} have shape {array.shape}; wanted {shape} for "
                    f"{frames} frames of {atoms} atoms"
                )
            return _frozen(representable(array, size))

        numbers = np.arange(frames) if frame_idx is None else np.asarray(frame_idx)
        if numbers.shape != (frames,) or (frames and numbers.dtype.kind not in "iu"):
            raise InputError(
                f"molecule '{name}': frame_idx has shape {numbers.shape} and type {numbers.dtype}; "
                f"wanted {frames} integers"
            )
        made = {
            "positions": checked("positions", positions, (frames, atoms, 3), BOHR),
            "energies": checked("energies", energies, (frames,), HARTREE),
            "forces": checked("forces", forces, (frames, atoms, 3), HARTREE / BOHR),
            "charges": checked("charges", charges, (frames, atoms)),
            "dipoles": checked("dipoles", dipoles, (frames, 3), BOHR),
            "temperatures": checked("temperatures", temperatures, (frames,)),
            "box": checked("box vectors", box, (3, 3), BOHR),
        }
        return cls(
            name=name,
            topology=topology,
            frame_idx=_frozen(numbers.astype(np.int64)),
            level_of_theory=level_of_theory,
            source=source,
            **made,  # pyright: ignore[reportArgumentType]
        )

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return len(self.energies)

    @property
    def n_atoms(self) -> int:
        """Number of atoms."""
        return self.topology.n_atoms

    @property
    def total_charge(self) -> int:
        """Sum of the formal charges [e]."""
        return self.topology.total_charge

    @cached_property
    def molecule(self) -> Molecule:
        """The molecule with its frames as conformers, for readers of chemistry.

        Raises:
            InputError: coordinates that are not finite or overlap.
        """
        return Molecule.create(self.topology, self.positions, box=self.box, name=self.name)

    @cached_property
    def smiles(self) -> str:
        """Canonical SMILES."""
        return Molecule.create(self.topology).smiles

    @cached_property
    def mapped_smiles(self) -> str:
        """SMILES with all atoms, map number = atom index + 1."""
        return Molecule.create(self.topology).mapped_smiles

    @cached_property
    def formula(self) -> str:
        """Molecular formula in Hill order, with the charge."""
        return Molecule.create(self.topology).formula

    @cached_property
    def digest(self) -> str:
        """SHA-256 of name, graph, frames, level of theory and source; not of the names of atoms."""
        sha = hashlib.sha256()
        for text in (self.name, self.level_of_theory, self.source):
            sha.update(f"{len(text)}:{text}".encode())
        arrays = [(name, getattr(self.topology, name)) for name in _GRAPH]
        own = (field.name for field in fields(self))
        arrays += [(name, getattr(self, name)) for name in own]
        for name, array in arrays:
            if isinstance(array, np.ndarray):
                kind = "<f8" if array.dtype.kind == "f" else "<i8"
                sha.update(f"{name}{array.shape}".encode())
                sha.update(np.ascontiguousarray(array, dtype=kind).tobytes())
        return sha.hexdigest()

    def take(self, frames: Sequence[int] | Int[np.ndarray, "chosen"]) -> "Entry":
        """The same molecule with some of its frames, in the order given.

        Raises:
            InputError: a frame that does not exist.
        """
        chosen = np.asarray(frames, dtype=np.int64).reshape(-1)
        wrong = (chosen < 0) | (chosen >= self.n_frames)
        if wrong.any():
            raise InputError(
                f"molecule '{self.name}' has no frame {chosen[wrong.argmax()]}: it has "
                f"{self.n_frames} frames, counted from 0"
            )
        names = ("positions", "energies", "forces", "charges", "dipoles", "temperatures")
        arrays = {name: getattr(self, name) for name in (*names, "frame_idx")}
        return replace(
            self,
            **{
                name: None if array is None else _frozen(array[chosen])
                for name, array in arrays.items()
            },
        )

    def renamed(self, name: str) -> "Entry":
        """The same under another name."""
        return replace(self, name=name)

    def __repr__(self) -> str:
        return f"Entry('{self.name}', {self.formula}, {self.n_frames} frames)"


def _frozen(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array
