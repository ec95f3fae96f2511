"""Isthmus: force fields anywhere between molecular mechanics and machine learning.

Names below are imported when they are first used, so that `import isthmus` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from isthmus.chemistry.molecule import Molecule
    from isthmus.chemistry.read import read
    from isthmus.chemistry.smiles import from_smiles
    from isthmus.chemistry.topology import Topology
    from isthmus.deploy.openmm.exporting import to_openmm, write_system_xml
    from isthmus.deploy.openmm.importing import from_openmm
    from isthmus.deploy.spec import resolve_force_field
    from isthmus.designs.design import Design
    from isthmus.designs.schema import design_names, parse_design, preset, read_design
    from isthmus.errors import IsthmusError
    from isthmus.forcefield.file import load_force_field, save_force_field
    from isthmus.forcefield.forcefield import ForceField
    from isthmus.forcefield.potential import Potential
    from isthmus.terms.nonbonded_method import NonbondedMethod

__all__ = [
    "Design",
    "ForceField",
    "IsthmusError",
    "Molecule",
    "NonbondedMethod",
    "Potential",
    "Topology",
    "__version__",
    "design_names",
    "from_openmm",
    "from_smiles",
    "load_force_field",
    "parse_design",
    "preset",
    "read",
    "read_design",
    "resolve_force_field",
    "save_force_field",
    "to_openmm",
    "write_system_xml",
]

__version__ = "0.1.0"

_HOMES = {
    "Design": "isthmus.designs.design",
    "ForceField": "isthmus.forcefield.forcefield",
    "IsthmusError": "isthmus.errors",
    "Molecule": "isthmus.chemistry.molecule",
    "NonbondedMethod": "isthmus.terms.nonbonded_method",
    "Potential": "isthmus.forcefield.potential",
    "Topology": "isthmus.chemistry.topology",
    "design_names": "isthmus.designs.schema",
    "from_openmm": "isthmus.deploy.openmm.importing",
    "from_smiles": "isthmus.chemistry.smiles",
    "load_force_field": "isthmus.forcefield.file",
    "parse_design": "isthmus.designs.schema",
    "preset": "isthmus.designs.schema",
    "read": "isthmus.chemistry.read",
    "read_design": "isthmus.designs.schema",
    "resolve_force_field": "isthmus.deploy.spec",
    "save_force_field": "isthmus.forcefield.file",
    "to_openmm": "isthmus.deploy.openmm.exporting",
    "write_system_xml": "isthmus.deploy.openmm.exporting",
}


def __getattr__(name: str) -> Any:
    """Import a public name from its home when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module 'isthmus' has no attribute '{name}'")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
