"""Our topologies as OpenMM's, for its force fields and its file writers."""

from itertools import groupby
from typing import TYPE_CHECKING

from isthmus.chemistry.topology import Topology
from isthmus.types import Box

if TYPE_CHECKING:
    import openmm.app

__all__ = ["openmm_topology"]


def openmm_topology(topology: Topology, box: Box = None) -> "openmm.app.Topology":
    """Atoms in the same order, with bonds, residues, chains and box [nm].

    Neighbouring residues of one chain id form a chain. Virtual sites have no element.
    """
    import openmm
    from openmm import app

    result = app.Topology()
    residues = []
    for chain_id, group in groupby(enumerate(topology.chain_ids.tolist()), key=lambda r: r[1]):
        chain = result.addChain(chain_id or None)
        for residue, _ in group:
            number, insertion = _number_and_insertion(str(topology.residue_ids[residue]))
            name = str(topology.residue_names[residue])
            residues.append(result.addResidue(name, chain, number, insertion))
    atoms = [
        result.addAtom(name, _element(number), residues[residue])
        for name, number, residue in zip(
            topology.atom_names.tolist(),
            topology.atomic_numbers.tolist(),
            topology.residue_idx.tolist(),
            strict=True,
        )
    ]
    kinds = {1.0: app.Single, 1.5: app.Aromatic, 2.0: app.Double, 3.0: app.Triple}
    for (i, j), order in zip(topology.bonds.tolist(), topology.bond_orders.tolist(), strict=True):
        result.addBond(atoms[i], atoms[j], kinds[order])
    if box is not None:
        result.setPeriodicBoxVectors([openmm.Vec3(*map(float, row)) for row in box])
    return result


def _element(atomic_number: int) -> "openmm.app.Element | None":
    from openmm.app import Element

    return Element.getByAtomicNumber(atomic_number) if atomic_number else None


def _number_and_insertion(residue_id: str) -> tuple[str, str]:
    """A residue id such as 52A is a number and an insertion code."""
    number = residue_id.rstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    return (number, residue_id[len(number) :]) if number else (residue_id, "")
