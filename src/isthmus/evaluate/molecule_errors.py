"""The errors of a force field on the frames of one molecule."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from isthmus.chemistry.environments import Verdict
from isthmus.data.entry import Entry
from isthmus.evaluate.predict import Prediction
from isthmus.words import counted

__all__ = ["MoleculeErrors", "Refused", "molecule_errors"]


@dataclass(frozen=True)
class Refused:
    """A molecule without errors, and why there are none."""

    name: str
    smiles: str
    n_frames: int
    reason: str


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class MoleculeErrors:
    """Predictions less labels, for the frames that have labels.

    The two sets of frames differ where labels are missing.

    Attributes:
        name, smiles: of the molecule.
        elements: symbols of its atoms.
        entry: the frames.
        energies: labels less their mean over these frames [kJ/mol].
        energy_errors: ΔU = U_model - U_reference less its mean over these frames [kJ/mol]; the
            constant between the two zeros of energy drops out. Empty with fewer than two frames.
        energy_frames: which frames of the entry these are.
        forces: labels [kJ/mol/nm].
        force_errors: model less reference [kJ/mol/nm].
        force_frames: which frames of the entry these are.
        without_energy, without_forces: number of frames that lack the label, or have an energy
            that nothing can be compared with.
        charge_errors: of all frames [e]; NaN where there is no label or no prediction.
        dipole_errors: the same of the dipoles that the charges make [e nm]; NaN for ions too,
            whose dipole depends on the origin, and in a box.
        verdict: whether the molecule lies in the domain of the force field; None if not known.
    """

    name: str
    smiles: str
    elements: tuple[str, ...]
    entry: Entry
    energies: Float[np.ndarray, "energy_frames"]
    energy_errors: Float[np.ndarray, "energy_frames"]
    energy_frames: Int[np.ndarray, "energy_frames"]
    forces: Float[np.ndarray, "force_frames atoms 3"]
    force_errors: Float[np.ndarray, "force_frames atoms 3"]
    force_frames: Int[np.ndarray, "force_frames"]
    without_energy: int
    without_forces: int
    charge_errors: Float[np.ndarray, "frames atoms"]
    dipole_errors: Float[np.ndarray, "frames 3"]
    verdict: Verdict | None = None

    @property
    def n_frames(self) -> int:
        """Number of frames, labelled or not."""
        return self.entry.n_frames

    @property
    def energy_temperatures(self) -> Float[np.ndarray, "energy_frames"]:
        """Of the frames with energies [K]; NaN where not stated."""
        return _temperatures(self.entry, self.energy_frames)

    @property
    def force_temperatures(self) -> Float[np.ndarray, "force_frames"]:
        """Of the frames with forces [K]; NaN where not stated."""
        return _temperatures(self.entry, self.force_frames)

    def at(self, temperature: float) -> "MoleculeErrors":
        """The frames at one temperature; the mean that was taken off stays that of all frames."""
        energy = _is_at(self.energy_temperatures, temperature)
        force = _is_at(self.force_temperatures, temperature)
        every = _is_at(_temperatures(self.entry, np.arange(self.n_frames)), temperature)
        return replace(
            self,
            energies=self.energies[energy],
            energy_errors=self.energy_errors[energy],
            energy_frames=self.energy_frames[energy],
            forces=self.forces[force],
            force_errors=self.force_errors[force],
            force_frames=self.force_frames[force],
            charge_errors=self.charge_errors[every],
            dipole_errors=self.dipole_errors[every],
        )

    def atom_force_rmse(self) -> Float[np.ndarray, "atoms"]:
        """For each atom, over frames and components [kJ/mol/nm]; NaN without forces."""
        if not len(self.force_errors):
            return np.full(len(self.elements), np.nan)
        return np.sqrt(np.square(self.force_errors).mean(axis=(0, 2)))


def molecule_errors(
    entry: Entry, prediction: Prediction, *, verdict: Verdict | None = None
) -> MoleculeErrors | Refused:
    """Compare a prediction with the labels of its molecule.

    Frames without an energy are left out of the energies, frames where a force component is
    missing out of the forces; both are counted.

    Returns:
        The errors, or why there are none: the force field gives numbers that are not finite.
    """
    wrong = ~(np.isfinite(prediction.energies) & np.isfinite(prediction.forces).all(axis=(1, 2)))
    if wrong.any():
        reason = (
            f"the force field gives numbers that are not finite in {int(wrong.sum())} of "
            f"{counted(entry.n_frames, 'frame')}"
        )
        return Refused(entry.name, entry.smiles, entry.n_frames, reason)
    known = np.isfinite(entry.energies)
    if known.sum() < 2:
        known = np.zeros_like(known)
    labelled = np.zeros_like(known)
    reference = np.zeros_like(prediction.forces)
    if entry.forces is not None:
        labelled, reference = np.isfinite(entry.forces).all(axis=(1, 2)), entry.forces
    return MoleculeErrors(
        name=entry.name,
        smiles=entry.smiles,
        elements=entry.topology.elements,
        entry=entry,
        energies=_centred(entry.energies[known]),
        energy_errors=_centred(prediction.energies[known] - entry.energies[known]),
        energy_frames=np.flatnonzero(known),
        forces=reference[labelled],
        force_errors=prediction.forces[labelled] - reference[labelled],
        force_frames=np.flatnonzero(labelled),
        without_energy=int((~known).sum()),
        without_forces=int((~labelled).sum()),
        charge_errors=_charge_errors(entry, prediction.charges),
        dipole_errors=_dipole_errors(entry, prediction.charges),
        verdict=verdict,
    )


def _charge_errors(
    entry: Entry, charges: Float[np.ndarray, "atoms"] | None
) -> Float[np.ndarray, "frames atoms"]:
    if entry.charges is None or charges is None:
        return np.full((entry.n_frames, entry.n_atoms), np.nan)
    return charges - entry.charges


def _dipole_errors(
    entry: Entry, charges: Float[np.ndarray, "atoms"] | None
) -> Float[np.ndarray, "frames 3"]:
    depends = entry.total_charge != 0 or entry.box is not None
    if entry.dipoles is None or charges is None or depends:
        return np.full((entry.n_frames, 3), np.nan)
    return np.einsum("a,fac->fc", charges, entry.positions) - entry.dipoles


def _centred(values: Float[np.ndarray, "frames"]) -> Float[np.ndarray, "frames"]:
    return values - values.mean() if len(values) else values


def _temperatures(entry: Entry, frames: Int[np.ndarray, "chosen"]) -> Float[np.ndarray, "chosen"]:
    if entry.temperatures is None:
        return np.full(len(frames), np.nan)
    return entry.temperatures[frames]


def _is_at(temperatures: Float[np.ndarray, "frames"], wanted: float) -> Bool[np.ndarray, "frames"]:
    if np.isnan(wanted):
        return np.isnan(temperatures)
    return np.round(temperatures, 2) == wanted
