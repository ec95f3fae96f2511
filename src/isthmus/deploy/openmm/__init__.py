"""OpenMM in both directions: any System in, any potential out."""

from isthmus.deploy.openmm.combining import combine
from isthmus.deploy.openmm.evaluating import EngineEnergies, evaluate_openmm
from isthmus.deploy.openmm.exporting import to_openmm, write_system_xml
from isthmus.deploy.openmm.importing import from_openmm, read_system_xml

__all__ = [
    "EngineEnergies",
    "combine",
    "evaluate_openmm",
    "from_openmm",
    "read_system_xml",
    "to_openmm",
    "write_system_xml",
]
