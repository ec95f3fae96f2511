"""Under which names frames of ASE keep their labels, and how one of them is chosen.

ASE from 3.23 on moves what it knows (energy, forces, dipole, charges) out of `info` and `arrays`
into a calculator; every other name stays where it was. All three places are looked at.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from jaxtyping import Float

from isthmus.errors import InputError

__all__ = ["RECOGNISED", "Label", "as_array", "find_label"]

RECOGNISED: Final[Mapping[str, tuple[str, ...]]] = {
    "energy": (
        "energy", "Energy", "energies", "REF_energy", "ref_energy", "energy_ref", "dft_energy",
        "DFT_energy", "qm_energy", "QM_energy", "total_energy", "potential_energy", "TotEnergy",
    ),
    "forces": (
        "forces", "force", "Forces", "REF_forces", "REF_force", "ref_forces", "forces_ref",
        "dft_forces", "DFT_forces", "qm_forces", "QM_forces", "total_forces",
    ),
    "charges": ("charges", "REF_charges", "mbis_charges", "mbi_charges", "qm_charges"),
    "dipole": ("dipole", "REF_dipole", "scf_dipole", "dft_dipole", "qm_dipole"),
    "temperature": ("temperature", "temperature_K"),
    "level_of_theory": ("level_of_theory", "theory", "method"),
}  # fmt: skip
"""Names that are recognised without being stated, the usual one first"""

_SAME = 1e-6


@dataclass(frozen=True)
class Label:
    """A label of one frame.

    Attributes:
        name: the key it was found under.
        place: `info`, `arrays` or `calculator`.
        value: as found.
    """

    name: str
    place: str
    value: Any


def find_label(atoms: Any, kind: str, *, key: str | None, where: str) -> Label | None:
    """The label of a frame, or None where it has none.

    Args:
        atoms: of ASE.
        kind: one of `RECOGNISED`.
        key: the name that the reader of the file stated; then no other is tried.
        where: named in messages.

    Raises:
        InputError: several recognised names with different values: one must be stated.
    """
    if key is not None:
        found = _under(atoms, (key,))
        return found[0] if found else None
    found = _under(atoms, RECOGNISED[kind])
    if not found:
        return None
    different = [label for label in found[1:] if not _same(label.value, found[0].value)]
    if different:
        names = ", ".join(dict.fromkeys(label.name for label in (found[0], *different)))
        raise InputError(
            f"{where}: several keys may be the {kind}: {names}, and their values differ; say which "
            "one is meant"
        )
    return found[0]


def _under(atoms: Any, names: Sequence[str]) -> list[Label]:
    results = {} if atoms.calc is None else getattr(atoms.calc, "results", {})
    places = {"calculator": results, "info": atoms.info, "arrays": atoms.arrays}
    return [
        Label(name, place, values[name])
        for name in names
        for place, values in places.items()
        if name in values and values[name] is not None
    ]


def _same(first: object, second: object) -> bool:
    one, other = np.asarray(first), np.asarray(second)
    if one.size != other.size:
        return False
    if one.dtype.kind not in "fiu" or other.dtype.kind not in "fiu":
        return bool(np.array_equal(one.ravel(), other.ravel()))
    return bool(np.allclose(one.ravel(), other.ravel(), rtol=_SAME, atol=_SAME))


def as_array(label: Label, shape: tuple[int, ...], *, where: str) -> Float[np.ndarray, "..."]:
    """A label as an array of the wanted shape; (1, 3) and (3,) are the same.

    Raises:
        InputError: no numbers, or another number of them.
    """
    try:
        array = np.asarray(label.value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{where}: '{label.name}' is no number: {label.value!r}") from error
    if array.size != int(np.prod(shape)):
        raise InputError(
            f"{where}: '{label.name}' has shape {array.shape}; wanted {shape or 'one number'}"
        )
    return array.reshape(shape)
