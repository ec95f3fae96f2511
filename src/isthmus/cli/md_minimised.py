"""What `isthmus md` says of a minimisation, by either engine."""

import typer

__all__ = ["say_minimised"]


def say_minimised(energy: float, largest_force: float, *, wanted: float | None = None) -> None:
    """Energy and largest force; what it means, and what to do, where that is not small enough.

    Args:
        energy: [kJ/mol].
        largest_force: of an atom [kJ/mol/nm].
        wanted: the largest force should not be beyond this [kJ/mol/nm]; None: it says nothing.
    """
    typer.echo(
        f"isthmus: minimised: {energy:.6g} kJ/mol, largest force {largest_force:.3g} kJ/mol/nm",
        err=True,
    )
    if wanted is not None and largest_force > wanted:
        typer.echo(
            f"isthmus: note: not converged (a force of {wanted:g} was wanted): the run starts "
            "from a strained structure. A thermostat takes the strain away in some picoseconds, "
            "which means should leave out; with --thermostat nve the run is hotter than asked for. "
            "If it breaks early, atoms clash: start from another structure, or from the last frame "
            "of a short run with a small --timestep",
            err=True,
        )
