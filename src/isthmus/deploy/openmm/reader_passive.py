"""Readers of forces that act on a simulation and have no energy: thermostats, barostats."""

from isthmus.deploy.openmm.reader_registry import ForceToRead, Reading, reads

__all__ = ["read_passive"]


@reads(
    "AndersenThermostat",
    "CMMotionRemover",
    "MonteCarloAnisotropicBarostat",
    "MonteCarloBarostat",
    "MonteCarloFlexibleBarostat",
    "MonteCarloMembraneBarostat",
    "RPMDMonteCarloBarostat",
)
def read_passive(item: ForceToRead) -> Reading:
    """Nothing but a note."""
    kind = type(item.force).__name__
    called = item.label if kind in item.label else f"{item.label} ({kind})"
    return Reading(notes=(f"{called}: has no energy, so it is not part of the potential",))
