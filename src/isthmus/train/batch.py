"""Batches: several molecules behind one another, several frames of each side by side.

All batches of a run have the same shapes, so that one compiled program serves them all. What is
added to fill the shapes repeats the first row of its table, which is finite wherever the molecules
are, and belongs to no molecule.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float, Int

from isthmus.data.entry import Entry
from isthmus.designs.design import Design
from isthmus.errors import InputError
from isthmus.networks.neighbourhood import Atoms
from isthmus.networks.systems import Systems, SystemShape
from isthmus.networks.trained import TrainedNetwork, molecular_charges
from isthmus.terms.bound import LaidOut, Layout
from isthmus.train.structure import (
    ATOM,
    EDGE,
    MOLECULE,
    Address,
    Structure,
    addresses,
    structure_of,
    table_of,
)

__all__ = ["Batch", "Frames", "Prepared", "Sizes", "collate", "prepare"]

Sizes = Mapping[str, int]
"""Rows by table."""


class Batch(eqx.Module):
    """Molecules and frames of one step; numbers in kJ/mol and nm, 0 where there is no label.

    Attributes:
        structure: of all molecules.
        systems: the same molecules for networks over atoms and neighbours; None without any.
        positions: components first, frames last [nm].
        forces: [kJ/mol/nm].
        energies: [kJ/mol], with any zero for each molecule.
        charges: of the atoms [e].
        dipoles: components first [e nm].
        force_weights, energy_weights, charge_weights, dipole_weights: 1 where there is a label,
            else 0.
    """

    structure: Structure
    systems: Systems | None
    positions: Float[Array | np.ndarray, "3 atoms frames"]
    forces: Float[Array | np.ndarray, "3 atoms frames"]
    energies: Float[Array | np.ndarray, "molecules frames"]
    charges: Float[Array | np.ndarray, "atoms frames"]
    dipoles: Float[Array | np.ndarray, "3 molecules frames"]
    force_weights: Float[Array | np.ndarray, "molecules frames"]
    energy_weights: Float[Array | np.ndarray, "molecules frames"]
    charge_weights: Float[Array | np.ndarray, "molecules frames"]
    dipole_weights: Float[Array | np.ndarray, "molecules frames"]


@dataclass(frozen=True, eq=False)
class Frames:
    """Labels of one molecule as float32, frames last; 0 where there is none.

    Attributes:
        positions: [nm], about the centroid of each frame.
        forces: [kJ/mol/nm].
        energies: [kJ/mol], from the zero that was asked for.
        charges: [e].
        dipoles: [e nm].
        has_forces, has_energy, has_charges, has_dipole: 1 or 0 by frame; the dipoles of ions,
            which depend on the origin, count as none.
    """

    positions: Float[np.ndarray, "3 atoms frames"]
    forces: Float[np.ndarray, "3 atoms frames"]
    energies: Float[np.ndarray, " frames"]
    charges: Float[np.ndarray, "atoms frames"]
    dipoles: Float[np.ndarray, "3 frames"]
    has_forces: Float[np.ndarray, " frames"]
    has_energy: Float[np.ndarray, " frames"]
    has_charges: Float[np.ndarray, " frames"]
    has_dipole: Float[np.ndarray, " frames"]

    @classmethod
    def of(cls, entry: Entry, zero: float | None = None) -> "Frames":
        """The frames of an entry, with energies relative to `zero` [kJ/mol], or to their mean."""
        shape = (entry.n_frames, entry.n_atoms)
        forces, has_forces = _known(entry.forces, (*shape, 3))
        charges, has_charges = _known(entry.charges, shape)
        dipoles, has_dipole = _known(entry.dipoles, (entry.n_frames, 3))
        if entry.topology.total_charge:
            # The dipole of an ion depends on the origin
            has_dipole = np.zeros_like(has_dipole)
        # Far from the origin, float32 would be too coarse
        centred = entry.positions - entry.positions.mean(axis=1, keepdims=True)
        known = np.isfinite(entry.energies)
        if zero is None:
            zero = float(entry.energies[known].mean()) if known.any() else 0.0
        energies, has_energy = _known(entry.energies - zero, (entry.n_frames,))
        return cls(
            _columns(centred),
            _columns(forces),
            energies,
            np.ascontiguousarray(charges.T),
            np.ascontiguousarray(dipoles.T),
            has_forces,
            has_energy,
            has_charges,
            has_dipole,
        )


@dataclass(frozen=True, eq=False)
class Prepared:
    """A molecule ready to be put into batches.

    Attributes:
        name: of the molecule.
        leaves: arrays of its structure, in the order of `jax.tree.leaves`.
        sizes: rows of each table.
        frames: its labels.
        atoms: what each network over atoms and neighbours is told of it.
    """

    name: str
    leaves: tuple[np.ndarray, ...]
    sizes: Sizes
    frames: Frames
    atoms: tuple[Atoms, ...] = ()


@dataclass(frozen=True, eq=False)
class Plan:
    """What all molecules of one design share.

    Attributes:
        design: the terms.
        tree: how a structure is put together from its arrays.
        addresses: of these arrays.
        shape: of molecules for networks over atoms and neighbours; None without any.
    """

    design: Design
    tree: jax.tree_util.PyTreeDef  # pyright: ignore[reportInvalidTypeForm]
    addresses: tuple[Address, ...]
    shape: SystemShape | None = None


def prepare(
    design: Design,
    entries: Iterable[Entry],
    *,
    element_energies: Mapping[int, float] | None = None,
    networks: Sequence[TrainedNetwork] = (),
) -> tuple[Plan, list[Prepared]]:
    """Entries ready to be put into batches.

    Args:
        design: the terms.
        entries: molecules with labels.
        element_energies: by atomic number, from which energies are counted [kJ/mol]; None counts
            from the mean of each molecule.
        networks: over atoms and their neighbours.

    Raises:
        InputError: no entries, one without frames, frames in a box, or an element that a network
            does not know.
        DesignError: the design has parameters that belong to pairs.
    """
    plan, prepared = None, []
    entries = tuple(entries)
    shape = None
    if entries:
        shape = SystemShape.of(networks, [entry.topology.atomic_numbers for entry in entries])
    for entry in entries:
        _refuse_unfit(entry)
        structure = structure_of(design, entry.topology)
        found = tuple(addresses(design, structure))
        leaves = tuple(jax.tree.leaves(structure))
        sizes = {a.table: len(leaf) for a, leaf in zip(found, leaves, strict=True)}
        zero = None
        if element_energies is not None:
            numbers = entry.topology.atomic_numbers.tolist()
            # NaN for an element that was not fitted: such an energy is as good as none
            zero = float(sum(element_energies.get(z, np.nan) for z in numbers))
        atoms = ()
        if shape is not None:
            atoms = shape.atoms(entry.topology.atomic_numbers, molecular_charges(entry.topology))
        prepared.append(Prepared(entry.name, leaves, sizes, Frames.of(entry, zero), atoms))
        if plan is None:
            plan = Plan(design, jax.tree.structure(structure), found, shape)
    if plan is None:
        raise InputError("there is nothing to train on: give at least one molecule")
    return plan, prepared


def _refuse_unfit(entry: Entry) -> None:
    if not entry.n_frames:
        raise InputError(f"molecule '{entry.name}' has no frames: leave it out")
    if entry.box is not None:
        raise InputError(
            f"the frames of '{entry.name}' are in a periodic box, which training would not see: "
            "train on molecules and clusters without a box"
        )


def collate(
    plan: Plan,
    molecules: Sequence[Prepared],
    frames: Sequence[Int[np.ndarray, " _"]],
    *,
    capacity: Sizes,
    n_molecules: int,
    n_frames: int,
) -> Batch:
    """One batch.

    Args:
        plan: of the design.
        molecules: at most `n_molecules`.
        frames: for each molecule the frames wanted, at most `n_frames`.
        capacity: rows of each table of the batch; one more atom than there are is needed.
        n_molecules, n_frames: shape of the batch.
    """
    starts = _starts(molecules)
    leaves = []
    for index, address in enumerate(plan.addresses):
        parts = [m.leaves[index] for m in molecules]
        if address.into is not None:
            parts = [part + start for part, start in zip(parts, starts[address.into], strict=True)]
        fill = capacity[ATOM] - 1 if address.apart else None
        if address.into == MOLECULE:
            fill = n_molecules
        leaf = _filled(parts, capacity[address.table], fill)
        if not any(map(len, parts)):
            _fill_empty(leaf, address, capacity)
        leaves.append(leaf)
    structure = _sized(jax.tree.unflatten(plan.tree, leaves), capacity)
    labels = _labels(molecules, frames, starts[ATOM], (capacity[ATOM], n_molecules, n_frames))
    systems = None
    if plan.shape is not None:
        systems = plan.shape.systems(
            [m.atoms for m in molecules],
            [m.sizes[ATOM] for m in molecules],
            starts[ATOM],
            n_molecules=n_molecules,
            spare=capacity[ATOM] - 1,
        )
    return Batch(structure, systems, *labels)


def _labels(
    molecules: Sequence[Prepared],
    frames: Sequence[Int[np.ndarray, " _"]],
    starts: Sequence[int],
    shape: tuple[int, int, int],
) -> tuple[np.ndarray, ...]:
    """Arrays of a batch in the order of its fields; `shape` is (atoms, molecules, frames)."""
    n_atoms, n_molecules, n_frames = shape
    by_atom = np.zeros((7, n_atoms, n_frames), np.float32)
    by_molecule = np.zeros((8, n_molecules, n_frames), np.float32)
    for place, (molecule, chosen) in enumerate(zip(molecules, frames, strict=True)):
        atoms = slice(starts[place], starts[place] + molecule.sizes[ATOM])
        own = molecule.frames
        # Where there are fewer frames, the first ones stand in with the weight 0
        repeated = np.resize(chosen, n_frames)
        by_atom[:3, atoms] = own.positions[:, :, repeated]
        by_atom[3:6, atoms] = own.forces[:, :, repeated]
        by_atom[6, atoms] = own.charges[:, repeated]
        by_molecule[0, place] = own.energies[repeated]
        by_molecule[1:4, place] = own.dipoles[:, repeated]
        labelled = (own.has_forces, own.has_energy, own.has_charges, own.has_dipole)
        known = np.arange(n_frames) < len(chosen)
        by_molecule[4:, place] = np.stack(labelled)[:, repeated] * known
    # The last atom, which belongs to no molecule, is at a distance from the first
    by_atom[:3, -1] = by_atom[:3, 0] + 1.0
    return (
        by_atom[:3],
        by_atom[3:6],
        by_molecule[0],
        by_atom[6],
        by_molecule[1:4],
        *by_molecule[4:],
    )


def _starts(molecules: Sequence[Prepared]) -> dict[str, list[int]]:
    """Rows that stand before each molecule, by table."""
    starts: dict[str, list[int]] = {MOLECULE: list(range(len(molecules)))}
    for table in molecules[0].sizes:
        counts = [m.sizes[table] for m in molecules]
        starts[table] = [0, *np.cumsum(counts)[:-1].tolist()]
    return starts


def _filled(parts: list[np.ndarray], n_rows: int, fill: int | None) -> np.ndarray:
    """The parts behind one another, lengthened with `fill` or with copies of the first row."""
    first = parts[0]
    result = np.zeros((n_rows, *first.shape[1:]), first.dtype)
    place = 0
    for part in parts:
        result[place : place + len(part)] = part
        place += len(part)
    if fill is not None:
        result[place:] = fill
    elif place:
        result[place:] = result[0]
    return result


def _fill_empty(leaf: np.ndarray, address: Address, capacity: Sizes) -> None:
    """Where no row can be copied: an edge as in `_labels`, and signs that are none are 1."""
    if address == Address(EDGE, ATOM):
        leaf[:] = 0, capacity[ATOM] - 1
    elif address == Address("angle in space"):
        leaf[:] = 1


def _sized(structure: Structure, capacity: Sizes) -> Structure:
    def item(old: LaidOut) -> LaidOut:
        return LaidOut(old.owner, capacity[table_of(old.owner)], old.inputs)

    old = structure.layout
    layout = Layout(old.plan, tuple(map(item, old.coordinates)), tuple(map(item, old.terms)))
    return Structure(structure.graph, layout, structure.gathers, structure.members)


def _known(values: np.ndarray | None, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Labels as float32 with 0 for none, and by frame whether there are any."""
    if values is None:
        return np.zeros(shape, np.float32), np.zeros(shape[0], np.float32)
    known = np.asarray(np.isfinite(values).reshape(shape[0], -1).all(axis=1))
    kept = np.where(known.reshape(-1, *(1,) * (len(shape) - 1)), values, 0.0)
    return kept.astype(np.float32), known.astype(np.float32)


def _columns(array: Float[np.ndarray, "frames atoms 3"]) -> Float[np.ndarray, "3 atoms frames"]:
    return np.ascontiguousarray(np.transpose(array, (2, 1, 0)), dtype=np.float32)
