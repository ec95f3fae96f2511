"""Standard residues of a PDB file: protonation states, bonds, bond orders and formal charges.

The number of hydrogens on each atom says which protonation state a residue is in; its template
(see `residue_templates`) gives the bonds and charges that follow.
"""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Int

from isthmus.chemistry.pdb_patterns import (
    DISULFIDE_LENGTH,
    Pattern,
    backbone_links,
    build_pattern,
    disulfides,
)
from isthmus.chemistry.pdb_records import PdbRecords
from isthmus.chemistry.residue_templates import ResidueTemplate, SolvedResidue
from isthmus.errors import InputError

__all__ = ["Chemistry", "assign_residues"]


@dataclass(eq=False)
class Chemistry:
    """What is known of the atoms so far; filled residue by residue."""

    atomic_numbers: Int[np.ndarray, "atoms"]
    formal_charges: Int[np.ndarray, "atoms"]
    aromatic_atoms: np.ndarray
    stereocentres: np.ndarray
    chirality: Int[np.ndarray, "atoms"]
    bonds: list[np.ndarray] = field(default_factory=list)
    orders: list[np.ndarray] = field(default_factory=list)
    bond_stereo: list[np.ndarray] = field(default_factory=list)

    @classmethod
    def of(cls, n_atoms: int) -> "Chemistry":
        """Nothing known of any atom."""
        return cls(
            np.zeros(n_atoms, dtype=np.int32),
            np.zeros(n_atoms, dtype=np.int32),
            np.zeros(n_atoms, dtype=bool),
            np.zeros(n_atoms, dtype=bool),
            np.zeros(n_atoms, dtype=np.int32),
        )

    def add_bonds(
        self, bonds: np.ndarray, order: float | np.ndarray, *, stereo: np.ndarray | None = None
    ) -> None:
        """Take in bonds of one order, or of an order each, and their stereo."""
        self.bonds.append(bonds.reshape(-1, 2))
        self.orders.append(np.broadcast_to(np.asarray(order, dtype=float), len(self.bonds[-1])))
        none = np.zeros(len(self.bonds[-1]), dtype=np.int32)
        self.bond_stereo.append(none if stereo is None else stereo)


def assign_residues(
    records: PdbRecords,
    groups: dict[tuple[str, ...], Int[np.ndarray, "residues"]],
    templates: dict[str, ResidueTemplate],
    chemistry: Chemistry,
) -> None:
    """Fill in the chemistry of all residues that have templates, and the bonds between them.

    Args:
        records: of the file.
        groups: residues by their name followed by the names of their atoms.
        templates: by residue name.
        chemistry: written to.

    Raises:
        InputError: an atom that the template lacks, missing heavy atoms, missing hydrogens,
            hydrogens too many; names the first such residue.
    """
    patterns = [
        build_pattern(records, templates[key[0]], key[1:], residues)
        for key, residues in groups.items()
    ]
    n_links = np.zeros(len(records.atom_names), dtype=np.int64)
    for bonds in (backbone_links(records, patterns), disulfides(records, patterns)):
        chemistry.add_bonds(bonds, 1.0)
        np.add.at(n_links, bonds.ravel(), 1)
    solved = [kind for pattern in patterns for kind in _kinds(pattern, n_links)]
    for kind in sorted(solved, key=lambda kind: int(kind.pattern.residues[kind.rows[0]])):
        _check(kind, records, n_links)
        _write(kind, chemistry)


@dataclass(frozen=True, eq=False)
class _Kind:
    """Residues of a pattern whose hydrogens and links are the same too.

    Attributes:
        pattern: of the residues.
        rows: which residues of the pattern.
        parents: the heavy atom of each hydrogen.
        solved: bonds and charges.
    """

    pattern: Pattern
    rows: Int[np.ndarray, "residues"]
    parents: Int[np.ndarray, "hydrogen_atoms"]
    solved: SolvedResidue


