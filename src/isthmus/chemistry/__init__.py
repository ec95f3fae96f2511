"""Molecules: topology, bonded clusters, and readers for SMILES, SDF, PDB and extended XYZ."""

from isthmus.chemistry.clusters import Clusters, further_pairs
from isthmus.chemistry.molecule import Molecule, combine
from isthmus.chemistry.pdb import read_pdb
from isthmus.chemistry.read import read
from isthmus.chemistry.sdf import read_sdf
from isthmus.chemistry.smiles import from_smiles, read_smi
from isthmus.chemistry.topology import Topology, concatenate
from isthmus.chemistry.xyz import XyzGroup, read_xyz, read_xyz_groups

__all__ = [
    "Clusters",
    "Molecule",
    "Topology",
    "XyzGroup",
    "combine",
    "concatenate",
    "from_smiles",
    "further_pairs",
    "read",
    "read_pdb",
    "read_sdf",
    "read_smi",
    "read_xyz",
    "read_xyz_groups",
]
