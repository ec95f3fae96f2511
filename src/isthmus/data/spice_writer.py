"""Datasets to HDF5 files in the layout of SPICE, molecule by molecule."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from isthmus.data.dataset import Dataset
from isthmus.data.entry import Entry
from isthmus.data.exact import in_unit, smallest_type
from isthmus.data.layout import FIELDS
from isthmus.files import replacing

if TYPE_CHECKING:
    import h5py

__all__ = ["write_dataset"]

_COMPRESSED_FROM = 1024
"""Arrays with fewer numbers are stored as they are: compression would make them larger"""


def write_dataset(dataset: Dataset, path: str | Path, *, overwrite: bool = False) -> None:
    """Write a dataset in the layout of SPICE; what cannot be finished leaves no file.

    Numbers are stored without loss, in single precision where that loses nothing: reading gives
    the same `digest`. Names and residues of atoms are not stored.

    Args:
        dataset: read molecule by molecule.
        path: of the file.
        overwrite: whether to replace a file that exists.

    Raises:
        InputError: the file exists, or a molecule cannot be written as a mapped SMILES.
    """
    import h5py

    path = Path(path)
    # Order of creation is kept, so that molecules come back in their order.
    with (
        replacing(path, overwrite=overwrite) as temporary,
        h5py.File(temporary, "w", track_order=True) as file,
    ):
        file.attrs["level_of_theory"] = dataset.level_of_theory
        file.attrs["source"] = dataset.source
        file.attrs["provenance"] = json.dumps(dict(dataset.provenance))
        for entry in dataset:
            _write_entry(file, entry, level=dataset.level_of_theory)


def _write_entry(file: "h5py.File", entry: Entry, *, level: str) -> None:
    # '/' would make a group within a group: SMILES of double bonds have it.
    key = entry.name.replace("/", "|")
    while key in file or key == ".":
        key += "_"
    group = file.create_group(key)
    if key != entry.name:
        group.attrs["name"] = entry.name
    if entry.level_of_theory != level:
        group.attrs["level_of_theory"] = entry.level_of_theory
    group["smiles"] = [entry.mapped_smiles]
    group["subset"] = [entry.source]
    group["atomic_numbers"] = entry.topology.atomic_numbers.astype(np.int16)
    group["frame_idx"] = entry.frame_idx
    for field, (name, unit, factor) in FIELDS.items():
        values = getattr(entry, field)
        if values is None:
            continue
        stored = smallest_type(in_unit(values, factor))
        if field == "charges":
            stored = stored[:, :, None]
        large = stored.size >= _COMPRESSED_FROM
        dataset = group.create_dataset(
            name, data=stored, compression="gzip" if large else None, shuffle=large
        )
        dataset.attrs["units"] = unit
