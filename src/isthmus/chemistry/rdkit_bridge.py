"""Topologies from RDKit molecules and back."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float
from rdkit import Chem, rdBase

from isthmus.chemistry.stereo import (
    bond_stereo_from_rdkit,
    chirality_from_rdkit,
    set_rdkit_stereo,
)
from isthmus.chemistry.topology import Topology
from isthmus.chemistry.topology_input import ArrayInput
from isthmus.errors import InputError
from isthmus.units import ANGSTROM

__all__ = ["rdkit_from_topology", "stereo_from_positions", "topology_from_rdkit"]


def topology_from_rdkit(mol: Chem.Mol) -> Topology:
    """The topology of a sanitised RDKit molecule, atoms in its order; isotopes are dropped.

    Names and residues come from its PDB residue information, where every atom has one.

    Raises:
        InputError: hydrogens that are not atoms, bonds that are neither single, double, triple
            nor aromatic, stereo that is not tetrahedral.
    """
    _check_hydrogens(mol)
    atoms = list(mol.GetAtoms())
    bonds = [(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in mol.GetBonds()]
    pairs = np.array(bonds, dtype=np.int32).reshape(-1, 2)
    return Topology.create(
        [atom.GetAtomicNum() for atom in atoms],
        pairs,
        formal_charges=[atom.GetFormalCharge() for atom in atoms],
        bond_orders=[_order(bond) for bond in mol.GetBonds()],
        aromatic_atoms=[atom.GetIsAromatic() for atom in atoms],
        chirality=chirality_from_rdkit(mol),
        bond_stereo=bond_stereo_from_rdkit(mol, pairs),
        **_residue_fields(atoms),
    )


def rdkit_from_topology(topology: Topology) -> Chem.Mol:
    """A sanitised RDKit molecule with every hydrogen as an atom, atoms and bonds in order.

    Virtual sites become dummy atoms.

    Raises:
        InputError: RDKit does not accept the valences or the aromatic rings.
    """
    kinds = {order: kind for kind, order in _orders().items()}
    mol = Chem.RWMol()
    for number, charge, aromatic in zip(
        topology.atomic_numbers.tolist(),
        topology.formal_charges.tolist(),
        topology.aromatic_atoms.tolist(),
        strict=True,
    ):
        atom = Chem.Atom(number)
        atom.SetFormalCharge(charge)
        atom.SetNoImplicit(True)
        atom.SetIsAromatic(aromatic)
        mol.AddAtom(atom)
    for (i, j), order in zip(topology.bonds.tolist(), topology.bond_orders.tolist(), strict=True):
        # Bonds start at the heavy atom: RDKit's RemoveHs inverts double bonds beside others.
        ends = (j, i) if topology.atomic_numbers[i] == 1 else (i, j)
        mol.AddBond(*ends, kinds[order])
        if order == 1.5:
            mol.GetBondWithIdx(mol.GetNumBonds() - 1).SetIsAromatic(True)
    _set_residues(mol, topology)
    try:
        with rdBase.BlockLogs():
            Chem.SanitizeMol(mol)
    except (Chem.MolSanitizeException, ValueError) as error:
        raise InputError(
            f"RDKit does not accept this topology: {error}; check its bond orders, formal charges "
            "and hydrogens"
        ) from error
    set_rdkit_stereo(mol, topology.chirality, topology.bond_stereo)
    return mol.GetMol()


def stereo_from_positions(topology: Topology, positions: Float[np.ndarray, "atoms 3"]) -> Topology:
    """The topology with the stereo that positions [nm] show."""
    mol = rdkit_from_topology(topology)
    conformer = Chem.Conformer(topology.n_atoms)
    conformer.SetPositions(np.asarray(positions, dtype=np.float64) / ANGSTROM)
    mol.AddConformer(conformer)
    Chem.AssignStereochemistryFrom3D(mol)
    return replace(
        topology,
        chirality=chirality_from_rdkit(mol),
        bond_stereo=bond_stereo_from_rdkit(mol, topology.bonds),
    )


def _orders() -> dict[Chem.BondType, float]:
    kind = Chem.BondType
    return {kind.SINGLE: 1.0, kind.AROMATIC: 1.5, kind.DOUBLE: 2.0, kind.TRIPLE: 3.0}


def _order(bond: Chem.Bond) -> float:
    order = _orders().get(bond.GetBondType())
    if order is None:
        raise InputError(
            f"the bond between atoms {bond.GetBeginAtomIdx()} and {bond.GetEndAtomIdx()} is of "
            f"type {bond.GetBondType()}; wanted single, double, triple or aromatic, write it as one"
        )
    return order


def _check_hydrogens(mol: Chem.Mol) -> None:
    for atom in mol.GetAtoms():
        missing = atom.GetTotalNumHs()
        if missing:
            raise InputError(
                f"hydrogens are missing: atom {atom.GetIdx()} ({atom.GetSymbol()}) lacks "
                f"{missing}; every hydrogen must be an atom, add them, for example with "
                "rdkit.Chem.AddHs(mol, addCoords=True)"
            )


def _residue_fields(atoms: list[Chem.Atom]) -> dict[str, ArrayInput]:
    """Names and residues for `Topology.create`; nothing if any atom has none."""
    infos = [atom.GetPDBResidueInfo() for atom in atoms]
    if not infos or any(info is None for info in infos):
        return {}
    labels = [
        (
            info.GetResidueName().strip(),
            f"{info.GetResidueNumber()}{info.GetInsertionCode().strip()}",
            info.GetChainId().strip(),
        )
        for info in infos
    ]
    starts = [i for i, label in enumerate(labels) if i == 0 or label != labels[i - 1]]
    residue_idx = np.zeros(len(labels), dtype=np.int32)
    residue_idx[starts[1:]] = 1
    names, ids, chains = zip(*(labels[i] for i in starts), strict=True)
    return {
        "atom_names": [info.GetName().strip() for info in infos],
        "residue_idx": np.cumsum(residue_idx),
        "residue_names": names,
        "residue_ids": ids,
        "chain_ids": chains,
    }


def _set_residues(mol: Chem.RWMol, topology: Topology) -> None:
    residues = [
        (name, *_split_residue_id(number), chain)
        for name, number, chain in zip(
            topology.residue_names.tolist(),
            topology.residue_ids.tolist(),
            topology.chain_ids.tolist(),
            strict=True,
        )
    ]
    for index, (name, residue) in enumerate(
        zip(topology.atom_names.tolist(), topology.residue_idx.tolist(), strict=True)
    ):
        residue_name, number, insertion, chain = residues[residue]
        info = Chem.AtomPDBResidueInfo()
        info.SetName(name if len(name) >= 4 else f" {name:<3}")
        info.SetResidueName(residue_name)
        info.SetResidueNumber(number)
        info.SetInsertionCode(insertion)
        info.SetChainId(chain)
        mol.GetAtomWithIdx(index).SetMonomerInfo(info)


def _split_residue_id(text: str) -> tuple[int, str]:
    """Number and insertion code; a number that is not decimal counts as 0."""
    digits = text.rstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    try:
        return int(digits), text[len(digits) :]
    except ValueError:
        return 0, ""
