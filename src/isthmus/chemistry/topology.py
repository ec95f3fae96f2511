"""What is bonded to what: an immutable molecular graph of any number of components."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property, partial

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from isthmus.chemistry.clusters import Clusters
from isthmus.chemistry.elements import atomic_masses, element_symbols
from isthmus.chemistry.graph import Neighbours, connected_components
from isthmus.chemistry.rings import RING_SIZES, ring_membership
from isthmus.chemistry.stereo import bond_stereo_after_renumbering, chirality_after_renumbering
from isthmus.chemistry.topology_input import (
    ArrayInput,
    as_integers,
    as_orders,
    as_residues,
    as_strings,
    check_elements,
    checked_selection,
    default_names,
    sorted_bonds,
    stretches,
)
from isthmus.errors import InputError

__all__ = ["Topology", "concatenate"]


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Topology:
    """The molecular graph; build it with `Topology.create`, which validates and normalises.

    All arrays are read-only. Two topologies are equal, and hash equal, if their contents are.

    Attributes:
        atomic_numbers: 1 to 118; 0 is a virtual site or another extra particle.
        formal_charges: [e], as in the Kekulé form that was given.
        bonds: atom pairs i < j, sorted lexicographically, each once.
        bond_orders: 1, 1.5 (aromatic in RDKit's model), 2 or 3.
        aromatic_atoms: members of an aromatic ring in RDKit's model.
        chirality: tetrahedral stereo, 0 for none; seen from the neighbour with the lowest index,
            the other neighbours in ascending order run clockwise (+1) or counterclockwise (-1).
            A lone pair counts as the last neighbour.
        bond_stereo: double-bond stereo, 0 for none; the neighbours with the lowest index at
            either end lie on the same side (+1, cis) or on opposite sides (-1, trans).
        atom_names: names as in the file, or element and number.
        residue_idx: the residue of each atom, ascending from 0 without gaps.
        residue_names: for example `ALA`.
        residue_ids: number and insertion code as in the file.
        chain_ids: the chain of each residue, possibly empty.
    """

    atomic_numbers: Int[np.ndarray, "atoms"]
    formal_charges: Int[np.ndarray, "atoms"]
    bonds: Int[np.ndarray, "bonds 2"]
    bond_orders: Float[np.ndarray, "bonds"]
    aromatic_atoms: Bool[np.ndarray, "atoms"]
    chirality: Int[np.ndarray, "atoms"]
    bond_stereo: Int[np.ndarray, "bonds"]
    atom_names: Shaped[np.ndarray, "atoms"]
    residue_idx: Int[np.ndarray, "atoms"]
    residue_names: Shaped[np.ndarray, "residues"]
    residue_ids: Shaped[np.ndarray, "residues"]
    chain_ids: Shaped[np.ndarray, "residues"]

    def __post_init__(self) -> None:
        for field in fields(self):
            array = np.array(getattr(self, field.name))  # a copy: the caller's stays writeable
            array.flags.writeable = False
            object.__setattr__(self, field.name, array)

    @classmethod
    def create(
        cls,
        atomic_numbers: ArrayInput,
        bonds: ArrayInput,
        *,
        formal_charges: ArrayInput | None = None,
        bond_orders: ArrayInput | None = None,
        aromatic_atoms: ArrayInput | None = None,
        chirality: ArrayInput | None = None,
        bond_stereo: ArrayInput | None = None,
        atom_names: ArrayInput | None = None,
        residue_idx: ArrayInput | None = None,
        residue_names: ArrayInput | None = None,
        residue_ids: ArrayInput | None = None,
        chain_ids: ArrayInput | None = None,
    ) -> "Topology":
        """Validate, sort the bonds (in any order and direction), fill in defaults, and freeze.

        Not given: charges 0, orders 1, no stereo, one residue `MOL`, names such as `C1`, and
        aromatic are the atoms with an aromatic bond.

        Raises:
            InputError: an unknown element or bond order, an impossible or repeated bond, arrays
                of the wrong length, residues with gaps.
        """
        n_atoms = len(np.asarray(atomic_numbers))
        numbers = as_integers(atomic_numbers, n_atoms, "atomic_numbers")
        check_elements(numbers)
        pairs, order = sorted_bonds(bonds, n_atoms)
        orders = as_orders(bond_orders, len(pairs))[order]
        if aromatic_atoms is None:
            aromatic_atoms = np.isin(np.arange(n_atoms), pairs[orders == 1.5])
        labels = {
            "residue_names": residue_names,
            "residue_ids": residue_ids,
            "chain_ids": chain_ids,
        }
        index, residue_labels = as_residues(residue_idx, labels, n_atoms=n_atoms)
        names = default_names(numbers) if atom_names is None else atom_names
        return cls(
            atomic_numbers=numbers,
            formal_charges=as_integers(formal_charges, n_atoms, "formal_charges"),
            bonds=pairs,
            bond_orders=orders,
            aromatic_atoms=as_integers(aromatic_atoms, n_atoms, "aromatic_atoms").astype(bool),
            chirality=as_integers(chirality, n_atoms, "chirality"),
            bond_stereo=as_integers(bond_stereo, len(pairs), "bond_stereo")[order],
            atom_names=as_strings(names, n_atoms, "atom_names"),
            residue_idx=index,
            residue_names=residue_labels["residue_names"],
            residue_ids=residue_labels["residue_ids"],
            chain_ids=residue_labels["chain_ids"],
        )

    @property
    def n_atoms(self) -> int:
        """Number of atoms, virtual sites included."""
        return len(self.atomic_numbers)

    @property
    def n_bonds(self) -> int:
        """Number of bonds."""
        return len(self.bonds)

    @property
    def n_residues(self) -> int:
        """Number of residues."""
        return len(self.residue_names)

    @property
    def total_charge(self) -> int:
        """Sum of the formal charges [e]."""
        return int(self.formal_charges.sum())

    @cached_property
    def elements(self) -> tuple[str, ...]:
        """Element symbols; `*` for virtual sites."""
        return element_symbols(self.atomic_numbers)

    @cached_property
    def masses(self) -> Float[np.ndarray, "atoms"]:
        """Standard atomic weights [Da]; 0 for virtual sites."""
        return _frozen(atomic_masses(self.atomic_numbers))

    @cached_property
    def neighbours(self) -> Neighbours:
        """Neighbours of each atom in ascending order, in compressed rows (CSR)."""
        return Neighbours.from_bonds(self.bonds, n_atoms=self.n_atoms)

    @cached_property
    def components(self) -> Int[np.ndarray, "atoms"]:
        """Label of the connected component of each atom, counted from 0 by first atom."""
        return _frozen(connected_components(self.bonds, n_atoms=self.n_atoms))

    @property
    def n_components(self) -> int:
        """Number of connected components."""
        return int(self.components.max(initial=-1)) + 1

    @cached_property
    def ring_sizes(self) -> Bool[np.ndarray, "atoms sizes"]:
        """Whether each atom is in a ring of 3, 4, ..., 8 atoms (symmetrised smallest rings)."""
        return _frozen(ring_membership(self.bonds, n_atoms=self.n_atoms))

    @cached_property
    def smallest_ring(self) -> Int[np.ndarray, "atoms"]:
        """Size of the smallest ring of up to 8 atoms that each atom is in; 0 for none."""
        member = self.ring_sizes
        return _frozen(np.where(member.any(axis=1), RING_SIZES[member.argmax(axis=1)], 0))

    @cached_property
    def clusters(self) -> Clusters:
        """Angles, torsions, branches, paths of 5 and pairs; each computed at first use."""
        return Clusters(
            atomic_numbers=self.atomic_numbers,
            formal_charges=self.formal_charges,
            bonds=self.bonds,
            bond_orders=self.bond_orders,
            aromatic_atoms=self.aromatic_atoms,
            neighbours=self.neighbours,
        )

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the contents; equal topologies have equal digests on every machine."""
        sha = hashlib.sha256()
        for field in fields(self):
            array = getattr(self, field.name)
            if array.dtype.kind == "U":
                data = "\0".join(array.tolist()).encode()
            else:
                data = array.astype("<f8" if array.dtype.kind == "f" else "<i8").tobytes()
            sha.update(f"{field.name}{array.shape}".encode())
            sha.update(data)
        return sha.hexdigest()

    def subset(self, atom_idx: ArrayInput) -> "Topology":
        """The topology of some atoms, in the order given, with the bonds among them.

        Stereo whose meaning needs an atom that is left out is dropped with it. Atoms of a
        residue that the new order tears apart form one residue for each stretch.

        Raises:
            InputError: an index out of range or given twice.
        """
        chosen = checked_selection(atom_idx, n_atoms=self.n_atoms)
        new_idx = np.full(self.n_atoms, -1)
        new_idx[chosen] = np.arange(len(chosen))
        kept = (new_idx[self.bonds] >= 0).all(axis=1)
        residue_idx, source = stretches(self.residue_idx[chosen])
        return Topology.create(
            self.atomic_numbers[chosen],
            new_idx[self.bonds[kept]],
            formal_charges=self.formal_charges[chosen],
            bond_orders=self.bond_orders[kept],
            aromatic_atoms=self.aromatic_atoms[chosen],
            chirality=chirality_after_renumbering(self.chirality, self.neighbours, new_idx)[chosen],
            bond_stereo=bond_stereo_after_renumbering(
                self.bond_stereo, self.bonds, self.neighbours, new_idx
            )[kept],
            atom_names=self.atom_names[chosen],
            residue_idx=residue_idx,
            residue_names=self.residue_names[source],
            residue_ids=self.residue_ids[source],
            chain_ids=self.chain_ids[source],
        )

    def describe_atom(self, atom: int) -> str:
        """An atom in words for messages: index, name, and residue where there are several."""
        text = f"atom {atom} ({self.atom_names[atom]}"
        if self.n_residues > 1:
            residue = int(self.residue_idx[atom])
            chain = self.chain_ids[residue]
            text += f" of {self.residue_names[residue]} {self.residue_ids[residue]}"
            text += f" in chain {chain}" if chain else ""
        return text + ")"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Topology) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __reduce__(self):
        # Built anew from its fields: unpickled arrays would be writeable.
        return partial(Topology, **{f.name: getattr(self, f.name) for f in fields(self)}), ()

    def __repr__(self) -> str:
        return (
            f"Topology({self.n_atoms} atoms, {self.n_bonds} bonds, {self.n_residues} residues, "
            f"{self.n_components} components, charge {self.total_charge:+d} e, "
            f"{self.digest[:8]})"
        )


def concatenate(topologies: Sequence[Topology]) -> Topology:
    """One topology of several, their atoms and residues in the order given.

    Raises:
        InputError: nothing to concatenate.
    """
    if not topologies:
        raise InputError("nothing to concatenate: give at least one topology")
    atom_offsets = np.cumsum([0] + [t.n_atoms for t in topologies])
    residue_offsets = np.cumsum([0] + [t.n_residues for t in topologies])

    def joined(name: str, shift: np.ndarray | None = None) -> np.ndarray:
        arrays = [getattr(t, name) for t in topologies]
        if shift is not None:
            arrays = [array + by for array, by in zip(arrays, shift, strict=False)]
        return np.concatenate(arrays)

    offsets = {"bonds": atom_offsets, "residue_idx": residue_offsets}
    names = [field.name for field in fields(Topology)]
    return Topology.create(**{name: joined(name, offsets.get(name)) for name in names})


def _frozen(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array