def _kinds(pattern: Pattern, n_links: Int[np.ndarray, "atoms"]) -> list[_Kind]:
    links = n_links[pattern.starts[:, None] + pattern.heavy]
    table = np.concatenate([pattern.parents, links], axis=1)
    _, first, kind_of = np.unique(table, axis=0, return_index=True, return_inverse=True)
    names = [pattern.names[index] or "" for index in pattern.heavy]
    kinds = []
    for index, row in enumerate(first.tolist()):
        parents = pattern.parents[row]
        counts = np.bincount(parents, minlength=len(names)).tolist()
        solved = pattern.template.solve(
            names,
            dict(zip(names, counts, strict=True)),
            dict(zip(names, links[row].tolist(), strict=True)),
        )
        kinds.append(_Kind(pattern, np.flatnonzero(kind_of.ravel() == index), parents, solved))
    return kinds


def _check(kind: _Kind, records: PdbRecords, n_links: Int[np.ndarray, "atoms"]) -> None:
    """Refuse residues with hydrogens missing or too many."""
    pattern, solved = kind.pattern, kind.solved
    template, row = pattern.template, int(kind.rows[0])
    where = records.describe_residue(int(pattern.residues[row]))
    if solved.missing:
        raise InputError(f"{where}: {_missing_text(kind, n_links)}")
    if solved.surplus:
        raise InputError(
            f"{where}: atom {solved.surplus[0]} has more hydrogens or bonds than {template.name} "
            "has in any protonation state; correct them, or give the residue a name of its own "
            "and its SMILES in `ligands`"
        )


def _missing_text(kind: _Kind, n_links: Int[np.ndarray, "atoms"]) -> str:
    pattern, missing = kind.pattern, kind.solved.missing
    template, row = pattern.template, int(kind.rows[0])
    if set(missing) == {"SG"}:
        return (
            "its SG has neither a hydrogen nor a disulfide partner within "
            f"{DISULFIDE_LENGTH} nm; add the hydrogen, or call the residue CYM for a thiolate"
        )
    if template.tail == "C" and set(missing) == {"C"} and missing["C"] == 1:
        return (
            "its C is bonded neither to a next residue nor to OXT; the chain is broken here or "
            "its end is incomplete: add OXT, a cap such as NME, or the residues that are missing"
        )
    listed = ", ".join(f"{name} lacks {count}" for name, count in missing.items())
    text = f"hydrogens are missing: {listed}"
    head = pattern.atoms_named(template.head)
    if template.head in missing and len(head) and not n_links[head[row]]:
        text += f" (its {template.head} is not bonded to a residue before it)"
    return (
        f"{text}; add hydrogens, for example with addHydrogens of OpenMM's Modeller, or with "
        "PDBFixer"
    )


def _write(kind: _Kind, chemistry: Chemistry) -> None:
    """Write the chemistry of one kind to all its residues."""
    pattern, solved = kind.pattern, kind.solved
    starts = pattern.starts[kind.rows]
    place = {name: index for index, name in enumerate(pattern.names) if name is not None}
    parents = pattern.heavy[kind.parents]
    n_hydrogens = np.bincount(parents, minlength=len(pattern.names))
    for name, index in place.items():
        atoms = starts + index
        chemistry.atomic_numbers[atoms] = pattern.template.atoms[name]
        chemistry.formal_charges[atoms] = solved.charges[name]
        chemistry.aromatic_atoms[atoms] = name in pattern.template.aromatic
        chemistry.stereocentres[atoms] = name in pattern.template.stereo and n_hydrogens[index] <= 1
    chemistry.atomic_numbers[(starts[:, None] + pattern.hydrogens).ravel()] = 1
    heavy_bonds = [(place[i], place[j]) for i, j, _ in solved.bonds]
    hydrogen_bonds = list(zip(parents.tolist(), pattern.hydrogens.tolist(), strict=True))
    local = np.array(heavy_bonds + hydrogen_bonds, dtype=np.int64).reshape(-1, 2)
    orders = [order for _, _, order in solved.bonds] + [1.0] * len(hydrogen_bonds)
    chemistry.add_bonds(
        (starts[:, None, None] + local).reshape(-1, 2), np.tile(orders, len(starts))
    )
