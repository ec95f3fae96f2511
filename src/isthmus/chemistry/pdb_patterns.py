"""Residues of a PDB file grouped by what they are made of, and the bonds between them.

Residues with equal names and atoms are handled together as arrays, so a box of water costs as
little as one molecule. Every hydrogen belongs to the nearest heavy atom of its residue, whatever
it is called.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from isthmus.chemistry.connectivity import close_pairs
from isthmus.chemistry.images import nearest_image
from isthmus.chemistry.pdb_records import PdbRecords
from isthmus.chemistry.residue_templates import ResidueTemplate
from isthmus.errors import InputError

__all__ = ["DISULFIDE_LENGTH", "Pattern", "backbone_links", "build_pattern", "disulfides"]

_LINK_LENGTH = 0.2
"""A residue's tail and the next one's head closer than this [nm] are bonded (C-N 0.133)."""

DISULFIDE_LENGTH = 0.25
"""Two sulphur atoms of cysteines without hydrogens closer than this [nm] are bonded (0.205)."""

_HYDROGEN_LENGTH = 0.16
"""Longest distance of a hydrogen from its heavy atom [nm] (S-H 0.134)."""


@dataclass(frozen=True, eq=False)
class Pattern:
    """Residues with the same name and the same atoms in the same order.

    Attributes:
        template: their template.
        names: heavy atoms as the template calls them, None for hydrogens and extra particles.
        heavy: positions of the heavy atoms in the residue.
        hydrogens: positions of the hydrogens.
        starts: first atom of each residue.
        residues: index of each residue.
        parents: the heavy atom of each hydrogen, an index into `heavy`.
    """

    template: ResidueTemplate
    names: list[str | None]
    heavy: Int[np.ndarray, "heavy_atoms"]
    hydrogens: Int[np.ndarray, "hydrogen_atoms"]
    starts: Int[np.ndarray, "residues"]
    residues: Int[np.ndarray, "residues"]
    parents: Int[np.ndarray, "residues hydrogen_atoms"]

    def atoms_named(self, name: str | None) -> Int[np.ndarray, "some"]:
        """The atom of that name in each residue; empty if they have none."""
        if name is None or name not in self.names:
            return np.zeros(0, dtype=np.int64)
        return self.starts + self.names.index(name)


def build_pattern(
    records: PdbRecords,
    template: ResidueTemplate,
    atom_names: tuple[str, ...],
    residues: Int[np.ndarray, "residues"],
) -> Pattern:
    """Tell heavy atoms from hydrogens, and find the parent of each hydrogen.

    Args:
        records: of the file.
        template: of the residues.
        atom_names: as in the file.
        residues: that have this name and these atoms.

    Raises:
        InputError: an atom that the template lacks or has once only, missing heavy atoms, a
            hydrogen far from all heavy atoms.
    """
    names = [template.heavy_name(name) for name in atom_names]
    is_hydrogen = [
        heavy is None and name.lstrip("0123456789").startswith(("H", "D"))
        for heavy, name in zip(names, atom_names, strict=True)
    ]
    where = records.describe_residue(int(residues[0]))
    for name, heavy, hydrogen in zip(atom_names, names, is_hydrogen, strict=True):
        if heavy is None and not hydrogen and not template.is_water:
            raise InputError(
                f"{where} has an atom {name}, which {template.name} does not have; rename the "
                "atom, or give the residue a name of its own and its SMILES in `ligands`"
            )
    present = [name for name in names if name is not None]
    twice = {name for name in present if present.count(name) > 1}
    lacking = [n for n in template.atoms if n not in present and n not in template.optional]
    if twice or lacking:
        what = f"has atom {min(twice)} twice" if twice else f"lacks atoms {', '.join(lacking)}"
        if records.is_scattered(int(residues[0])):
            what += " (more of it is elsewhere in the file; sort the atoms by residue)"
        raise InputError(
            f"{where} {what}; complete the structure first, for example with PDBFixer, or give "
            "the residue a name of its own and its SMILES in `ligands`"
        )
    heavy = np.flatnonzero([name is not None for name in names])
    hydrogens = np.flatnonzero(is_hydrogen)
    starts = records.starts[residues]
    parents = _parents(records, starts, heavy, hydrogens, residues)
    return Pattern(template, names, heavy, hydrogens, starts, residues, parents)


def _parents(
    records: PdbRecords,
    starts: Int[np.ndarray, "residues"],
    heavy: Int[np.ndarray, "heavy_atoms"],
    hydrogens: Int[np.ndarray, "hydrogen_atoms"],
    residues: Int[np.ndarray, "residues"],
) -> Int[np.ndarray, "residues hydrogen_atoms"]:
    """The nearest heavy atom of each hydrogen."""
    positions = records.conformers[0]
    from_heavy = (
        positions[starts[:, None] + hydrogens][:, :, None]
        - positions[starts[:, None] + heavy][:, None]
    )
    squared = (nearest_image(from_heavy, records.box) ** 2).sum(axis=-1)
    far = np.argwhere(squared.min(axis=-1) > _HYDROGEN_LENGTH**2)
    if len(far):
        row, column = far[0].tolist()
        atom = records.atom_names[starts[row] + hydrogens[column]]
        distance = float(np.sqrt(squared[row, column].min()))
        raise InputError(
            f"{records.describe_residue(int(residues[row]))}: hydrogen {atom} is {distance:.3f} nm "
            f"from the nearest heavy atom of its residue, at most {_HYDROGEN_LENGTH} nm was "
            "wanted; correct its coordinates"
        )
    return squared.argmin(axis=-1)


def backbone_links(records: PdbRecords, patterns: list[Pattern]) -> Int[np.ndarray, "links 2"]:
    """Bonds from the tail of a residue to the head of the next, or of any other close by."""
    heads = np.full(len(records.residue_names), -1)
    tails = heads.copy()
    for pattern in patterns:
        for ends, name in ((heads, pattern.template.head), (tails, pattern.template.tail)):
            if len(atoms := pattern.atoms_named(name)):
                ends[pattern.residues] = atoms
    follows = np.flatnonzero((tails[:-1] >= 0) & (heads[1:] >= 0))
    links = np.column_stack([tails[follows], heads[follows + 1]])
    positions = records.conformers[0]
    apart = nearest_image(positions[links[:, 0]] - positions[links[:, 1]], records.box)
    links = links[(apart**2).sum(axis=1) < _LINK_LENGTH**2]
    # A ring of residues closes between ones that do not follow each other.
    free_tails = np.setdiff1d(tails[tails >= 0], links[:, 0])
    free_heads = np.setdiff1d(heads[heads >= 0], links[:, 1])
    ends = np.concatenate([free_tails, free_heads])
    pairs, _ = close_pairs(positions[ends], _LINK_LENGTH, box=records.box)
    is_tail = np.arange(len(ends)) < len(free_tails)
    pairs = pairs[is_tail[pairs[:, 0]] & ~is_tail[pairs[:, 1]]]
    other = records.residue_idx[ends[pairs[:, 0]]] != records.residue_idx[ends[pairs[:, 1]]]
    return np.concatenate([links, ends[pairs[other]]])


def disulfides(records: PdbRecords, patterns: list[Pattern]) -> Int[np.ndarray, "links 2"]:
    """Bonds between sulphur atoms of cysteines that have no hydrogen there, nearest first."""
    bare = [np.zeros(0, dtype=np.int64)]
    for pattern in patterns:
        if "SG" in pattern.names:
            sulphur = list(pattern.heavy).index(pattern.names.index("SG"))
            bare.append(pattern.atoms_named("SG")[~(pattern.parents == sulphur).any(axis=1)])
    sulphurs = np.concatenate(bare)
    pairs, distance = close_pairs(
        records.conformers[0][sulphurs], DISULFIDE_LENGTH, box=records.box
    )
    taken: set[int] = set()
    bonds = []
    for i, j in pairs[np.argsort(distance)].tolist():
        if not taken & {i, j}:
            taken |= {i, j}
            bonds.append((sulphurs[i], sulphurs[j]))
    return np.array(bonds, dtype=np.int64).reshape(-1, 2)
