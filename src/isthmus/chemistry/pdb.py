"""Molecules from PDB files: proteins, nucleic acids, water, ions, and known ligands."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Int

from isthmus.chemistry.connectivity import perceived_bonds
from isthmus.chemistry.coordinates import check_finite
from isthmus.chemistry.elements import atomic_number
from isthmus.chemistry.graph import Neighbours
from isthmus.chemistry.images import nearest_image
from isthmus.chemistry.molecule import Molecule, check_total_charge
from isthmus.chemistry.pdb_records import PdbRecords, read_pdb_records
from isthmus.chemistry.pdb_residues import Chemistry, assign_residues
from isthmus.chemistry.residue_templates import ResidueTemplate, find_ion, find_template
from isthmus.chemistry.smiles import from_smiles
from isthmus.chemistry.stereo import chirality_from_positions
from isthmus.chemistry.template import match_template
from isthmus.chemistry.topology import Topology
from isthmus.errors import InputError

__all__ = ["read_pdb"]

_Groups = dict[tuple[str, ...], Int[np.ndarray, "residues"]]


def read_pdb(
    path: str | Path,
    *,
    ligands: Mapping[str, str | Molecule] | None = None,
    total_charge: int | None = None,
) -> Molecule:
    """The system in a PDB file, with all hydrogens; models become conformers.

    Standard residues, water and ions get bonds, bond orders and charges from templates (see
    `residues.toml`); protonation states and chain ends follow from the hydrogens in the file,
    disulfides and bonds between residues from distances. Stereo comes from the coordinates.

    Args:
        path: the file; CRYST1 gives the box.
        ligands: SMILES or molecule of each residue that is not standard, by residue name.
        total_charge: that the system should have [e]; None takes what the file says.

    Raises:
        InputError: an empty file, an unknown residue, missing hydrogens or heavy atoms,
            coordinates that are not finite or overlap, a ligand that does not fit its SMILES,
            another total charge. The message names the residue.
    """
    records = read_pdb_records(path)
    try:
        topology = _topology(records, _ligand_topologies(ligands or {}))
        check_total_charge(topology, total_charge, source="the system")
        return Molecule.create(topology, records.conformers, box=records.box, name=Path(path).stem)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _ligand_topologies(ligands: Mapping[str, str | Molecule]) -> dict[str, Topology]:
    return {
        name: (from_smiles(known) if isinstance(known, str) else known).topology
        for name, known in ligands.items()
    }


def _topology(records: PdbRecords, ligands: Mapping[str, Topology]) -> Topology:
    """Chemistry of all residues, put together."""
    chemistry = Chemistry.of(len(records.atom_names))
    standard: _Groups = {}
    templates: dict[str, ResidueTemplate] = {}
    unknown: list[int] = []
    groups = _groups(records)
    for key, residues in groups.items():
        name = key[0]
        ion = find_ion(name) if len(key) == 2 else None
        if name in ligands:
            continue
        if ion is not None:
            atoms = records.starts[residues]
            chemistry.atomic_numbers[atoms] = ion.atomic_number
            chemistry.formal_charges[atoms] = ion.charge
        elif (template := find_template(name)) is not None:
            standard[key], templates[name] = residues, template
        else:
            unknown.append(int(residues[0]))
    if unknown:
        raise InputError(_unknown_residue(records, min(unknown)))
    _check_finite(records)
    assign_residues(records, standard, templates, chemistry)
    for key, residues in groups.items():
        if key[0] in ligands:
            for residue in residues.tolist():
                _add_ligand(records, residue, ligands[key[0]], chemistry)
    return _assemble(records, chemistry)


def _groups(records: PdbRecords) -> _Groups:
    """Residues by name and atom names, in the order of their first appearance."""
    names = records.atom_names.tolist()
    starts = records.starts.tolist()
    groups: dict[tuple[str, ...], list[int]] = {}
    for residue, residue_name in enumerate(records.residue_names.tolist()):
        atoms = names[starts[residue] : starts[residue + 1]]
        groups.setdefault((residue_name, *atoms), []).append(residue)
    return {key: np.array(residues) for key, residues in groups.items()}


def _unknown_residue(records: PdbRecords, residue: int) -> str:
    name = records.residue_names[residue]
    return (
        f"unknown {records.describe_residue(residue)}: it is no standard residue of a protein or "
        f"nucleic acid, no water and no ion; say what it is, as SMILES or as a molecule read from "
        f'an SDF file: ligands={{"{name}": "..."}} (command line: --ligand {name}=SMILES)'
    )


def _labels(records: PdbRecords) -> dict[str, np.ndarray]:
    """Names and residues, for `Topology.create`."""
    return {
        "atom_names": records.atom_names,
        "residue_idx": records.residue_idx,
        "residue_names": records.residue_names,
        "residue_ids": records.residue_ids,
        "chain_ids": records.chain_ids,
    }


def _check_finite(records: PdbRecords) -> None:
    """Distances decide about bonds, so coordinates are looked at first."""
    n_atoms = len(records.atom_names)
    labelled = Topology.create(np.ones(n_atoms, dtype=np.int32), [], **_labels(records))
    check_finite(labelled, records.conformers[0])


def _add_ligand(
    records: PdbRecords, residue: int, template: Topology, chemistry: Chemistry
) -> None:
    """Write the chemistry of one ligand, matched to its template."""
    where = records.describe_residue(residue)
    atoms = np.arange(records.starts[residue], records.starts[residue + 1])
    numbers = np.array([_element(records, atom, where) for atom in atoms.tolist()])
    positions = records.conformers[0][atoms]
    positions = positions[0] + nearest_image(positions - positions[0], records.box)
    bonds = perceived_bonds(numbers, positions, known=(template.atomic_numbers, template.bonds))
    matched = match_template(template, numbers, bonds, positions, source=where)
    chemistry.atomic_numbers[atoms] = numbers
    chemistry.formal_charges[atoms] = matched.formal_charges
    chemistry.aromatic_atoms[atoms] = matched.aromatic_atoms
    chemistry.chirality[atoms] = matched.chirality
    chemistry.add_bonds(atoms[matched.bonds], matched.bond_orders, stereo=matched.bond_stereo)


def _element(records: PdbRecords, atom: int, where: str) -> int:
    """Atomic number from the element column or, where that is empty, from the atom's name."""
    symbol = str(records.elements[atom])
    name = str(records.atom_names[atom])
    if not symbol:
        letters = name.strip("0123456789'\"*")
        symbol = letters[:2] if letters[:2].upper() in ("CL", "BR") else letters[:1]
    try:
        return 1 if symbol == "D" else atomic_number(symbol)
    except InputError as error:
        raise InputError(f"{where}, atom {name}: {error}") from error


def _assemble(records: PdbRecords, chemistry: Chemistry) -> Topology:
    bonds = np.concatenate(chemistry.bonds)
    neighbours = Neighbours.from_bonds(bonds, n_atoms=len(records.atom_names))
    centres = np.flatnonzero(chemistry.stereocentres)
    chemistry.chirality[centres] = chirality_from_positions(
        centres, neighbours, records.conformers[0], box=records.box
    )
    return Topology.create(
        chemistry.atomic_numbers,
        bonds,
        formal_charges=chemistry.formal_charges,
        bond_orders=np.concatenate(chemistry.orders),
        aromatic_atoms=chemistry.aromatic_atoms,
        chirality=chemistry.chirality,
        bond_stereo=np.concatenate(chemistry.bond_stereo),
        **_labels(records),
    )
