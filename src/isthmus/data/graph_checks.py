"""Checks of frames against the bonds of their molecule."""

from collections.abc import Iterator, Sequence

import numpy as np

from isthmus.chemistry.connectivity import bonding_change
from isthmus.data.entry import Entry
from isthmus.data.finding import Finding, Severity

__all__ = ["check_bonds", "check_strays"]

_STRAY = 0.1
"""A molecule with fewer frames than this part of another's may be frames of it gone astray"""


def check_bonds(entry: Entry) -> Iterator[Finding]:
    """Frames in which a bond is broken or new, by the generous limits of the readers.

    A bond is broken beyond 1.6 times the sum of covalent radii (1.9 with hydrogen), and new
    within 1.1 times.
    """
    topology = entry.topology
    separated = np.concatenate([topology.bonds, topology.clusters.angles[:, [0, 2]]])
    changed, first = [], ""
    for frame, positions in enumerate(entry.positions):
        if not np.isfinite(positions).all():
            continue
        change = bonding_change(
            topology.atomic_numbers, topology.bonds, separated, positions, box=entry.box
        )
        if change is not None:
            (i, j), what = change
            atoms = f"{topology.describe_atom(i)} and {topology.describe_atom(j)}"
            first = first or f"in frame {frame} the bond between {atoms} {what}"
            changed.append(frame)
    if changed:
        text = (
            f"{len(changed)} of {entry.n_frames} frames have another bond graph than their "
            f"molecule: {first}; drop them, since no force field with fixed bonds can fit them"
        )
        yield Finding("bond-graph", Severity.WARNING, text, entry.name, tuple(changed))


def check_strays(counts: Sequence[tuple[str, bytes, int]]) -> Iterator[Finding]:
    """Molecules that look like a few frames of another one with a changed bond.

    Readers that perceive bonds start a new molecule there.

    Args:
        counts: name, atomic numbers in order as bytes, and number of frames of each molecule.
    """
    largest: dict[bytes, tuple[str, int]] = {}
    for name, atoms, frames in counts:
        if atoms not in largest or frames > largest[atoms][1]:
            largest[atoms] = (name, frames)
    for name, atoms, frames in counts:
        home, most = largest[atoms]
        if name != home and frames < _STRAY * most:
            text = (
                f"its {frames} frames have the atoms of '{home}' in the same order ({most} "
                "frames), but another bond graph: frames in which a bond broke or formed? Drop "
                "them, or state the SMILES"
            )
            yield Finding("bond-graph", Severity.WARNING, text, name)
