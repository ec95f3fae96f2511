"""Checks and normal forms of what a topology is built from."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import jax
import numpy as np
from jaxtyping import Float, Int, Shaped

from isthmus.chemistry.elements import MAX_ATOMIC_NUMBER, element_symbols
from isthmus.errors import InputError

__all__ = [
    "BOND_ORDERS",
    "ArrayInput",
    "as_integers",
    "as_orders",
    "as_residues",
    "as_strings",
    "check_elements",
    "checked_selection",
    "default_names",
    "sorted_bonds",
    "stretches",
]

ArrayInput: TypeAlias = np.ndarray | jax.Array | Sequence[Any]
"""What array arguments accept; the functions here check and convert it."""

BOND_ORDERS = (1.0, 1.5, 2.0, 3.0)
"""Bond orders that a topology may hold; 1.5 is aromatic, whatever the Kekulé form."""


def as_integers(values: ArrayInput | None, length: int, name: str) -> Int[np.ndarray, "length"]:
    """An int32 array of the wanted length; zeros where nothing was given.

    Raises:
        InputError: values that are no integers, or another length.
    """
    if values is None:
        return np.zeros(length, dtype=np.int32)
    array = np.asarray(values)
    if array.size and array.dtype.kind not in "iub":
        raise InputError(f"{name} must be integers, got {array.dtype}; convert them first")
    return _of_length(array.astype(np.int32), length, name)


def as_strings(values: ArrayInput, length: int, name: str) -> Shaped[np.ndarray, "length"]:
    """An array of strings of the wanted length.

    Raises:
        InputError: another length.
    """
    return _of_length(np.asarray(values, dtype=str), length, name)


def as_orders(values: ArrayInput | None, n_bonds: int) -> Float[np.ndarray, "bonds"]:
    """Bond orders; single bonds where nothing was given.

    Raises:
        InputError: an order that is none of 1, 1.5, 2 and 3, or another number of orders.
    """
    if values is None:
        return np.ones(n_bonds)
    orders = _of_length(np.asarray(values, dtype=np.float64), n_bonds, "bond_orders")
    wrong = ~np.isin(orders, BOND_ORDERS)
    if wrong.any():
        raise InputError(
            f"bond {int(wrong.argmax())} has order {orders[wrong.argmax()]:g}; "
            "wanted 1, 1.5 (aromatic), 2 or 3"
        )
    return orders


def check_elements(atomic_numbers: Int[np.ndarray, "atoms"]) -> None:
    """Refuse atomic numbers that are no element and not 0 (virtual).

    Raises:
        InputError: names the first such atom.
    """
    wrong = (atomic_numbers < 0) | (atomic_numbers > MAX_ATOMIC_NUMBER)
    if wrong.any():
        atom = int(wrong.argmax())
        raise InputError(
            f"unknown element: atom {atom} has atomic number {atomic_numbers[atom]}; wanted 1 to "
            f"{MAX_ATOMIC_NUMBER}, or 0 for a virtual site"
        )


def sorted_bonds(
    bonds: ArrayInput, n_atoms: int
) -> tuple[Int[np.ndarray, "bonds 2"], Int[np.ndarray, "bonds"]]:
    """Bonds i < j in lexicographic order, and the permutation that sorts what belongs to them.

    Raises:
        InputError: an atom that does not exist, a bond of an atom to itself, a repeated bond.
    """
    pairs = np.asarray(bonds)
    if pairs.size == 0:
        return np.zeros((0, 2), dtype=np.int32), np.zeros(0, dtype=np.int64)
    if pairs.ndim != 2 or pairs.shape[1] != 2 or pairs.dtype.kind not in "iu":
        raise InputError(
            f"bonds have shape {pairs.shape} and type {pairs.dtype}; wanted integers (bonds, 2)"
        )
    pairs = np.sort(pairs, axis=1).astype(np.int32)
    wrong = (pairs[:, 0] < 0) | (pairs[:, 1] >= n_atoms)
    if wrong.any():
        raise InputError(
            f"bond {tuple(pairs[wrong.argmax()].tolist())} names an atom that does not exist: "
            f"there are {n_atoms} atoms, counted from 0"
        )
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    pairs = pairs[order]
    looped = pairs[:, 0] == pairs[:, 1]
    if looped.any():
        raise InputError(f"atom {pairs[looped.argmax(), 0]} is bonded to itself; remove that bond")
    repeated = (np.diff(pairs, axis=0) == 0).all(axis=1)
    if repeated.any():
        pair = tuple(pairs[repeated.argmax()].tolist())
        raise InputError(f"bond {pair} is given more than once; give each bond once")
    return pairs, order


def default_names(atomic_numbers: Int[np.ndarray, "atoms"]) -> Shaped[np.ndarray, "atoms"]:
    """Element and running number within the element: C1, C2, H1, ..."""
    count: dict[str, int] = {}
    names = []
    for symbol in element_symbols(atomic_numbers):
        count[symbol] = count.get(symbol, 0) + 1
        names.append(f"{symbol}{count[symbol]}")
    return np.array(names, dtype=str)


def as_residues(
    residue_idx: ArrayInput | None,
    labels: dict[str, ArrayInput | None],
    *,
    n_atoms: int,
) -> tuple[Int[np.ndarray, "atoms"], dict[str, Shaped[np.ndarray, "residues"]]]:
    """Residue of each atom and the labels of each residue; one residue where none is given.

    Raises:
        InputError: residues that do not run from 0 upwards without gaps, or labels that do not
            match their number.
    """
    index = as_integers(residue_idx, n_atoms, "residue_idx")
    steps = np.diff(index)
    if n_atoms and (index[0] != 0 or ((steps != 0) & (steps != 1)).any()):
        raise InputError(
            "residue_idx must start at 0 and ascend without gaps, atom by atom; "
            "renumber the residues in the order of their atoms"
        )
    n_residues = int(index.max(initial=-1)) + 1
    defaults = {"residue_names": "MOL", "residue_ids": "1", "chain_ids": ""}
    arrays = {
        name: as_strings(
            [defaults[name]] * n_residues if given is None else given, n_residues, name
        )
        for name, given in labels.items()
    }
    return index, arrays


def stretches(
    residue_idx: Int[np.ndarray, "atoms"],
) -> tuple[Int[np.ndarray, "atoms"], Int[np.ndarray, "residues"]]:
    """Number the runs of equal residues anew; also the old residue of each run."""
    starts = np.ones(len(residue_idx), dtype=bool)
    starts[1:] = residue_idx[1:] != residue_idx[:-1]
    return np.cumsum(starts) - 1, residue_idx[starts]


def checked_selection(atom_idx: ArrayInput, n_atoms: int) -> Int[np.ndarray, "chosen"]:
    """Atom indices as an array, each once and in range.

    Raises:
        InputError: an index out of range, given twice, or no integer.
    """
    chosen = np.asarray(atom_idx)
    if chosen.size == 0:
        return np.zeros(0, dtype=np.int64)
    if chosen.dtype.kind not in "iu" or chosen.ndim != 1:
        raise InputError(
            f"a subset takes a list of atom indices, got {chosen.dtype} of shape {chosen.shape}; "
            "turn a mask into indices with numpy.flatnonzero"
        )
    wrong = (chosen < 0) | (chosen >= n_atoms)
    if wrong.any():
        raise InputError(
            f"atom {chosen[wrong.argmax()]} is out of range: there are {n_atoms} atoms, "
            "counted from 0"
        )
    if len(np.unique(chosen)) != len(chosen):
        raise InputError("an atom is given twice in a subset; give each atom once")
    return chosen.astype(np.int64)


def _of_length(array: np.ndarray, length: int, name: str) -> np.ndarray:
    if array.shape != (length,):
        raise InputError(f"{name} has shape {array.shape}; wanted ({length},)")
    return array
